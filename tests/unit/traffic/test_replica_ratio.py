from dataclasses import replace

import pytest
from traffic_examples import (
    CANDIDATE,
    META,
    SPEC,
    STABLE,
    THIRD,
    found,
    stored,
    target,
)

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import (
    CapacityRequest,
    Mechanism,
    PodCount,
    Reference,
    Target,
    Wanted,
    Weights,
    plane_of,
)

PLANE = plane_of(model.Traffic(provider=model.Provider.REPLICA_RATIO))
QUARTER = model.Scaling(max_surge_percent=25)
BOTH = {"tidegate.dev/model-deployment": "iris"}


def only(revision: str) -> dict[str, str]:
    return {**BOTH, "tidegate.dev/revision": revision}


def selector_of(wanted: Target) -> model.Json:
    (entry,) = PLANE.documents(wanted)
    return objects.at(entry.body, "spec", "selector")


def test_the_share_follows_pods() -> None:
    assert PLANE.capabilities.weights is Weights.BY_POD


@pytest.mark.parametrize(
    ("weight_percent", "replicas", "effective_percent"),
    [(10, 4, 20.0), (25, 4, 25.0), (50, 3, 50.0), (33, 3, 33.3333), (0, 4, 0), (100, 4, 100)],
)
def test_a_weight_is_rounded_to_whole_pods(
    weight_percent: float, replicas: int, effective_percent: float
) -> None:
    effective = PLANE.sizing.effective_weight(weight_percent, replicas=replicas, scaling=QUARTER)
    assert effective == effective_percent


@pytest.mark.parametrize(
    ("weight_percent", "replicas", "needed"),
    [(0, 4, 0), (1, 4, 1), (50, 4, 1), (100, 4, 1), (50, 0, 0)],
)
def test_one_ready_pod_opens_a_weight(weight_percent: float, replicas: int, needed: int) -> None:
    assert (
        PLANE.sizing.candidate_needed(weight_percent, replicas=replicas, scaling=QUARTER) == needed
    )


@pytest.mark.parametrize(
    ("weight_percent", "replicas", "pods"), [(10, 40, 4), (10, 4, 1), (50, 10, 5), (0, 4, 0)]
)
def test_evidence_comes_from_all_pods_of_the_ratio(
    weight_percent: float, replicas: int, pods: int
) -> None:
    assert PLANE.sizing.candidate_pods(weight_percent, replicas=replicas, scaling=QUARTER) == pods


def test_capacity_takes_a_pass_within_the_limits() -> None:
    request = CapacityRequest(
        replicas=4,
        scaling=QUARTER,
        target_percent=25,
        live_percent=0,
        stable=PodCount(wanted=4, available=4),
    )
    assert PLANE.sizing.capacity(request) == Wanted(stable=4, candidate=1)


@pytest.mark.parametrize(
    ("weight_percent", "stable_ready", "candidate_ready", "reached"),
    [
        (25, 3, 1, True),
        (25, 4, 1, False),
        (25, 3, 0, False),
        (25, 6, 2, False),  # the ratio alone is not enough: pods still have to go
        (0, 2, 2, True),
        (100, 2, 2, True),
    ],
)
def test_a_weight_is_reached_when_the_pods_are_those_of_the_split(
    weight_percent: float, stable_ready: int, candidate_ready: int, *, reached: bool
) -> None:
    assert reached == PLANE.sizing.weight_reached(
        weight_percent,
        replicas=4,
        scaling=QUARTER,
        stable_ready=stable_ready,
        candidate_ready=candidate_ready,
    )


@pytest.mark.parametrize(
    ("weight_percent", "selector"),
    [(0.0, only(STABLE)), (0.1, BOTH), (50.0, BOTH), (99.0, BOTH), (100.0, only(CANDIDATE))],
)
def test_the_selector_follows_the_weight(weight_percent: float, selector: model.Json) -> None:
    assert selector_of(target(weight_percent=weight_percent)) == selector


@pytest.mark.parametrize(
    ("ready", "entry_revision", "selector"),
    [
        (3, "", BOTH),  # three of four pods cannot carry the load of four
        (4, "", only(CANDIDATE)),
        (0, CANDIDATE, only(CANDIDATE)),  # once alone it stays alone: the old pods may be gone
    ],
)
def test_the_candidate_is_selected_alone_once_it_has_its_pods(
    ready: int, entry_revision: str, selector: model.Json
) -> None:
    ready_pods = {STABLE: 1, CANDIDATE: ready}
    assert selector == selector_of(
        target(weight_percent=100.0, ready_pods=ready_pods, entry_revision=entry_revision)
    )


