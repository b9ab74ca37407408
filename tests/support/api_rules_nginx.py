"""Rules of the VirtualServer that NGINX Ingress Controller serves, and of what a spec has beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api_case import Case
from api_examples import GATEWAY, SMALLEST, Object, place

_AT = "spec.traffic.nginx"
_HOST = {"host": "iris.example.com"}
_TRAFFIC = {"provider": "NGINX", "nginx": _HOST}
_BY_NGINX = place(SMALLEST, "spec.traffic", _TRAFFIC)
_BY_GATEWAY = {"provider": "GatewayAPI", "gatewayAPI": GATEWAY}
_TESTERS = "spec.strategy.canary.routes"
_PREVIEWERS = "spec.strategy.blueGreen.preview.routes"


def _steps(*weights: float) -> list[Mapping[str, Any]]:
    return [{"name": f"s{index}", "weight": weight} for index, weight in enumerate(weights)]


def _testers(*names: str) -> list[Mapping[str, Any]]:
    return [{"name": "t", "headers": [{"name": name, "exact": "1"} for name in names]}]


def _previewed(body: Object) -> Object:
    return place(place(body, "spec.strategy", {"type": "BlueGreen"}), _PREVIEWERS, _testers("x_a"))


NGINX_RULES = (
    Case(
        rule="V108",
        body=SMALLEST,
        at="spec.traffic",
        good=(_TRAFFIC, _BY_GATEWAY),
        bad=({"provider": "NGINX"}, {"nginx": _HOST}, {**_BY_GATEWAY, "nginx": _HOST}),
        blames=_AT,
        says="member nginx must be set exactly when provider is NGINX",
    ),
    Case(
        rule="V109",
        body=_BY_NGINX,
        at=f"{_AT}.pathPrefixes",
        good=([], ["/"], ["/v2", "/v1"]),
        bad=(["/v2", "/v1", "/v2"],),
        blames=f"{_AT}.pathPrefixes",
        says="a path prefix may stand once",
    ),
    Case(
        rule="V110",
        body=_BY_NGINX,
        at="spec.strategy.canary.steps",
        good=(_steps(1, 50.0, 99),),
        bad=(_steps(0.5), _steps(1, 12.5, 50)),
        blames="spec.strategy.canary.steps",
        says="provider NGINX shares whole percents alone",
    ),
    Case(
        rule="V111",
        body=_BY_NGINX,
        at=_TESTERS,
        good=(
            _testers("X-Staff", "cookie"),
            [{"name": "t", "cookie": {"name": "a_b", "value": "1"}}],
        ),
        bad=(_testers("x_staff"), _testers("x-a", "x.b")),
        blames=_TESTERS,
        says="letters, digits and '-' alone",
    ),
    Case(
        rule="V112",
        body=_previewed(place(SMALLEST, "spec.traffic", _BY_GATEWAY)),
        at="spec.traffic",
        good=(_BY_GATEWAY, {"provider": "Istio", "istio": {}}),
        bad=(_TRAFFIC,),
        blames=_PREVIEWERS,
        says="letters, digits and '-' alone",
    ),
)
