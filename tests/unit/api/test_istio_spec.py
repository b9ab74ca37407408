"""`traffic.istio` as it is written, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import SMALLEST, place

from tidegate import model
from tidegate.api import convert

SAFE = place(
    SMALLEST, "spec.workload.template.metadata.annotations", {"tidegate.dev/shadow-safe": "true"}
)


def read(istio: Any, **spec: Any) -> tuple[model.Spec, dict[str, str]]:
    """The spec, and the violations by path."""
    body = place(SAFE, "spec.traffic", {"provider": "Istio", "istio": istio})
    for name, value in spec.items():
        body = place(body, f"spec.{name}", value)
    found, violations = convert.read_spec(body)
    assert found is not None, violations
    return found, {it.path: it.message for it in violations}


@pytest.mark.parametrize(
    ("istio", "asked"),
    [
        ({}, model.VirtualService()),
        ({"timeout": "0s"}, model.VirtualService()),
        (
            {
                "hosts": ["a.example.com", "*.example.org"],
                "gateways": [{"name": "public", "namespace": "istio-system"}, {"name": "own"}],
                "pathPrefixes": ["/v2", "/v1"],
                "timeout": "90s",
            },
            model.VirtualService(
                hosts=("a.example.com", "*.example.org"),
                gateways=(
                    model.IstioGateway(name="public", namespace="istio-system"),
                    model.IstioGateway(name="own"),
                ),
                path_prefixes=("/v2", "/v1"),
                timeout="90s",
            ),
        ),
    ],
)
def test_settings_are_read(istio: dict[str, Any], asked: model.VirtualService) -> None:
    spec, violations = read(istio)
    assert not violations
    assert spec.traffic.istio == asked
    assert spec.traffic.gateway is None
    assert spec.traffic.contour is None
    assert spec.traffic.share_check is model.ShareCheck.HOLD


@pytest.mark.parametrize(
    "strategy",
    [
        {"type": "Shadow", "shadow": {"mirrorPercent": 0.5, "duration": "1h"}},
        {"type": "BlueGreen"},
        {"canary": {"routes": [{"name": "staff", "headers": [{"name": "x-a", "exact": "1"}]}]}},
    ],
)
def test_whatever_a_managed_route_can_is_taken(strategy: dict[str, Any]) -> None:
    _, violations = read({}, strategy=strategy)
    assert not violations
