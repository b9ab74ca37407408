"""`strategy.shadow` and `canary.warmup`: how they are read, and what they need beyond their types."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import REMOVED, SMALLEST, place

from tidegate import model
from tidegate.api import convert

GATEWAY = {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "g"}]}}
SHADOW = {"type": "Shadow", "shadow": {"mirrorPercent": 20, "duration": "1h"}}
WARMED = {"canary": {"warmup": {"mirrorPercent": 12.5, "duration": "90s"}}}
ANNOTATIONS = "spec.workload.template.metadata.annotations"
BODY = place(place(SMALLEST, "spec.traffic", GATEWAY), "spec.strategy", SHADOW)
BODY = place(BODY, ANNOTATIONS, {"tidegate.dev/shadow-safe": "true"})


def read(body: dict[str, Any]) -> tuple[model.Spec, dict[str, model.Violation]]:
    spec, violations = convert.read_spec(body)
    assert spec is not None
    return spec, {one.path: one for one in violations}


def test_a_shadow_gets_its_defaults() -> None:
    spec, refused = read(BODY)
    assert refused == {}
    assert spec.shadow == model.Shadow(
        mirror=model.Mirror(percent=20.0, seconds=3600.0),
        deadline_seconds=4 * 3600.0,
        min_requests=1000,
        then=model.Then.HOLD,
    )
    assert spec.warm_up is None


def test_given_values_win() -> None:
    given = {"deadline": "2h", "minRequests": 7, "then": "Stop", "mirrorPercent": 0.5}
    spec, refused = read(place(BODY, "spec.strategy.shadow", SHADOW["shadow"] | given))
    assert refused == {}
    assert spec.shadow is not None
    assert (spec.shadow.deadline_seconds, spec.shadow.min_requests) == (7200.0, 7)
    assert (spec.shadow.then, spec.shadow.mirror.percent) == (model.Then.STOP, 0.5)


def test_a_short_shadow_has_the_deadline_of_the_profile() -> None:
    spec, _ = read(place(BODY, "spec.strategy.shadow.duration", "1m"))
    assert spec.shadow is not None
    assert spec.shadow.deadline_seconds == 7200.0


@pytest.mark.parametrize(("strategy", "seconds"), [(WARMED, 90.0), (SHADOW, None)])
def test_a_warm_up_belongs_to_a_canary(strategy: dict[str, Any], seconds: float | None) -> None:
    spec, refused = read(place(BODY, "spec.strategy", strategy))
    assert refused == {}
    assert (spec.warm_up.seconds if spec.warm_up else None) == seconds


def test_what_has_had_copies_needs_no_warm_up() -> None:
    both = {
        "type": "Shadow",
        "shadow": {**SHADOW["shadow"], "then": "Canary"},
        **WARMED,
    }
    spec, refused = read(place(BODY, "spec.strategy", both))
    assert refused == {}
    assert spec.warm_up is None


@pytest.mark.parametrize("strategy", [SHADOW, WARMED])
@pytest.mark.parametrize(
    "annotations", [{}, {"tidegate.dev/shadow-safe": "false"}, {"shadow-safe": "true"}, REMOVED]
)
def test_copies_are_refused_unless_somebody_says_that_they_do_no_harm(
    strategy: dict[str, Any], annotations: object
) -> None:
    _, refused = read(place(place(BODY, "spec.strategy", strategy), ANNOTATIONS, annotations))
    assert refused.keys() == {ANNOTATIONS}
    assert refused[ANNOTATIONS].reason == "UnsafeShadow"
    assert 'tidegate.dev/shadow-safe: "true"' in refused[ANNOTATIONS].message


@pytest.mark.parametrize(
    ("strategy", "path"),
    [
        (SHADOW, "spec.strategy.shadow.mirrorPercent"),
        (WARMED, "spec.strategy.canary.warmup.mirrorPercent"),
    ],
)
def test_a_plane_without_a_mirror_is_refused_with_the_field(
    strategy: dict[str, Any], path: str
) -> None:
    by_pods = place(place(BODY, "spec.strategy", strategy), "spec.traffic", {})
    _, refused = read(by_pods)
    assert refused[path].reason == "UnsupportedByProvider"
    assert "cannot copy requests" in refused[path].message


@pytest.mark.parametrize(
    ("replicas", "surge", "percent", "needed"),
    [(4, 25, 25, None), (4, 25, 26, 2), (10, 0, 1, 1), (4, 100, 100, None), (0, 0, 100, None)],
)
def test_copies_need_room_beside_all_pods_of_stable(
    replicas: int, surge: float, percent: float, needed: int | None
) -> None:
    body = place(BODY, "spec.workload.replicas", replicas)
    body = place(body, "spec.strategy.scaling", {"maxSurgePercent": surge})
    _, refused = read(place(body, "spec.strategy.shadow.mirrorPercent", percent))
    path = "spec.strategy.shadow.mirrorPercent"
    assert refused.keys() == ({path} if needed else set())
    assert (
        not needed or f"need {needed} pods beside the {replicas} of stable" in refused[path].message
    )


@pytest.mark.parametrize(
    ("strategy", "paths"), [(SHADOW, {"spec.analysis.dataPlane"}), (WARMED, set())]
)
def test_what_a_proxy_counts_shows_no_copies(strategy: dict[str, Any], paths: set[str]) -> None:
    body = place(place(BODY, "spec.strategy", strategy), "spec.analysis.dataPlane", "Istio")
    _, refused = read(body)
    assert refused.keys() == paths
