"""Walking the steps: what ends the walk at once, and which piece of work comes next."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout import (
    capacity,
    delivery,
    ending,
    failover,
    first,
    hold,
    lateness,
    links,
    phases,
    plan,
    reach,
    silence,
    smoke_test,
    waiting,
)
from tidegate.rollout.turn import Turn


def work(turn: Turn) -> Turn:
    """One pass over a rollout in any of its stages."""
    stage = turn.rollout.stage
    if stage is not None and stage.kind is model.StageKind.FIRST:
        return first.work(turn)
    turn = safety_watch(delivery.note_loss(_note_new_batch(turn)))
    if turn.rollout.ending:
        return turn
    turn = failover.keep(turn)
    if failover.holds(turn) and not _may_be_promoted(turn):
        return turn
    tried = _walk(turn)
    rollout = tried.active_rollout
    no_progress = rollout is not None and rollout.progress_at == turn.rollout.progress_at
    # Whoever could not look for a while must not blame the candidate for what is there by now.
    if not no_progress or not waiting.is_overdue(turn):
        return tried
    load = capacity.part_of(turn, plan.wanted_exposure(turn.rollout).load_percent)
    return lateness.give_up(turn, tried=tried, load=load)


def watch(turn: Turn) -> Turn:
    """Where nothing may go forward: what was given already is confirmed, for only then it is judged."""
    turn = safety_watch(delivery.note_loss(turn))
    rollout = turn.rollout
    given = rollout.exposure == plan.wanted_exposure(rollout)
    if rollout.ending or not given or rollout.step is None or rollout.step.confirmed_at:
        return turn
    return reach.reach(turn)


def _may_be_promoted(turn: Turn) -> bool:
    """It has all traffic already, and by now the pods for it and every proof."""
    stage = turn.rollout.stage
    promotes = stage is not None and stage.kind is model.StageKind.SWITCH
    return promotes and links.missing_link(turn, 100.0) is None


def _walk(turn: Turn) -> Turn:
    if phases.phase_of(turn.rollout) is model.Phase.PENDING and turn.spec.replicas == 0:
        turn = reach.skip_steps(turn)  # 0 is a size: where no pods are, steps prove nothing
    turn = _skip_without_weight(plan.fit_to_pods(turn))
    step, stage = turn.rollout.step, turn.rollout.stage
    if step is None or step.confirmed_at is None:
        turn = reach.reach(turn)
        switches = stage is not None and stage.kind is model.StageKind.SWITCH
        return hold.switch(turn) if switches else turn
    return hold.hold(turn)


def _skip_without_weight(turn: Turn) -> Turn:
    """Too few pods are left for the step that is being reached."""
    step = turn.rollout.step
    if step is None or step.confirmed_at is not None:
        return turn
    if turn.rollout.plan[step.index].exposure.is_visited:
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
    """What acts in every stage, also while paused.

    A mark, a breach, a crash of its own or a failed smoke test rejects the candidate. Where it has only lost its pods, or
    shows no data, nobody blames it: its traffic is withdrawn.
    """
    rollout = turn.rollout
    if ending.marked_as_rolled_back(turn):
        reason = rollout.rollback_reason or ending.FOUND_MARKED
        return ending.roll_back(turn, reason=reason, by=ending.HARM)
    if crash := _own_crash(turn):
        return ending.roll_back(turn, reason=f"CandidateUnready: {crash}", by=ending.HARM)
    harm = delivery.harm(turn) if _is_judged(rollout) else None
    if harm is not None:
        return ending.roll_back(turn, reason=harm, by=ending.HARM)
    if lost := _lost_pods(turn):
        return ending.withdraw(turn, lost)
    if silent := silence.found(turn):
        return ending.withdraw(silence.remember(plan.taken_again(turn)), silent)
    if broken := smoke_test.failure(turn):
        return ending.roll_back(smoke_test.failed(turn), reason=broken, by=smoke_test.BY)
    return turn


def _is_judged(rollout: model.Rollout) -> bool:
    return rollout.stage is not None and rollout.stage.control is not model.Control.NONE


def _own_crash(turn: Turn) -> str:
    """Containers of a candidate with traffic fail by themselves, and those of stable do not.

    So do those for which the only pod of stable went: until they run nobody serves.
    """
    state, stable = turn.state_of(turn.rollout.revision.hash), turn.state_of(turn.stable)
    if state is None or turn.spec.replicas == 0:
        return ""
    if not turn.rollout.exposure.is_visited:
        return state.failure if capacity.nobody_serves_for_it(turn) else ""
    shared = stable is not None and bool(stable.crash)
    return state.crash if state.ready < state.wanted and not shared else ""


def _lost_pods(turn: Turn) -> str:
    """A candidate with traffic has no ready pod left, and stable can take over, or what stands in for it.

    While nobody has one, traffic stays where it is: whoever is back first serves.
    """
    rollout = turn.rollout
    if not rollout.exposure.is_visited or capacity.ready(turn, rollout.revision.hash) > 0:
        return ""
    if turn.spec.replicas == 0 and not waiting.is_parked(turn):
        return ""
    takes_over = capacity.ready(turn, turn.stable) > 0 or failover.stands_in_with_pods(turn)
    if not takes_over and turn.spec.replicas > 0:
        return ""
    state = turn.state_of(rollout.revision.hash)
    if state is None:
        return "its Deployment is gone"
    return f"no pod of it is ready{f': {state.lost}' if state.lost else ''}"
