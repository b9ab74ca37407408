"""A stable revision that was shrunk gets no more users than its pods carry, whatever was forgotten.

In a bake one pod of four is the way back; in a step without surge stable has those of its share.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, serving, waits

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import decide
from tidegate.traffic.sizing import whole

P = model.Phase
PROVIDERS = pytest.mark.parametrize("provider", list(model.Provider))
EXACT = pytest.mark.parametrize("provider", [model.Provider.GATEWAY_API, model.Provider.CONTOUR])
SPOILT = model.Violation(path="spec.server.port", message="must be a number")
POOLS = pytest.mark.parametrize("surge", [100.0, 25.0, 0.0])


@made_once
def baking(provider: model.Provider, *, surge: float = 100.0) -> World:
    """v2 is promoted and has everything; one pod of v1 stayed, and the rest comes when told to."""
    scaling = model.Scaling(max_surge_percent=surge)
    world = serving(provider=provider, scaling=scaling)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=6000.0, kept_percent=25.0))
    world.deploy(V2)
    world.run_until(P.BAKING)
    for _ in range(20):
        world.tick(5.0)
    assert world.pods()[V1.hash] == 1
    world.held[V1.hash] = 1
    world.weights_seen.clear()
    return world


def emptied(world: World) -> None:
    world.status = model.Status()
    world.events.clear()


def never_too_much(world: World, *, passes: int = 20) -> None:
    """Stable's share is within its ready pods, as far as those of others could have it instead."""
    by_pods = world.spec is not None and world.spec.traffic.provider is model.Provider.REPLICA_RATIO
    for _ in range(passes):
        ready = world.revisions[V1.hash].ready
        before = dict(world.traffic.weights)
        world.tick(2.0)
        share, had = world.traffic.weights.get(V1.hash, 0.0), before.get(V1.hash, 0.0)
        if by_pods:  # where all pods are selected each has its part
            assert share < 100 or ready >= 3, (share, ready)
        else:
            assert share <= max(had, 100 * ready / 4) or ready >= 3, (share, had, ready)


def pods_come(world: World) -> None:
    """One after the other."""
    for ready in (2, 3, 4):
        never_too_much(world, passes=5)
        world.held[V1.hash] = ready
        state = world.revisions[V1.hash]
        world.revisions[V1.hash] = replace(state, ready=min(ready, state.wanted))
    del world.held[V1.hash]


@POOLS
@PROVIDERS
def test_an_emptied_status_in_the_bake_gives_back_as_pods_come(
    provider: model.Provider, surge: float
) -> None:
    world = baking(provider, surge=surge)
    world.analysis = HOLD
    emptied(world)
    never_too_much(world)
    if provider is not model.Provider.REPLICA_RATIO:
        assert world.traffic.weights == {V1.hash: 25.0, V2.hash: 75.0}
        assert waits(world) is model.Waiting.CAPACITY
    pods_come(world)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 100.0) > 25)
    world.writes.clear()
    for _ in range(5):
        world.tick(2.0)
    assert "SetTraffic" not in world.writes, "it holds its first step"
    assert not world.status.rejected


@PROVIDERS
@pytest.mark.parametrize("then", ["invalid", "back", "newer", "paused", "gated"])
def test_whatever_comes_with_it(provider: model.Provider, then: str) -> None:
    world = baking(provider)
    world.analysis = HOLD
    assert world.spec is not None
    match then:
        case "invalid":
            world.violations = (SPOILT,)
        case "back":
            world.deploy(V1)
        case "newer":
            world.deploy(V3)
        case "paused":
            world.spec = replace(world.spec, paused=True)
        case _:
            level = model.AutomationLevel.MANUAL
            world.spec = replace(world.spec, automation=model.Automation(level=level))
    emptied(world)
    never_too_much(world)
    assert world.traffic.weights.get(V2.hash, 0.0) > 0
    assert world.pods()[V2.hash] > 0
    pods_come(world)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) > 25)
    world.settle()
    world.writes.clear()
    for _ in range(5):
        world.tick(2.0)
    assert "SetTraffic" not in world.writes


@EXACT
def test_in_a_step_without_surge_the_share_stays_until_stable_has_more(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider, scaling=model.Scaling(max_surge_percent=0.0))
    world.analysis = ADVANCE
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.analysis = HOLD
    world.settle()
    assert world.pods() == {V1.hash: 2, V2.hash: 2}
    world.held[V1.hash] = 2
    emptied(world)
    never_too_much(world)
    assert world.traffic.weights[V2.hash] == 50.0
    del world.held[V1.hash]
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) != 10.0)


@PROVIDERS
def test_blue_green_moves_all_users_once_stable_has_its_pods(provider: model.Provider) -> None:
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(
        world.spec,
        steps=(),
        blue_green=model.BlueGreen(preview_service="iris-preview", preview_seconds=60.0),
        traffic=replace(world.spec.traffic, exclusive=True),
        scaling=whole.SCALING,
        bake=model.Bake(seconds=6000.0, kept_percent=25.0),
    )
    world.generation += 1
    world.settle()
    world.deploy(V2)
    world.run_until(P.BAKING)
    for _ in range(20):
        world.tick(5.0)
    assert world.pods()[V1.hash] == 1
    world.held[V1.hash] = 1
    emptied(world)
    for _ in range(10):
        world.tick(2.0)
        assert world.traffic.weights.get(V2.hash) == 100.0
    del world.held[V1.hash]
    world.run_while(lambda: world.traffic.weights.get(V1.hash) != 100.0)


