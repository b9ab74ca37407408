"""`traffic.contour` as it is written, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import SMALLEST, place

from tidegate import model
from tidegate.api import convert

SAFE = place(
    SMALLEST, "spec.workload.template.metadata.annotations", {"tidegate.dev/shadow-safe": "true"}
)


def read(contour: Any, **spec: Any) -> tuple[model.Spec, dict[str, str]]:
    """The spec, and the violations by path."""
    body = place(SAFE, "spec.traffic", {"provider": "Contour", "contour": contour})
    for name, value in spec.items():
        body = place(body, f"spec.{name}", value)
    found, violations = convert.read_spec(body)
    assert found is not None, violations
    return found, {it.path: it.message for it in violations}


@pytest.mark.parametrize(
    ("contour", "proxy"),
    [
        ({"fqdn": "a.example.com"}, model.ContourProxy(fqdn="a.example.com")),
        (
            {
                "fqdn": "*.example.com",
                "tls": {"secretName": "web-tls"},
                "ingressClassName": "edge",
                "pathPrefixes": ["/v2", "/v1"],
                "timeouts": {"response": "90s", "idle": "0s"},
            },
            model.ContourProxy(
                fqdn="*.example.com",
                tls_secret="web-tls",
                ingress_class="edge",
                path_prefixes=("/v2", "/v1"),
                response_timeout="90s",
                idle_timeout="infinity",
            ),
        ),
        (
            {"includedBy": {"name": "edge"}},
            model.ContourProxy(included_by=model.ProxyRef(name="edge")),
        ),
        (
            {"includedBy": {"name": "edge", "namespace": "web"}, "timeouts": {"response": "0m"}},
            model.ContourProxy(
                included_by=model.ProxyRef(name="edge", namespace="web"),
                response_timeout="infinity",
            ),
        ),
    ],
)
def test_settings_are_read(contour: dict[str, Any], proxy: model.ContourProxy) -> None:
    spec, violations = read(contour)
    assert not violations
    assert spec.traffic.contour == proxy
    assert spec.traffic.gateway is None
    assert not spec.traffic.routes


def test_defaults_are_those_of_exact_weights() -> None:
    spec, _ = read({"fqdn": "a.example.com"})
    assert spec.scaling.max_surge_percent == 100
    assert spec.traffic.share_check is model.ShareCheck.HOLD


@pytest.mark.parametrize(
    ("strategy", "path"),
    [
        (
            {"type": "Shadow", "shadow": {"mirrorPercent": 0.5, "duration": "1h"}},
            "spec.strategy.shadow.mirrorPercent",
        ),
        (
            {"canary": {"warmup": {"mirrorPercent": 2.25, "duration": "5m"}}},
            "spec.strategy.canary.warmup.mirrorPercent",
        ),
    ],
)
def test_a_part_of_a_percent_is_refused_with_its_field(strategy: dict[str, Any], path: str) -> None:
    _, violations = read({"fqdn": "a.example.com"}, strategy=strategy)
    assert set(violations) == {path}
    assert "provider Contour copies whole percents only" in violations[path]


@pytest.mark.parametrize(
    "strategy",
    [
        {"type": "Shadow", "shadow": {"mirrorPercent": 20, "duration": "1h"}},
        {"type": "BlueGreen"},
        {"canary": {"routes": [{"name": "staff", "headers": [{"name": "x-a", "exact": "1"}]}]}},
    ],
)
def test_whatever_else_a_managed_route_can_is_taken(strategy: dict[str, Any]) -> None:
    _, violations = read({"fqdn": "a.example.com"}, strategy=strategy)
    assert not violations
