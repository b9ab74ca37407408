"""What the data plane owes a candidate: while it does not give it, nobody is blamed and no clock runs.

Others may take a share or copies away, and the write that gives them back may be refused. Time in which a
candidate had less than its stage says proves nothing, neither for it nor against it: the stage is taken
again, and its hold and its evidence begin anew once everything is there. Source: docs/adr/0105.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.evidence.terms import Reason
from tidegate.rollout import capacity, failover, plan
from tidegate.rollout.turn import Turn, exposure_text

_EPSILON = 1e-6


def harm(turn: Turn) -> str | None:
    """What evidence proves against the candidate, None where that is nothing.

    That it finished too few requests is no word against one that lacked some. Whatever else was found
    in those that it got stays found.
    """
    judged = turn.seen.analysis
    if judged.verdict is not model.Verdict.ROLL_BACK:
        return None
    lacked = turn.rollout.is_taken_again or _gives_less(turn)
    return None if lacked and judged.reason == Reason.UNANSWERED.value else judged.message


def stands(turn: Turn) -> bool:
    """The target gives what the candidate is meant to have.

    Where pods are the weight their numbers come and go; there it is whom the entry Service selects.
    """
    if not turn.by_pods or turn.rollout.exposure.live_percent in {0.0, 100.0}:
        return turn.target_agrees
    return _is_selected(turn)


def note_loss(turn: Turn) -> Turn:
    """A stage is taken again whose exposure the target gives no more, also while the next is waited for."""
    rollout = turn.rollout
    step, judged = rollout.step, rollout.judged_stage
    if step is None or rollout.ending or not rollout.exposure.is_visited or failover.holds(turn):
        return turn
    if step.confirmed_at is not None:
        return turn if stands(turn) else _begin_anew(turn, plan.undated(turn))
    if rollout.is_taken_again or not _gives_less(turn):
        return turn
    assert judged is not None
    if rollout.exposure == judged.exposure:
        return _begin_anew(turn, plan.taken_again(turn, confirmed_at=judged.confirmed_at))
    if not _loses_users(turn, judged):
        return turn
    return turn.with_rollout(replace(rollout, evidence_since=None))


def _begin_anew(turn: Turn, again: Turn) -> Turn:
    rollout = turn.rollout
    wanted, version = exposure_text(rollout.exposure), rollout.revision.model_version
    text = f"{version} does not get {wanted} any more: hold and evidence begin anew once it does"
    again = again.with_rollout(replace(again.rollout, progress_at=turn.now))
    return again.warn("ShareLost", text)


def _is_selected(turn: Turn) -> bool:
    """The entry Service sends to the candidate's pods, or would if any were ready."""
    revision, traffic = turn.rollout.revision.hash, turn.seen.traffic
    given = traffic.weights.get(revision, 0.0) > 0
    return traffic.exists and (given or capacity.ready(turn, revision) == 0)


def _gives_less(turn: Turn) -> bool:
    """The target gives less than the share by which evidence is counted."""
    rollout, traffic = turn.rollout, turn.seen.traffic
    judged = rollout.judged_stage
    if judged is None or judged.confirmed_at is None:
        return False
    revision, promised = rollout.revision.hash, judged.exposure
    if turn.by_pods:
        return promised.live_percent > 0 and not _is_selected(turn)
    given = model.Exposure(
        live_percent=traffic.weights.get(revision, 0.0),
        mirror_percent=traffic.mirrors.get(revision, 0.0),
    )
    return given.counted_share < promised.counted_share - _EPSILON


def _loses_users(turn: Turn, judged: model.Stage) -> bool:
    """It has less of the users than the stage before and the next one both say.

    Copies end on the way to a share, and for a moment there may be neither.
    """
    least = min(judged.exposure.live_percent, turn.rollout.exposure.live_percent)
    if turn.by_pods:
        return least > 0 and not _is_selected(turn)
    return turn.seen.traffic.weights.get(turn.rollout.revision.hash, 0.0) < least - _EPSILON
