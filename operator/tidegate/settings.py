"""The operator's own settings: what the administrator decides, never a tenant.

`load` reads the mapping of the settings file (camelCase, as in Kubernetes) and fails fast with a
message that names the field. Numbers are seconds where the name says so.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.settings_reader import Reader, SettingsError

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# A label selector in words, as the API server takes it; the chart refuses the same.
_KEY = r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = rf"\( *{_VALUE}( *, *{_VALUE})* *\)"
_TERM = rf"(! *{_KEY}|{_KEY}( *(=|==|!=) *{_VALUE}| +(in|notin) *{_SET})?)"
_SELECTOR = re.compile(rf" *{_TERM}( *, *{_TERM})* *")
_LOG_LEVELS = ("debug", "info", "warning", "error")
# Headers and parameters stand in a ConfigMap; these would be secrets in plain text.
_SECRET_NAME = re.compile(
    r"(^|[-_.])(authorization|auth|cookie|credentials?|key|apikey|passw(or)?d|secret|token)($|[-_.])",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"(bearer|basic|digest|token)\s", re.IGNORECASE)
_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OUR_PARAMETERS = frozenset({"query", "time", "timeout"})


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
class HookReceiverSettings:
    """A host that tenants may let the operator call, such as a training pipeline.

    `host` is a name, `*.` in front stands for any names below it; any port of it is allowed. The key
    by which calls are signed stands in a file. Only ModelDeployments of `namespaces` may call it; none
    means all.
    """

    host: str
    signing_key_file: str
    ca_file: str = ""
    namespaces: tuple[str, ...] = ()
    plain_http: bool = False

    def is_for(self, hostname: str) -> bool:
        """Whether this entry is about a host."""
        name = hostname.lower()
        if self.host.startswith("*."):
            return name.endswith(self.host[1:])
        return name == self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationReceiverSettings:
    """A receiver of news that tenants may name. Its URL, often a secret itself, stands in a file.

    So do the key by which messages are signed and the bearer token, if they are wanted. Only
    NotificationProviders of `namespaces` may name it; none means all.
    """

    name: str
    url_file: str
    signing_key_file: str = ""
    bearer_token_file: str = ""
    ca_file: str = ""
    namespaces: tuple[str, ...] = ()
    plain_http: bool = False


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
    At most `objects_with_metrics` ModelDeployments have metrics of their own. `approvers_verified`:
    the API server admits no RolloutApproval in the name of another user; else none counts.
    """

    namespaces: tuple[str, ...] = ()
    namespace_selector: str = ""
    leader_election: LeaderElectionSettings = LeaderElectionSettings()
    workers: int = 32
    sweep_interval_seconds: float = 600.0
    http_port: int = 8080
    log_level: str = "info"
    objects_with_metrics: int = 0
    metric_sources: tuple[MetricSourceSettings, ...] = ()
    hook_receivers: tuple[HookReceiverSettings, ...] = ()
    notification_receivers: tuple[NotificationReceiverSettings, ...] = ()
    approvers_verified: bool = False

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
    reader = Reader(_merged(document, flags or {}), path="")
    settings = Settings(
        namespaces=_namespaces(reader),
        namespace_selector=_namespace_selector(reader),
        leader_election=_leader_election(reader.section("leaderElection")),
        workers=reader.integer("workers", default=32, low=1, high=256),
        sweep_interval_seconds=reader.number(
            "sweepIntervalSeconds", default=600.0, low=10.0, high=86_400.0
        ),
        http_port=reader.integer("httpPort", default=8080, low=1, high=65_535),
        log_level=reader.choice("logLevel", default="info", allowed=_LOG_LEVELS),
        objects_with_metrics=reader.integer("objectsWithMetrics", default=0, low=0, high=10_000),
        metric_sources=tuple(_metric_source(item) for item in reader.sections("metricSources")),
        hook_receivers=tuple(_hook_receiver(item) for item in reader.sections("hookReceivers")),
        notification_receivers=tuple(
            _notification_receiver(item) for item in reader.sections("notificationReceivers")
        ),
        approvers_verified=reader.flag("approversVerified"),
    )
    reader.refuse_unknown()
    _refuse_duplicates("metricSources[{}].name", [it.name for it in settings.metric_sources])
    _refuse_duplicates("hookReceivers[{}].host", [it.host for it in settings.hook_receivers])
    _refuse_duplicates(
        "notificationReceivers[{}].name", [it.name for it in settings.notification_receivers]
    )
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


def _namespaces(reader: Reader) -> tuple[str, ...]:
    names = reader.strings("namespaces")
    for index, name in enumerate(names):
        if not _DNS_LABEL.fullmatch(name):
            path = reader.at(f"namespaces[{index}]")
            raise SettingsError(f"{path}: {name!r} is not the name of a namespace")
    return tuple(sorted(set(names)))


def _namespace_selector(reader: Reader) -> str:
    text = reader.text("namespaceSelector", default="")
    if text and not _SELECTOR.fullmatch(text):
        raise SettingsError(
            f"namespaceSelector: {text!r} is no label selector: write it as served=yes, or as "
            "team in (a, b), several with commas"
        )
    return text


def _leader_election(reader: Reader) -> LeaderElectionSettings:
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


def _metric_source(reader: Reader) -> MetricSourceSettings:
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


def _basic_auth(reader: Reader) -> BasicAuth | None:
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


def _check_namespaces(source: MetricSourceSettings, *, reader: Reader) -> None:
    """A proxy that enforces a namespace is fixed to some, or has to be told which one."""
    if source.enforces_namespace and not source.namespaces and not source.namespace_parameter:
        raise SettingsError(
            f"{reader.at('enforcesNamespace')}: which namespace? List those whose series the source "
            "shows in namespaces, or name the parameter that tells it in namespaceParameter"
        )


def _check_names(source: MetricSourceSettings, *, reader: Reader) -> None:
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


def _check_credentials(source: MetricSourceSettings, *, reader: Reader) -> None:
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


def _hook_receiver(reader: Reader) -> HookReceiverSettings:
    found = HookReceiverSettings(
        host=reader.text("host").lower(),
        signing_key_file=reader.text("signingKeyFile"),
        ca_file=reader.text("caFile", default=""),
        namespaces=_namespaces(reader),
        plain_http=reader.flag("plainHTTP"),
    )
    reader.refuse_unknown()
    if not _HOST.fullmatch(found.host):
        raise SettingsError(
            f"{reader.at('host')}: {found.host!r} is no host such as train.example.com or "
            "*.hooks.example.com; it has neither scheme nor port"
        )
    return found


def _notification_receiver(reader: Reader) -> NotificationReceiverSettings:
    found = NotificationReceiverSettings(
        name=reader.text("name"),
        url_file=reader.text("urlFile"),
        signing_key_file=reader.text("signingKeyFile", default=""),
        bearer_token_file=reader.text("bearerTokenFile", default=""),
        ca_file=reader.text("caFile", default=""),
        namespaces=_namespaces(reader),
        plain_http=reader.flag("plainHTTP"),
    )
    reader.refuse_unknown()
    if not _DNS_LABEL.fullmatch(found.name):
        raise SettingsError(f"{reader.at('name')}: {found.name!r} is no name such as risk-chat")
    return found


def _refuse_duplicates(path: str, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise SettingsError(f"{path.format(index)}: {name!r} occurs twice")
