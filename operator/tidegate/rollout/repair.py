"""A status that one cannot go on with as it stands.

It contradicts itself (edited by hand, or written by another version): no step may be skipped
because of it and no pass may fail on it for ever, so the rollout gives its traffic back and begins
anew; where only what the candidate is given does not fit, its stage is reached anew. Or the wall clock went back (a leader on another node, a corrected clock): deadlines live in
status as instants, and a jump back by an hour would stretch a hold or a drain by that hour. An
instant that lies in the future although it was "now" when it was written proves the jump; what
hangs on it then starts again. Of a jump that this process has lived through the length is known.
Source: reliability.md, 2 (faults 12 to 14): doubt never promotes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tidegate import model
from tidegate.rollout import ending, failover, plan
from tidegate.rollout.strategy.compile import FIRST
from tidegate.rollout.strategy.promotion import SWITCH
from tidegate.rollout.turn import Turn, exposure_text

REASON = "its status contradicted itself"


def repair(turn: Turn) -> Turn:
    """Status as one can go on with it: what contradicts itself and what lies in the future ends."""
    turn = _with_the_clock(turn)
    return _restart_clocks(_reach_again(end_unsound(_complete_plan(turn))))


def _with_the_clock(turn: Turn) -> Turn:
    """What is still to come moves with a clock that jumps: a hold and a drain last as long as planned."""
    if not turn.seen.clock_jump_seconds:
        return turn
    jump = timedelta(seconds=turn.seen.clock_jump_seconds)
    retiring = tuple(
        replace(one, scale_down_at=_moved(one.scale_down_at, jump)) for one in turn.status.retiring
    )
    turn = turn.with_status(replace(turn.status, retiring=retiring))
    rollout = turn.active_rollout
    if rollout is None or rollout.step is None:
        return turn
    step = replace(
        rollout.step,
        hold_until=_moved(rollout.step.hold_until, jump),
        deadline_at=_moved(rollout.step.deadline_at, jump),
    )
    return turn.with_rollout(replace(rollout, step=step))


def _moved(instant: datetime | None, jump: timedelta) -> datetime | None:
    return None if instant is None else instant + jump


def _complete_plan(turn: Turn) -> Turn:
    """The first release wrote neither the switch into its plans nor what serves the first revision."""
    rollout = turn.active_rollout
    if rollout is None or rollout.ending:
        return turn
    if any(it.kind is not model.StageKind.LIVE for it in rollout.plan):
        return turn  # it knew no other kind
    if bool(rollout.plan) is not bool(turn.stable):
        return turn
    added = SWITCH if turn.stable else FIRST
    turn = turn.with_rollout(replace(rollout, plan=(*rollout.plan, added)))
    stage, left = rollout.stage, plan.next_index(turn.rollout)
    walks = stage is not None and stage.state is model.StepState.ACTIVE
    return turn if walks or left is None else plan.enter(turn, left)


def end_unsound(turn: Turn) -> Turn:
    """End a rollout that cannot be gone on with; what spec asks for then starts as usual."""
    rollout = turn.active_rollout
    if rollout is None or not (problem := _contradiction(rollout, stable=turn.stable)):
        return turn
    text = f"{rollout.revision.model_version}: {problem}"
    turn = turn.with_rollout(replace(rollout, step=None)).warn("StatusInconsistent", text)
    return ending.cancel(turn, reason=REASON)


def _contradiction(rollout: model.Rollout, *, stable: str) -> str:
    """What does not fit together, in words; empty for every status that the operator writes."""
    step = rollout.step
    if rollout.ending:
        return ""
    if not rollout.plan:
        return "a plan without stages"
    if step is None:
        return "no active step"
    if not 0 <= step.index < len(rollout.plan):
        return f"step {step.index} of {len(rollout.plan)}"
    first = rollout.plan[step.index].kind is model.StageKind.FIRST
    if first is bool(stable):
        return f"step {step.name} with {'a' if stable else 'no'} stable revision"
    timed = step.hold_until is not None and step.deadline_at is not None
    return "" if timed or step.confirmed_at is None else "a step without its times"


def _reach_again(turn: Turn) -> Turn:
    """A stage counts as reached, and its exposure as something else: it has yet to be reached.

    Nothing that status says of the time until now is believed; the candidate is given what it lacks.
    """
    rollout = turn.active_rollout
    if rollout is None or rollout.ending or rollout.step is None or failover.holds(turn):
        return turn
    wanted = plan.wanted_exposure(rollout)
    if rollout.step.confirmed_at is None or rollout.exposure == wanted:
        return turn
    text = (
        f"{rollout.revision.model_version}: step {rollout.step.name} was reached with "
        f"{exposure_text(wanted)}, and status says {exposure_text(rollout.exposure)}: it is reached anew"
    )
    turn = plan.undated(turn).warn("StatusInconsistent", text)
    return turn.with_rollout(replace(turn.rollout, progress_at=turn.now))


def _restart_clocks(turn: Turn) -> Turn:
    """Restart clocks that lie in the future; never shorter than planned, never endless."""
    if turn.status.retiring:
        turn = turn.with_status(replace(turn.status, retiring=_retiring(turn)))
    if (known := turn.status.failover) is not None:
        known = failover.restarted(known, now=turn.now)
        turn = turn.with_status(replace(turn.status, failover=known))
    rollout = turn.active_rollout
    if rollout is None:
        return turn
    turn = turn.with_rollout(_without_future(rollout, now=turn.now))
    if rollout.ending or _is_dated(turn.rollout):
        return turn
    stands = turn.weight_stands and not failover.holds(turn)
    return plan.confirm(turn) if stands else turn


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
    first, silence = rollout.first_traffic_at, rollout.silence
    return replace(
        rollout,
        progress_at=min(rollout.progress_at, now),
        first_traffic_at=None if first is None else min(first, now),
        evidence_since=None if since is None or since > now else since,
        silence=silence and replace(silence, since=min(silence.since, now)),
        step=_uncovered_in_future(step, now=now),
        plan=tuple(
            replace(one, confirmed_at=None) if one.confirmed_at and one.confirmed_at > now else one
            for one in rollout.plan
        ),
    )


def _uncovered_in_future(
    step: model.ActiveStep | None, *, now: datetime
) -> model.ActiveStep | None:
    if step is None or step.covered_since is None or step.covered_since <= now:
        return step
    return replace(step, covered_since=now)


def _retiring(turn: Turn) -> tuple[model.Retiring, ...]:
    """A drain never lasts longer from now than the longest one that is ever asked for."""
    spec = turn.spec
    latest = turn.after(spec.scale_down_delay_seconds + spec.rollback.keep_candidate_seconds)
    return tuple(
        replace(entry, scale_down_at=min(entry.scale_down_at, latest))
        if entry.scale_down_at is not None
        else entry
        for entry in turn.status.retiring
    )