@pytest.mark.parametrize(
    ("ready_pods", "entry_revision", "selector"),
    [
        ({STABLE: 1, CANDIDATE: 3}, "", only(STABLE)),  # one pod is enough: weight first
        ({STABLE: 0, CANDIDATE: 4}, "", BOTH),  # nobody would answer
        ({STABLE: 0, CANDIDATE: 4}, CANDIDATE, BOTH),
        ({CANDIDATE: 4}, "", BOTH),
        ({STABLE: 0, CANDIDATE: 0}, "", only(STABLE)),
        ({STABLE: 0, CANDIDATE: 4}, STABLE, only(STABLE)),  # a rejected revision never returns
    ],
)
def test_stable_takes_everything_back_unless_nobody_would_answer(
    ready_pods: dict[str, int], entry_revision: str, selector: model.Json
) -> None:
    wanted = target(ready_pods=ready_pods, entry_revision=entry_revision)
    assert selector_of(wanted) == selector


def test_the_entry_service_is_complete() -> None:
    spec = replace(
        SPEC, service=replace(SPEC.service, name="api", app_protocol="kubernetes.io/h2c")
    )
    (entry,) = PLANE.documents(target(spec, marker=CANDIDATE))
    assert entry.reference == Reference(kind="Service", name="api")
    assert entry.mechanism is Mechanism.CREATE_THEN_PATCH
    assert entry.carries_weights
    assert entry.body == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "api",
            "namespace": "ml",
            "labels": {
                "tidegate.dev/model-deployment": "iris",
                "tidegate.dev/watch": "true",
                "app.kubernetes.io/name": "iris",
                "app.kubernetes.io/component": "entry",
                "app.kubernetes.io/part-of": "iris",
                "app.kubernetes.io/managed-by": "tidegate",
            },
            "annotations": {"tidegate.dev/rolled-back-revision": CANDIDATE},
            "ownerReferences": [
                {
                    "apiVersion": "tidegate.dev/v1alpha1",
                    "kind": "ModelDeployment",
                    "name": "iris",
                    "uid": "uid-1",
                    "controller": True,
                }
            ],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": only(STABLE),
            "ports": [
                {
                    "name": "http",
                    "protocol": "TCP",
                    "port": 80,
                    "targetPort": "tidegate-http",
                    "appProtocol": "kubernetes.io/h2c",
                }
            ],
        },
    }


def read_back(
    wanted: Target, *, ready_pods: dict[str, int], uid: str = META.uid
) -> model.TrafficState:
    (entry,) = PLANE.documents(wanted)
    live = found((entry, stored(entry, uid=uid)))
    return PLANE.read(live, meta=META, spec=wanted.spec, ready_pods=ready_pods)


def test_a_selected_revision_has_all_the_traffic() -> None:
    state = read_back(target(weight_percent=100.0), ready_pods={STABLE: 4, CANDIDATE: 4})
    assert state == model.TrafficState(
        exists=True,
        weights={CANDIDATE: 100.0},
        accepted=True,
        resource_version="200",
        entry_exists=True,
        entry_revision=CANDIDATE,
        entry_port=objects.PORT_NAME,
    )


@pytest.mark.parametrize(
    ("ready_pods", "weights"),
    [
        ({STABLE: 3, CANDIDATE: 1}, {STABLE: 75.0, CANDIDATE: 25.0}),
        ({STABLE: 4, CANDIDATE: 0}, {STABLE: 100.0, CANDIDATE: 0.0}),
        ({STABLE: 2, CANDIDATE: 1, THIRD: 1}, {STABLE: 50.0, CANDIDATE: 25.0, THIRD: 25.0}),
        ({STABLE: 0, CANDIDATE: 0}, {STABLE: 50.0, CANDIDATE: 50.0}),  # either may answer next
        ({}, {}),
    ],
)
def test_ready_pods_make_the_share_when_all_are_selected(
    ready_pods: dict[str, int], weights: dict[str, float]
) -> None:
    state = read_back(target(weight_percent=25.0), ready_pods=ready_pods)
    assert state.weights == weights
    assert state.entry_revision == ""


@pytest.mark.parametrize(
    ("weight_percent", "stable", "candidate"), [(10, 4, 1), (33, 2, 1), (50, 2, 2)]
)
def test_reached_pods_read_back_as_the_effective_weight(
    weight_percent: float, stable: int, candidate: int
) -> None:
    replicas = stable + candidate - (1 if weight_percent == 10 else 0)
    spec = replace(SPEC, replicas=replicas)
    state = read_back(
        target(spec, weight_percent=50.0), ready_pods={STABLE: stable, CANDIDATE: candidate}
    )
    assert state.weights[CANDIDATE] == PLANE.sizing.effective_weight(
        weight_percent, replicas=replicas, scaling=QUARTER
    )


def test_the_marker_of_a_rollback_is_read_back() -> None:
    assert read_back(target(marker=CANDIDATE), ready_pods={}).rolled_back_revision == CANDIDATE


def test_no_entry_service_means_no_traffic() -> None:
    state = PLANE.read({}, meta=META, spec=SPEC, ready_pods={STABLE: 4})
    assert state == model.TrafficState(exists=False)


def test_somebody_elses_service_is_a_conflict_and_not_read() -> None:
    state = read_back(target(), ready_pods={STABLE: 4}, uid="uid-2")
    assert not state.exists
    assert not state.weights
    assert "NameConflict: Service iris" in state.conflict
    assert PLANE.references(meta=META, spec=SPEC) == (Reference(kind="Service", name="iris"),)
