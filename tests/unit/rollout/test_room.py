"""What of a rollout will not fit is said before it starts, with the numbers. Source: ADR 0066."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import HOLD, V2, World, make_spec, serving

from tidegate import model
from tidegate.revisions import requests
from tidegate.rollout import room
from tidegate.rollout.strategy.compile import first_plan, plan_of
from tidegate.traffic.sizing import whole

GPU = "nvidia.com/gpu"
Container = dict[str, object]


def pod(
    *containers: Container, inits: tuple[Container, ...] = (), **spec: object
) -> model.Document:
    return {"spec": {"containers": list(containers), "initContainers": list(inits), **spec}}  # type: ignore[dict-item]


def container(**requests_: str) -> Container:
    named = {name.replace("gpu", GPU): amount for name, amount in requests_.items()}
    return {"name": "server", "resources": {"requests": named}}


ONE_GPU = pod(container(gpu="1", cpu="500m"))


def quota(**left: int) -> model.Quota:
    named = {name.replace("gpu", f"requests.{GPU}"): Decimal(it) for name, it in left.items()}
    return model.Quota(name="team", left=named)


def nodes(*gpus: int, **labels: str) -> tuple[model.Node, ...]:
    return tuple(model.Node(labels=labels, allocatable={GPU: Decimal(it)}) for it in gpus)


def said(found: model.Room, spec: model.Spec | None = None, *, serves: bool = True) -> str:
    spec = spec or replace(make_spec(), template=ONE_GPU)
    plan = plan_of(spec) if serves else first_plan()
    return room.text(spec, plan, room=found, serves=serves)


# --- quantities and requests ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        (3, "3"),
        (0.5, "0.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("2Gi", str(2 * 1024**3)),
        ("1Ki", "1024"),
        ("3k", "3000"),
        ("1E", "1e18"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("2Ei", str(2 * 1024**6)),
        ("250u", "0.00025"),
        ("7n", "7e-9"),
        ("-1", "-1"),
        ("", None),
        ("1 Gi", None),
        ("Gi", None),
        ("1e9999", None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_quantities(written: object, amount: str | None) -> None:
    assert model.quantity(written) == (None if amount is None else Decimal(amount))


def test_a_pod_asks_for_what_runs_together_or_an_init_container_before() -> None:
    sidecar = {**container(cpu="1"), "restartPolicy": "Always"}
    template = pod(
        container(cpu="2", memory="1Gi"),
        container(cpu="500m"),
        inits=(sidecar, container(cpu="100m", memory="4Gi"), container(cpu="3")),
        overhead={"cpu": "250m"},
    )
    found = requests.requests(template)
    assert found == {"cpu": Decimal("4.25"), "memory": Decimal(4 * 1024**3)}


def test_a_limit_stands_in_for_a_request() -> None:
    limited = {"resources": {"limits": {GPU: "2", "cpu": "4"}, "requests": {"cpu": "1"}}}
    assert requests.requests(pod(limited)) == {GPU: Decimal(2), "cpu": Decimal(1)}
    assert requests.counted(pod(limited)) == {
        "pods": 1,
        "count/pods": 1,
        "cpu": 1,
        "requests.cpu": 1,
        "limits.cpu": 4,
        f"requests.{GPU}": 2,
    }
    assert requests.devices(pod(limited)) == {GPU: 2}


@pytest.mark.parametrize("name", ["cpu", "hugepages-2Mi", "node.kubernetes.io/x"])
def test_what_every_node_has_is_no_device(name: str) -> None:
    assert requests.devices(pod({"resources": {"limits": {name: "1"}}})) == {}


# --- how many pods at once -----------------------------------------------------------------------

S = model.SurgePolicy


@pytest.mark.parametrize(
    ("scaling", "weights", "more"),
    [
        (model.Scaling(), (10.0, 50.0), 4),
        (model.Scaling(max_surge_percent=25.0), (10.0, 50.0), 1),
        (model.Scaling(max_surge_percent=0.0), (10.0, 50.0), 1),
        (model.Scaling(max_surge_percent=25.0, min_replicas=3), (10.0,), 3),
        (model.Scaling(max_surge_percent=0.0, surge_policy=S.BORROW), (10.0,), 0),
        (model.Scaling(max_surge_percent=50.0, surge_policy=S.BORROW), (10.0,), 2),
        (
            model.Scaling(
                max_surge_percent=0.0, max_unavailable_percent=100.0, surge_policy=S.RECREATE
            ),
            (50.0,),
            0,
        ),
    ],
)
def test_a_quota_is_asked_for_the_pods_that_a_plan_adds(
    scaling: model.Scaling, weights: tuple[float, ...], more: int
) -> None:
    spec = replace(make_spec(scaling=scaling, weights=weights), template=ONE_GPU)
    fits = model.Room(pods=4, quotas=(quota(gpu=more),))
    assert said(fits, spec) == ""
    if more:
        short = model.Room(pods=4, quotas=(quota(gpu=more - 1),))
        assert (
            f"ResourceQuota team has {more - 1} of requests.{GPU} left, and {more} more pods"
            in said(short, spec)
        )


def test_blue_green_adds_all_of_them_and_the_first_version_its_own() -> None:
    asked = model.BlueGreen(preview_service="p", preview_percent=25.0)
    spec = make_spec()
    spec = replace(
        spec,
        blue_green=asked,
        template=ONE_GPU,
        scaling=whole.SCALING,
        traffic=replace(spec.traffic, exclusive=True),
    )
    assert said(model.Room(pods=4, quotas=(quota(gpu=4),)), spec) == ""
    assert "4 more pods need 4" in said(model.Room(pods=4, quotas=(quota(gpu=3),)), spec)
    assert said(model.Room(pods=0, quotas=(quota(gpu=4),)), serves=False) == ""
    assert "4 more pods need 4" in said(model.Room(pods=0, quotas=(quota(gpu=3),)), serves=False)


def test_pods_that_exist_already_are_no_pods_to_come() -> None:
    assert said(model.Room(pods=8, quotas=(quota(gpu=0),))) == ""
    assert "3 more pods need 1.5" in said(model.Room(pods=5, quotas=(quota(cpu=1),)))


def test_what_no_pod_asks_for_does_not_matter() -> None:
    assert said(model.Room(pods=4, quotas=(quota(memory=0),))) == ""


@pytest.mark.parametrize(
    ("found", "fit"),
    [
        (nodes(4, 4), None),
        (nodes(8), None),
        (nodes(4, 3), 7),
        ((), 0),
        (None, None),
    ],
)
def test_devices_of_all_nodes_have_to_carry_both_versions(
    found: tuple[model.Node, ...] | None, fit: int | None
) -> None:
    text = said(model.Room(pods=4, nodes=found))
    assert (f"have devices for {fit} pods (1 {GPU} each)" in text) is (fit is not None)
    assert (text == "") is (fit is None)


def test_a_pod_does_not_fit_onto_two_nodes_and_only_onto_those_it_may() -> None:
    big = replace(make_spec(replicas=1), template=pod(container(gpu="4")))
    assert "for 1 pods" in said(model.Room(pods=1, nodes=nodes(4, 3)), big)
    chosen = replace(
        make_spec(),
        template={**ONE_GPU, "spec": {**ONE_GPU["spec"], "nodeSelector": {"zone": "a"}}},
    )  # type: ignore[dict-item]
    there = (*nodes(8, zone="b"), *nodes(2, zone="a"))
    assert "the 1 nodes that may be used have devices for 2 pods" in said(
        model.Room(pods=4, nodes=there), chosen
    )


@given(
    replicas=st.integers(0, 20),
    surge=st.sampled_from((0.0, 25.0, 100.0)),
    policy=st.sampled_from(tuple(S)),
    weight=st.sampled_from((1.0, 33.0, 100.0)),
)
def test_a_rollout_never_has_more_pods_than_were_asked_room_for(
    replicas: int, surge: float, policy: S, weight: float
) -> None:
    """Where pods make the share, those that drain come on top; nobody asks for room for them."""
    added = 0.0 if policy is S.RECREATE else surge
    scaling = model.Scaling(
        max_surge_percent=added,
        max_unavailable_percent=100.0 if policy is S.RECREATE else 0.0,
        surge_policy=policy,
    )
    world = serving(replicas=replicas, scaling=scaling, weights=(weight,))
    assert world.spec is not None
    spec = replace(world.spec, template=ONE_GPU)
    fits = next(it for it in range(2 * replicas + 2) if not _short(spec, replicas, left=it))
    world.deploy(V2)
    for _ in range(60):
        world.tick(10.0)
        assert sum(world.pods().values()) <= replicas + fits
        if (world.status.phase, world.pods()) == (model.Phase.HEALTHY, {V2.hash: replicas}):
            return  # it is over


def _short(spec: model.Spec, pods: int, *, left: int) -> str:
    return said(model.Room(pods=pods, quotas=(quota(gpu=left),)), spec)


# --- when it is said -----------------------------------------------------------------------------


def lacking(world: World, left: Mapping[str, int]) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, template=ONE_GPU)
    world.room = model.Room(pods=4, quotas=(quota(**left),))


def told(world: World) -> list[model.Condition]:
    return [one for one in world.status.conditions if one.type == room.MISSING]


def test_it_is_said_once_before_anything_moves_and_holds_up_nothing() -> None:
    world = serving()
    lacking(world, {"gpu": 1})
    world.analysis = HOLD
    world.deploy(V2)
    world.tick()
    (condition,) = told(world)
    assert condition.reason == "WillNotFit"
    assert "ResourceQuota team has 1 of requests.nvidia.com/gpu left" in condition.message
    world.run_until(model.Phase.PROGRESSING)
    assert told(world)
    assert world.reasons().count(room.MISSING) == 1
    world.room = model.Room(pods=5, quotas=(quota(gpu=9),))
    world.tick()
    assert not told(world), "it fits by now"


def test_it_is_not_begun_in_the_middle_of_a_rollout() -> None:
    world = serving()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(model.Phase.PROGRESSING)
    lacking(world, {"gpu": 0})
    world.tick()
    assert not told(world)


def test_at_rest_and_on_the_way_back_nothing_is_said() -> None:
    world = serving()
    lacking(world, {"gpu": 0})
    world.tick()
    assert not told(world)
    world.deploy(V2)
    world.tick()
    assert told(world)
    world.deploy(model.Revision(hash=world.status.stable.revision, digest="x", model_version="1.0"))  # type: ignore[union-attr]
    world.tick()
    assert not told(world)


@pytest.mark.parametrize("amount", ["1e-30", "500m", "0"])
def test_parts_of_a_device_are_none_and_break_nothing(amount: str) -> None:
    assert requests.devices(pod(container(gpu=amount))) == {}
