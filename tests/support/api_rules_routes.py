"""Rules of routes: of the Gateway API, our own and existing ones, their timeouts and filters."""

from __future__ import annotations

from api_case import Case
from api_examples import ROUTED, Object, place

_ROUTE = "spec.traffic.gatewayAPI"
_SHOP = {"name": "shop"}
_X_A = {"name": "x-a", "value": "1"}


def _filter(side: str = "Request") -> Object:
    member = f"{side.lower()}HeaderModifier"
    return {"type": f"{side}HeaderModifier", member: {"remove": ["x-a"]}}


ROUTE_RULES = (
    Case(
        rule="V6",
        body=ROUTED,
        at=_ROUTE,
        good=(
            {"mode": "Existing", "routeRefs": [_SHOP]},
            {"mode": "Managed", "parentRefs": [{"name": "g"}]},
            {"parentRefs": [{"name": "g"}]},
        ),
        bad=(
            {},
            {"mode": "Existing"},
            {"mode": "Existing", "parentRefs": [{"name": "g"}]},
            {"routeRefs": [_SHOP]},
            {"mode": "Existing", "routeRefs": [_SHOP], "parentRefs": [{"name": "g"}]},
        ),
        blames=f"{_ROUTE}.mode",
        says="routeRefs must be set exactly when mode is Existing",
    ),
    Case(
        rule="V28",
        body=place(ROUTED, _ROUTE, {"mode": "Existing", "routeRefs": [_SHOP]}),
        at=_ROUTE,
        good=tuple(
            {"mode": "Existing", "routeRefs": [{"kind": kind, "name": "shop"}]}
            for kind in ("HTTPRoute", "GRPCRoute")
        ),
        bad=tuple(
            {"mode": "Existing", "routeRefs": [_SHOP], **more}
            for more in (
                {"hostnames": ["a.example"]},
                {"matches": [{"path": {"value": "/v2"}}]},
                {"timeouts": {"request": "1m"}},
                {"filters": [_filter()]},
                {"routeKind": "GRPCRoute"},
            )
        ),
        blames=f"{_ROUTE}.mode",
        says="hostnames, matches, timeouts, filters and routeKind belong to a route of ours",
    ),
    Case(
        rule="V41",
        body=place(ROUTED, _ROUTE, {"parentRefs": [{"name": "g"}]}),
        at=_ROUTE,
        good=(
            {"parentRefs": [{"name": "g"}], "routeKind": "GRPCRoute", "filters": [_filter()]},
            {
                "parentRefs": [{"name": "g"}],
                "routeKind": "HTTPRoute",
                "timeouts": {"request": "1m"},
            },
        ),
        bad=tuple(
            {"parentRefs": [{"name": "g"}], "routeKind": "GRPCRoute", **more}
            for more in (
                {"matches": [{"path": {"value": "/v2"}}]},
                {"timeouts": {"request": "1m"}},
            )
        ),
        blames=f"{_ROUTE}.routeKind",
        says="matches and timeouts belong to an HTTPRoute",
    ),
    Case(
        rule="V33",
        body=ROUTED,
        at=f"{_ROUTE}.timeouts",
        good=(
            {},
            {"request": "1m"},
            {"backendRequest": "1h"},
            {"request": "60s", "backendRequest": "1m"},
            {"request": "0s", "backendRequest": "1m"},
        ),
        bad=(
            {"request": "1m", "backendRequest": "61s"},
            {"request": "1ms", "backendRequest": "1s"},
        ),
        blames=f"{_ROUTE}.timeouts.backendRequest",
        says="backendRequest must not be longer than request",
    ),
    Case(
        rule="V34",
        body=place(ROUTED, f"{_ROUTE}.filters", [_filter()]),
        at=f"{_ROUTE}.filters[0].requestHeaderModifier",
        good=({}, {"set": [_X_A], "add": [_X_A], "remove": ["x-a", "x-b"]}),
        bad=(
            {"set": [_X_A, {"name": "X-A", "value": "2"}]},
            {"add": [_X_A, _X_A]},
            {"remove": ["x-a", "X-a"]},
        ),
        blames=f"{_ROUTE}.filters[0].requestHeaderModifier",
        says="a header may stand once in each of set, add and remove",
    ),
    Case(
        rule="V35",
        body=place(ROUTED, f"{_ROUTE}.filters", [_filter()]),
        at=f"{_ROUTE}.filters[0]",
        good=(_filter(), _filter("Response")),
        bad=(
            {"type": "RequestHeaderModifier"},
            {"type": "RequestHeaderModifier", "responseHeaderModifier": {"remove": ["x-a"]}},
        ),
        blames=f"{_ROUTE}.filters[0].requestHeaderModifier",
        says="must be set exactly when type is RequestHeaderModifier",
    ),
    Case(
        rule="V35",
        body=place(ROUTED, f"{_ROUTE}.filters", [_filter()]),
        at=f"{_ROUTE}.filters[0]",
        good=(),
        bad=({**_filter(), **_filter("Response"), "type": "RequestHeaderModifier"},),
        blames=f"{_ROUTE}.filters[0].responseHeaderModifier",
        says="must be set exactly when type is ResponseHeaderModifier",
    ),
    Case(
        rule="V36",
        body=ROUTED,
        at=f"{_ROUTE}.filters",
        good=([], [_filter("Response")], [_filter("Response"), _filter()]),
        bad=([_filter(), _filter()],),
        blames=f"{_ROUTE}.filters",
        says="each type of filter may stand once",
    ),
)
