"""Rules of the VirtualService that Istio serves."""

from __future__ import annotations

from api_case import Case
from api_examples import GATEWAY, SMALLEST, place

_AT_GATEWAY = {"hosts": ["iris.example.com"], "gateways": [{"name": "public"}]}
_IN_MESH = place(SMALLEST, "spec.traffic", {"provider": "Istio", "istio": {}})
_AT = "spec.traffic.istio"

ISTIO_RULES = (
    Case(
        rule="V96",
        body=SMALLEST,
        at="spec.traffic",
        good=(
            {"provider": "Istio", "istio": {}},
            {"provider": "Istio", "istio": _AT_GATEWAY},
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY},
        ),
        bad=(
            {"provider": "Istio"},
            {"istio": _AT_GATEWAY},
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY, "istio": {}},
        ),
        blames=_AT,
        says="member istio must be set exactly when provider is Istio",
    ),
    Case(
        rule="V92",
        body=_IN_MESH,
        at=_AT,
        good=({}, _AT_GATEWAY, {"timeout": "30s"}),
        bad=(
            {"hosts": ["iris.example.com"]},
            {"gateways": [{"name": "public", "namespace": "istio-system"}]},
        ),
        blames=f"{_AT}.hosts",
        says="hosts and gateways belong together",
    ),
    Case(
        rule="V95",
        body=_IN_MESH,
        at=f"{_AT}.pathPrefixes",
        good=([], ["/"], ["/v2", "/v1"]),
        bad=(["/v2", "/v1", "/v2"],),
        blames=f"{_AT}.pathPrefixes",
        says="a path prefix may stand once",
    ),
)
