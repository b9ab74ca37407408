"""`scaling.surgePolicy`: its defaults, and sizes for which nobody makes room."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import ROUTED, SMALLEST, place

from tidegate import model
from tidegate.api import convert

SCALING = "spec.strategy.scaling"
STEPS = "spec.strategy.canary.steps"
BODIES = pytest.mark.parametrize("body", [ROUTED, SMALLEST])


def read(body: dict[str, Any], **scaling: object) -> tuple[model.Spec, dict[str, str]]:
    spec, violations = convert.read_spec(place(body, SCALING, scaling))
    assert spec is not None
    return spec, {one.path: one.message for one in violations}


@BODIES
@pytest.mark.parametrize(
    ("given", "surge", "unavailable"),
    [
        ({"surgePolicy": "Borrow"}, 0.0, 0.0),
        ({"surgePolicy": "Recreate"}, 0.0, 100.0),
        ({"surgePolicy": "Borrow", "maxSurgePercent": 25, "maxUnavailablePercent": 10}, 25.0, 10.0),
        ({"surgePolicy": "Recreate", "maxUnavailablePercent": 50}, 0.0, 50.0),
    ],
)
def test_who_lends_adds_nothing_unless_asked(
    body: dict[str, Any], given: dict[str, object], surge: float, unavailable: float
) -> None:
    spec, refused = read(body, **given)
    assert refused == {}
    scaling = spec.scaling
    assert scaling.surge_policy == given["surgePolicy"]
    assert (scaling.max_surge_percent, scaling.max_unavailable_percent) == (surge, unavailable)


@pytest.mark.parametrize(("body", "surge"), [(ROUTED, 100.0), (SMALLEST, 25.0)])
def test_otherwise_the_surge_is_that_of_the_provider(body: dict[str, Any], surge: float) -> None:
    spec, _ = read(body)
    assert spec.scaling == model.Scaling(max_surge_percent=surge)


@BODIES
@pytest.mark.parametrize(
    ("replicas", "scaling", "room"),
    [
        (4, {"surgePolicy": "Borrow", "minReplicas": 2}, 1),
        (4, {"surgePolicy": "Borrow", "minReplicas": 2, "maxSurgePercent": 50}, None),
        (4, {"surgePolicy": "Borrow", "minReplicas": 2, "maxUnavailablePercent": 50}, None),
        (4, {"surgePolicy": "Recreate", "minReplicas": 3}, None),
        (4, {"surgePolicy": "Recreate", "minReplicas": 4}, 3),
        (8, {"surgePolicy": "Recreate", "minReplicas": 4, "maxUnavailablePercent": 25}, 2),
        (4, {"minReplicas": 4}, None),
        (1, {"surgePolicy": "Recreate", "minReplicas": 2}, None),  # swapped, not shared
    ],
)
def test_a_least_size_needs_pods_that_are_lent(
    body: dict[str, Any], replicas: int, scaling: dict[str, object], room: int | None
) -> None:
    _, refused = read(place(body, "spec.workload.replicas", replicas), **scaling)
    path = "spec.strategy.scaling.minReplicas"
    assert refused.keys() == (set() if room is None else {path})
    if room is not None:
        assert f"there is room for {room} of {replicas}: ask for at most {room}" in refused[path]


@pytest.mark.parametrize(
    ("policy", "sizes", "blamed"),
    [
        ("Borrow", ({"replicas": 1}, {}), ""),
        ("Borrow", ({"replicas": 1}, {"replicas": 3}), "p50].replicas"),
        ("Borrow", ({"replicas": 2}, {}), "p10].replicas"),
        ("Borrow", ({}, {"replicasPercent": 100}), "p50].replicasPercent"),
        ("Recreate", ({"replicas": 3}, {"replicas": 3}), ""),
        ("Recreate", ({"replicasPercent": 80}, {}), "p10].replicasPercent"),
        ("Surge", ({"replicas": 4}, {"replicas": 4}), ""),
    ],
)
def test_a_size_of_a_step_needs_pods_that_are_lent(
    policy: str, sizes: tuple[dict[str, object], ...], blamed: str
) -> None:
    steps = [
        {"name": f"p{weight}", "weight": weight, **size}
        for weight, size in zip((10, 50), sizes, strict=True)
    ]
    body = place(place(ROUTED, "spec.workload.replicas", 4), STEPS, steps)
    _, refused = read(body, surgePolicy=policy)
    assert set(refused) == ({f"{STEPS}[{blamed}"} if blamed else set())


@pytest.mark.parametrize("policy", ["Borrow", "Recreate"])
def test_blue_green_has_no_use_for_it(policy: str) -> None:
    body = place(SMALLEST, "spec.strategy", {"type": "BlueGreen"})
    _, violations = convert.read_spec(place(body, SCALING, {"surgePolicy": policy}))
    assert [one.path for one in violations] == [SCALING]
    assert violations[0].message.endswith("remove it")


@pytest.mark.parametrize(
    ("scaling", "said"),
    [
        ({"surgePolicy": "Borrow"}, "surgePolicy Borrow gives room for 1"),
        ({"surgePolicy": "Recreate"}, None),
        ({"surgePolicy": "Recreate", "maxUnavailablePercent": 25}, "gives room for 1"),
    ],
)
def test_copies_need_pods_that_are_lent(scaling: dict[str, object], said: str | None) -> None:
    shadow = {"type": "Shadow", "shadow": {"mirrorPercent": 50, "duration": "1h"}}
    body = place(place(ROUTED, "spec.workload.replicas", 4), "spec.strategy", shadow)
    safe = "spec.workload.template.metadata.annotations"
    _, refused = read(place(body, safe, {"tidegate.dev/shadow-safe": "true"}), **scaling)
    path = "spec.strategy.shadow.mirrorPercent"
    assert refused.keys() == ({path} if said else set())
    assert said is None or said in refused[path]


def test_copies_before_the_steps_leave_each_step_its_own_size() -> None:
    """A warm-up is the first stage of the plan, and no step of the spec."""
    steps = [
        {"name": "a", "weight": 25, "hold": "1m"},
        {"name": "b", "weight": 50, "hold": "1m", "replicas": 4},
    ]
    body = place(ROUTED, "spec.workload.replicas", 4)
    body = place(body, STEPS, steps)
    body = place(body, "spec.strategy.canary.warmup", {"mirrorPercent": 10, "duration": "1m"})
    _, refused = read(body, surgePolicy="Borrow")
    assert [path for path in refused if path.startswith(STEPS)] == [f"{STEPS}[b].replicas"]
