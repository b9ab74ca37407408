"""What a rollout waits for: set, kept and ended in one place, so that `since` stays true."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout.turn import Turn

PAUSES = frozenset(
    {
        model.Waiting.REQUEST,
        model.Waiting.SPEC_PAUSED,
        model.Waiting.INCONCLUSIVE,
        model.Waiting.METRICS_UNAVAILABLE,
        model.Waiting.EVIDENCE,
    }
)
ANY = frozenset(model.Waiting)
# Their messages hold measured numbers; refreshing those would write status at every look.
TOLD_ONCE = frozenset(
    {model.Waiting.NO_DATA, model.Waiting.METRICS_UNAVAILABLE, model.Waiting.INCONCLUSIVE}
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
    # What stood still for a person or for metrics was no lack of progress.
    rested = old is not None and old.reason in PAUSES and reason not in PAUSES
    progress_at = turn.now if rested else rollout.progress_at
    turn = turn.with_rollout(replace(rollout, waiting_for=new, progress_at=progress_at))
    if reason in EVENTS:
        turn = turn.warn(EVENTS[reason], message)
    return turn.say("Paused", message) if reason in PAUSES else turn


def stop_waiting(turn: Turn, *, only: frozenset[model.Waiting] = ANY) -> Turn:
    """End a wait for one of `only`; time in a pause does not count as lack of progress."""
    rollout = turn.rollout
    if rollout.waiting_for is None or rollout.waiting_for.reason not in only:
        return turn
    stood_still = rollout.waiting_for.reason in PAUSES
    changed = replace(
        rollout,
        waiting_for=None,
        progress_at=turn.now if stood_still else rollout.progress_at,
    )
    turn = turn.with_rollout(changed)
    return (
        turn.say("Resumed", f"rollout of {rollout.revision.hash} goes on") if stood_still else turn
    )


def is_paused(rollout: model.Rollout) -> bool:
    """The rollout waits for a person, or for metrics to return."""
    return rollout.waiting_for is not None and rollout.waiting_for.reason in PAUSES


def asked_to_pause(turn: Turn) -> tuple[model.Waiting, str] | None:
    """A pause wanted by a request or by the spec."""
    waiting = turn.rollout.waiting_for
    if waiting is not None and waiting.reason is model.Waiting.REQUEST:
        return model.Waiting.REQUEST, waiting.message
    if turn.spec.paused:
        return model.Waiting.SPEC_PAUSED, "spec.paused is true; set it to false to go on"
    return None
