"""What the progress deadline does: it rejects a candidate whose pods fail by themselves.

Whatever else is late is owed by the cluster: the rollout pauses, says what it waits for, and goes
on by itself when that comes. Source: house.md, H6.
"""

from __future__ import annotations

from tidegate import model
from tidegate.rollout import capacity, ending, links, waiting
from tidegate.rollout.turn import Turn

PAUSE_LOOK_SECONDS = 15.0


def give_up(turn: Turn, *, tried: Turn, load: float) -> Turn:
    """The deadline is over, and what was `tried` in this pass is no progress towards `load`."""
    if fault := links.own_fault(turn, load):
        reason = f"no progress for {turn.stalled_seconds:.0f}s: {fault}"
        return ending.roll_back(turn, reason=reason, by="Deadline")
    if capacity.nobody_serves_for_it(turn) and not turn.rollout.exposure.is_visited:
        return ending.roll_back(turn, reason=_unanswered(turn, tried), by="Deadline")
    if tried.rollout.waiting_for is None:
        tried = waiting.wait_for(tried, *_unsaid(turn))
    waits = tried.rollout.waiting_for
    if waits is not None and turn.seen.status.phase is not model.Phase.PAUSED:
        tried = tried.say("Paused", f"{waits.reason} for longer than progressDeadline")
    return tried.look_again(PAUSE_LOOK_SECONDS)


def _unanswered(turn: Turn, tried: Turn) -> str:
    """Whoever is to blame: a pod that was swapped in place and does not come is not waited for."""
    waits = tried.rollout.waiting_for
    why = f": {waits.message}" if waits is not None and waits.message else ""
    return f"nobody serves since {turn.stalled_seconds:.0f}s while the only pod is swapped{why}"


def _unsaid(turn: Turn) -> tuple[model.Waiting, str]:
    """What keeps the data plane from its weight, where no link says so."""
    reason, blocked = model.Waiting.ROUTE_NOT_READY, turn.seen.blocked
    if blocked is not None:
        return reason, f"{blocked.reason}: {blocked.message}"
    if others := capacity.sized_by_others(turn):
        return model.Waiting.CAPACITY, capacity.others_text(turn, *others)
    given = turn.seen.traffic.weights.get(turn.rollout.revision.hash, 0.0)
    return reason, f"the data plane gives the candidate {given:g} %, and writes do not reach it"
