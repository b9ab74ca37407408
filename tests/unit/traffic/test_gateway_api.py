from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_examples import (
    CANDIDATE,
    GATEWAY,
    GATEWAY_SPEC,
    META,
    STABLE,
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
    Wanted,
    Weights,
    plane_of,
)

PLANE = plane_of(model.Traffic(provider=model.Provider.GATEWAY_API))
PARENT: model.Document = {
    "group": "gateway.networking.k8s.io",
    "kind": "Gateway",
    "name": "inference",
    "namespace": "gateways",
}


def backend(revision: str, weight: int) -> model.Document:
    return {
        "group": "",
        "kind": "Service",
        "name": f"iris-{revision}",
        "port": 80,
        "weight": weight,
    }


# --- weights and pods ----------------------------------------------------------------------------


def test_weights_are_exact_whatever_the_pods() -> None:
    assert PLANE.capabilities.weights is Weights.EXACT
    assert PLANE.sizing.effective_weight(0.1, replicas=1, scaling=model.Scaling()) == 0.1
    assert PLANE.sizing.weight_reached(
        10, replicas=4, scaling=model.Scaling(), stable_ready=0, candidate_ready=0
    )


@pytest.mark.parametrize(
    ("weight_percent", "scaling", "needed"),
    [
        (0, model.Scaling(min_replicas=2), 0),
        (20, model.Scaling(), 2),
        (25, model.Scaling(), 3),
        (99, model.Scaling(), 10),
        (100, model.Scaling(), 10),
        (0.1, model.Scaling(), 1),
        (5, model.Scaling(min_replicas=2), 2),
        (5, model.Scaling(min_replicas=50), 10),
        (5, model.Scaling(match_traffic=False), 10),
        (0, model.Scaling(match_traffic=False), 0),
    ],
)
def test_the_candidate_needs_pods_for_its_share(
    weight_percent: float, scaling: model.Scaling, needed: int
) -> None:
    assert PLANE.sizing.candidate_needed(weight_percent, replicas=10, scaling=scaling) == needed


def capacity(
    target_percent: float, live_percent: float, *, surge_percent: float = 100, replicas: int = 10
) -> tuple[int, int]:
    """Where the passes come to rest that begin with all pods at stable and those of the share."""
    stable, candidate = replicas, needed_for(live_percent, replicas=replicas)
    for _ in range(10 * replicas + 1):
        stable, candidate = one_pass(
            target_percent,
            live_percent,
            scaling=model.Scaling(max_surge_percent=surge_percent),
            replicas=replicas,
            pods=(stable, candidate),
        )
    return stable, candidate


def needed_for(percent: float, *, replicas: int) -> int:
    return PLANE.sizing.candidate_needed(percent, replicas=replicas, scaling=model.Scaling())


def one_pass(
    target_percent: float,
    live_percent: float,
    *,
    scaling: model.Scaling,
    replicas: int,
    pods: tuple[int, int],
) -> tuple[int, int]:
    request = CapacityRequest(
        replicas=replicas,
        scaling=scaling,
        target_percent=target_percent,
        live_percent=live_percent,
        least_percent=live_percent,
        stable=PodCount(wanted=pods[0], available=pods[0]),
        candidate=PodCount(wanted=pods[1], available=pods[1]),
    )
    wanted = PLANE.sizing.capacity(request)
    return wanted.stable, wanted.candidate


@pytest.mark.parametrize(
    ("target_percent", "live_percent", "pods"),
    [
        (20, 0, (10, 2)),
        (50, 20, (10, 5)),
        (100, 50, (10, 10)),
        (100, 100, (10, 10)),  # stable stays whole until the rollout is over
        (0, 50, (10, 5)),  # the candidate keeps its pods until its traffic is gone
        (0, 0, (10, 0)),
    ],
)
def test_stable_stays_whole_and_the_candidate_follows_its_weight(
    target_percent: float, live_percent: float, pods: tuple[int, int]
) -> None:
    assert capacity(target_percent, live_percent) == pods


@pytest.mark.parametrize(
    ("target_percent", "live_percent", "pods"),
    [
        (20, 0, (10, 2)),  # within the surge
        (50, 20, (8, 5)),  # stable still carries 80 percent
        (50, 50, (8, 5)),
        (100, 50, (5, 8)),  # as many as the surge has room for: the rest comes in parts
        (100, 100, (3, 10)),
        (0, 50, (10, 5)),  # rollback: stable is whole again at once
        (0, 0, (10, 0)),
    ],
)
def test_a_small_surge_shrinks_stable_as_far_as_its_share_allows(
    target_percent: float, live_percent: float, pods: tuple[int, int]
) -> None:
    assert capacity(target_percent, live_percent, surge_percent=25) == pods


