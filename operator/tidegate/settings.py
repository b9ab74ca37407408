"""The operator's own settings: what the administrator decides, never a tenant.

`load` reads the mapping of the settings file (camelCase, as in Kubernetes) and fails fast with a
message that names the field. Numbers are seconds where the name says so.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LOG_LEVELS = ("debug", "info", "warning", "error")
# Headers and parameters stand in a ConfigMap; these would be secrets in plain text.
_SECRET_NAME = re.compile(
    r"(^|[-_.])(authorization|auth|cookie|credentials?|key|apikey|passw(or)?d|secret|token)($|[-_.])",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"(bearer|basic|digest|token)\s", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OUR_PARAMETERS = frozenset({"query", "time", "timeout"})


class SettingsError(ValueError):
    """A setting that cannot be used; the message starts with the field's path."""


_DEADLINE_FACTOR = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """A user, by name or by the file that holds the name, and the file of the password."""

    password_file: str
    username: str = ""
    username_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSourceSettings:
    """A Prometheus that tenants may name. Credentials are files mounted by the administrator.

    Only ModelDeployments of `namespaces` may name it; none means all. `namespace_parameter` is the
    parameter of the URL that tells a proxy the namespace of the asker. `enforces_namespace` says
    that the proxy adds a namespace matcher to every selector; only then may tenants write free
    queries (api.md, 8.2). `header_files` are headers whose values stand in files.
    """

    name: str
    url: str
    scrape_interval_seconds: float = 15.0
    timeout_seconds: float = 5.0
    bearer_token_file: str = ""
    ca_file: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, str] = field(default_factory=dict)
    basic_auth: BasicAuth | None = None
    client_certificate_file: str = ""
    client_key_file: str = ""
    proxy_url: str = ""
    query_parameters: Mapping[str, str] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    namespace_parameter: str = ""
    enforces_namespace: bool = False
    credentials_over_http: bool = False

    def is_open_to(self, namespace: str) -> bool:
        """Whether ModelDeployments of the namespace may name it."""
        return not self.namespaces or namespace in self.namespaces

    def asked_for(self, namespace: str) -> Mapping[str, str]:
        """What a query has to say beside its text: for whom it is, where the source wants that."""
        return {"namespace": namespace} if self.namespace_parameter else {}

    @property
    def deadline_seconds(self) -> float:
        """When to stop waiting for any kind of source; the adapter's own time-out comes earlier."""
        return _DEADLINE_FACTOR * self.timeout_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElectionSettings:
    """The election record and its clock (architecture.md, 4)."""

    name: str = "tidegate-controller"
    namespace: str = "tidegate-system"
    lease_duration_seconds: float = 15.0
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the administrator decides. No namespaces means the whole cluster.

    With `namespace_selector`, a label selector, only those of its namespaces that have these labels.
    """

    namespaces: tuple[str, ...] = ()
    namespace_selector: str = ""
    leader_election: LeaderElectionSettings = LeaderElectionSettings()
    workers: int = 32
    sweep_interval_seconds: float = 600.0
    http_port: int = 8080
    log_level: str = "info"
    metric_sources: tuple[MetricSourceSettings, ...] = ()

    @property
    def operator(self) -> str:
        """The name of this installation, by which others know it: that of its Lease."""
        return f"{self.leader_election.namespace}/{self.leader_election.name}"

    @property
    def sources(self) -> Mapping[str, MetricSourceSettings]:
        """The metric sources by name."""
        return {source.name: source for source in self.metric_sources}

    def sources_of(self, namespace: str) -> Mapping[str, MetricSourceSettings]:
        """The metric sources by name that are open to a namespace."""
        return {name: it for name, it in self.sources.items() if it.is_open_to(namespace)}


def load(document: Mapping[str, object], *, flags: Mapping[str, object] | None = None) -> Settings:
    """Settings from the settings file; a flag that is not None goes before the file.

    Shapes: `document` as the chart's ConfigMap holds it; `flags` has the same top-level names, and
            `leaderElection` may be partial.
    Errors: SettingsError for an unknown field, a wrong type or a value out of range.
    """
    reader = _Reader(_merged(document, flags or {}), path="")
    settings = Settings(
        namespaces=_namespaces(reader),
        namespace_selector=reader.text("namespaceSelector", default=""),
        leader_election=_leader_election(reader.section("leaderElection")),
        workers=reader.integer("workers", default=32, low=1, high=256),
        sweep_interval_seconds=reader.number(
            "sweepIntervalSeconds", default=600.0, low=10.0, high=86_400.0
        ),
        http_port=reader.integer("httpPort", default=8080, low=1, high=65_535),
        log_level=reader.choice("logLevel", default="info", allowed=_LOG_LEVELS),
        metric_sources=tuple(_metric_source(item) for item in reader.sections("metricSources")),
    )
    reader.refuse_unknown()
    _refuse_duplicates(settings.metric_sources)
    if settings.namespaces and settings.namespace_selector:
        raise SettingsError(
            "namespaceSelector: cannot be used beside namespaces; give the namespaces a label, or "
            "list them"
        )
    return settings


def _merged(base: Mapping[str, object], over: Mapping[str, object]) -> Mapping[str, object]:
    merged = dict(base)
    for name, value in over.items():
        below = base.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[name] = _merged(below, value)
        elif value is not None:
            merged[name] = value
    return merged


def _namespaces(reader: _Reader) -> tuple[str, ...]:
    names = reader.strings("namespaces")
    for index, name in enumerate(names):
        if not _DNS_LABEL.fullmatch(name):
            path = reader.at(f"namespaces[{index}]")
            raise SettingsError(f"{path}: {name!r} is not the name of a namespace")
    return tuple(sorted(set(names)))


def _leader_election(reader: _Reader) -> LeaderElectionSettings:
    defaults = LeaderElectionSettings()
    result = LeaderElectionSettings(
        name=reader.text("name", default=defaults.name),
        namespace=reader.text("namespace", default=defaults.namespace),
        lease_duration_seconds=reader.number(
            "leaseDurationSeconds", default=defaults.lease_duration_seconds, low=1.0, high=3600.0
        ),
        renew_deadline_seconds=reader.number(
            "renewDeadlineSeconds", default=defaults.renew_deadline_seconds, low=0.5, high=3600.0
        ),
        retry_seconds=reader.number(
            "retrySeconds", default=defaults.retry_seconds, low=0.1, high=3600.0
        ),
    )
    reader.refuse_unknown()
    in_order = result.retry_seconds < result.renew_deadline_seconds < result.lease_duration_seconds
    if not in_order:
        raise SettingsError(
            "leaderElection: retrySeconds < renewDeadlineSeconds < leaseDurationSeconds must hold,"
            " else two leaders could act at once"
        )
    if not result.lease_duration_seconds.is_integer():
        raise SettingsError("leaderElection.leaseDurationSeconds: must be a whole number")
    return result


def _metric_source(reader: _Reader) -> MetricSourceSettings:
    source = MetricSourceSettings(
        name=reader.text("name"),
        url=reader.text("url").rstrip("/"),
        scrape_interval_seconds=reader.number(
            "scrapeIntervalSeconds", default=15.0, low=1.0, high=600.0
        ),
        timeout_seconds=reader.number("timeoutSeconds", default=5.0, low=0.1, high=60.0),
        bearer_token_file=reader.text("bearerTokenFile", default=""),
        ca_file=reader.text("caFile", default=""),
        headers=reader.string_map("headers"),
        header_files=reader.string_map("headerFiles"),
        basic_auth=_basic_auth(reader.section("basicAuth")),
        client_certificate_file=reader.text("clientCertificateFile", default=""),
        client_key_file=reader.text("clientKeyFile", default=""),
        proxy_url=reader.text("proxyURL", default="").rstrip("/"),
        query_parameters=reader.string_map("queryParameters"),
        namespaces=_namespaces(reader),
        namespace_parameter=reader.text("namespaceParameter", default=""),
        enforces_namespace=reader.flag("enforcesNamespace"),
        credentials_over_http=reader.flag("credentialsOverHTTP"),
    )
    reader.refuse_unknown()
    _check_url(source.url, path=reader.at("url"), example="http://prometheus.monitoring:9090")
    if source.proxy_url:
        _check_url(source.proxy_url, path=reader.at("proxyURL"), example="http://proxy.corp:3128")
    _check_namespaces(source, reader=reader)
    _check_names(source, reader=reader)
    _check_credentials(source, reader=reader)
    return source


def _basic_auth(reader: _Reader) -> BasicAuth | None:
    found = BasicAuth(
        username=reader.text("username", default=""),
        username_file=reader.text("usernameFile", default=""),
        password_file=reader.text("passwordFile", default=""),
    )
    reader.refuse_unknown()
    if found == BasicAuth(password_file=""):
        return None
    if not found.password_file:
        raise SettingsError(f"{reader.at('passwordFile')}: is missing; a user needs a password")
    if bool(found.username) == bool(found.username_file):
        raise SettingsError(f"{reader.path}: set either username or usernameFile")
    if ":" in found.username:
        raise SettingsError(f"{reader.at('username')}: must not contain a colon")
    return found


def _check_url(text: str, *, path: str, example: str) -> None:
    url = urllib.parse.urlsplit(text)
    if url.username or url.password:
        raise SettingsError(f"{path}: put credentials into files: basicAuth, bearerTokenFile")
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise SettingsError(f"{path}: {text!r} is no URL such as {example}")


def _check_namespaces(source: MetricSourceSettings, *, reader: _Reader) -> None:
    """A proxy that enforces a namespace is fixed to some, or has to be told which one."""
    if source.enforces_namespace and not source.namespaces and not source.namespace_parameter:
        raise SettingsError(
            f"{reader.at('enforcesNamespace')}: which namespace? List those whose series the source "
            "shows in namespaces, or name the parameter that tells it in namespaceParameter"
        )


def _check_names(source: MetricSourceSettings, *, reader: _Reader) -> None:
    """Headers and parameters that can be sent, and hold no secret that everybody could read."""
    for name in (*source.headers, *source.header_files):
        if not _HEADER_NAME.fullmatch(name):
            raise SettingsError(f"{reader.at('headers')}: {name!r} is no name of a header")
    for name, value in source.headers.items():
        if _SECRET_NAME.search(name) or _SECRET_VALUE.match(value):
            raise SettingsError(
                f"{reader.at('headers')}.{name}: would stand in a ConfigMap in plain text; put it "
                "into a file of a Secret: bearerTokenFile, basicAuth or headerFiles"
            )
    taken = _OUR_PARAMETERS | {source.namespace_parameter}
    for name in source.query_parameters:
        if name in taken:
            raise SettingsError(f"{reader.at('queryParameters')}.{name}: is set by the operator")
        if _SECRET_NAME.search(name):
            raise SettingsError(
                f"{reader.at('queryParameters')}.{name}: would stand in a ConfigMap in plain text "
                "and in logs of the source; use headerFiles"
            )
    if source.namespace_parameter in _OUR_PARAMETERS:
        raise SettingsError(f"{reader.at('namespaceParameter')}: is set by the operator")


def _check_credentials(source: MetricSourceSettings, *, reader: _Reader) -> None:
    """One way to say who asks, complete, and not readable on the way."""
    named = {name.lower() for name in source.header_files}
    ways = {
        "bearerTokenFile": bool(source.bearer_token_file),
        "basicAuth": source.basic_auth is not None,
        "headerFiles.Authorization": "authorization" in named,
    }
    given = [way for way, used in ways.items() if used]
    if len(given) > 1:
        raise SettingsError(f"{reader.path}: use only one of {' and '.join(given)}")
    if bool(source.client_certificate_file) != bool(source.client_key_file):
        raise SettingsError(
            f"{reader.path}: clientCertificateFile and clientKeyFile go together; name a file that "
            "holds both twice"
        )
    url = urllib.parse.urlsplit(source.url)
    if url.scheme == "https":
        return
    if source.client_certificate_file:
        raise SettingsError(f"{reader.at('clientCertificateFile')}: needs a url with https")
    sent = [*given, *(f"headerFiles.{name}" for name in source.header_files)]
    if sent and url.hostname not in _LOOPBACK and not source.credentials_over_http:
        raise SettingsError(
            f"{reader.at('url')}: {sent[0]} would be sent unencrypted: use https, or set "
            "credentialsOverHTTP: true where the network encrypts it"
        )


def _refuse_duplicates(sources: Sequence[MetricSourceSettings]) -> None:
    seen: set[str] = set()
    for index, source in enumerate(sources):
        if source.name in seen:
            raise SettingsError(f"metricSources[{index}].name: {source.name!r} occurs twice")
        seen.add(source.name)


class _Reader:
    """Takes typed fields out of a mapping and knows which it has handed out."""

    def __init__(self, fields: Mapping[str, object], *, path: str) -> None:
        self.path = path
        self._fields = fields
        self._taken: set[str] = set()

    def refuse_unknown(self) -> None:
        unknown = sorted(str(name) for name in self._fields.keys() - self._taken)
        if unknown:
            known = ", ".join(sorted(self._taken))
            raise SettingsError(f"{self.at(unknown[0])}: unknown field; known are {known}")

    def text(self, name: str, *, default: str | None = None) -> str:
        value = self._take(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise SettingsError(f"{self.at(name)}: must be a text, got {value!r}")
        return value

    def choice(self, name: str, *, default: str, allowed: Sequence[str]) -> str:
        value = self.text(name, default=default)
        if value not in allowed:
            raise SettingsError(f"{self.at(name)}: must be one of {', '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name, default=False)
        if not isinstance(value, bool):
            raise SettingsError(f"{self.at(name)}: must be true or false, got {value!r}")
        return value

    def number(self, name: str, *, default: float, low: float, high: float) -> float:
        value = self._take(name, default)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not low <= value <= high
        ):
            raise SettingsError(f"{self.at(name)}: must be a number from {low:g} to {high:g}")
        return float(value)

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        value = self.number(name, default=default, low=low, high=high)
        if not value.is_integer():
            raise SettingsError(f"{self.at(name)}: must be a whole number, got {value!r}")
        return int(value)

    def strings(self, name: str) -> list[str]:
        value = self._take(name, default=[])
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f"{self.at(name)}: must be a list of texts, got {value!r}")
        return list(value)

    def string_map(self, name: str) -> Mapping[str, str]:
        value = self._take(name, default={})
        if not isinstance(value, Mapping) or not all(
            isinstance(item, str) for pair in value.items() for item in pair
        ):
            raise SettingsError(f"{self.at(name)}: must map texts to texts")
        return dict(value)

    def section(self, name: str) -> _Reader:
        value = self._take(name, default={})
        if not isinstance(value, Mapping):
            raise SettingsError(f"{self.at(name)}: must be a mapping, got {value!r}")
        return _Reader(value, path=self.at(name))

    def sections(self, name: str) -> list[_Reader]:
        value = self._take(name, default=[])
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{self.at(name)}: must be a list, got {value!r}")
        for index, item in enumerate(value):
            if not isinstance(item, Mapping):
                raise SettingsError(f"{self.at(name)}[{index}]: must be a mapping, got {item!r}")
        return [_Reader(item, path=f"{self.at(name)}[{i}]") for i, item in enumerate(value)]

    def _take(self, name: str, default: object) -> object:
        self._taken.add(name)
        value = self._fields.get(name)
        return default if value is None else value

    def at(self, name: str) -> str:
        """The path of one of its fields."""
        return f"{self.path}.{name}" if self.path else name
