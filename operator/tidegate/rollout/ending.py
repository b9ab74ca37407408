"""How rollouts end: promotion, rollback, cancellation, and the deletion of the object.

A decision that takes traffic from the candidate lowers the weight before anything else
(architecture.md, 1); promotion moves weight and roles and never restarts a pod.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import plan, record, waiting
from tidegate.rollout.turn import RUNNING_SECONDS, Turn

KEPT_REJECTIONS = 20
FOUND_MARKED = "rolled back before the operator restarted"
LOWERING_LOOK_SECONDS = 1.0


def reject(turn: Turn, *, reason: str, by: str) -> Turn:
    """Remember that the running revision must not be tried again unasked."""
    rollout = turn.rollout
    rejected = model.RejectedRevision(
        revision=rollout.revision.hash,
        model_version=rollout.revision.model_version,
        reason=reason,
        at=turn.now,
        by=by,
        attempt=rollout.attempt,
    )
    others = tuple(r for r in turn.status.rejected if r.revision != rejected.revision)
    return turn.with_status(replace(turn.status, rejected=(rejected, *others)[:KEPT_REJECTIONS]))


def marked_as_rolled_back(turn: Turn) -> bool:
    """A rollback wrote the data plane and crashed before it wrote status."""
    rollout, traffic = turn.rollout, turn.seen.traffic
    marked = traffic.rolled_back_revision == rollout.revision.hash
    this_attempt = traffic.lowered_rollout == rollout.id
    return marked and (rollout.split.candidate_percent > 0 or this_attempt)


def roll_back(turn: Turn, *, reason: str, by: str) -> Turn:
    """Reject the running revision and take its traffic away; the first revision just fails."""
    rollout = turn.rollout
    turn = plan.end_step(reject(turn, reason=reason, by=by), model.StepState.FAILED)
    turn = turn.with_rollout(
        replace(
            turn.rollout,
            stage=model.Phase.ROLLING_BACK,
            split=model.NO_TRAFFIC,
            waiting_for=None,
            progress_at=turn.now,
            rollback_reason=reason,
            rollback_by=by,
        )
    )
    if by == "Analysis":
        turn = turn.warn("AnalysisFailed", reason)
    turn = turn.warn("RollbackStarted", f"{rollout.revision.model_version}: {reason}")
    return lower(turn, marker=rollout.revision.hash).look_again(LOWERING_LOOK_SECONDS)


def lower(turn: Turn, *, marker: str = "") -> Turn:
    """Give stable all traffic, where any of it may be with the candidate."""
    if not turn.stable or not turn.seen.traffic.exists:
        return turn
    action = actions.SetTraffic(
        stable=turn.stable,
        candidate="",
        split=model.NO_TRAFFIC,
        marker=marker,
        lowering=True,
        fence=turn.status.rollout.id if turn.status.rollout is not None else "",
    )
    return turn.act(action)


def only_stable_serves(turn: Turn) -> bool:
    """The traffic target, as read, sends nothing to any revision but stable."""
    weights = turn.seen.traffic.weights
    return all(share == 0 or revision == turn.stable for revision, share in weights.items())


def work_rolling_back(turn: Turn) -> Turn:
    """Repeat the lowering write until the data plane confirms it; then the rollout is over."""
    rollout = turn.rollout
    traffic = turn.seen.traffic
    lowered = not traffic.exists or not turn.stable or only_stable_serves(turn)
    if lowered and (traffic.accepted or not traffic.exists or not turn.stable):
        return _finish_rollback(turn)
    if not lowered:
        turn = lower(turn, marker=rollout.revision.hash)
    return turn.look_again(LOWERING_LOOK_SECONDS)


def _finish_rollback(turn: Turn) -> Turn:
    rollout = turn.rollout
    aborted = rollout.rollback_by == "User"
    result = model.RolloutResult.ABORTED if aborted else model.RolloutResult.ROLLED_BACK
    if not turn.stable:
        result = model.RolloutResult.FAILED
    turn = retire(
        turn,
        rollout.revision.hash,
        delay_seconds=turn.spec.scale_down_delay_seconds
        + turn.spec.rollback.keep_candidate_seconds,
    )
    turn = close(turn, result=result, reason=rollout.rollback_reason, by=rollout.rollback_by)
    text = f"{rollout.revision.model_version} rejected: {rollout.rollback_reason}"
    turn = turn.warn("Aborted", text) if aborted else turn
    return turn.warn("RolledBack" if turn.stable else "RevisionRejected", text)


def cancel(turn: Turn, *, result: model.RolloutResult, reason: str) -> Turn:
    """End the running rollout without rejecting its revision: superseded, or back to stable."""
    revision = turn.rollout.revision.hash
    turn = plan.end_step(turn, model.StepState.SKIPPED)
    if turn.rollout.split.candidate_percent > 0 or not only_stable_serves(turn):
        turn = lower(turn)
    turn = retire(turn, revision, delay_seconds=turn.spec.scale_down_delay_seconds)
    return close(turn, result=result, reason=reason, by="Spec").look_again(LOWERING_LOOK_SECONDS)


def work_promoting(turn: Turn) -> Turn:
    """Once the data plane gives the candidate everything, it is stable; nothing restarts."""
    rollout = turn.rollout
    if rollout.split.candidate_percent < 100 or not candidate_has(turn, 100.0):
        return turn
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    fast = rollout.skip_analysis
    result = model.RolloutResult.FAST_PROMOTED if fast else model.RolloutResult.PROMOTED
    old = turn.status.stable
    turn = become_stable(turn)
    if old is not None:
        turn = turn.with_status(replace(turn.status, previous=old))
        turn = retire(turn, old.revision, delay_seconds=turn.spec.scale_down_delay_seconds)
    turn = (
        close(turn, result=result, reason="promoted by request", by="User")
        if fast
        else close(turn, result=result, reason="all steps passed", by="Analysis")
    )
    return turn.say("Promoted", f"{rollout.revision.model_version} serves all traffic")


def become_stable(turn: Turn) -> Turn:
    """Give the running revision the stable role in status; labels and entry Service follow."""
    revision = turn.rollout.revision
    state = turn.state_of(revision.hash)
    stable = model.RevisionStatus(
        revision=revision.hash,
        model_version=revision.model_version,
        replicas=state.wanted if state else 0,
        ready_replicas=state.ready if state else 0,
        since=turn.now,
    )
    return turn.with_status(replace(turn.status, stable=stable, candidate=None))


def candidate_has(turn: Turn, percent: float) -> bool:
    """The target reads back this weight for the candidate and is accepted as written."""
    traffic = turn.seen.traffic
    share = traffic.weights.get(turn.rollout.revision.hash, 0.0)
    return traffic.accepted and abs(share - percent) < 1e-6


def retire(turn: Turn, revision: str, *, delay_seconds: float) -> Turn:
    """Let the pods of a revision go after a delay, so that connections and routes can drain."""
    entry = model.Retiring(revision=revision, scale_down_at=turn.after(delay_seconds))
    others = tuple(r for r in turn.status.retiring if r.revision != revision)
    return turn.with_status(replace(turn.status, retiring=(*others, entry)))


def close(turn: Turn, *, result: model.RolloutResult, reason: str, by: str) -> Turn:
    """Write the result of the running rollout; it is not active any more."""
    rollout = turn.rollout
    last = model.LastRollout(
        id=rollout.id,
        result=result,
        finished_at=turn.now,
        reason=reason,
        by=by,
        revision=rollout.revision.hash,
        attempt=rollout.attempt,
        record=record.name_of(turn, rollout),
    )
    ended = replace(rollout, active=False, step=None, waiting_for=None, split=model.NO_TRAFFIC)
    status = replace(turn.status, rollout=ended, last_rollout=last, candidate=None)
    turn = record.ended(turn.with_status(status), ended, last=last)
    return turn.look_again(RUNNING_SECONDS)


def terminate(turn: Turn, *, finalizer: str) -> Turn:
    """Deletion: all traffic to stable, then let go. Health and evidence are not asked.

    The write that gives it back is enough: stable may have lost all its pods, and then the entry
    Service goes on selecting those that there are.
    """
    turn = turn.with_status(replace(turn.status, phase=model.Phase.TERMINATING))
    if finalizer not in turn.seen.meta.finalizers:
        return turn
    traffic = turn.seen.traffic
    if not traffic.exists or not turn.stable or traffic.conflict or _given_back(turn):
        return turn.act(actions.RemoveFinalizer())
    return lower(turn).look_again(LOWERING_LOOK_SECONDS)


def _given_back(turn: Turn) -> bool:
    rollout = turn.status.rollout
    written = rollout is not None and turn.seen.traffic.lowered_rollout == rollout.id
    return written or only_stable_serves(turn)
