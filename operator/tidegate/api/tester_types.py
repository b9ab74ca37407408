"""Testers as users write them (api.md, 5.3), by header or cookie: `routes` of a canary and of a preview."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.route_types import HeaderName
from tidegate.api.schema import Part, Rule, built_in

COOKIE = "cookie"  # the header in which a browser sends all of them
# As Gateway API takes it: printable ASCII, single blanks between words.
HeaderValue = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]+([\t ][!-~]+)*$")]


class RouteHeader(Part):
    """A header that a request must have."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: HeaderName = Field(description="Name of the header; upper or lower case is the same.")
    exact: HeaderValue | None = Field(default=None, description="Its whole value.")
    prefix: HeaderValue | None = Field(default=None, description="What its value begins with.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V22",
            cel="has(self.exact) != has(self.prefix)",
            message="exactly one of exact and prefix must be set: say how the value compares",
            field="",
            holds=lambda it: (it.exact is None) != (it.prefix is None),
        ),
    )


class RouteCookie(Part):
    """A cookie that a request must have."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")] = Field(
        description="Name of the cookie."
    )
    # RFC 6265, cookie-octet.
    value: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!#-+\--:<-\[\]-~]+$")] = (
        Field(description="Its whole value.")
    )


class TesterRoute(Part):
    """Requests that the candidate answers whatever its weight; all that is named must fit."""

    name: schema.Name = Field(description="Name of the route.")
    headers: Annotated[list[RouteHeader], Field(min_length=1, max_length=4)] | None = Field(
        default=None,
        description="Headers that a request must have.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    cookie: RouteCookie | None = Field(
        default=None, description="A cookie that a request must have."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V22a",
            cel="has(self.headers) || has(self.cookie)",
            message="headers or cookie must be set: say which requests go to the candidate",
            field="",
            holds=lambda it: it.headers is not None or it.cookie is not None,
        ),
        Rule(
            id="V22b",
            cel=(
                "!has(self.headers) || (self.headers.all(a, self.headers.exists_one(b, "
                "b.name.lowerAscii() == a.name.lowerAscii())) && (!has(self.cookie) || "
                f"self.headers.all(a, a.name.lowerAscii() != '{COOKIE}')))"
            ),
            message=(
                "a header may stand once in a route, whatever its case, and the header Cookie not "
                "beside cookie: leave out repetitions"
            ),
            field="headers",
            holds=lambda it: _each_once(it),  # noqa: PLW0108  (defined below)
        ),
    )


def _each_once(route: TesterRoute) -> bool:
    names = [one.name.lower() for one in route.headers or []]
    names += [COOKIE] if route.cookie is not None else []
    return len(names) == len(set(names))


class CanaryRoute(TesterRoute):
    """Requests of testers from some step on."""

    from_step: schema.Name | None = Field(
        default=None,
        description="Step from which on the route is there, until the promotion.",
        json_schema_extra=built_in("the first step"),
    )


# Of a canary: its steps and routes.
ROUTES_OF_STEPS = (
    Rule(
        id="V11",
        cel=(
            "!has(self.steps) || self.steps.all(s, s.weight > 0.0 || (has(self.routes) && "
            "self.routes.exists(r, !has(r.fromStep) || r.fromStep == s.name)))"
        ),
        message=(
            "a step of weight 0 needs routes that are there in it: "
            "raise its weight, or add routes for testers"
        ),
        field="steps",
        holds=lambda it: all(
            step.weight > 0 or any(route.from_step in {None, step.name} for route in it.routes)
            for step in it.steps
        ),
    ),
    Rule(
        id="V23",
        cel=(
            "!has(self.routes) || self.routes.all(r, !has(r.fromStep) || (has(self.steps) ? "
            "self.steps.exists(s, s.name == r.fromStep) : "
            "r.fromStep in ['p10', 'p25', 'p50']))"
        ),
        message="fromStep must be the name of a step (default steps: p10, p25, p50)",
        field="routes",
        holds=lambda it: all(
            route.from_step in {None, *(step.name for step in it.steps)} for route in it.routes
        ),
    ),
)


def _need_gateway(id_: str, member: str, what: str, routes: Callable[[Any], object]) -> Rule:
    """Of a spec: its strategy and its data plane."""
    path = member.replace(".", ".?")
    return Rule(
        id=id_,
        cel=(
            f"!self.?strategy.?{path}.hasValue() || "
            "self.?traffic.?provider.orValue('ReplicaRatio') != 'ReplicaRatio'"
        ),
        message=(
            f"routes of a {what} need a data plane that looks at headers (default provider: "
            "ReplicaRatio, which does not): set traffic.provider to GatewayAPI, Contour, Istio or "
            "NGINX, or remove routes"
        ),
        field=f"strategy.{member}",
        holds=lambda it: not routes(it.strategy) or it.traffic.provider != "ReplicaRatio",
    )


ROUTES_NEED_GATEWAY = (
    _need_gateway("V40", "canary.routes", "canary", lambda it: it.canary.routes),
    _need_gateway(
        "V80",
        "blueGreen.preview.routes",
        "preview",
        lambda it: it.blue_green is not None and it.blue_green.preview.routes,
    ),
)


def routes_at(
    step: str, *, steps: Sequence[str], routes: Sequence[CanaryRoute]
) -> tuple[model.HeaderRoute, ...]:
    """The routes that are there in this step: those that begin with it or with one before."""
    begun = steps[: steps.index(step) + 1]
    return read(one for one in routes if one.from_step is None or one.from_step in begun)


def read(routes: Iterable[TesterRoute]) -> tuple[model.HeaderRoute, ...]:
    """The routes as headers that a data plane compares."""
    return tuple(model.HeaderRoute(name=one.name, headers=_headers(one)) for one in routes)


def _headers(route: TesterRoute) -> tuple[model.Header, ...]:
    found = tuple(_header(one) for one in route.headers or [])
    return (*found, _cookie(route.cookie)) if route.cookie is not None else found


def _header(given: RouteHeader) -> model.Header:
    if given.prefix is None:
        assert given.exact is not None, "the schema requires one of both"
        return model.Header(name=given.name, value=given.exact)
    return _expression(given.name, f"{re.escape(given.prefix)}.*")


def _cookie(given: RouteCookie) -> model.Header:
    """All cookies stand in one header, separated by semicolons (RFC 6265, 4.2.1)."""
    pair = f"{re.escape(given.name)}={re.escape(given.value)}"
    return _expression(COOKIE, rf"(.*;\s*)?{pair}(;.*)?")


def _expression(name: str, text: str) -> model.Header:
    """Anchored, since some planes search where others compare the whole value."""
    return model.Header(name=name, value=f"^{text}$", match=model.HeaderMatch.REGULAR_EXPRESSION)
