"""What a rollout waits for: set, kept and ended in one place, so that `since` stays true."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout.turn import Turn

# Somebody has to say or to do something; the other pauses end when metrics are there.
NEEDS_A_PERSON = frozenset(
    {
        model.Waiting.REQUEST,
        model.Waiting.MANUAL_STEP,
        model.Waiting.APPROVAL,
        model.Waiting.AUTOMATION_LEVEL,
        model.Waiting.SPEC_PAUSED,
        model.Waiting.INCONCLUSIVE,
        model.Waiting.STALLED,
        model.Waiting.POLICY,
    }
)
POLICIES = frozenset({model.Waiting.POLICY, model.Waiting.FREEZE})
# While these last nothing is made for what comes; a place in a queue is not waited for standing still.
BY_POLICIES = POLICIES | {model.Waiting.CONCURRENCY_QUOTA}
PAUSES = NEEDS_A_PERSON | POLICIES | {model.Waiting.METRICS_UNAVAILABLE, model.Waiting.EVIDENCE}
GATES = frozenset(
    {model.Waiting.MANUAL_STEP, model.Waiting.APPROVAL, model.Waiting.AUTOMATION_LEVEL}
)
ANY = frozenset(model.Waiting)
# What the cluster owes. Such a wait never rejects; the deadline of the pods begins after it.
CLUSTER = frozenset(
    {
        model.Waiting.CAPACITY,
        model.Waiting.ISOLATION,
        model.Waiting.ROUTE_NOT_READY,
        model.Waiting.DRAIN,
        model.Waiting.WITHDRAWN,
        model.Waiting.CONCURRENCY_QUOTA,
    }
)
# Their messages hold measured numbers; refreshing those would write status at every look.
TOLD_ONCE = frozenset(
    {
        model.Waiting.NO_DATA,
        model.Waiting.METRICS_UNAVAILABLE,
        model.Waiting.MANUAL_STEP,
        model.Waiting.INCONCLUSIVE,
        model.Waiting.STALLED,
    }
)
UNPROVEN = frozenset({model.Waiting.INCONCLUSIVE, model.Waiting.STALLED})
EVENTS = {
    model.Waiting.NO_DATA: "NoData",
    model.Waiting.INCONCLUSIVE: "Inconclusive",
    model.Waiting.STALLED: "Stalled",
    model.Waiting.CAPACITY: "CapacityWait",
    model.Waiting.ROUTE_NOT_READY: "RouteNotProgrammed",
    model.Waiting.METRICS_UNAVAILABLE: "NoData",
    model.Waiting.EVIDENCE: "EvidenceNotReady",
    model.Waiting.PROBE: "ProbeFailed",
    model.Waiting.POLICY: "PolicyViolation",
    model.Waiting.FREEZE: "Frozen",
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
    looks = None if _is_pause(old) or _is_pause(new) else rollout.inconclusive_since
    turn = turn.with_rollout(
        replace(rollout, waiting_for=new, progress_at=since, inconclusive_since=looks)
    )
    if reason in EVENTS:
        turn = turn.warn(EVENTS[reason], message)
    if reason is model.Waiting.CONCURRENCY_QUOTA:
        return turn.say("RolloutQueued", message)
    if reason is model.Waiting.APPROVAL:
        return turn.say("ApprovalRequested", message)
    return turn.say("Paused", message) if reason in PAUSES - POLICIES else turn


def stop_waiting(turn: Turn, *, only: frozenset[model.Waiting] = ANY) -> Turn:
    """End a wait for one of `only`; time in a pause does not count as lack of progress."""
    rollout = turn.rollout
    if rollout.waiting_for is None or rollout.waiting_for.reason not in only:
        return turn
    stood_still = _is_pause(rollout.waiting_for)
    not_its_time = rollout.waiting_for.reason in PAUSES | CLUSTER
    changed = replace(
        rollout,
        waiting_for=None,
        progress_at=turn.now if not_its_time else rollout.progress_at,
        inconclusive_since=None if stood_still else rollout.inconclusive_since,
    )
    turn = turn.with_rollout(changed)
    return (
        turn.say("Resumed", f"rollout of {rollout.revision.hash} goes on") if stood_still else turn
    )


def is_paused(rollout: model.Rollout) -> bool:
    """The rollout waits for a person, or for metrics to return."""
    return _is_pause(rollout.waiting_for)


def _is_pause(waits: model.WaitingFor | None) -> bool:
    return waits is not None and waits.reason in PAUSES


def _is_queued(waits: model.WaitingFor | None) -> bool:
    return waits is not None and waits.reason is model.Waiting.CONCURRENCY_QUOTA


def is_overdue(turn: Turn) -> bool:
    """Pods or route made no progress for the whole progress deadline."""
    rollout = turn.active_rollout
    if rollout is None or turn.seen.spec is None or is_paused(rollout):
        return False
    holds = rollout.step is not None and rollout.step.confirmed_at is not None
    if rollout.ending or holds or _is_queued(rollout.waiting_for):
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
    if turn.spec.paused and not turn.rollout.cause:
        return model.Waiting.SPEC_PAUSED, "spec.paused is true; set it to false to go on"
    if is_parked(turn):
        text = "workload.replicas is 0; the step is taken again when it is raised"
        return model.Waiting.SPEC_PAUSED, text
    return None
