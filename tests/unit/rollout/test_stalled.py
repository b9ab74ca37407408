"""Steps whose looks prove nothing: `analysis.inconclusiveTimeout`, beside the deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V2, World, serving, waits

from tidegate import model
from tidegate.evidence.terms import Reason

P = model.Phase
TIMEOUT = 120.0  # steps have a hold of 60 s and a deadline of 600 s
PROVABLE = replace(HOLD, only_proof_is_missing=True)
NO_DATA = replace(HOLD, reason="NoData", message="no requests")
WARMS_UP = replace(HOLD, reason=Reason.WARMUP.value)
HELD = replace(
    HOLD,
    results=(
        model.MetricResult(
            name="inputs",
            outcome=model.Outcome.FAIL,
            reason="Drift",
            on_breach=model.OnBreach.HOLD,
        ),
    ),
)


def at_first_step(
    analysis: model.AnalysisState,
    *,
    on_inconclusive: model.OnInconclusive = model.OnInconclusive.PAUSE,
    timeout: float | None = TIMEOUT,
) -> World:
    world = serving(on_inconclusive=on_inconclusive, inconclusive_timeout_seconds=timeout)
    world.deploy(V2)
    world.analysis = analysis
    world.run_while(lambda: not confirmed(world))
    return world


def confirmed(world: World) -> bool:
    rollout = world.status.rollout
    return rollout is not None and rollout.step is not None and bool(rollout.step.confirmed_at)


def live(world: World, seconds: float, *, step: float = 5.0) -> None:
    until = world.now + timedelta(seconds=seconds)
    while world.now < until:
        world.tick(step)


def test_a_step_pauses_when_no_look_was_conclusive_for_the_stated_time() -> None:
    world = at_first_step(replace(HOLD, message="12 of 100 requests"))
    live(world, TIMEOUT - 10)
    assert world.status.phase is P.PROGRESSING
    live(world, 20)
    assert (world.status.phase, waits(world)) == (P.PAUSED, model.Waiting.STALLED)
    assert world.condition("Paused").reason == "Stalled"
    assert world.condition("Stalled").status == "False"  # of kstatus: nothing has failed
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is not None
    text = world.status.rollout.waiting_for.message
    assert text == "no look was conclusive for 120 s: 12 of 100 requests"
    assert "Stalled" in world.reasons()


def test_a_look_is_asked_for_when_it_will_be_stalled() -> None:
    world = at_first_step(HOLD)
    world.tick(1.0)
    live(world, TIMEOUT - 20)
    assert world.tick(5.0).requeue_after_seconds <= 15.0


def test_without_the_field_only_the_deadline_ends_the_wait() -> None:
    world = at_first_step(HOLD, timeout=None)
    live(world, 500)
    assert world.status.phase is P.PROGRESSING
    assert world.status.rollout is not None
    assert world.status.rollout.inconclusive_since is None
    live(world, 150)
    assert waits(world) is model.Waiting.INCONCLUSIVE


def test_the_deadline_is_said_where_it_comes_first() -> None:
    world = at_first_step(HOLD, timeout=3600.0)
    live(world, 650)
    assert waits(world) is model.Waiting.INCONCLUSIVE


@pytest.mark.parametrize("seen", [ADVANCE, HELD, WARMS_UP])
def test_what_is_conclusive_or_no_look_begins_the_time_anew(seen: model.AnalysisState) -> None:
    """ADVANCE comes within the hold, so that the step is still held."""
    world = at_first_step(HOLD, timeout=70.0)
    live(world, 40)
    world.analysis = seen
    world.tick(1.0)
    assert world.status.rollout is not None
    assert world.status.rollout.inconclusive_since is None
    world.analysis = HOLD
    live(world, 60)
    assert world.status.phase is P.PROGRESSING
    live(world, 20)
    assert waits(world) is model.Waiting.STALLED


@pytest.mark.parametrize("end", ["proof", "promote", "abort", "breach"])
def test_how_a_stalled_step_ends(end: str) -> None:
    world = at_first_step(HOLD)
    live(world, TIMEOUT + 10)
    assert waits(world) is model.Waiting.STALLED
    match end:
        case "proof":
            world.analysis = ADVANCE
        case "breach":
            world.analysis = BREACH
        case _:
            world.ask(end, V2)
            world.tick(1.0)
            world.analysis = ADVANCE
    world.run_until(P.HEALTHY if end in {"proof", "promote"} else P.ROLLED_BACK)


@pytest.mark.parametrize(
    ("asked", "seen", "ends"),
    [
        (model.OnInconclusive.ROLLBACK, HOLD, P.ROLLED_BACK),
        (model.OnInconclusive.ROLLBACK, replace(NO_DATA, consecutive_errors=1), P.PAUSED),
        (model.OnInconclusive.PROMOTE, PROVABLE, P.HEALTHY),
        (model.OnInconclusive.PROMOTE, HOLD, P.PAUSED),
        (model.OnInconclusive.PAUSE, PROVABLE, P.PAUSED),
    ],
)
def test_a_stalled_step_does_what_was_asked_for(
    asked: model.OnInconclusive, seen: model.AnalysisState, ends: model.Phase
) -> None:
    world = at_first_step(seen, on_inconclusive=asked)
    world.run_until(ends, limit=2000)
    if ends is P.ROLLED_BACK:
        assert world.status.rejected[0].by == "Stalled"
    if ends is P.HEALTHY:
        assert world.status.rollout is not None
        assert [it.ended_by for it in world.status.rollout.plan[:2]] == ["Stalled", "Stalled"]


def test_time_alone_is_enough_only_after_the_whole_hold() -> None:
    world = at_first_step(PROVABLE, on_inconclusive=model.OnInconclusive.PROMOTE, timeout=20.0)
    live(world, 50)
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    assert world.status.rollout.step.name == "p10"
    world.run_until(P.HEALTHY)


def test_a_night_in_a_pause_stalls_nothing() -> None:
    world = at_first_step(HOLD, on_inconclusive=model.OnInconclusive.ROLLBACK)
    live(world, 30)
    world.ask("pause", V2)
    live(world, 300, step=20.0)
    world.ask("resume", V2)
    live(world, TIMEOUT - 20)
    assert world.status.phase is P.PROGRESSING
    assert not world.status.rejected
