"""Walking the steps: what ends the walk at once, and which piece of work comes next."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout import ending, hold, plan, reach, waiting
from tidegate.rollout.turn import Turn


def work(turn: Turn) -> Turn:
    """One pass over a rollout in its stages Pending, Progressing and Promoting."""
    turn = safety_watch(_note_new_batch(turn))
    if turn.rollout.stage is model.Phase.ROLLING_BACK:
        return turn
    return give_up_late(turn, tried=_walk(turn))


def _walk(turn: Turn) -> Turn:
    if turn.rollout.stage is model.Phase.PENDING and turn.rollout.step is None:
        turn = reach.go_on(turn, after=-1)
    turn = _skip_without_weight(plan.fit_to_pods(turn))
    step = turn.rollout.step
    if turn.rollout.stage is model.Phase.PROMOTING:
        return ending.work_promoting(reach.reach(turn, 100.0))
    if step is None or step.confirmed_at is None:
        return reach.reach(turn, plan.current_weight(turn.rollout))
    return hold.hold(turn)


def _skip_without_weight(turn: Turn) -> Turn:
    """Too few pods are left for the step that is being reached."""
    step = turn.rollout.step
    if step is None or step.confirmed_at is not None:
        return turn
    if turn.rollout.plan[step.index].effective_weight_percent > 0:
        return turn
    return reach.go_on(plan.end_step(turn, model.StepState.SKIPPED), after=step.index)


def _note_new_batch(turn: Turn) -> Turn:
    """Pods of the candidate come in batches; each new batch has the whole progress deadline.

    Only what was seen counts: a write that is refused again and again is no progress.
    """
    known, state = turn.status.candidate, turn.state_of(turn.rollout.revision.hash)
    if known is None or state is None or state.wanted <= known.replicas:
        return turn
    return turn.with_rollout(replace(turn.rollout, progress_at=turn.now))


def safety_watch(turn: Turn) -> Turn:
    """What rolls back in every stage, also while paused: a mark, a breach, lost pods."""
    rollout = turn.rollout
    if ending.marked_as_rolled_back(turn):
        reason = rollout.rollback_reason or ending.FOUND_MARKED
        return ending.roll_back(turn, reason=reason, by="Analysis")
    if broken := _candidate_unready(turn):
        return ending.roll_back(turn, reason=f"CandidateUnready: {broken}", by="Analysis")
    judged = turn.seen.analysis
    if judged.verdict is model.Verdict.ROLL_BACK and not rollout.skip_analysis:
        return ending.roll_back(turn, reason=judged.message, by="Analysis")
    return turn


def give_up_late(turn: Turn, *, tried: Turn) -> Turn:
    """Roll back where the progress deadline is over and what was tried in this pass is no progress.

    Whoever could not look for a while must not blame the candidate for what is there by now.
    """
    rollout = tried.active_rollout
    if rollout is None or rollout.progress_at != turn.rollout.progress_at:
        return tried
    if not _is_late(turn):
        return tried
    found = rollout.waiting_for.message if rollout.waiting_for is not None else "no progress"
    reason = f"no progress for {turn.stalled_seconds:.0f}s: {found}"
    return ending.roll_back(turn, reason=reason, by="Deadline")


def _candidate_unready(turn: Turn) -> str:
    """A candidate with traffic lost its pods; waiting for evidence would only hurt users."""
    if turn.rollout.split.candidate_percent == 0 or turn.spec.replicas == 0:
        return ""
    state = turn.state_of(turn.rollout.revision.hash)
    if state is None:
        return "its Deployment is gone"
    if state.failure and state.ready < state.wanted:
        return state.failure
    return "" if state.ready > 0 else "no pod of it is ready"


def _is_late(turn: Turn) -> bool:
    """Pods or route made no progress for the whole progress deadline."""
    rollout = turn.rollout
    holds = rollout.step is not None and rollout.step.confirmed_at is not None
    if waiting.is_paused(rollout) or (holds and rollout.stage is not model.Phase.PROMOTING):
        return False
    return turn.stalled_seconds >= turn.spec.progress_deadline_seconds
