"""Walking the steps: reach a weight, hold it under judgement, pass on, promote.

A weight is reached in a fixed order: capacity, readiness, intent in status, data plane,
confirmation. The step's clock starts at confirmation, never before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from tidegate.rollout import actions, ending, model, plan, readiness, waiting
from tidegate.rollout.turn import Turn, weight_text
from tidegate.traffic.provider import provider_for

CONFIRM_LOOK_SECONDS = 1.0
# Waits that are over once the data plane carries the weight and nobody asks for a pause.
REACHED = frozenset(
    {
        model.Waiting.SPEC_PAUSED,
        model.Waiting.CAPACITY,
        model.Waiting.PODS_NOT_READY,
        model.Waiting.ROUTE_NOT_READY,
        model.Waiting.DRAIN,
    }
)


def work(turn: Turn) -> Turn:
    """One pass over a rollout in its stages Pending, Progressing and Promoting."""
    turn = safety_watch(_note_new_batch(turn))
    if turn.rollout.stage is model.Phase.ROLLING_BACK:
        return turn
    return give_up_late(turn, tried=_walk(turn))


def _walk(turn: Turn) -> Turn:
    if turn.rollout.stage is model.Phase.PENDING and turn.rollout.step is None:
        turn = _go_on(turn, after=-1)
    turn = _skip_without_weight(plan.fit_to_pods(turn))
    step = turn.rollout.step
    if turn.rollout.stage is model.Phase.PROMOTING:
        return ending.work_promoting(reach(turn, 100.0))
    if step is None or step.confirmed_at is None:
        return reach(turn, plan.current_weight(turn.rollout))
    return _hold(turn)


def _skip_without_weight(turn: Turn) -> Turn:
    """Too few pods are left for the step that is being reached."""
    step = turn.rollout.step
    if step is None or step.confirmed_at is not None:
        return turn
    if turn.rollout.plan[step.index].effective_weight_percent > 0:
        return turn
    return _go_on(plan.end_step(turn, model.StepState.SKIPPED), after=step.index)


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


def reach(turn: Turn, weight: float) -> Turn:
    """Bring the data plane to `weight`: wait for capacity, write the intent, confirm."""
    turn = _look_for_deadline(turn)
    rollout = turn.rollout
    if rollout.split.candidate_percent == weight and rollout.split.candidate_percent > 0:
        return _confirm(turn, weight)
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    finding = readiness.missing_link(turn, weight)
    if finding is not None:
        return _remove_old_marker(readiness.wait_for(turn, finding))
    turn = waiting.stop_waiting(turn)
    promoting = rollout.stage is model.Phase.PROMOTING
    changed = replace(
        turn.rollout,
        split=model.Split(candidate_percent=weight),
        stage=rollout.stage if promoting else model.Phase.PROGRESSING,
        progress_at=turn.now,
    )
    turn = _state_estimate(turn.with_rollout(changed)).say(
        "TrafficShifted", f"{rollout.revision.model_version} gets {weight_text(weight)} %"
    )
    return _write_split(turn).look_again(CONFIRM_LOOK_SECONDS)


def _state_estimate(turn: Turn) -> Turn:
    """Say before the traffic moves what the step can find out, and whether that is enough."""
    step, estimates = turn.rollout.step, turn.seen.analysis.estimates
    promoting = turn.rollout.stage is model.Phase.PROMOTING
    if promoting or step is None or step.index >= len(estimates):
        return turn
    estimate = estimates[step.index]
    changed = replace(turn.rollout, step=replace(step, estimate=estimate.text))
    turn = turn.with_rollout(changed).say("StepPlanned", f"step {step.name}: {estimate.text}")
    if not estimate.warning:
        return turn
    return turn.warn("StepTooShort", f"step {step.name}: {estimate.warning}")


def _write_split(turn: Turn) -> Turn:
    rollout = turn.rollout
    return turn.act(
        actions.SetTraffic(stable=turn.stable, candidate=rollout.revision.hash, split=rollout.split)
    )


def _remove_old_marker(turn: Turn) -> Turn:
    if readiness.old_marker_present(turn) is None or turn.rollout.split.candidate_percent > 0:
        return turn
    rest = actions.SetTraffic(stable=turn.stable, candidate="", split=model.NO_TRAFFIC)
    return turn.act(rest).look_again(CONFIRM_LOOK_SECONDS)


def _confirm(turn: Turn, weight: float) -> Turn:
    """Compare intent with what the data plane shows; repeat the write where it got lost."""
    traffic = turn.seen.traffic
    share = traffic.weights.get(turn.rollout.revision.hash, 0.0)
    turn = turn.look_again(CONFIRM_LOOK_SECONDS)
    if abs(share - weight) > 1e-6 or traffic.rolled_back_revision:
        return _write_split(turn)
    if not traffic.accepted:
        return _route_pending(turn)
    if not _pods_carry(turn, weight):
        return turn
    if not waiting.asked_to_pause(turn):
        turn = waiting.stop_waiting(turn, only=REACHED)
    if turn.rollout.stage is model.Phase.PROMOTING:
        return turn
    step = turn.rollout.step
    assert step is not None
    return plan.confirm(turn).say(
        "StepStarted", f"step {step.name} at weight {weight_text(weight)}"
    )


def _pods_carry(turn: Turn, weight: float) -> bool:
    """Where pods make the split: their numbers have reached it."""
    stable = turn.state_of(turn.stable)
    candidate = turn.state_of(turn.rollout.revision.hash)
    if not turn.by_pods or weight in {0.0, 100.0}:
        return True
    if stable is None or candidate is None:
        return False
    return provider_for(turn.spec.traffic.provider).weight_reached(
        weight,
        replicas=turn.spec.replicas,
        scaling=turn.spec.scaling,
        stable_ready=stable.ready,
        candidate_ready=candidate.ready,
    )


def _route_pending(turn: Turn) -> Turn:
    traffic = turn.seen.traffic
    if turn.stalled_seconds < turn.spec.traffic.verify_timeout_seconds:
        return turn
    message = f"{traffic.pending_reason}: {traffic.pending_message}".strip(": ")
    return waiting.wait_for(turn, model.Waiting.ROUTE_NOT_READY, message)


def _look_for_deadline(turn: Turn) -> Turn:
    left = turn.spec.progress_deadline_seconds - turn.stalled_seconds
    # A pause may last longer than the deadline; then there is no instant to wait for.
    return turn.look_again(min(left + 0.1, 60.0)) if left > 0 else turn


# --- holding a step ------------------------------------------------------------------------------


def _hold(turn: Turn) -> Turn:
    """Keep the weight under judgement; what others did to it is repaired if it is to stay."""
    turn = _judge_hold(turn)
    ends = turn.rollout.stage is model.Phase.ROLLING_BACK
    if ends or turn.moves_traffic or turn.target_agrees:
        return turn
    return _write_split(turn)


def _judge_hold(turn: Turn) -> Turn:
    """Hold until time, evidence and people let the rollout go on, or until it has to end."""
    turn = turn.look_again(turn.spec.analysis.interval_seconds)
    key = plan.analysis_key(turn.spec)
    edited = key != turn.rollout.analysis_key
    if edited and turn.weight_stands:
        return _judge_anew(turn, key)
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    turn = _evidence_waits(waiting.stop_waiting(turn, only=REACHED))
    if waiting.is_paused(turn.rollout):
        return turn
    step = turn.rollout.step
    assert step is not None
    assert step.hold_until is not None
    assert step.deadline_at is not None
    turn = turn.look_at(step.hold_until).look_at(step.deadline_at)
    advances = turn.seen.analysis.verdict is model.Verdict.ADVANCE and not edited
    if advances and turn.now >= step.hold_until:
        turn = pass_step(turn)
        return reach(turn, plan.current_weight(turn.rollout))
    if turn.now >= step.deadline_at:
        return _deadline(turn)
    return turn


def _judge_anew(turn: Turn, key: str) -> Turn:
    """The way of judging was edited: hold and evidence start again, with this step."""
    changed = replace(turn.rollout, analysis_key=key, evidence_since=None)
    return plan.confirm(turn.with_rollout(changed))


def _evidence_waits(turn: Turn) -> Turn:
    """Name the missing evidence once it has been missing for too long; data ends the wait.

    After the deadline a person decides, whatever is missing: two waits must not alternate.
    """
    waits = turn.rollout.waiting_for
    if waits is not None and waits.reason is model.Waiting.INCONCLUSIVE:
        return turn
    seen = turn.seen.analysis
    spec = turn.spec.analysis
    missing_for = (
        (turn.now - seen.without_data_since).total_seconds() if seen.without_data_since else 0.0
    )
    too_long = missing_for >= spec.no_data_timeout_seconds
    unavailable = seen.consecutive_errors > 0
    if unavailable and (too_long or seen.consecutive_errors >= spec.error_limit):
        return waiting.wait_for(turn, model.Waiting.METRICS_UNAVAILABLE, seen.message)
    if too_long:
        return waiting.wait_for(turn, model.Waiting.NO_DATA, seen.message)
    if waits is None or not seen.judged:
        return turn
    if unavailable or seen.without_data_since:
        return turn
    return waiting.stop_waiting(turn)


def _deadline(turn: Turn) -> Turn:
    """The step's deadline came without proof (api.md, 5.5): pause, or what was asked for.

    Time alone is enough for a promotion only while there are data; without them it pauses, too.
    """
    seen = turn.seen.analysis
    message = f"no proof until the step's deadline: {seen.message or 'nothing was measured'}"
    no_data = seen.consecutive_errors > 0 or seen.without_data_since is not None or not seen.judged
    asked = turn.spec.analysis.on_inconclusive
    if no_data or (asked is model.OnInconclusive.PROMOTE and not seen.only_proof_is_missing):
        asked = model.OnInconclusive.PAUSE
    match asked:
        case model.OnInconclusive.PAUSE:
            return waiting.wait_for(turn, model.Waiting.INCONCLUSIVE, message)
        case model.OnInconclusive.PROMOTE:
            turn = pass_step(turn, why=f", as onInconclusive asks: {message}")
            return reach(turn, plan.current_weight(turn.rollout))
        case model.OnInconclusive.ROLLBACK:
            return ending.roll_back(turn, reason=message, by="Deadline")
        case _ as never:
            assert_never(never)


def pass_step(turn: Turn, *, why: str = "") -> Turn:
    """End the active step as passed; the next one, or promotion, is what is worked on now."""
    step = turn.rollout.step
    assert step is not None
    turn = plan.end_step(turn, model.StepState.PASSED)
    turn = turn.with_rollout(replace(turn.rollout, waiting_for=None))
    turn = turn.say("StepPassed", f"step {step.name} passed{why}")
    return _go_on(turn, after=step.index)


def _go_on(turn: Turn, *, after: int) -> Turn:
    index = plan.next_index(turn.rollout, after=after)
    return _promote(turn) if index is None else plan.enter(turn, index)


def _promote(turn: Turn) -> Turn:
    changed = replace(turn.rollout, stage=model.Phase.PROMOTING, progress_at=turn.now)
    return turn.with_rollout(changed)


def promote_fully(turn: Turn) -> Turn:
    """Skip the remaining steps, holds and analysis; capacity and route checks stay."""
    rollout = turn.rollout
    steps = tuple(
        replace(s, state=model.StepState.SKIPPED)
        if s.state in {model.StepState.PENDING, model.StepState.ACTIVE}
        else s
        for s in rollout.plan
    )
    changed = replace(rollout, plan=steps, skip_analysis=True, waiting_for=None, step=None)
    return _promote(turn.with_rollout(changed))
