"""Shadows that may not send: when their NetworkPolicy is made, and when it must be gone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import decide

ISOLATIONS = (actions.CreateIsolation, actions.DeleteIsolation)
P, T = model.Phase, model.Then
THERE = model.Isolation(revisions=frozenset({V2.hash}))
REFUSED = model.Isolation(refused="networkpolicies is forbidden")


@made_once
def shadowing(then: model.Then = T.PROMOTE) -> World:
    """A second version is on its way to its copies; nobody has looked for policies yet."""
    world = serving()
    assert world.spec is not None
    shadow = model.Shadow(
        mirror=model.Mirror(percent=20.0, seconds=60.0),
        deadline_seconds=600.0,
        min_requests=10,
        then=then,
        isolated=True,
    )
    world.spec = replace(world.spec, shadow=shadow)
    world.analysis = HOLD
    world.deploy(V2)
    for _ in range(10):
        world.tick()
    return world


def copied(world: World) -> bool:
    return world.traffic.mirrors.get(V2.hash, 0.0) > 0


def waits(world: World) -> model.WaitingFor | None:
    rollout = world.status.active_rollout
    return rollout.waiting_for if rollout is not None else None


def test_no_request_is_copied_before_somebody_has_looked_and_the_policy_is_there() -> None:
    world = shadowing()
    found = waits(world)
    assert found is not None
    assert found.reason is model.Waiting.ISOLATION
    assert "looked at first" in found.message
    assert world.status.shadows_isolated
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    assert world.isolation == THERE
    assert waits(world) is None


def test_it_is_gone_before_users_are_answered_and_then_nobody_looks() -> None:
    world = shadowing(T.CANARY)
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    world.analysis = ADVANCE
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0, limit=300)
    assert world.isolation == model.Isolation()
    world.run_until(P.HEALTHY, limit=2000)
    assert not world.status.shadows_isolated


@pytest.mark.parametrize("held_by", ["level", "pause", "promotion", "pods"])
def test_copies_that_go_on_until_users_may_come_keep_their_policy(held_by: str) -> None:
    world = shadowing(T.PROMOTE if held_by in {"promotion", "pods"} else T.CANARY)
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    _hold(world, held_by)
    world.analysis = ADVANCE
    for _ in range(100):
        world.tick(2.0)
        assert copied(world)
        assert world.isolation == THERE, waits(world)
    found = waits(world)
    assert found is not None
    assert found.reason is not model.Waiting.ISOLATION
    assert world.status.rollout is not None
    assert world.status.rollout.stage is not None
    assert world.status.rollout.stage.isolated is (held_by in {"level", "pause"})
    _hold(world, "")
    if held_by in {"level", "promotion"}:
        world.ask("promote", V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    assert world.isolation == model.Isolation()


def _hold(world: World, by: str) -> None:
    """From here on the next stage waits for this; for nothing where `by` is empty."""
    assert world.spec is not None
    level = {"level": model.AutomationLevel.MANUAL, "promotion": model.AutomationLevel.GATED}
    automation = model.Automation(level=level.get(by, model.AutomationLevel.FULL))
    world.spec = replace(world.spec, paused=by == "pause", automation=automation)
    world.held = {V2.hash: world.revisions[V2.hash].ready} if by == "pods" else {}


def test_what_cannot_be_looked_for_after_a_restart_keeps_users_away() -> None:
    world = shadowing(T.CANARY)
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    world.isolation = model.Isolation(unreadable="no right")  # the policy is there all the same
    world.analysis = ADVANCE
    for _ in range(100):
        world.tick(2.0)
        assert world.traffic.weights.get(V2.hash, 0.0) == 0
    found = waits(world)
    assert found is not None
    assert (found.reason, found.message) == (model.Waiting.ISOLATION, "no right")
    world.isolation = THERE
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)


@pytest.mark.parametrize("seen", [None, model.Isolation(unreadable="no right")])
def test_what_served_before_returns_whatever_is_known_of_policies(
    seen: model.Isolation | None,
) -> None:
    world = serving()
    assert world.spec is not None
    for version in (V2, V1):
        if version is V1:
            isolated = shadowing().spec
            assert isolated is not None
            world.spec = replace(world.spec, shadow=isolated.shadow)
            world.status = replace(world.status, shadows_isolated=True)
            world.isolation = seen
        world.deploy(version)
        world.run_until(P.HEALTHY, limit=2000)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.status.shadows_isolated, "somebody has to look yet"


@pytest.mark.parametrize("stays", ["refused", "unreadable"])
def test_users_are_not_answered_while_it_is_there(stays: str) -> None:
    world = shadowing(T.CANARY)
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    world.isolation = replace(THERE, refused="no right")
    if stays == "unreadable":
        world.isolation = replace(world.isolation, unreadable="no right")
    world.analysis = ADVANCE
    for _ in range(200):
        world.tick(2.0)
    found = waits(world)
    assert found is not None
    assert (found.reason, found.message) == (model.Waiting.ISOLATION, "no right")
    assert world.traffic.weights.get(V2.hash, 0.0) == 0
    assert world.status.rejected == ()
    assert world.reasons().count("IsolationBlocked") == 1
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    assert world.status.shadows_isolated, "somebody has to take it away yet"
    world.isolation = THERE
    for _ in range(10):
        world.tick()
    assert world.isolation == model.Isolation()
    assert not world.status.shadows_isolated


def test_what_refuses_it_is_waited_for_and_told_and_rejects_nobody() -> None:
    world = shadowing()
    world.isolation = REFUSED
    for _ in range(300):
        world.tick(5.0)
    assert world.status.phase is P.PAUSED
    found = waits(world)
    assert found is not None
    assert (found.reason, found.message) == (model.Waiting.ISOLATION, REFUSED.refused)
    assert world.status.rejected == ()
    assert world.reasons().count("IsolationBlocked") == 1
    world.isolation = model.Isolation()
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY, limit=2000)


@pytest.mark.parametrize("why", ["breach", "abort", "other version"])
def test_the_way_back_waits_for_nothing_and_the_policy_follows(why: str) -> None:
    world = shadowing()
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    world.isolation = replace(THERE, refused="no right")
    if why == "breach":
        world.analysis = BREACH
    elif why == "abort":
        world.ask("abort", V2)
    else:
        world.deploy(V3)
    world.tick()
    assert not copied(world)
    world.isolation = THERE
    for _ in range(20):
        world.tick()
    assert world.isolation is not None
    assert V2.hash not in world.isolation.revisions


def test_one_that_is_left_over_goes_where_none_is_wanted() -> None:
    world = serving()
    world.status = replace(world.status, shadows_isolated=True)
    world.tick()
    assert world.status.shadows_isolated, "nobody has looked yet"
    world.isolation = THERE
    world.tick()
    assert world.isolation == model.Isolation()
    world.isolation = replace(world.isolation, unreadable="no right")
    world.tick()
    assert world.status.shadows_isolated, "what cannot be read may be there"
    world.isolation = model.Isolation()
    world.tick()
    assert not world.status.shadows_isolated


@pytest.mark.parametrize("there", [model.Isolation(), THERE], ids=["none", "one"])
def test_one_that_answers_users_meanwhile_gets_none(there: model.Isolation) -> None:
    """It stands in for stable, and its answers may need what a shadow is denied."""
    world = shadowing()
    world.isolation = there
    seen = world.observe()
    decided = decide.decide(replace(seen, traffic=replace(seen.traffic, weights={V2.hash: 100.0})))
    found = [it for it in decided.actions if isinstance(it, ISOLATIONS)]
    gone = [actions.DeleteIsolation(revision=V2.hash)]
    assert found == (gone if there == THERE else [])


def test_a_policy_that_an_emptied_status_knows_nothing_of_is_looked_for() -> None:
    """The shadow was edited into a canary, and somebody emptied the status."""
    world = shadowing()
    world.isolation = model.Isolation()
    world.run_while(lambda: not copied(world))
    assert world.isolation == THERE
    assert world.spec is not None
    world.spec = replace(world.spec, shadow=None)
    world.generation += 1
    world.tick()
    asked = {"strategy": {"shadow": {"egress": {}}}}
    world.frozen_rollouts = {
        name: replace(one, spec=asked) for name, one in world.frozen_rollouts.items()
    }
    world.status = model.Status()
    world.isolation = None
    world.tick()
    assert world.status.shadows_isolated
    for _ in range(5):
        world.tick()
        assert world.traffic.weights.get(V2.hash, 0.0) == 0
    world.isolation = THERE
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    assert world.isolation == model.Isolation()
