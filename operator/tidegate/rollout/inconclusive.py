"""A step that proves nothing: at its deadline, or *stalled*, since no look was conclusive for too long.

A deadline counts from the beginning of a step, `inconclusiveTimeout` from the last look that proved
something, so that a step of a week whose evidence has dried up does not stand until its end. Neither is
the progress deadline, which is about pods and routes. Source: api.md, 5.4 and 5.5; ADR 0071.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from tidegate import model
from tidegate.evidence.terms import Reason
from tidegate.rollout import ending, notices, reach, waiting
from tidegate.rollout.turn import Turn

BY_DEADLINE = "Deadline"
BY_STALL = "Stalled"


def work(turn: Turn) -> Turn:
    """Do what was asked for where the held step needs proof and has waited for it too long."""
    step, stage = turn.rollout.step, turn.rollout.stage
    assert step is not None
    assert stage is not None
    if not stage.needs_proof:
        return turn
    turn = _noted(turn)
    if step.deadline_at is not None and turn.now >= step.deadline_at:
        message = _worded(turn, "no proof until the step's deadline")
        return _as_asked(turn, model.Waiting.INCONCLUSIVE, message, by=BY_DEADLINE)
    return _stalled(turn)


def _noted(turn: Turn) -> Turn:
    """Since when looks prove nothing; a warm-up is no look, and what nobody asks for is not kept."""
    rollout = turn.rollout
    asked = turn.spec.analysis.inconclusive_timeout_seconds is not None
    warms_up = turn.seen.analysis.reason == Reason.WARMUP.value
    if not asked or warms_up or _is_conclusive(turn):
        return turn.with_rollout(replace(rollout, inconclusive_since=None))
    since = rollout.inconclusive_since or turn.now
    return turn.with_rollout(replace(rollout, inconclusive_since=since))


def _is_conclusive(turn: Turn) -> bool:
    """It may go on, is to go back, or a metric that holds has found what a person decides on."""
    seen = turn.seen.analysis
    return seen.verdict is not model.Verdict.HOLD or bool(notices.held_breaches(seen.results))


def _stalled(turn: Turn) -> Turn:
    since, timeout = (
        turn.rollout.inconclusive_since,
        turn.spec.analysis.inconclusive_timeout_seconds,
    )
    if since is None or timeout is None:
        return turn
    at = since + timedelta(seconds=timeout)
    if turn.now < at:
        return turn.look_at(at)
    message = _worded(turn, f"no look was conclusive for {timeout:.0f} s")
    return _as_asked(turn, model.Waiting.STALLED, message, by=BY_STALL)


def _worded(turn: Turn, text: str) -> str:
    """Why it is so, in words: a breach that is to hold is not inconclusive, and people decide on it."""
    seen = turn.seen.analysis
    if held := notices.held_breaches(seen.results):
        return f"a person decides: {notices.breached_text(held)}"
    return f"{text}: {seen.message or 'nothing was measured'}"


def _as_asked(turn: Turn, waits: model.Waiting, message: str, *, by: str) -> Turn:
    """Pause, promote or roll back; a promotion that time alone allows still needs the whole hold."""
    step = turn.rollout.step
    assert step is not None
    match _asked(turn):
        case model.OnInconclusive.PAUSE:
            return waiting.wait_for(turn, waits, message)
        case model.OnInconclusive.PROMOTE:
            if step.hold_until is not None and turn.now < step.hold_until:
                return turn
            why = f", as onInconclusive asks: {message}"
            return reach.pass_and_go_on(turn, why=why, by=by)
        case model.OnInconclusive.ROLLBACK:
            return ending.roll_back(turn, reason=message, by=by)
        case _ as never:
            assert_never(never)


def _asked(turn: Turn) -> model.OnInconclusive:
    """What the spec asks for, as far as that may be done without a person.

    Without data nothing is blamed and nothing let through. Time alone is enough only where nothing else
    than proof is missing, and never in place of a person whom the strategy waits for.
    """
    seen, stage = turn.seen.analysis, turn.rollout.stage
    no_data = seen.consecutive_errors > 0 or seen.without_data_since is not None or not seen.judged
    if no_data or notices.held_breaches(seen.results):
        return model.OnInconclusive.PAUSE
    asked = turn.spec.analysis.on_inconclusive
    by_person = stage is not None and stage.awaits_request
    if asked is model.OnInconclusive.PROMOTE and (by_person or not seen.only_proof_is_missing):
        return model.OnInconclusive.PAUSE
    return asked
