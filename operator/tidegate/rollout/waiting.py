"""What a rollout waits for: set, kept and ended in one place, so that `since` stays true."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout.turn import Turn

PAUSES = frozenset(
    {
        model.Waiting.REQUEST,
        model.Waiting.MANUAL_STEP,
        model.Waiting.APPROVAL,
        model.Waiting.AUTOMATION_LEVEL,
        model.Waiting.SPEC_PAUSED,
        model.Waiting.INCONCLUSIVE,
        model.Waiting.METRICS_UNAVAILABLE,
        model.Waiting.EVIDENCE,
    }
)
GATES = frozenset(
    {model.Waiting.MANUAL_STEP, model.Waiting.APPROVAL, model.Waiting.AUTOMATION_LEVEL}
)
ANY = frozenset(model.Waiting)
# What the cluster owes. Such a wait never rejects; the deadline of the pods begins after it.
CLUSTER = frozenset(
    {
        model.Waiting.CAPACITY,
        model.Waiting.ROUTE_NOT_READY,
        model.Waiting.DRAIN,
        model.Waiting.WITHDRAWN,
    }
)
# Their messages hold measured numbers; refreshing those would write status at every look.
TOLD_ONCE = frozenset(
    {
        model.Waiting.NO_DATA,
        model.Waiting.METRICS_UNAVAILABLE,
        model.Waiting.MANUAL_STEP,
        model.Waiting.INCONCLUSIVE,
    }
)
EVENTS = {
    model.Waiting.NO_DATA: "NoData",
    model.Waiting.INCONCLUSIVE: "Inconclusive",
    model.Waiting.CAPACITY: "CapacityWait",
    model.Waiting.ROUTE_NOT_READY: "RouteNotProgrammed",
    model.Waiting.METRICS_UNAVAILABLE: "NoData",
    model.Waiting.EVIDENCE: "EvidenceNotReady",
}


def wait_for(turn: Turn, reason: model.Waiting, message: str) -> Turn:
    """Wait for `reason`; an ongoing wait for the same reason keeps its start and raises no Event."""
    rollout = turn.rollout
    old = rollout.waiting_for
    if old is not None and old.reason is reason:
        if reason in TOLD_ONCE or old.message == message:
            return turn
        kept = replace(old, message=message)
        return turn.with_rollout(replace(rollout, waiting_for=kept))
    new = model.WaitingFor(reason=reason, since=turn.now, message=message)
    # Neither a pause nor what the cluster owes runs down the deadline of the pods.
    others = PAUSES | CLUSTER
    begins = old is not None and old.reason in others and reason not in others
    since = turn.now if begins else rollout.progress_at
    turn = turn.with_rollout(replace(rollout, waiting_for=new, progress_at=since))
    if reason in EVENTS:
        turn = turn.warn(EVENTS[reason], message)
    if reason is model.Waiting.APPROVAL:
        return turn.say("ApprovalRequested", message)
    return turn.say("Paused", message) if reason in PAUSES else turn


def stop_waiting(turn: Turn, *, only: frozenset[model.Waiting] = ANY) -> Turn:
    """End a wait for one of `only`; time in a pause does not count as lack of progress."""
    rollout = turn.rollout
    if rollout.waiting_for is None or rollout.waiting_for.reason not in only:
        return turn
    stood_still = rollout.waiting_for.reason in PAUSES
    not_its_time = rollout.waiting_for.reason in PAUSES | CLUSTER
    changed = replace(
        rollout,
        waiting_for=None,
        progress_at=turn.now if not_its_time else rollout.progress_at,
    )
    turn = turn.with_rollout(changed)
    return (
        turn.say("Resumed", f"rollout of {rollout.revision.hash} goes on") if stood_still else turn
    )


def is_paused(rollout: model.Rollout) -> bool:
    """The rollout waits for a person, or for metrics to return."""
    return rollout.waiting_for is not None and rollout.waiting_for.reason in PAUSES


def is_overdue(turn: Turn) -> bool:
    """Pods or route made no progress for the whole progress deadline."""
    rollout = turn.active_rollout
    if rollout is None or turn.seen.spec is None or is_paused(rollout):
        return False
    holds = rollout.step is not None and rollout.step.confirmed_at is not None
    if rollout.ending or holds:
        return False
    return turn.stalled_seconds >= turn.spec.progress_deadline_seconds


def stands_still(turn: Turn) -> bool:
    """People see a pause: one that was asked for, or a wait that is longer than the deadline.

    The latter goes on by itself when what is waited for comes.
    """
    rollout = turn.active_rollout
    if rollout is None or rollout.waiting_for is None:
        return False
    return is_paused(rollout) or is_overdue(turn)


def is_parked(turn: Turn) -> bool:
    """No pods are asked for in the middle of the steps: what is half proven waits."""
    rollout = turn.rollout
    proves = rollout.stage is not None and rollout.stage.needs_proof and not rollout.ending
    walks = proves and rollout.first_traffic_at is not None
    return turn.spec.replicas == 0 and walks


def asked_to_pause(turn: Turn) -> tuple[model.Waiting, str] | None:
    """A pause wanted by a request or by the spec, which may also ask for no pods at all."""
    waiting = turn.rollout.waiting_for
    if waiting is not None and waiting.reason is model.Waiting.REQUEST:
        return model.Waiting.REQUEST, waiting.message
    if turn.spec.paused:
        return model.Waiting.SPEC_PAUSED, "spec.paused is true; set it to false to go on"
    if is_parked(turn):
        text = "workload.replicas is 0; the step is taken again when it is raised"
        return model.Waiting.SPEC_PAUSED, text
    return None
