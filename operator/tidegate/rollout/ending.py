"""How rollouts end: promotion, rollback, cancellation, and the deletion of the object.

A decision that takes traffic from the candidate lowers the weight before anything else
(architecture.md, 1), as far as stable can carry what it gets; promotion moves weight and roles and never restarts a pod.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import approvals, capacity, delivery, failover, plan, record, waiting
from tidegate.rollout.completion import BLAMELESS, SPEC, STRATEGY
from tidegate.rollout.turn import RUNNING_SECONDS, Turn

KEPT_REJECTIONS = 20
KEPT_EARLIER = 1000  # more bad versions of one model than anybody makes
KEPT_SERVED = 21  # the largest window and what serves now
HARM = "Analysis"
BY_PEOPLE = "User"
BY_WATCH = "Watch"
NOT_PROMOTED = "its shadow is over, and the strategy promotes nothing"
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
    return _with_rejected(turn, rejected)


def _with_rejected(turn: Turn, rejected: model.RejectedRevision) -> Turn:
    turn = replace(turn, rejections=(*turn.rejections, rejected.by))
    return turn.with_status(remember(forget(turn.status, rejected.revision), rejected))


def remember(status: model.Status, *rejected: model.RejectedRevision) -> model.Status:
    """The same with these in front; of what is too old for the list the name stays."""
    full = (*rejected, *status.rejected)
    names = (*(one.revision for one in full[KEPT_REJECTIONS:]), *status.rejected_earlier)
    return replace(status, rejected=full[:KEPT_REJECTIONS], rejected_earlier=names[:KEPT_EARLIER])


def forget(status: model.Status, revision: str) -> model.Status:
    """The same without any rejection of this revision."""
    return replace(
        status,
        rejected=tuple(one for one in status.rejected if one.revision != revision),
        rejected_earlier=tuple(one for one in status.rejected_earlier if one != revision),
    )


def marked_as_rolled_back(turn: Turn) -> bool:
    """A rollback wrote the data plane and crashed before it wrote status."""
    rollout, traffic = turn.rollout, turn.seen.traffic
    marked = traffic.rolled_back_revision == rollout.revision.hash
    this_attempt = traffic.lowered_rollout == rollout.id
    return marked and (rollout.exposure.is_visited or this_attempt)


def roll_back(turn: Turn, *, reason: str, by: str) -> Turn:
    """Reject the running revision and take its traffic away; the first revision just fails.

    Evidence of harm lowers at once; for any other reason stable takes over as fast as it can.
    """
    rollout = turn.rollout
    turn = plan.end_step(reject(turn, reason=reason, by=by), model.StepState.FAILED)
    turn = _leave(turn, reason=reason, by=by)
    if by == HARM:
        turn = turn.warn("AnalysisFailed", reason)
    return _give_back(turn.warn("RollbackStarted", f"{rollout.revision.model_version}: {reason}"))


def cancel(turn: Turn, *, reason: str) -> Turn:
    """End the running rollout without rejecting its revision: superseded, or back to stable.

    Where it has traffic it first gives that back; the rollout is over when this is confirmed.
    """
    turn = plan.end_step(turn, model.StepState.SKIPPED)
    if turn.stable and not _has_left(turn):
        return _give_back(_leave(turn, reason=reason, by=SPEC))
    turn = _leave(turn, reason=reason, by=SPEC)
    return finish(turn).look_again(LOWERING_LOOK_SECONDS)


def _has_left(turn: Turn) -> bool:
    """It never had traffic, or the data plane confirms that it has none any more."""
    rollout, traffic = turn.rollout, turn.seen.traffic
    if not traffic.exists:
        return True
    confirmed = traffic.accepted or rollout.first_traffic_at is None
    return not rollout.exposure.is_visited and has_no_traffic(turn) and confirmed


def _leave(turn: Turn, *, reason: str, by: str) -> Turn:
    changed = replace(
        turn.rollout,
        waiting_for=None,
        progress_at=turn.now,
        rollback_reason=reason,
        rollback_by=by,
    )
    return turn.with_rollout(changed)


def _at_once(rollout: model.Rollout) -> bool:
    """Evidence of harm lowers at once; but in a bake stable may have been shrunk."""
    return rollout.rollback_by == HARM and not rollout.switched


def leaves_slowly(turn: Turn) -> bool:
    """Its traffic is given back as fast as stable can carry it, so its pods are needed yet."""
    rollout = turn.rollout
    share = capacity.live_percent(turn, rollout)
    return rollout.ending and not _at_once(rollout) and share > 0


def _give_back(turn: Turn) -> Turn:
    """Lower the candidate's share: to nothing at once for harm, else to what stable lacks pods for.

    Never while stable has no ready pod and others have: then every request would fail.
    """
    turn = turn.look_again(LOWERING_LOOK_SECONDS)
    if not turn.stable:
        return _with_share(turn, 0.0)
    if _only_copies(turn):
        return _take_all(turn, 0.0)  # whoever serves loses and gains nothing by it
    at_once = turn.rollout.rollback_by == HARM
    if not failover.stands_in_with_pods(turn) and not capacity.stable_can_take(
        turn, at_once=at_once
    ):
        return turn
    share = 0.0 if _at_once(turn.rollout) else capacity.kept_share(turn)
    if share >= capacity.live_percent(turn, turn.rollout) > 0:
        return turn
    # What the target never gave may still be on its way; it must find a fence, not a share.
    share = min(share, turn.seen.traffic.weights.get(turn.rollout.revision.hash, 0.0))
    return _take_all(turn, share)


def _only_copies(turn: Turn) -> bool:
    """It gets copies of requests and answers nobody, by intent and in the data plane."""
    rollout = turn.rollout
    revision, traffic = rollout.revision.hash, turn.seen.traffic
    copied = rollout.exposure.mirror_percent or traffic.mirrors.get(revision)
    answers = rollout.exposure.answers_users or revision in traffic.answering
    return bool(copied) and not answers


def _take_all(turn: Turn, share: float) -> Turn:
    """Take everything from the candidate but this share."""
    turn = _with_share(turn, share)
    if share > 0:
        return turn.act(_lowering(turn, share)) if turn.seen.traffic.exists else turn
    rejected = turn.rollout.rollback_by not in BLAMELESS
    return lower(turn, marker=turn.rollout.revision.hash if rejected else "")


def _with_share(turn: Turn, share: float) -> Turn:
    """The share as the intent; each one that is smaller is progress. Nothing is copied any more."""
    old, exposure = turn.rollout.exposure, model.Exposure(live_percent=share)
    less = share < old.live_percent or old.mirror_percent > 0
    changed = replace(
        turn.rollout,
        exposure=exposure,
        progress_at=turn.now if less else turn.rollout.progress_at,
    )
    return turn.with_rollout(changed)


def _lowering(turn: Turn, share: float) -> actions.SetTraffic:
    candidate = turn.rollout.revision.hash if share > 0 else ""
    return actions.SetTraffic(
        stable=turn.stable,
        candidate=candidate,
        exposure=model.Exposure(live_percent=share),
        lowering=True,
        marker=mark_of_harm(turn.rollout),
    )


def mark_of_harm(rollout: model.Rollout) -> str:
    """The mark beside the share that a harmful candidate keeps until stable can carry more.

    Whoever finds only that write must not give it back what was taken.
    """
    harmful = rollout.ending and rollout.rollback_by == HARM
    return rollout.revision.hash if harmful else ""


def lower(turn: Turn, *, marker: str = "", fence: str = "") -> Turn:
    """Give stable all traffic, where any of it may be with the candidate."""
    if not turn.stable or not turn.seen.traffic.exists:
        return turn
    rollout = turn.status.rollout
    known = rollout.id if rollout is not None else ""
    action = actions.SetTraffic(
        stable=failover.stands_in(turn) or turn.stable,
        kept=turn.stable,
        candidate="",
        exposure=model.NO_TRAFFIC,
        marker=marker,
        lowering=True,
        fence=fence or known,
    )
    return turn.act(action)


def withdraw(turn: Turn, why: str) -> Turn:
    """Take the traffic from a candidate that nobody blames; the stage is taken again later.

    The fence differs from that of an ended rollout, and from one withdrawal to the next: a raise
    that is still on its way must come too late each time.
    """
    if not failover.stands_in(turn):
        turn = failover.forget(turn)
    turn = plan.undated(turn)
    rollout = turn.rollout
    changed = replace(
        rollout,
        exposure=model.NO_TRAFFIC,
        progress_at=turn.now,
        first_traffic_at=rollout.first_traffic_at or turn.now,
    )
    text = f"{rollout.revision.model_version}: {why}"
    turn = turn.with_rollout(changed).warn("CandidateWithdrawn", text)
    if not waiting.asked_to_pause(turn):
        turn = waiting.wait_for(turn, model.Waiting.WITHDRAWN, why)
    fence = f"{rollout.id} withdrawn {turn.now.isoformat()}"
    return lower(turn, fence=fence).look_again(LOWERING_LOOK_SECONDS)


def only_stable_serves(turn: Turn) -> bool:
    """The traffic target, as read, sends nothing to any revision but stable, not even copies."""
    return _only(turn, {turn.stable})


def has_no_traffic(turn: Turn) -> bool:
    """Nobody is sent anywhere but to stable, or to what answers for it."""
    return _only(turn, {turn.stable, failover.stands_in(turn)})


def _only(turn: Turn, serves: set[str]) -> bool:
    traffic = turn.seen.traffic
    return traffic.answering <= serves and not traffic.by_header and not traffic.mirrors


def work_rolling_back(turn: Turn) -> Turn:
    """Repeat the lowering write until the data plane confirms it; then the rollout is over."""
    rollout, traffic = turn.rollout, turn.seen.traffic
    lowered = not traffic.exists or not turn.stable or has_no_traffic(turn)
    # A route that is missing, or of a kind that is, is never accepted; what is there was read.
    told = traffic.accepted or bool(traffic.obstacle) or not traffic.exists or not turn.stable
    if lowered and told:
        return finish(turn)
    if lowered:
        return turn.look_again(LOWERING_LOOK_SECONDS)
    if rollout.rollback_by == HARM:
        return _give_back(turn)
    harm = delivery.harm(turn)
    if harm is not None:
        return roll_back(turn, reason=harm, by=HARM)
    turn = failover.keep(turn)
    return turn if failover.holds(turn) else _give_back(turn)


def finish(turn: Turn) -> Turn:
    """The traffic of a rollout that ends has left: its pods go, its result stands."""
    rollout = turn.rollout
    rejected = rollout.rollback_by not in BLAMELESS
    kept = rejected and not turn.spec.scaling.lends  # what lent its pods wants them back
    kept_seconds = turn.spec.rollback.keep_candidate_seconds if kept else 0.0
    turn = retire(
        turn,
        rollout.revision.hash,
        delay_seconds=turn.spec.scale_down_delay_seconds + kept_seconds,
    )
    result = _result(turn)
    turn = close(turn, result=result, reason=rollout.rollback_reason, by=rollout.rollback_by)
    if not rejected:
        return turn
    text = f"{rollout.revision.model_version} rejected: {rollout.rollback_reason}"
    turn = turn.warn("Aborted", text) if result is model.RolloutResult.ABORTED else turn
    return turn.warn("RolledBack" if turn.stable else "RevisionRejected", text)


def _result(turn: Turn) -> model.RolloutResult:
    rollout, desired = turn.rollout, turn.seen.desired
    if rollout.rollback_by == STRATEGY:
        return model.RolloutResult.COMPLETED
    if rollout.rollback_by == SPEC:
        back = desired is not None and desired.hash == turn.stable
        return model.RolloutResult.ABORTED if back else model.RolloutResult.SUPERSEDED
    if not turn.stable:
        return model.RolloutResult.FAILED
    aborted = rollout.rollback_by in {BY_PEOPLE, approvals.BY}
    return model.RolloutResult.ABORTED if aborted else model.RolloutResult.ROLLED_BACK


def complete(turn: Turn) -> Turn:
    """Behind the last stage the candidate is stable; nothing restarts.

    A plan without a switch gives it no traffic: it leaves, and nobody blames it. That is written down
    first: a crash after its copies were taken away must not look as if it had stopped to answer.
    """
    if not turn.rollout.switched:
        version = turn.rollout.revision.model_version
        turn = _leave(turn, reason=NOT_PROMOTED, by=STRATEGY)
        return turn.say("Completed", f"{version}: {NOT_PROMOTED}").look_again(LOWERING_LOOK_SECONDS)
    result, reason, by = _why_promoted(turn)
    old = turn.status.stable
    assert old is not None  # what serves first has a stage of its own
    turn = _reject_drifted(become_stable(turn), old)
    turn = turn.with_status(replace(turn.status, previous=old))
    turn = retire(turn, old.revision, delay_seconds=turn.spec.scale_down_delay_seconds)
    return close(turn, result=result, reason=reason, by=by)


def _reject_drifted(turn: Turn, drifted: model.RevisionStatus) -> Turn:
    """Spec asks for what has drifted, and must not bring it back by itself."""
    cause = turn.rollout.cause
    if not cause:
        return turn
    rejected = model.RejectedRevision(
        revision=drifted.revision,
        model_version=drifted.model_version,
        reason=cause,
        at=turn.now,
        by=BY_WATCH,
        attempt=max(1, record.next_attempt(turn, drifted.revision) - 1),
    )
    text = f"{drifted.model_version} rejected: {cause}"
    return _with_rejected(turn, rejected).warn("RolledBack", text)


def _why_promoted(turn: Turn) -> tuple[model.RolloutResult, str, str]:
    if turn.rollout.cause:
        return model.RolloutResult.FAST_PROMOTED, turn.rollout.cause, BY_WATCH
    stages = turn.rollout.plan
    hurried = {model.StageKind.SWITCH, model.StageKind.BAKE}
    if any(it.control is model.Control.NONE for it in stages if it.kind in hurried):
        if turn.served_before(turn.rollout.revision.hash):
            reason = "it served before, within rollback.window"
            return model.RolloutResult.FAST_PROMOTED, reason, SPEC
        return model.RolloutResult.FAST_PROMOTED, "promoted by request", BY_PEOPLE
    passed = [stage for stage in stages if stage.state is model.StepState.PASSED]
    waved = [stage.name for stage in stages if stage.ended_by == BY_PEOPLE]
    proven = any(stage.needs_proof and not stage.ended_by for stage in passed)
    if not waved and not any(stage.needs_proof for stage in passed) and turn.spec.replicas == 0:
        return model.RolloutResult.PROMOTED, "no pods are asked for", SPEC
    baked = any(stage.kind is model.StageKind.BAKE for stage in passed)
    more = f", of them by request: {', '.join(waved)}" if waved else ""
    more += f"; {bake_result(turn)}" if baked else ""
    by = HARM if proven or not waved else BY_PEOPLE
    return model.RolloutResult.PROMOTED, f"all steps passed{more}", by


def bake_result(turn: Turn) -> str:
    """What the bake has shown, and what nobody could see."""
    found = turn.rollout.plan[-1].evidence
    unseen = {model.Outcome.NO_DATA, model.Outcome.ERROR}
    missing = [one.name for one in found if one.outcome in unseen and one.acts]
    if not found:
        return "nothing was measured in the bake"
    if missing:
        return f"in the bake there were no data of {', '.join(missing)}"
    return "nothing broke a limit in the bake"


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
    others = turn.status.served or ((turn.stable,) if turn.stable else ())
    served = (revision.hash, *(one for one in others if one != revision.hash))[:KEPT_SERVED]
    return turn.with_status(replace(turn.status, stable=stable, candidate=None, served=served))


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
    ended = replace(rollout, active=False, step=None, waiting_for=None, exposure=model.NO_TRAFFIC)
    known = turn.status.failover
    if known is not None and rollout.revision.hash in {known.revision, turn.stable}:
        turn = failover.forget(turn)
    status = replace(turn.status, rollout=ended, last_rollout=last, candidate=None)
    turn = record.ended(turn.with_status(status), ended, last=last)
    return turn.look_again(RUNNING_SECONDS)


def terminate(turn: Turn, *, finalizer: str) -> Turn:
    """Deletion: all traffic to stable, then let go. Health and evidence are not asked.

    The write that gives it back is enough. It is left out where stable has no ready pod and others
    have: then they serve until the objects go.
    """
    turn = turn.with_status(replace(turn.status, phase=model.Phase.TERMINATING))
    if finalizer not in turn.seen.meta.finalizers:
        return turn
    traffic = turn.seen.traffic
    owed = traffic.exists and turn.stable and not traffic.conflict and not _given_back(turn)
    if not owed or not capacity.stable_can_take(turn):
        return turn.act(actions.RemoveFinalizer())
    return lower(turn).look_again(LOWERING_LOOK_SECONDS)


def _given_back(turn: Turn) -> bool:
    rollout = turn.status.rollout
    written = rollout is not None and turn.seen.traffic.lowered_rollout == rollout.id
    return (written or only_stable_serves(turn)) and not turn.seen.traffic.owed
