"""Routes of the user: what they lack is told and waited for, and what we changed is given back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import HOLD, V1, V2, World, serving

from tidegate import model
from tidegate.rollout import dataplane, duties

SHOP = (model.RouteRef(kind="HTTPRoute", name="shop"),)
MISSING = "HTTPRoute shop does not exist: create it"


def with_route(**options: object) -> World:
    world = serving(V1, **options)
    assert world.spec is not None
    traffic = replace(world.spec.traffic, routes=SHOP, gateway=None)
    world.spec = replace(world.spec, traffic=traffic)
    return world


def without_it(world: World) -> None:
    world.traffic = replace(
        world.traffic,
        weights={},
        accepted=False,
        obstacle=MISSING,
        pending_reason="RouteUnusable",
        pending_message=MISSING,
    )


def test_at_rest_it_is_told_and_looked_for_again_soon() -> None:
    world = with_route()
    without_it(world)
    world.now = world.now.replace(hour=13)
    decision = world.step()
    for kind in ("Ready", "TrafficProgrammed"):
        assert world.condition(kind).reason == "RouteUnusable"
        assert world.condition(kind).message == MISSING
    assert decision.requeue_after_seconds <= dataplane.OBSTACLE_LOOK_SECONDS


def test_a_route_that_may_be_unwatched_is_looked_at_every_minute() -> None:
    world = with_route()
    assert world.tick().requeue_after_seconds <= 60


def test_no_candidate_gets_a_weight_without_it_and_nobody_is_rejected() -> None:
    world = with_route(progress_deadline_seconds=60.0)
    without_it(world)
    world.deploy(V2)
    for _ in range(30):
        kept = world.traffic
        world.tick(10.0)
        world.traffic = kept  # there is nothing to write to
    waits = world.status.active_rollout
    assert waits is not None
    assert waits.waiting_for is not None
    assert waits.waiting_for.reason is model.Waiting.ROUTE_NOT_READY
    assert waits.waiting_for.message == MISSING
    assert not world.status.rejected
    world.traffic = replace(world.traffic, weights={V1.hash: 100.0}, obstacle="", accepted=True)
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_a_step_that_loses_its_route_waits_once_and_goes_on() -> None:
    world = with_route()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash) != 10.0)
    world.settle()
    before = world.traffic
    without_it(world)
    kept = world.traffic
    since = []
    for _ in range(5):
        world.tick(5.0)
        world.traffic = kept
        rollout = world.status.active_rollout
        assert rollout is not None
        assert rollout.waiting_for is not None
        since.append(rollout.waiting_for.since)
    assert len(set(since)) == 1
    world.traffic = before
    world.tick(5.0)
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.waiting_for is None


@pytest.mark.parametrize("owed", [True, False])
def test_deletion_waits_until_the_route_is_as_it_was(owed: bool) -> None:  # noqa: FBT001
    world = with_route()
    world.traffic = replace(world.traffic, owed=owed)
    kept = world.traffic
    world.tick()
    world.traffic = kept
    assert (duties.FINALIZER in world.finalizers) is owed
    world.deleting = True
    world.tick()
    world.traffic = kept
    world.tick()
    assert (duties.FINALIZER in world.finalizers) is owed
    world.traffic = replace(kept, owed=False)
    world.tick()
    assert duties.FINALIZER not in world.finalizers


def test_a_first_revision_writes_its_services_and_waits_for_the_route() -> None:
    world = World()
    assert world.spec is not None
    traffic = replace(world.spec.traffic, routes=SHOP, gateway=None)
    world.spec = replace(world.spec, traffic=traffic)
    without_it(world)
    kept = world.traffic
    for _ in range(4):
        world.tick()
        world.traffic = kept
    assert "SetTraffic" in world.writes
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.waiting_for is not None
    assert rollout.waiting_for.message == MISSING


def test_an_abort_ends_although_another_route_is_missing() -> None:
    """What is there gives everything to stable; what is not there is never accepted."""
    world = with_route()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash) != 10.0)
    world.ask("abort", V2)
    for _ in range(20):
        world.traffic = replace(world.traffic, accepted=False, obstacle=MISSING)
        world.tick(5.0)
    assert world.status.active_rollout is None
    assert world.traffic.weights.get(V2.hash, 0.0) == 0.0
