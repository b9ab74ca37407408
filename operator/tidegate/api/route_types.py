"""The route of a ModelDeployment as users write it (api.md, 5.2): `spec.traffic.gatewayAPI`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tidegate.api import schema
from tidegate.api.durations import seconds_of
from tidegate.api.schema import DurationBetween, Part, Rule, built_in
from tidegate.api.user_route_types import MODES, RouteKind, RouteRef


class ParentRef(Part):
    """A Gateway."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: schema.ObjectName = Field(description="Name of the Gateway.")
    namespace: schema.Name | None = Field(
        default=None,
        description="Namespace of the Gateway.",
        json_schema_extra=built_in("the object's own"),
    )
    section_name: schema.ObjectName | None = Field(
        default=None, description="Listener of the Gateway; all that fit where left out."
    )
    port: schema.Port | None = Field(
        default=None, description="Port of the Gateway; all that fit where left out."
    )


class PathMatch(Part):
    """A path prefix."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    type: Literal["PathPrefix"] = Field(default="PathPrefix", description="How paths compare.")
    value: Annotated[str, Field(max_length=1024, pattern=r"^/[^\s?#]*$")] = Field(
        description="The prefix; starts with a slash."
    )


class RouteMatch(Part):
    """Which requests a route takes."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    path: PathMatch = Field(description="Path of the request.")


Hostname = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]


RouteTimeout = Annotated[str, DurationBetween("0s", "24h")]


class Timeouts(Part):
    """How long a request may take at the Gateway; 0s is no limit."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    request: RouteTimeout | None = Field(
        default=None,
        description="Longest time from the client's request to the end of its answer.",
        json_schema_extra=built_in("left to the Gateway"),
    )
    backend_request: RouteTimeout | None = Field(
        default=None,
        description="Longest time for one try at a pod; not longer than request.",
        json_schema_extra=built_in("left to the Gateway"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V33",
            cel=(
                "!has(self.request) || !has(self.backendRequest) || "
                "duration(self.request) == duration('0s') || "
                "duration(self.backendRequest) <= duration(self.request)"
            ),
            message=(
                "backendRequest must not be longer than request: lower it, or raise request "
                "(0s is no limit)"
            ),
            field="backendRequest",
            holds=lambda it: _fits_into(it.backend_request, it.request),
        ),
    )


def _fits_into(inner: str | None, outer: str | None) -> bool:
    if inner is None or outer is None or seconds_of(outer) == 0:
        return True
    return seconds_of(inner) <= seconds_of(outer)


# As in Gateway API: RFC 7230's token.
HeaderName = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$")
]


class Header(Part):
    """A header with its value."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: HeaderName = Field(description="Name of the header; upper or lower case is the same.")
    value: Annotated[
        str, Field(min_length=1, max_length=4096, pattern=r"^[!-~]+([\t ][!-~]+)*$")
    ] = Field(description="Value of the header: printable ASCII, single blanks between words.")


Headers = Annotated[list[Header], Field(max_length=16)]


def _each_once(names: list[str]) -> bool:
    return len(names) == len({name.lower() for name in names})


class HeaderModifier(Part):
    """Which headers are changed."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    set: Headers = Field(
        default=[],
        description="Headers that get this value, whatever they had.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    add: Headers = Field(
        default=[],
        description="Headers that get this value besides what they have.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    remove: Annotated[list[HeaderName], Field(max_length=16)] = Field(
        default=[], description="Headers that are removed.", json_schema_extra=schema.ATOMIC_LIST
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V34",
            cel=" && ".join(
                f"(!has(self.{member}) || self.{member}.all(a, self.{member}.exists_one(b, "
                f"b{name}.lowerAscii() == a{name}.lowerAscii())))"
                for member, name in (("set", ".name"), ("add", ".name"), ("remove", ""))
            ),
            message=(
                "a header may stand once in each of set, add and remove, whatever its case: "
                "leave out repetitions"
            ),
            field="",
            holds=lambda it: all(
                _each_once(names)
                for names in ([h.name for h in it.set], [h.name for h in it.add], it.remove)
            ),
        ),
    )


def _named_by_type(kind: str, member: Callable[[Any], HeaderModifier | None]) -> Rule:
    """The member that `type` names is set, and no other."""
    field = kind[0].lower() + kind[1:]
    return Rule(
        id="V35",
        cel=f"(self.type == '{kind}') == has(self.{field})",
        message=(
            f"{field} must be set exactly when type is {kind}: "
            "set the member that type names, and no other"
        ),
        field=field,
        holds=lambda it: (it.type == kind) == (member(it) is not None),
    )


class RouteFilter(Part):
    """A change of every request or answer on its way through the Gateway."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    type: Literal["RequestHeaderModifier", "ResponseHeaderModifier"] = Field(
        description="What is changed; the member of this name says how."
    )
    request_header_modifier: HeaderModifier | None = Field(
        default=None, description="Headers of requests."
    )
    response_header_modifier: HeaderModifier | None = Field(
        default=None, description="Headers of answers."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _named_by_type("RequestHeaderModifier", lambda it: it.request_header_modifier),
        _named_by_type("ResponseHeaderModifier", lambda it: it.response_header_modifier),
    )


class GatewayAPI(Part):
    """The route that carries the split: one that the operator writes, or those of the user."""

    mode: Literal["Managed", "Existing"] = Field(
        default="Managed",
        description=(
            "Managed: the operator writes a route. Existing: it changes weights in yours. Cannot be "
            "changed later."
        ),
    )
    route_refs: Annotated[list[RouteRef], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description=(
            "Existing: your routes. Rules that name the Services <service> and <service>-candidate get "
            "the weights; nothing else of them changes."
        ),
        json_schema_extra=schema.ATOMIC_LIST,
    )
    route_kind: RouteKind = Field(
        default="HTTPRoute",
        description="Managed: kind of the route. Cannot be changed later.",
    )
    parent_refs: Annotated[list[ParentRef], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="Managed: Gateways that the route attaches to.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    hostnames: Annotated[list[Hostname], Field(max_length=16)] = Field(
        default=[],
        description="Host names of the route; all where left out.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    matches: Annotated[list[RouteMatch], Field(min_length=1, max_length=8)] = Field(
        default=[RouteMatch(path=PathMatch(value="/"))],
        description="Requests that the route takes.",
        json_schema_extra={**schema.ATOMIC_LIST, **built_in("path prefix /")},
    )
    timeouts: Timeouts = Field(
        default=Timeouts(),
        description="How long requests may take; for Gateways that know timeouts.",
    )
    filters: Annotated[list[RouteFilter], Field(max_length=2)] = Field(
        default=[],
        description="Headers that the Gateway changes, for stable and candidate alike.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        *MODES,
        Rule(
            id="V36",
            cel=(
                "!has(self.filters) || "
                "self.filters.all(a, self.filters.exists_one(b, b.type == a.type))"
            ),
            message="each type of filter may stand once: put the headers of both into one",
            field="filters",
            holds=lambda it: len(it.filters) == len({one.type for one in it.filters}),
        ),
    )
