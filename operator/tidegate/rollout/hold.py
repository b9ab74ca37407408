"""Holding a step under judgement until time, evidence and people let the rollout go on."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout import baseline, ending, gates, inconclusive, plan, reach, smoke_test, waiting
from tidegate.rollout.turn import Turn

_PEOPLE_DECIDE = waiting.UNPROVEN | {model.Waiting.MANUAL_STEP}


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
    if smoke_test.is_due(turn.rollout):
        return smoke_test.work(turn)
    step, stage = turn.rollout.step, turn.rollout.stage
    assert step is not None
    assert stage is not None
    if stage.needs_proof:
        turn = _evidence_waits(turn)
    proven = not edited and turn.seen.analysis.verdict is model.Verdict.ADVANCE
    if proven:  # also after the deadline
        turn = waiting.stop_waiting(turn, only=waiting.UNPROVEN)
    if waiting.is_paused(turn.rollout):
        return turn
    assert step.hold_until is not None
    assert step.deadline_at is not None
    turn = turn.look_at(step.hold_until).look_at(step.deadline_at)
    passes = proven or not (stage.needs_proof or edited)
    if passes and turn.now >= step.hold_until:
        return _await_request(turn) if stage.awaits_request else reach.pass_and_go_on(turn)
    return inconclusive.work(turn)


def switch(turn: Turn) -> Turn:
    """Once the data plane gives the candidate everything it is promoted; nothing restarts."""
    everything = turn.rollout.exposure == plan.wanted_exposure(turn.rollout)
    if not everything or not ending.candidate_has(turn, 100.0):
        return turn
    if gates.closed(turn) is not None:
        return turn  # it has everything because stable is down
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    return reach.pass_and_go_on(turn)


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
    return plan.confirm(baseline.state_judges(turn.with_rollout(changed)))


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
