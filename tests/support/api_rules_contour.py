"""Rules of the HTTPProxy that Contour serves."""

from __future__ import annotations

from api_case import Case
from api_examples import GATEWAY, SMALLEST, place

_ROOT = {"fqdn": "iris.example.com"}
_PART = {"includedBy": {"name": "edge"}}
_PROXIED = place(SMALLEST, "spec.traffic", {"provider": "Contour", "contour": _ROOT})
_AT = "spec.traffic.contour"

CONTOUR_RULES = (
    Case(
        rule="V50",
        body=SMALLEST,
        at="spec.traffic",
        good=(
            {"provider": "Contour", "contour": _ROOT},
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY},
        ),
        bad=(
            {"provider": "Contour"},
            {"contour": _ROOT},
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY, "contour": _ROOT},
        ),
        blames="spec.traffic.contour",
        says="member contour must be set exactly when provider is Contour",
    ),
    Case(
        rule="V51",
        body=_PROXIED,
        at=_AT,
        good=(_ROOT, _PART, {"includedBy": {"name": "edge", "namespace": "web"}}),
        bad=({}, {"ingressClassName": "edge"}, _ROOT | _PART),
        blames=f"{_AT}.fqdn",
        says="exactly one of fqdn and includedBy must be set",
    ),
    Case(
        rule="V52",
        body=_PROXIED,
        at=_AT,
        good=(_ROOT | {"tls": {"secretName": "iris-tls"}},),
        bad=(_PART | {"tls": {"secretName": "iris-tls"}},),
        blames=f"{_AT}.tls",
        says="tls belongs to a host name",
    ),
    Case(
        rule="V53",
        body=_PROXIED,
        at=f"{_AT}.pathPrefixes",
        good=([], ["/"], ["/v2", "/v1"]),
        bad=(["/v2", "/v1", "/v2"],),
        blames=f"{_AT}.pathPrefixes",
        says="a path prefix may stand once",
    ),
)