# --- promote-full in a bake that has lost its weight ----------------------------------------------


@made_once
def in_the_bake(provider: model.Provider) -> World:
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=6000.0))
    world.deploy(V2)
    world.run_until(P.BAKING)
    world.settle()
    return world


@made_once
def withdrawn(provider: model.Provider) -> World:
    world = in_the_bake(provider)
    world.held[V2.hash] = 0
    for _ in range(3):
        world.tick()
    assert world.traffic.weights.get(V2.hash, 0.0) == 0
    return world


@PROVIDERS
def test_promote_full_in_a_withdrawn_bake_waits_for_its_pods(provider: model.Provider) -> None:
    world = withdrawn(provider)
    world.ask("promote-full", V2)
    for _ in range(10):
        world.tick(2.0)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash, "nothing of it is ready"
    assert world.traffic.weights.get(V1.hash) == 100.0
    if provider is not model.Provider.REPLICA_RATIO:  # by pods the first one has its part at once
        world.held[V2.hash] = 1
        for _ in range(10):
            world.tick(2.0)
            assert world.status.stable.revision == V1.hash
    del world.held[V2.hash]
    world.run_until(P.HEALTHY)
    assert world.status.stable.revision == V2.hash
    assert world.traffic.weights.get(V2.hash) == 100.0
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.by == "User"


@PROVIDERS
@pytest.mark.parametrize("kind", ["promote-full", "skip-step"])
def test_a_request_in_the_pass_that_sees_its_pods_go_promotes_nobody(
    provider: model.Provider, kind: str
) -> None:
    world = in_the_bake(provider)
    lost = replace(world.revisions[V2.hash], ready=0, available=0)
    world.revisions[V2.hash], world.held[V2.hash] = lost, 0
    world.ask(kind, V2)
    for _ in range(5):
        world.tick(2.0)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.traffic.weights.get(V1.hash) == 100.0


@PROVIDERS
def test_promote_full_in_a_bake_that_stands_ends_it_at_once(provider: model.Provider) -> None:
    world = in_the_bake(provider)
    world.ask("promote-full", V2)
    world.tick()
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@EXACT
def test_a_new_stable_revision_takes_over_from_the_old_one_as_its_pods_come(
    provider: model.Provider,
) -> None:
    """Status says who is stable, and the target gives everything to what was before."""
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.tick()
    world.held[V2.hash] = 1
    world.revisions[V2.hash] = replace(world.revisions[V2.hash], ready=1)
    world.traffic = replace(world.traffic, weights={V1.hash: 100.0})
    for _ in range(4):
        world.tick()
        assert world.traffic.weights.get(V2.hash, 0.0) <= 25.0
    del world.held[V2.hash]
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 100)


# --- a crash between a lowering write and the status that says why --------------------------------


def crashes_while_lowering(world: World) -> None:
    """The write of a breach reached the target, and nothing of it reached status."""
    world.analysis = BREACH
    world.now += timedelta(seconds=1)
    for action in actions.lowering(decide.decide(world.observe()).actions):
        world._do(action)
    world.analysis = model.AnalysisState()


@EXACT
@pytest.mark.parametrize("then", ["", "invalid", "newer", "paused"])
def test_what_was_taken_from_a_harmful_version_in_part_is_not_given_back(
    provider: model.Provider, then: str
) -> None:
    world = baking(provider)
    crashes_while_lowering(world)
    assert world.traffic.weights == {V1.hash: 25.0, V2.hash: 75.0}
    assert world.spec is not None
    match then:
        case "invalid":
            world.violations = (SPOILT,)
        case "newer":
            world.analysis = HOLD
            world.deploy(V3)
        case "paused":
            world.spec = replace(world.spec, paused=True)
    for _ in range(5):
        world.tick(2.0)
        assert world.traffic.weights.get(V2.hash, 0.0) <= 75.0
    assert [one.revision for one in world.status.rejected] == [V2.hash]
    pods_come(world)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) > 0)
    assert world.traffic.weights[V1.hash] >= 80.0


@EXACT
def test_an_emptied_status_knows_it_too(provider: model.Provider) -> None:
    world = baking(provider)
    crashes_while_lowering(world)
    emptied(world)
    never_too_much(world)
    assert [one.revision for one in world.status.rejected] == [V2.hash]
    pods_come(world)
    world.settle()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.traffic.rolled_back_revision == V2.hash


@EXACT
def test_one_that_is_tried_again_meanwhile_does_not_take_the_share_with_its_mark(
    provider: model.Provider,
) -> None:
    world = baking(provider)
    crashes_while_lowering(world)
    emptied(world)
    world.tick()
    world.ask("retry", V2)
    world.analysis = HOLD
    never_too_much(world)
    assert world.traffic.weights == {V1.hash: 25.0, V2.hash: 75.0}
    pods_come(world)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) != 10.0)
    assert not world.traffic.rolled_back_revision


def test_the_mark_stands_while_stable_has_no_more_pods() -> None:
    world = baking(model.Provider.GATEWAY_API)
    world.analysis = BREACH
    for _ in range(5):
        world.tick(2.0)
        assert world.traffic.weights == {V1.hash: 25.0, V2.hash: 75.0}
        assert world.traffic.rolled_back_revision == V2.hash
