"""The HTTPProxy of a ModelDeployment as users write it: `spec.traffic.contour` (docs/adr/0056)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.durations import seconds_of
from tidegate.api.route_types import Hostname
from tidegate.api.schema import DurationBetween, Part, Rule, built_in

PathPrefix = Annotated[str, Field(max_length=1024, pattern=r"^/[^\s?#]*$")]
ProxyTimeout = Annotated[str, DurationBetween("0s", "24h")]


def once(id_: str) -> Rule:
    """Of whatever has path prefixes."""
    return Rule(
        id=id_,
        cel=(
            "!has(self.pathPrefixes) || "
            "self.pathPrefixes.all(a, self.pathPrefixes.exists_one(b, b == a))"
        ),
        message="a path prefix may stand once: leave out repetitions",
        field="pathPrefixes",
        holds=lambda it: len(it.path_prefixes) == len(set(it.path_prefixes)),
    )


class ProxyRef(Part):
    """An HTTPProxy that belongs to the user."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: schema.ObjectName = Field(description="Name of the HTTPProxy.")
    namespace: schema.Name | None = Field(
        default=None,
        description="Namespace of the HTTPProxy.",
        json_schema_extra=built_in("the object's own"),
    )


class ProxyTLS(Part):
    """How the host name is served over TLS."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    secret_name: schema.ObjectName = Field(
        description="Secret with the certificate, in this namespace; Contour reads it, we do not."
    )


class ProxyTimeouts(Part):
    """How long a request may take at Envoy; 0s is no limit."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    response: ProxyTimeout | None = Field(
        default=None,
        description="Longest time from the end of a request to the end of its answer.",
        json_schema_extra=built_in("left to Contour: 15s"),
    )
    idle: ProxyTimeout | None = Field(
        default=None,
        description="Longest time without a byte while a request is under way.",
        json_schema_extra=built_in("left to Contour: 5m"),
    )


class Contour(Part):
    """The HTTPProxy that the operator writes: a root of its own, or a part of one of yours."""

    fqdn: Hostname | None = Field(
        default=None, description="Host name of a root of its own; this or includedBy."
    )
    tls: ProxyTLS | None = Field(default=None, description="TLS of the host name.")
    included_by: ProxyRef | None = Field(
        default=None,
        description="Your HTTPProxy that includes ours, for whatever else its host name needs.",
    )
    ingress_class_name: schema.ObjectName | None = Field(
        default=None,
        description="Which Contour serves it.",
        json_schema_extra=built_in("left to Contour"),
    )
    path_prefixes: Annotated[list[PathPrefix], Field(max_length=8)] = Field(
        default=[],
        description="Paths of the requests that it takes, below those of the include; all by default.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    timeouts: ProxyTimeouts = Field(
        default=ProxyTimeouts(), description="How long requests may take."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V51",
            cel="has(self.fqdn) != has(self.includedBy)",
            message=(
                "exactly one of fqdn and includedBy must be set: give ours a host name, or name your "
                "HTTPProxy that includes it"
            ),
            field="fqdn",
            holds=lambda it: (it.fqdn is None) != (it.included_by is None),
        ),
        Rule(
            id="V52",
            cel="!has(self.tls) || has(self.fqdn)",
            message="tls belongs to a host name: set fqdn, or write tls into your own HTTPProxy",
            field="tls",
            holds=lambda it: it.tls is None or it.fqdn is not None,
        ),
        once("V53"),
    )


def read(given: Contour) -> model.ContourProxy:
    """The settings in the words of the model."""
    parent = given.included_by
    return model.ContourProxy(
        fqdn=given.fqdn or "",
        tls_secret=given.tls.secret_name if given.tls else "",
        included_by=model.ProxyRef(name=parent.name, namespace=parent.namespace or "")
        if parent
        else None,
        ingress_class=given.ingress_class_name or "",
        path_prefixes=tuple(given.path_prefixes),
        response_timeout=_timeout(given.timeouts.response),
        idle_timeout=_timeout(given.timeouts.idle),
    )


def _timeout(given: str | None) -> str:
    """As it was written; no limit is a word in Contour."""
    if given is None:
        return ""
    return given if seconds_of(given) > 0 else "infinity"
