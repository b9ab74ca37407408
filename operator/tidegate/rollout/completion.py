"""A strategy that promotes nothing has come to its end: what spec asks for is left as it is.

It begins anew when a person asks for it, when spec asks for another version, or once the strategy
promotes. Source: issue 14, 1 (`shadow.then: Stop`).
"""

from __future__ import annotations

from tidegate import model
from tidegate.rollout.strategy.compile import plan_of
from tidegate.rollout.turn import Turn

SPEC = "Spec"
STRATEGY = "Strategy"
BLAMELESS = frozenset({SPEC, STRATEGY})  # who ends a rollout without rejecting its revision


def is_completed(turn: Turn) -> bool:
    """The last rollout was of what spec asks for, and there is nothing more to do with it."""
    return turn.active_rollout is None and was_completed(turn)


def was_completed(turn: Turn) -> bool:
    """The same, whatever runs by now for another reason than the spec."""
    last, desired = turn.status.last_rollout, turn.seen.desired
    if last is None or desired is None or turn.seen.spec is None:
        return False
    if last.result is not model.RolloutResult.COMPLETED or last.revision != desired.hash:
        return False
    promotes = any(it.kind is model.StageKind.SWITCH for it in plan_of(turn.spec))
    return not promotes and not _asked_again(turn, last)


def text(turn: Turn) -> str:
    """Why what spec asks for is not what serves."""
    last, desired = turn.status.last_rollout, turn.status.desired
    assert last is not None
    assert desired is not None
    return f"{desired.model_version} is not promoted: {last.reason}"


def _asked_again(turn: Turn, last: model.LastRollout) -> bool:
    """The newest request was a retry of it, and came after its end."""
    asked = turn.status.last_handled_request
    if asked is None or asked.request != model.RequestKind.RETRY:
        return False
    since = asked.handled_at >= last.finished_at
    return since and asked.outcome == "Accepted" and asked.revision == last.revision
