"""The VirtualServer of a ModelDeployment as users write it: `spec.traffic.nginx` (docs/adr/0106)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.contour_types import once
from tidegate.api.durations import seconds_of, text_of
from tidegate.api.route_types import Hostname
from tidegate.api.schema import DurationBetween, Part, Rule, built_in

# What NGINX would read as syntax, and segments by which it would leave the path, are no part of it.
_SEGMENT = r"[A-Za-z0-9_~%@:+,=\-][A-Za-z0-9_~%@:+,=.\-]*"
LocationPrefix = Annotated[str, Field(max_length=1024, pattern=rf"^(/|(/{_SEGMENT})+/?)$")]
_HEADER_NAME = "^[A-Za-z0-9-]+$"  # more is none of a variable of NGINX


class VirtualServerTLS(Part):
    """How the host name is served over TLS."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    secret_name: schema.ObjectName = Field(
        description="Secret with the certificate, in this namespace; NGINX reads it, we do not."
    )


class NGINX(Part):
    """The VirtualServer that the operator writes, for NGINX Ingress Controller."""

    host: Hostname = Field(
        description="Host name; no other VirtualServer or Ingress of the controller may have it."
    )
    tls: VirtualServerTLS | None = Field(default=None, description="TLS of the host name.")
    ingress_class_name: schema.ObjectName | None = Field(
        default=None,
        description="Which NGINX Ingress Controller serves it.",
        json_schema_extra=built_in("left to the controllers: each takes it"),
    )
    path_prefixes: Annotated[list[LocationPrefix], Field(max_length=8)] = Field(
        default=[],
        description="What paths of the requests begin with; all by default.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    read_timeout: Annotated[str, DurationBetween("1s", "24h")] | None = Field(
        default=None,
        description="Longest time without a byte of the answer.",
        json_schema_extra=built_in("left to NGINX: 60s"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (once("V109"),)


def read(given: NGINX) -> model.VirtualServer:
    """The settings in the words of the model."""
    return model.VirtualServer(
        host=given.host,
        tls_secret=given.tls.secret_name if given.tls else "",
        ingress_class=given.ingress_class_name or "",
        path_prefixes=tuple(given.path_prefixes),
        read_timeout=text_of(seconds_of(given.read_timeout)) if given.read_timeout else "",
    )


# --- what the rest of a spec has to keep to -------------------------------------------------------


_BY_ANOTHER = "self.?traffic.?provider.orValue('ReplicaRatio') != 'NGINX'"


def _is_by_another(spec: Any) -> bool:
    return spec.traffic.nginx is None


def _names_fit(id_: str, member: str, routes: Callable[[Any], Iterable[Any]]) -> Rule:
    """Of the routes of testers."""
    path = member.replace(".", ".?")
    return Rule(
        id=id_,
        cel=(
            f"{_BY_ANOTHER} || !self.?strategy.?{path}.hasValue() || self.strategy.{member}.all(r, "
            f"!has(r.headers) || r.headers.all(h, h.name.matches('{_HEADER_NAME}')))"
        ),
        message=(
            "provider NGINX compares headers whose names have letters, digits and '-' alone: take "
            "another header, or a cookie"
        ),
        field=f"strategy.{member}",
        holds=lambda it: (
            _is_by_another(it)
            or all(
                re.fullmatch(_HEADER_NAME, header.name)
                for route in routes(it.strategy)
                for header in route.headers or []
            )
        ),
    )


RULES_WITH_NGINX = (
    Rule(
        id="V110",
        cel=(
            f"{_BY_ANOTHER} || !self.?strategy.?canary.?steps.hasValue() || "
            "self.strategy.canary.steps.all(s, s.weight == double(int(s.weight)))"
        ),
        message="provider NGINX shares whole percents alone: round the weights of the steps",
        field="strategy.canary.steps",
        holds=lambda it: (
            _is_by_another(it) or all(step.weight % 1 == 0 for step in it.strategy.canary.steps)
        ),
    ),
    _names_fit("V111", "canary.routes", lambda it: it.canary.routes),
    _names_fit(
        "V112",
        "blueGreen.preview.routes",
        lambda it: it.blue_green.preview.routes if it.blue_green is not None else (),
    ),
)
