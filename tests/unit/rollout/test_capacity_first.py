"""Capacity before traffic, in both directions, and pods that stay until others carry the load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model

P = model.Phase
RATIO, GATEWAY = model.Provider.REPLICA_RATIO, model.Provider.GATEWAY_API
NARROW = model.Scaling(max_surge_percent=10.0)
NO_SURGE = model.Scaling(max_surge_percent=0.0)


def promote_watched(world: World, look: Callable[[], None], *, limit: int = 400) -> None:
    world.deploy(V2)
    for _ in range(limit):
        world.tick(2.0)
        look()
        stable = world.status.stable
        if world.status.phase is P.HEALTHY and stable is not None and stable.revision == V2.hash:
            return
    raise AssertionError(world.status.message)


@pytest.mark.parametrize(("replicas", "scaling"), [(10, NARROW), (10, NO_SURGE), (3, NARROW)])
def test_the_surge_holds_on_the_way_up_and_each_side_carries_its_share(
    replicas: int, scaling: model.Scaling
) -> None:
    world = serving(replicas=replicas, scaling=scaling, weights=(50.0,))
    surge = -int(-replicas * scaling.max_surge_percent // 100)
    lent = 0 if surge else 1

    def look() -> None:
        pods = world.pods()
        if world.status.phase is P.HEALTHY:
            return  # what is left of the old revision drains
        assert sum(pods.values()) <= replicas + surge, pods
        for revision, share in world.traffic.weights.items():
            assert (pods.get(revision, 0) + lent) * 100 >= replicas * share - 1e-2, pods

    promote_watched(world, look)
    reached = {weights.get(V2.hash, 0.0) for weights in world.weights_seen}
    assert {50.0, 100.0} <= reached


def test_a_wide_surge_needs_no_parts() -> None:
    world = serving(replicas=10, weights=(50.0,))
    promote_watched(world, lambda: None)
    shares = [w[V2.hash] for w in world.weights_seen if V2.hash in w]
    assert shares == [50.0, 100.0, 100.0]


@made_once
def in_parts(*, percent: float = 50.0) -> World:
    """A candidate that has the first part of its weight, with nothing proven yet."""
    world = serving(replicas=10, scaling=NARROW, weights=(percent,))
    world.analysis = replace(HOLD, estimates=(model.Estimate(text="finds a doubling in 5m"),))
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    assert world.traffic.weights[V2.hash] < percent
    return world


def test_what_a_step_can_find_is_said_once_however_many_parts_it_has() -> None:
    world = in_parts()
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    assert world.reasons().count("TrafficShifted") > 1
    assert world.reasons().count("StepPlanned") == 1


@pytest.mark.parametrize("share", [0.0, 4.0])
def test_a_part_that_somebody_else_changes_is_put_right_before_the_next(share: float) -> None:
    world = in_parts()
    part = world.traffic.weights[V2.hash]
    stolen = {V1.hash: 100.0 - share, V2.hash: share}
    world.traffic = replace(world.traffic, weights=stolen)
    world.weights_seen.clear()
    world.tick()
    assert world.weights_seen == [{V1.hash: 100.0 - part, V2.hash: part}]
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)


@made_once
def shrunk(provider: model.Provider, scaling: model.Scaling) -> World:
    """A candidate at 50 %, for which stable was cut."""
    world = serving(provider=provider, replicas=4, scaling=scaling, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    for _ in range(60):
        world.tick(2.0)
    assert world.pods()[V1.hash] < 4
    assert world.traffic.weights[V2.hash] == 50.0
    return world


@pytest.mark.parametrize("act", ["abort", "newer", "back"])
@pytest.mark.parametrize("surge_percent", [0.0, 25.0])
def test_on_the_way_back_the_weight_follows_the_pods_of_stable(
    act: str, surge_percent: float
) -> None:
    world = shrunk(GATEWAY, model.Scaling(max_surge_percent=surge_percent))
    if act == "abort":
        world.ask("abort", V2)
    else:
        world.deploy(V3 if act == "newer" else V1)
    surge = int(4 * surge_percent / 100)
    lent = 0 if surge else 1  # without any surge one pod may be missing on the way
    for _ in range(60):
        ready = world.revisions[V1.hash].ready
        world.tick(1.0)
        share = world.traffic.weights.get(V1.hash, 0.0)
        assert share <= max(25 * (ready + lent), 50.0) + 1e-6, f"{share} % on {ready} pods"
        if world.traffic.weights.get(V2.hash, 0.0) == 0:
            break
        assert sum(world.pods().values()) <= 4 + surge
    assert world.traffic.weights == {V1.hash: 100.0}
    world.tick()
    rejected = [one.revision for one in world.status.rejected]
    assert rejected == ([V2.hash] if act == "abort" else [])


@pytest.mark.parametrize("act", ["abort", "newer", "back"])
def test_where_pods_are_the_weight_stable_is_whole_before_it_is_alone(act: str) -> None:
    world = shrunk(RATIO, model.Scaling(max_surge_percent=25.0))
    world.analysis = ADVANCE
    if act == "abort":
        world.ask("abort", V2)
    else:
        world.deploy(V3 if act == "newer" else V1)
    for _ in range(60):
        ready = world.revisions[V1.hash].ready
        seen = len(world.weights_seen)
        world.tick(1.0)
        if {V1.hash: 100.0} in world.weights_seen[seen:]:
            assert ready == 4
            return
    raise AssertionError(world.status.message)


@pytest.mark.parametrize("provider", [GATEWAY, RATIO])
def test_harm_lowers_at_once_whatever_stable_carries(provider: model.Provider) -> None:
    world = shrunk(provider, NO_SURGE)
    world.analysis = BREACH
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}


def test_harm_that_is_seen_while_a_candidate_leaves_rejects_it_at_once() -> None:
    world = shrunk(GATEWAY, NO_SURGE)
    world.deploy(V1)
    world.tick()
    assert world.traffic.weights.get(V2.hash, 0.0) > 0
    world.analysis = BREACH
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.rejected[0].revision == V2.hash


@pytest.mark.parametrize("act", ["abort", "newer", "back"])
def test_who_asked_for_the_way_back_waits_no_longer_than_the_deadline(act: str) -> None:
    """Stable never gets the pods for its share; it takes everything all the same."""
    world = shrunk(GATEWAY, NO_SURGE)
    assert world.spec is not None
    world.held[V1.hash] = world.revisions[V1.hash].ready
    if act == "abort":
        world.ask("abort", V2)
    else:
        world.deploy(V3 if act == "newer" else V1)
    began = world.now
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) > 0)
    waited = (world.now - began).total_seconds()
    deadline = world.spec.progress_deadline_seconds
    assert deadline <= waited <= 1.5 * deadline


@pytest.mark.parametrize("act", ["newer", "back"])
def test_pods_go_a_delay_after_the_confirmation_whoever_ended_the_rollout(act: str) -> None:
    world = serving(weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.tick()
    world.accept = False  # the gateway is slow
    world.deploy(V3 if act == "newer" else V1)
    for _ in range(40):
        world.tick(5.0)
        assert world.revisions[V2.hash].wanted > 0
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    world.tick()
    world.tick(29.0)
    assert world.revisions[V2.hash].wanted > 0
    world.tick(2.0)
    assert world.revisions[V2.hash].wanted == 0


def test_stable_shrinks_only_when_the_smaller_weight_is_in_force() -> None:
    world = serving(weights=(50.0,), scaling=model.Scaling(max_surge_percent=50.0))
    world.analysis = HOLD
    world.accept = False
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    for _ in range(10):
        world.tick()
        assert world.revisions[V1.hash].wanted == 4
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    for _ in range(5):
        world.tick()
    assert world.revisions[V1.hash].wanted == 4  # 4 + 2 is within the surge
    assert world.revisions[V2.hash].wanted == 2


# --- what stays behind ---------------------------------------------------------------------------


def test_old_pods_stay_until_the_new_stable_carries_the_load() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.tick(5.0)
    for _ in range(30):  # three of four fall over under the full load
        state = world.revisions[V2.hash]
        world.revisions[V2.hash] = replace(state, ready=1, available=1)
        world.now += timedelta(seconds=5)
        world.step()
        state = world.revisions[V2.hash]
        world.revisions[V2.hash] = replace(state, ready=1, available=1)
    assert world.revisions[V1.hash].wanted == 4
    assert world.condition("Ready").reason == "CapacityMissing"
    assert V1.hash in world.condition("Available").message
    assert world.status.health_status == "Degraded"
    world._pods_become_ready()
    world.tick()
    world.tick(29.0)
    assert world.revisions[V1.hash].wanted == 4, "the delay counts from here"
    world.tick(2.0)
    assert world.revisions[V1.hash].wanted == 0
    assert world.condition("Ready").status == "True"


# --- the rollback window -------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [GATEWAY, RATIO])
def test_what_served_before_returns_without_steps_on_its_warm_pods(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.analysis = HOLD
    world.deploy(V1)
    least = 4
    for _ in range(20):
        world.tick(1.0)
        least = min(least, world.revisions[V1.hash].wanted)
        if world.status.stable is not None and world.status.stable.revision == V1.hash:
            break
    assert world.status.phase is P.HEALTHY
    assert least == 4
    last = world.status.last_rollout
    assert last is not None
    assert (last.result, last.by) == (model.RolloutResult.FAST_PROMOTED, "Spec")


def test_the_window_ends() -> None:
    world = serving()
    assert world.spec is not None
    rollback = replace(world.spec.rollback, window_revisions=1)
    world.spec = replace(world.spec, rollback=rollback)
    for one in (V2, V3):
        world.deploy(one)
        world.run_until(P.HEALTHY)
    world.analysis = HOLD
    world.deploy(V1)
    world.run_while(lambda: world.traffic.weights.get(V1.hash, 0.0) < 10)
    world.tick()
    assert world.status.phase is P.PROGRESSING
    assert world.traffic.weights[V1.hash] == 10.0


def test_a_rejected_revision_does_not_return_by_the_window() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.spec = replace(world.spec, rollback=model.Rollback(window_revisions=0))  # type: ignore[type-var]
    world.analysis = BREACH
    world.deploy(V1)
    world.run_until(P.ROLLED_BACK)
    world.spec = replace(world.spec, rollback=model.Rollback())  # type: ignore[type-var]
    world.generation += 1
    world.settle()
    assert world.status.phase is P.ROLLED_BACK


@pytest.mark.parametrize("act", ["abort", "back", "newer"])
@pytest.mark.parametrize("surge", [25.0, 50.0])
def test_the_surge_holds_on_the_way_back_while_the_gateway_is_silent(
    act: str, surge: float
) -> None:
    scaling = model.Scaling(max_surge_percent=surge)
    world = serving(scaling=scaling, weights=(50.0,))
    world.deploy(V2)
    world.analysis = HOLD
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.settle()
    before = world.pods()
    assert before[V1.hash] < 4 or surge == 50.0
    world.accept = False
    match act:
        case "abort":
            world.ask("abort", V2)
        case "back":
            world.deploy(V1)
        case _:
            world.deploy(V3)
    for _ in range(20):
        world.tick(2.0)
        pods = world.pods()
        assert sum(pods.values()) <= 4 + int(4 * surge / 100), pods
        assert pods[V1.hash] >= before[V1.hash], pods
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True, pending_reason="")
    world.run_while(lambda: world.pods()[V1.hash] < 4)


def test_fewer_replicas_are_fewer_pods_also_while_the_gateway_is_silent() -> None:
    world = serving(replicas=8, weights=(50.0,), scaling=model.Scaling(max_surge_percent=25.0))
    world.deploy(V2)
    world.analysis = HOLD
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.settle()
    world.traffic = replace(world.traffic, accepted=False)
    world.accept = False
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=2)
    world.tick()
    assert world.pods() == {V1.hash: 2, V2.hash: 2}
