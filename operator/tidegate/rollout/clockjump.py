"""What to do when the wall clock went back: a leader on another node, or a corrected clock.

Deadlines live in status as instants. Without care a jump back by an hour would stretch a hold
or a drain by that hour. An instant that lies in the future although it was "now" when it was
written proves the jump; what hangs on it then starts again.
Source: reliability.md, fault 14.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tidegate.rollout import model, plan
from tidegate.rollout.turn import Turn


def repair(turn: Turn) -> Turn:
    """Restart clocks that lie in the future; never shorter than planned, never endless."""
    if turn.status.retiring:
        turn = turn.with_status(replace(turn.status, retiring=_retiring(turn)))
    rollout = turn.active_rollout
    if rollout is None:
        return turn
    turn = turn.with_rollout(_without_future(rollout, now=turn.now))
    ends = rollout.stage is model.Phase.ROLLING_BACK
    if ends or _is_dated(turn.rollout):
        return turn
    return plan.confirm(turn) if turn.weight_stands else turn


def _is_dated(rollout: model.Rollout) -> bool:
    """Whether evidence of the step may count; a date once lost stays so until its weight stands.

    Meanwhile the clock may be right again, so that the step's own date says nothing any more.
    """
    step = rollout.step
    return (
        step is None
        or step.confirmed_at is None
        or rollout.plan[step.index].confirmed_at is not None
    )


def _without_future(rollout: model.Rollout, *, now: datetime) -> model.Rollout:
    """What is dated later than now counts from now on, or not at all.

    Evidence that begins in the future would leave a candidate with traffic unjudged until then.
    """
    step = rollout.step
    since = rollout.evidence_since
    if since is not None and since > now:
        since = step.confirmed_at if step is not None else None
    first = rollout.first_traffic_at
    return replace(
        rollout,
        progress_at=min(rollout.progress_at, now),
        first_traffic_at=None if first is None else min(first, now),
        evidence_since=None if since is None or since > now else since,
        plan=tuple(
            replace(one, confirmed_at=None) if one.confirmed_at and one.confirmed_at > now else one
            for one in rollout.plan
        ),
    )


def _retiring(turn: Turn) -> tuple[model.Retiring, ...]:
    """A drain never lasts longer from now than the longest one that is ever asked for."""
    spec = turn.spec
    latest = turn.after(spec.scale_down_delay_seconds + spec.rollback.keep_candidate_seconds)
    return tuple(
        replace(entry, scale_down_at=min(entry.scale_down_at, latest))
        for entry in turn.status.retiring
    )