@given(
    replicas=st.integers(0, 50),
    target_percent=st.integers(0, 100),
    live_percent=st.integers(0, 100),
    surge_percent=st.sampled_from([0, 10, 25, 50, 100]),
    stable=st.integers(0, 50),
)
def test_no_pass_takes_the_pods_of_a_share_or_adds_more_than_the_surge(
    replicas: int, target_percent: float, live_percent: float, surge_percent: float, stable: int
) -> None:
    scaling = model.Scaling(max_surge_percent=surge_percent)
    carries = needed_for(live_percent, replicas=replicas)
    if surge_percent == 0 and live_percent < 100:
        carries = min(carries, max(replicas - 1, 1))  # the last one is stable's
    serves = -(-replicas * (100 - int(live_percent)) // 100)
    before = (max(min(stable, replicas), serves), carries)
    after = one_pass(target_percent, live_percent, scaling=scaling, replicas=replicas, pods=before)
    lent = 0 if surge_percent else 1
    assert after[0] >= max(serves - lent, min(serves, 1))
    assert after[1] >= max(carries - lent, min(carries, 1))
    assert max(after) <= replicas
    ceiling = replicas + -(-replicas * int(surge_percent) // 100)
    one_each = 1 if target_percent else 0  # a candidate without any pod could never begin
    assert sum(after) <= max(ceiling, sum(before) + one_each)


def test_no_pods_are_asked_of_older_revisions() -> None:
    request = CapacityRequest(
        replicas=1,
        scaling=model.Scaling(),
        target_percent=0,
        live_percent=0,
        least_percent=0,
        stable=PodCount(wanted=1, available=1),
        others=PodCount(wanted=2, available=2),
    )
    assert PLANE.sizing.capacity(request) == Wanted(stable=1, candidate=0, others=0)


# --- documents -----------------------------------------------------------------------------------


def test_the_route_spells_out_everything() -> None:
    route, entry = PLANE.documents(target(GATEWAY_SPEC, weight_percent=12.5, marker="dddddddddd"))
    assert route.reference == Reference(kind="HTTPRoute", name="iris")
    assert route.mechanism is Mechanism.APPLY
    assert route.carries_weights
    assert route.body["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert objects.annotation(route.body, "tidegate.dev/rolled-back-revision") == "dddddddddd"
    assert objects.is_controlled_by(route.body, uid="uid-1")
    assert route.body["spec"] == {
        "parentRefs": [PARENT],
        "hostnames": ["iris.example.com"],
        "rules": [
            {
                "matches": [
                    {"path": {"type": "PathPrefix", "value": "/v2"}},
                    {"path": {"type": "PathPrefix", "value": "/metrics"}},
                ],
                "backendRefs": [backend(STABLE, 875), backend(CANDIDATE, 125)],
            }
        ],
    }
    assert entry.reference == Reference(kind="Service", name="iris")
    assert not entry.carries_weights
    assert objects.at(entry.body, "spec", "selector", "tidegate.dev/revision") == STABLE
    assert objects.annotation(entry.body, "tidegate.dev/rolled-back-revision") == ""
    assert PLANE.references(meta=META, spec=GATEWAY_SPEC) == (route.reference, entry.reference)


def backends(*, candidate: str, weight_percent: float = 0.0) -> model.Json:
    given = target(GATEWAY_SPEC, candidate=candidate, weight_percent=weight_percent)
    route, _ = PLANE.documents(given)
    (rule,) = objects.items(objects.at(route.body, "spec", "rules"))
    return objects.at(rule, "backendRefs")


def test_a_candidate_without_traffic_has_an_explicit_zero() -> None:
    assert backends(candidate=CANDIDATE) == [backend(STABLE, 100), backend(CANDIDATE, 0)]


def test_stable_alone_has_one_backend() -> None:
    assert backends(candidate="") == [backend(STABLE, 100)]


def test_a_candidate_with_everything_leaves_stable_its_place() -> None:
    everything = backends(candidate=CANDIDATE, weight_percent=100.0)
    assert everything == [backend(STABLE, 0), backend(CANDIDATE, 100)]
    almost = backends(candidate=CANDIDATE, weight_percent=99.9)
    assert almost == [backend(STABLE, 1), backend(CANDIDATE, 999)]


def test_all_optional_parts_of_a_parent_are_kept() -> None:
    parent = model.ParentRef(name="g", namespace="n", section_name="https", port=443)
    spec = replace(
        GATEWAY_SPEC,
        traffic=replace(
            GATEWAY_SPEC.traffic,
            gateway=replace(GATEWAY, parents=(parent, model.ParentRef(name="h")), hostnames=()),
        ),
    )
    route, _ = PLANE.documents(target(spec))
    common = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    assert objects.at(route.body, "spec", "parentRefs") == [
        {**common, "name": "g", "namespace": "n", "sectionName": "https", "port": 443},
        {**common, "name": "h"},
    ]
    assert "hostnames" not in objects.mapping(route.body["spec"])


# --- reading back --------------------------------------------------------------------------------


def condition(
    kind: str, *, status: str = "True", reason: str = "", message: str = "", generation: int = 7
) -> model.Document:
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": message,
        "observedGeneration": generation,
    }


def answer(*conditions: model.Document, parent: model.Document = PARENT) -> model.Document:
    return {
        "parentRef": parent,
        "controllerName": "gateway.example.com/controller",
        "conditions": list(conditions) or [condition("Accepted"), condition("ResolvedRefs")],
    }


def read(
    *answers: model.Json,
    spec: model.Spec = GATEWAY_SPEC,
    uid: str = META.uid,
    live_spec: model.Json = None,
) -> model.TrafficState:
    route, entry = PLANE.documents(target(spec, weight_percent=25.0))
    live = {
        **stored(route, generation=7, uid=uid),
        **({"spec": live_spec} if live_spec else {}),
        "status": {"parents": list(answers)},
    }
    return PLANE.read(
        found((route, live), (entry, stored(entry))), meta=META, spec=spec, ready_pods={}
    )


def test_a_route_accepted_for_its_generation_is_in_force() -> None:
    assert read(answer()) == model.TrafficState(
        exists=True,
        weights={STABLE: 75.0, CANDIDATE: 25.0},
        accepted=True,
        resource_version="200",
        entry_exists=True,
        entry_revision=STABLE,
        entry_port=objects.PORT_NAME,
    )


@pytest.mark.parametrize(
    "parent",
    [
        {"name": "inference", "namespace": "gateways"},  # defaults left out
        {**PARENT, "port": 0, "sectionName": ""},
    ],
)
def test_a_parent_is_recognized_whoever_filled_in_its_defaults(parent: model.Document) -> None:
    assert read(answer(parent=parent)).accepted


REFUSALS: list[tuple[list[model.Json], str, str]] = [
    ([], "Pending", "no answer from Gateway inference yet"),
    ([answer(parent={**PARENT, "name": "other"})], "Pending", "no answer"),
    ([answer(parent={**PARENT, "namespace": "ml"})], "Pending", "no answer"),
    ([answer(parent={**PARENT, "sectionName": "https"})], "Pending", "no answer"),
    ([answer(parent={**PARENT, "port": 443})], "Pending", "no answer"),
    ([answer(parent={**PARENT, "group": ""})], "Pending", "no answer"),
    ([answer(condition("Accepted"))], "Pending", "ResolvedRefs for generation 7"),
    (
        [answer(condition("Accepted", generation=6), condition("ResolvedRefs"))],
        "Pending",
        "Accepted for generation 7",
    ),
    (
        [
            answer(
                condition("Accepted", status="False", reason="NotAllowedByListeners", message="no"),
                condition("ResolvedRefs"),
            )
        ],
        "NotAllowedByListeners",
        "Gateway inference, Accepted: no",
    ),
    (
        [
            answer(
                condition("Accepted"),
                condition("ResolvedRefs", status="False", reason="BackendNotFound"),
            )
        ],
        "BackendNotFound",
        "Gateway inference, ResolvedRefs: BackendNotFound",
    ),
    (
        [
            answer(
                condition("Accepted"),
                condition("ResolvedRefs"),
                condition("PartiallyInvalid", reason="UnsupportedValue", message="Dropped Rule"),
            )
        ],
        "UnsupportedValue",
        "Dropped Rule",
    ),
    (
        # What is said of this generation tells more than what somebody left behind.
        [
            answer(condition("Accepted", generation=3), condition("ResolvedRefs", generation=3)),
            answer(condition("Accepted", status="Unknown"), condition("ResolvedRefs")),
        ],
        "Accepted",
        "Gateway inference, Accepted",
    ),
    (
        [answer(condition("Accepted", generation=3), condition("ResolvedRefs", generation=3))] * 2,
        "Pending",
        "Accepted for generation 7",
    ),
    (["garbage"], "Pending", "no answer"),
]


@pytest.mark.parametrize(("answers", "reason", "message"), REFUSALS)
def test_the_first_reason_why_a_route_is_not_in_force_is_named(
    answers: list[model.Json], reason: str, message: str
) -> None:
    state = read(*answers)
    assert not state.accepted
    assert state.pending_reason == reason
    assert message in state.pending_message


LEFT_BEHIND: list[list[model.Document]] = [
    [condition("Accepted", generation=3), condition("ResolvedRefs", generation=3)],
    [condition("Accepted", status="False", reason="NoMatchingParent")],
    [condition("Accepted", status="Unknown"), condition("ResolvedRefs")],
    [condition("Accepted"), condition("ResolvedRefs", status="False", reason="RefNotPermitted")],
]


@pytest.mark.parametrize("conditions", LEFT_BEHIND)
@pytest.mark.parametrize("first", [True, False])
def test_what_another_controller_left_at_the_same_parent_says_nothing(
    conditions: list[model.Document], *, first: bool
) -> None:
    other = {**answer(*conditions), "controllerName": "old.example.com/controller"}
    assert read(*((other, answer()) if first else (answer(), other))).accepted


def test_what_other_parents_say_is_nothing_to_us() -> None:
    refused = condition("Accepted", status="False", reason="NotAllowedByListeners")
    assert read(answer(refused, parent={**PARENT, "name": "before"}), answer()).accepted


def test_every_parent_must_accept() -> None:
    parents = (*GATEWAY.parents, model.ParentRef(name="second"))
    spec = replace(
        GATEWAY_SPEC,
        traffic=replace(GATEWAY_SPEC.traffic, gateway=replace(GATEWAY, parents=parents)),
    )
    second = answer(parent={**PARENT, "name": "second", "namespace": "ml"})
    assert not read(answer(), spec=spec).accepted
    assert not read(answer(), answer(), spec=spec).accepted
    assert read(answer(), second, spec=spec).accepted


def rule(*backend_refs: model.Document) -> model.Document:
    return {"backendRefs": list(backend_refs)}


@pytest.mark.parametrize(
    ("rules", "weights"),
    [
        ([rule({"name": f"iris-{STABLE}"})], {STABLE: 100.0}),  # no weight means 1
        (
            [rule(backend(STABLE, 1), {"name": "foreign", "weight": 1})],
            {STABLE: 50.0, "foreign": 50.0},
        ),
        ([rule(backend(STABLE, 100)), rule(backend(CANDIDATE, 100))], {STABLE: 50, CANDIDATE: 50}),
        ([rule(backend(STABLE, 0))], {}),
        ([], {}),
        ("garbage", {}),
    ],
)
def test_what_a_person_wrote_into_the_route_is_read_as_it_acts(
    rules: model.Json, weights: dict[str, float]
) -> None:
    state = read(answer(), live_spec={"parentRefs": [PARENT], "rules": rules})
    assert state.weights == weights


def test_a_route_that_names_no_gateway_is_not_in_force() -> None:
    state = read(answer(), live_spec={"rules": []})
    assert not state.accepted
    assert state.pending_message == "the route names no Gateway"


def test_somebody_elses_route_is_a_conflict_and_not_read() -> None:
    state = read(answer(), uid="uid-2")
    assert not state.exists
    assert not state.weights
    assert "NameConflict: HTTPRoute iris" in state.conflict
    assert state.entry_exists


def test_a_missing_route_still_tells_about_the_entry_service() -> None:
    _, entry = PLANE.documents(target(GATEWAY_SPEC))
    state = PLANE.read(
        found((entry, stored(entry))), meta=META, spec=GATEWAY_SPEC, ready_pods={STABLE: 4}
    )
    assert state == model.TrafficState(
        exists=False, entry_exists=True, entry_revision=STABLE, entry_port=objects.PORT_NAME
    )


def test_a_conflict_at_the_entry_service_is_told_beside_the_route() -> None:
    route, entry = PLANE.documents(target(GATEWAY_SPEC))
    live = found((route, stored(route)), (entry, stored(entry, uid="uid-2")))
    state = PLANE.read(live, meta=META, spec=GATEWAY_SPEC, ready_pods={})
    assert state.exists
    assert "Service iris" in state.conflict
