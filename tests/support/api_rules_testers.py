"""Rules of testers: routes of a canary, its steps of weight 0, and the data plane for both."""

from __future__ import annotations

from api_case import Case
from api_examples import GATEWAY, ROUTED, SMALLEST, STEPS, Object, place, steps

_TESTERS = "spec.strategy.canary.routes"
_PREVIEWERS = "spec.strategy.blueGreen.preview.routes"
_TESTER = {"name": "x-a", "exact": "1"}
_BETA = {"name": "beta", "value": "yes"}


def _testers(**members: object) -> Object:
    return {"name": "testers", "headers": [_TESTER], **members}


def _previewed(body: Object, *routes: Object) -> Object:
    strategy = {"type": "BlueGreen", "blueGreen": {"preview": {"routes": [*routes]}}}
    return place(body, "spec.strategy", strategy)


TESTER_RULES = (
    Case(
        rule="V11",
        body=place(ROUTED, "spec.strategy.canary.routes", [_testers()]),
        at=STEPS,
        good=(steps(0), steps(0, 10), steps(5, 10)),
        bad=(),
        blames=STEPS,
        says="",
    ),
    Case(
        rule="V11",
        body=ROUTED,
        at="spec.strategy.canary",
        good=({"steps": steps(0, 5), "routes": [_testers(fromStep="s0")]},),
        bad=(
            {"steps": steps(0, 5)},
            {"steps": steps(0, 5), "routes": [_testers(fromStep="s1")]},
        ),
        blames=STEPS,
        says="a step of weight 0 needs routes",
    ),
    Case(
        rule="V22",
        body=place(ROUTED, _TESTERS, [_testers()]),
        at=f"{_TESTERS}[0].headers[0]",
        good=({"name": "x-a", "exact": "1"}, {"name": "x-a", "prefix": "1"}),
        bad=({"name": "x-a"}, {"name": "x-a", "exact": "1", "prefix": "1"}),
        blames=f"{_TESTERS}[0].headers[0]",
        says="exactly one of exact and prefix must be set",
    ),
    Case(
        rule="V22a",
        body=place(ROUTED, _TESTERS, [_testers()]),
        at=f"{_TESTERS}[0]",
        good=(_testers(cookie=_BETA), {"name": "t", "cookie": _BETA}),
        bad=({"name": "t"},),
        blames=f"{_TESTERS}[0]",
        says="headers or cookie must be set",
    ),
    Case(
        rule="V22b",
        body=place(ROUTED, _TESTERS, [_testers()]),
        at=f"{_TESTERS}[0]",
        good=(
            {"name": "t", "headers": [{"name": "Cookie", "exact": "a=1"}]},
            {"name": "t", "headers": [_TESTER, {"name": "x-b", "exact": "1"}], "cookie": _BETA},
        ),
        bad=(
            {"name": "t", "headers": [_TESTER, {"name": "X-A", "exact": "2"}]},
            {"name": "t", "headers": [{"name": "Cookie", "exact": "a=1"}], "cookie": _BETA},
        ),
        blames=f"{_TESTERS}[0].headers",
        says="a header may stand once in a route",
    ),
    Case(
        rule="V23",
        body=ROUTED,
        at="spec.strategy.canary",
        good=(
            {"routes": [_testers(fromStep="p25")]},
            {"steps": steps(1, 2), "routes": [_testers(fromStep="s1")]},
        ),
        bad=(
            {"routes": [_testers(fromStep="s1")]},
            {"steps": steps(1, 2), "routes": [_testers(fromStep="p25")]},
        ),
        blames=_TESTERS,
        says="fromStep must be the name of a step",
    ),
    Case(
        rule="V40",
        body=place(SMALLEST, _TESTERS, [_testers()]),
        at="spec.traffic",
        good=(
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY},
            {"provider": "Contour", "contour": {"fqdn": "a.example.com"}},
            {"provider": "Istio", "istio": {}},
        ),
        bad=({}, {"provider": "ReplicaRatio"}),
        blames=_TESTERS,
        says="routes of a canary need a data plane that looks at headers",
    ),
    Case(
        rule="V80",
        body=_previewed(SMALLEST, _testers()),
        at="spec.traffic",
        good=(
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY},
            {"provider": "Contour", "contour": {"fqdn": "a.example.com"}},
            {"provider": "Istio", "istio": {}},
        ),
        bad=({}, {"provider": "ReplicaRatio"}),
        blames=_PREVIEWERS,
        says="routes of a preview need a data plane that looks at headers",
    ),
    Case(
        rule="V22a",
        body=_previewed(ROUTED, _testers()),
        at=f"{_PREVIEWERS}[0]",
        good=(_testers(cookie=_BETA), {"name": "t", "cookie": _BETA}),
        bad=({"name": "t"},),
        blames=f"{_PREVIEWERS}[0]",
        says="headers or cookie must be set",
    ),
)
