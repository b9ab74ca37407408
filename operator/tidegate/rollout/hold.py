"""Holding a step under judgement until time, evidence and people let the rollout go on."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from tidegate import model
from tidegate.rollout import ending, gates, plan, reach, waiting
from tidegate.rollout.turn import Turn

_PEOPLE_DECIDE = frozenset({model.Waiting.INCONCLUSIVE, model.Waiting.MANUAL_STEP})


def hold(turn: Turn) -> Turn:
    """Keep the weight under judgement; what others did to it is repaired if it is to stay."""
    turn = _judge_hold(turn)
    rollout = turn.active_rollout
    if rollout is None or rollout.ending or turn.moves_traffic or turn.target_agrees:
        return turn
    return reach.repeat_write(turn)


def _judge_hold(turn: Turn) -> Turn:
    """Hold until time, evidence and people let the rollout go on, or until it has to end."""
    turn = _with_present_key(turn)
    key = turn.spec.analysis.key
    edited = key != turn.rollout.analysis_key
    if edited and turn.weight_stands:
        return _judge_anew(turn, key)
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    if not _write_is_refused(turn):
        turn = waiting.stop_waiting(turn, only=reach.REACHED)
    step, stage = turn.rollout.step, turn.rollout.stage
    assert step is not None
    assert stage is not None
    if stage.needs_proof:
        turn = _evidence_waits(turn)
    proven = not edited and turn.seen.analysis.verdict is model.Verdict.ADVANCE
    if proven:  # also after the deadline
        turn = waiting.stop_waiting(turn, only=frozenset({model.Waiting.INCONCLUSIVE}))
    if waiting.is_paused(turn.rollout):
        return turn
    assert step.hold_until is not None
    assert step.deadline_at is not None
    turn = turn.look_at(step.hold_until).look_at(step.deadline_at)
    passes = proven or not (stage.needs_proof or edited)
    if passes and turn.now >= step.hold_until:
        return _await_request(turn) if stage.awaits_request else _pass(turn)
    if stage.needs_proof and turn.now >= step.deadline_at:
        return _deadline(turn)
    return turn


def switch(turn: Turn) -> Turn:
    """Once the data plane gives the candidate everything it is promoted; nothing restarts."""
    everything = turn.rollout.exposure == plan.wanted_exposure(turn.rollout)
    if not everything or not ending.candidate_has(turn, 100.0):
        return turn
    if gates.closed(turn) is not None:
        return turn  # it has everything because stable is down
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    return _pass(turn)


def _pass(turn: Turn, *, why: str = "", by: str = "") -> Turn:
    """End the stage and begin with the next one, if there is one."""
    turn = reach.pass_step(turn, why=why, by=by)
    return turn if turn.active_rollout is None else reach.reach(turn)


def _write_is_refused(turn: Turn) -> bool:
    """The target lost the weight, and the write that gives it back is refused: one wait, not many."""
    return bool(turn.refusal) and not turn.target_agrees


def _with_present_key(turn: Turn) -> Turn:
    """The key of an older release says the same where nobody has edited the spec since."""
    rollout = turn.rollout
    unedited = turn.seen.status.observed_generation >= turn.seen.meta.generation
    if rollout.analysis_key.startswith(model.KEY_FORM) or not unedited:
        return turn
    return turn.with_rollout(replace(rollout, analysis_key=turn.spec.analysis.key))


def _judge_anew(turn: Turn, key: str) -> Turn:
    """The way of judging was edited: hold and evidence start again, with this step."""
    changed = replace(turn.rollout, analysis_key=key, evidence_since=None)
    return plan.confirm(turn.with_rollout(changed))


def _evidence_waits(turn: Turn) -> Turn:
    """Name the missing evidence once it has been missing for too long; data ends the wait.

    Once a person decides, it does not matter what is missing: two waits must not alternate.
    """
    waits = turn.rollout.waiting_for
    if waits is not None and waits.reason in _PEOPLE_DECIDE:
        return turn
    seen = turn.seen.analysis
    spec = turn.spec.analysis
    missing_for = (
        (turn.now - seen.without_data_since).total_seconds() if seen.without_data_since else 0.0
    )
    too_long = missing_for >= spec.no_data_timeout_seconds
    unavailable = seen.consecutive_errors > 0
    if unavailable and (too_long or seen.consecutive_errors >= spec.error_limit):
        return waiting.wait_for(turn, model.Waiting.METRICS_UNAVAILABLE, seen.message)
    if too_long:
        return waiting.wait_for(turn, model.Waiting.NO_DATA, seen.message)
    if waits is None or not seen.judged:
        return turn
    if unavailable or seen.without_data_since:
        return turn
    return waiting.stop_waiting(turn, only=waiting.ANY - reach.REACHED)


def _await_request(turn: Turn) -> Turn:
    """It is proven, and the strategy leaves the next move to a person. What breaks still ends it."""
    version = turn.rollout.revision.model_version
    message = (
        f"{version} has passed: {turn.seen.analysis.message or 'nothing speaks against it'}; "
        "request promote to give it the users, or abort"
    )
    return waiting.wait_for(turn, model.Waiting.MANUAL_STEP, message)


def _deadline(turn: Turn) -> Turn:
    """The step's deadline came without proof (api.md, 5.5): pause, or what was asked for.

    Time alone is enough for a promotion only while there are data; without them it pauses, too.
    """
    seen = turn.seen.analysis
    message = f"no proof until the step's deadline: {seen.message or 'nothing was measured'}"
    no_data = seen.consecutive_errors > 0 or seen.without_data_since is not None or not seen.judged
    asked = turn.spec.analysis.on_inconclusive
    if no_data or (asked is model.OnInconclusive.PROMOTE and not seen.only_proof_is_missing):
        asked = model.OnInconclusive.PAUSE
    match asked:
        case model.OnInconclusive.PAUSE:
            return waiting.wait_for(turn, model.Waiting.INCONCLUSIVE, message)
        case model.OnInconclusive.PROMOTE:
            why = f", as onInconclusive asks: {message}"
            return _pass(turn, why=why, by="Deadline")
        case model.OnInconclusive.ROLLBACK:
            return ending.roll_back(turn, reason=message, by="Deadline")
        case _ as never:
            assert_never(never)
