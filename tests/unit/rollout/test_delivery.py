"""What a candidate lacks of its stage proves nothing, and no clock runs on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from rollout_world import HOLD, V1, V2, World, serving

from tidegate import model
from tidegate.evidence.terms import Reason
from tidegate.rollout import delivery
from tidegate.rollout.turn import Turn

P = model.Phase
UNANSWERED = model.AnalysisState(
    judged=True,
    verdict=model.Verdict.ROLL_BACK,
    reason=Reason.UNANSWERED.value,
    message="finished 0",
)
BREACHED = replace(UNANSWERED, reason=Reason.SLO_BREACH.value, message="errors")
GATEWAY, RATIO = model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO


def at_first_step(provider: model.Provider = GATEWAY) -> World:
    """V2 has the weight of its first step, which is confirmed."""
    world = serving(provider=provider)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not confirmed(world))
    return world


def confirmed(world: World) -> bool:
    rollout = world.status.rollout
    return rollout is not None and rollout.step is not None and bool(rollout.step.confirmed_at)


def turn_of(world: World) -> Turn:
    return Turn(seen=world.observe(), status=world.status)


def lose(world: World, weights: Mapping[str, float]) -> None:
    world.traffic = replace(world.traffic, weights=weights)


@pytest.mark.parametrize(
    ("judged", "share", "found"),
    [
        (HOLD, 10.0, None),
        (UNANSWERED, 10.0, "finished 0"),
        (UNANSWERED, 30.0, "finished 0"),  # it gets more than it was promised
        (UNANSWERED, 5.0, None),
        (UNANSWERED, 0.0, None),
        (BREACHED, 5.0, "errors"),  # in what it got
    ],
)
def test_too_few_answers_say_nothing_of_one_that_gets_less(
    judged: model.AnalysisState, share: float, found: str | None
) -> None:
    world = at_first_step()
    lose(world, {V1.hash: 100.0 - share, V2.hash: share})
    world.analysis = judged
    assert delivery.harm(turn_of(world)) == found


def test_too_few_copies_say_nothing_either() -> None:
    world = at_first_step()
    rollout = world.status.rollout
    assert rollout is not None
    stage = replace(rollout.plan[0], mirror_percent=20.0)
    world.status = replace(world.status, rollout=replace(rollout, plan=(stage, *rollout.plan[1:])))
    world.analysis = UNANSWERED
    assert delivery.harm(turn_of(world)) is None
    world.traffic = replace(world.traffic, mirrors={V2.hash: 20.0})
    assert delivery.harm(turn_of(world)) == "finished 0"


@pytest.mark.parametrize("provider", [GATEWAY, RATIO])
def test_a_stage_that_lost_its_share_is_confirmed_and_counted_anew(
    provider: model.Provider,
) -> None:
    world = at_first_step(provider)
    before = world.status.rollout
    assert before is not None
    lose(world, {V1.hash: 100.0})
    world.blocked = model.Violation(path="", message="spec.rules", reason="FieldConflict")
    world.analysis = UNANSWERED
    world.tick()
    assert not confirmed(world)
    assert world.status.rejected == ()
    assert "ShareLost" in world.reasons()
    world.blocked, world.analysis = None, HOLD
    world.run_while(lambda: not confirmed(world))
    after = world.status.rollout
    assert after is not None
    assert before.evidence_since is not None
    assert after.evidence_since is not None
    assert after.evidence_since > before.evidence_since
    assert after.step is not None
    assert after.step.index == 0


def test_while_the_next_stage_is_waited_for_the_one_before_is_taken_again() -> None:
    world = at_first_step()
    turn = turn_of(world)
    rollout = turn.rollout
    assert rollout.step is not None
    passed = replace(rollout.plan[0], state=model.StepState.PASSED)
    step = model.ActiveStep(index=1, name=rollout.plan[1].name, started_at=world.now)
    rollout = replace(rollout, plan=(passed, *rollout.plan[1:]), step=step)
    turn = turn.with_rollout(rollout)
    assert delivery.note_loss(turn) is turn, "nothing is lost"
    lost = replace(turn.seen, traffic=replace(turn.seen.traffic, weights={V1.hash: 100.0}))
    again = delivery.note_loss(replace(turn, seen=lost)).rollout
    assert again.step is not None
    assert (again.step.index, again.step.confirmed_at) == (0, None)
    assert again.is_taken_again
    # Once the next weight is on its way nothing leads back: it is counted for itself.
    underway = replace(rollout, exposure=rollout.plan[1].exposure)
    noted = delivery.note_loss(replace(turn, seen=lost).with_rollout(underway)).rollout
    assert noted == replace(underway, evidence_since=None)


@pytest.mark.parametrize("provider", [GATEWAY, RATIO])
def test_a_bake_without_its_users_is_not_over(provider: model.Provider) -> None:
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0))
    world.deploy(V2)
    world.run_until(P.BAKING)
    world.run_while(lambda: not confirmed(world))
    world.blocked = model.Violation(path="", message="no", reason="Forbidden")
    for _ in range(200):
        lose(world, {V1.hash: 100.0})
        world.tick(5.0)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert not confirmed(world)
    world.blocked = None
    back = world.now
    world.run_until(P.HEALTHY)
    assert (world.now - back).total_seconds() > 600


@pytest.mark.parametrize("percent", [0.0, 5.0])
def test_a_step_whose_exposure_status_forgot_is_reached_anew(percent: float) -> None:
    world = at_first_step()
    rollout = world.status.rollout
    assert rollout is not None
    said = model.Exposure(live_percent=percent)
    world.status = replace(world.status, rollout=replace(rollout, exposure=said))
    world.tick()
    assert "StatusInconsistent" in world.reasons()
    world.run_while(lambda: not confirmed(world))
    assert world.traffic.weights[V2.hash] == 10.0
    assert world.status.rejected == ()
