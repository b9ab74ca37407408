"""Reaching a weight: capacity, readiness, intent in status, data plane, confirmation, in this order.

The step's clock starts at confirmation, never before.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tidegate import model
from tidegate.evidence.verdict.templates import unjudged
from tidegate.model import actions
from tidegate.rollout import (
    admission,
    baseline,
    capacity,
    delivery,
    ending,
    failover,
    gates,
    links,
    plan,
    policies,
    waiting,
)
from tidegate.rollout.strategy import promotion
from tidegate.rollout.turn import CONFIRM_LOOK_SECONDS, Turn, exposure_text

BY_PEOPLE = ending.BY_PEOPLE
# Waits that are over once the data plane carries the weight and nobody asks for a pause.
REACHED = frozenset(
    {
        model.Waiting.SPEC_PAUSED,
        model.Waiting.CAPACITY,
        model.Waiting.PODS_NOT_READY,
        model.Waiting.PROBE,
        model.Waiting.ISOLATION,
        model.Waiting.ROUTE_NOT_READY,
        model.Waiting.DRAIN,
        model.Waiting.WITHDRAWN,
        *waiting.BY_POLICIES,
    }
)


def reach(turn: Turn) -> Turn:
    """Bring the data plane to the exposure of the stage: wait for capacity, write the intent, confirm.

    Where the surge has no room for all pods at once, the weight is reached in parts.
    """
    turn = _with_approvals(_look_for_deadline(turn))
    rollout, exposure = turn.rollout, plan.wanted_exposure(turn.rollout)
    written, weight = rollout.exposure.live_percent, exposure.live_percent
    gate = gates.closed(turn)
    turn = admission.admit(turn) if gate is None else turn
    # A stage may have the exposure of the one before, by rounding or in a failover: it is asked for, too.
    if rollout.exposure == exposure and exposure.is_visited and gate is None:
        return _confirm(turn, weight)
    if pause := waiting.asked_to_pause(turn):
        return waiting.wait_for(turn, *pause)
    if gate is not None and rollout.exposure.is_visited:
        return _stay(waiting.wait_for(turn, *gate))  # nothing grows before it is open
    by_policy = gate is not None and (gate[0] in waiting.BY_POLICIES or policies.keeps_out(turn))
    if gate is not None and (turn.scaling.lends or by_policy):
        # Nor does stable lend its pods; and what policies keep without pods waits for none.
        return _remove_old_marker(waiting.wait_for(turn, *gate))
    load = capacity.part_of(turn, exposure.load_percent)
    part = min(load, weight)
    if 0 < part <= written < weight or _lacks_copies(rollout.exposure, exposure, load):
        return _await_part(turn)
    finding = links.missing_link(turn, load)
    if finding is not None:
        return _remove_old_marker(links.wait_for(turn, finding))
    if gate is not None:
        return _remove_old_marker(waiting.wait_for(turn, *gate))
    kept = capacity.kept_beside(turn, stands_in=failover.stands_in(turn))
    if part < kept.percent and not turn.by_pods:
        return _give_stable(turn, kept)
    turn, part = failover.taken_over(waiting.stop_waiting(turn), part)
    return _write(turn, _carried(replace(exposure, live_percent=part), rollout.exposure, load))


def _give_stable(turn: Turn, kept: capacity.Kept) -> Turn:
    """The weight is less than what users get elsewhere: stable takes the rest as its pods come."""
    text = (
        f"stable has {capacity.ready(turn, turn.stable)} of {turn.spec.replicas} pods: revision "
        f"{kept.revision} keeps its share until it has more"
    )
    turn = waiting.wait_for(turn, model.Waiting.CAPACITY, text).look_again(links.POD_LOOK_SECONDS)
    mine = kept.revision == turn.rollout.revision.hash
    if kept.waits or not mine:
        return turn
    return _write(turn, model.Exposure(live_percent=kept.percent))


def _with_approvals(turn: Turn) -> Turn:
    """Gates that enough people have approved are open."""
    opened = gates.approved(turn)
    if opened.rollout.plan is turn.rollout.plan or gates.asked(opened) is not None:
        return opened
    return waiting.stop_waiting(opened, only=waiting.GATES)


def _lacks_copies(written: model.Exposure, wanted: model.Exposure, load: float) -> bool:
    """Only copies are missing, and there is no room for their pods yet."""
    whole = 0 < written.live_percent == wanted.live_percent
    return whole and written == _carried(wanted, written, load)


def _carried(wanted: model.Exposure, written: model.Exposure, load: float) -> model.Exposure:
    """What there are pods for: beside a share of the users copies come once there are some for both.

    Copies that are made already go on as far as the pods carry them: the step before is judged until
    this one is confirmed, and a candidate that suddenly has far less to do would seem not to answer.
    """
    live, mirror = wanted.live_percent, wanted.mirror_percent
    if live == 0 or live + mirror <= load + 1e-6:
        return wanted
    left = float(math.floor(max(load - live, 0.0))) if written.mirror_percent > 0 else 0.0
    return replace(wanted, mirror_percent=min(mirror, left))


def _stay(turn: Turn) -> Turn:
    """What the candidate has by now is put right where it is gone."""
    stands = turn.seen.traffic.exists and turn.weight_stands
    return turn if stands else write_exposure(turn)


def _write(turn: Turn, exposure: model.Exposure) -> Turn:
    """The exposure as the intent in status, then in the data plane."""
    visited = turn.rollout.exposure.is_visited
    changed = replace(turn.rollout, exposure=exposure, progress_at=turn.now)
    turn = _state_unjudged(_state_estimate(turn.with_rollout(changed)))
    if not visited:
        turn = links.warn_unreachable(turn)
    version = turn.rollout.revision.model_version
    turn = turn.say("TrafficShifted", f"{version} gets {exposure_text(exposure)}")
    return write_exposure(turn).look_again(CONFIRM_LOOK_SECONDS)


def _state_estimate(turn: Turn) -> Turn:
    """Say before the traffic moves what the step can find out, and whether that is enough."""
    step, estimates = turn.rollout.step, turn.seen.analysis.estimates
    stage = turn.rollout.stage
    if step is None or stage is None or not stage.needs_proof or step.index >= len(estimates):
        return turn
    if stage.exposure.live_percent == 0 and stage.exposure.mirror_percent == 0:
        return turn  # how many requests come otherwise is not known beforehand
    estimate = estimates[step.index]
    if step.estimate == estimate.text:
        return turn  # said already: the weight is reached in parts, or anew
    changed = replace(turn.rollout, step=replace(step, estimate=estimate.text))
    turn = turn.with_rollout(changed).say("StepPlanned", f"step {step.name}: {estimate.text}")
    if not estimate.warning:
        return turn
    return turn.warn("StepTooShort", f"step {step.name}: {estimate.warning}")


def _state_unjudged(turn: Turn) -> Turn:
    """Say before the first step what nothing can be judged by."""
    step, missing = turn.rollout.step, unjudged(turn.spec)
    if not missing or step is None or step.index > 0:
        return turn
    return turn.warn("NotJudged", "; ".join(missing))


def _await_part(turn: Turn) -> Turn:
    """The part that was written has to be in force before stable makes room for the next."""
    turn = turn.look_again(CONFIRM_LOOK_SECONDS)
    if not turn.target_agrees:
        return repeat_write(turn)
    return turn if turn.seen.traffic.accepted else _route_pending(turn)


def exposure_of(turn: Turn) -> actions.SetTraffic:
    """What the candidate is to be exposed to, beside stable or who answers for it."""
    rollout = turn.rollout
    return actions.SetTraffic(
        stable=failover.stands_in(turn) or turn.stable,
        kept=turn.stable,
        candidate=rollout.revision.hash,
        exposure=rollout.exposure,
        marker=ending.mark_of_harm(rollout),
        missing_pods=capacity.missing_pods(turn, turn.spec.replicas),
    )


def write_exposure(turn: Turn) -> Turn:
    """Have the data plane follow the intent."""
    return turn.act(exposure_of(turn))


def repeat_write(turn: Turn) -> Turn:
    """The same where the target gives something else; say so where that write is refused.

    What belongs to somebody else is neither fought nor made: it is waited for.
    """
    if (taken := links.name_taken(turn)) is not None:
        return links.wait_for(turn, taken)
    if turn.spec.traffic.routes and not turn.seen.traffic.exists:
        return _await_route(turn)
    if turn.refusal and not waiting.asked_to_pause(turn):
        turn = waiting.wait_for(turn, model.Waiting.ROUTE_NOT_READY, turn.refusal)
    return write_exposure(turn)


def _await_route(turn: Turn) -> Turn:
    """A route of the user is gone, or its kind."""
    message = turn.refusal or "the route that spec.traffic names is missing: create it"
    return waiting.wait_for(turn, model.Waiting.ROUTE_NOT_READY, message)


def _remove_old_marker(turn: Turn) -> Turn:
    if links.old_marker_present(turn) is None or turn.rollout.exposure.is_visited:
        return turn
    if capacity.kept_beside(turn, stands_in=failover.stands_in(turn)).percent > 0:
        return turn  # the mark goes with the share that stands beside it
    rest = actions.SetTraffic(stable=turn.stable, candidate="", exposure=model.NO_TRAFFIC)
    return turn.act(rest).look_again(CONFIRM_LOOK_SECONDS)


def _confirm(turn: Turn, weight: float) -> Turn:
    """Compare intent with what the data plane shows; repeat the write where it got lost."""
    traffic = turn.seen.traffic
    patient = links.LONGEST_POD_LOOK_SECONDS if traffic.obstacle else CONFIRM_LOOK_SECONDS
    turn = turn.look_again(patient)
    if not turn.target_agrees or traffic.rolled_back_revision:
        turn = repeat_write(turn)
        return turn if traffic.accepted or turn.refusal else _route_pending(turn)
    if not traffic.accepted:
        return _route_pending(turn)
    if not _pods_carry(turn, weight):
        return turn
    if not waiting.asked_to_pause(turn):
        turn = waiting.stop_waiting(turn, only=REACHED | waiting.GATES)
    step, stage = turn.rollout.step, turn.rollout.stage
    assert step is not None
    assert stage is not None
    if stage.kind is model.StageKind.SWITCH:
        return turn
    turn = baseline.state_judges(turn)
    given = exposure_text(turn.rollout.exposure)
    return plan.confirm(turn).say("StepStarted", f"step {step.name}: the candidate has {given}")


def _pods_carry(turn: Turn, weight: float) -> bool:
    """Where pods make the split: their numbers have reached it."""
    stable = turn.state_of(turn.stable)
    candidate = turn.state_of(turn.rollout.revision.hash)
    if not turn.by_pods or weight in {0.0, 100.0}:
        return True
    if stable is None or candidate is None:
        return False
    return turn.plane.sizing.weight_reached(
        weight,
        replicas=turn.spec.replicas,
        scaling=turn.scaling,
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


def pass_step(turn: Turn, *, why: str = "", by: str = "") -> Turn:
    """End the active stage as passed; the next one is what is worked on now, if there is one.

    `by` says who lets it pass where no evidence does.
    """
    step, stage = turn.rollout.step, turn.rollout.stage
    assert step is not None
    assert stage is not None
    turn = plan.end_step(turn, model.StepState.PASSED, by=by)
    turn = turn.with_rollout(replace(turn.rollout, waiting_for=None))
    version = turn.rollout.revision.model_version
    match stage.kind:
        case model.StageKind.SWITCH:
            turn = turn.say("Promoted", f"{version} serves all traffic")
        case model.StageKind.BAKE:
            turn = turn.say("BakeCompleted", f"{version} stays: {ending.bake_result(turn)}")
        case _:
            turn = turn.say("StepPassed", f"step {step.name} passed{why}")
    return go_on(turn, after=step.index)


def pass_and_go_on(turn: Turn, *, why: str = "", by: str = "") -> Turn:
    """End the stage and begin with the next one at once, if there is one."""
    turn = pass_step(turn, why=why, by=by)
    return turn if turn.active_rollout is None else reach(turn)


def go_on(turn: Turn, *, after: int) -> Turn:
    """Enter the first stage behind `after` that is to be walked; behind the last one it is over."""
    index = plan.next_index(turn.rollout, after=after)
    return ending.complete(turn) if index is None else plan.enter(turn, index)


def may_skip(turn: Turn) -> bool:
    """The active stage can be left without proof; a bake only where its weight stands."""
    stage = turn.rollout.stage
    if stage is None or not stage.is_held:
        return False
    return stage.kind is not model.StageKind.BAKE or _serves_all(turn)


def _serves_all(turn: Turn) -> bool:
    """A promoted candidate has everything, as far as anybody can see, and pods for it."""
    step, pods = turn.rollout.step, capacity.ready(turn, turn.rollout.revision.hash)
    confirmed = step is not None and step.confirmed_at is not None
    given = confirmed and delivery.stands(turn)
    return given and (pods > 0 or turn.spec.replicas == 0)


def skip_step(turn: Turn) -> Turn:
    """End the active stage without proof; a pause that was asked for goes on in the next one."""
    step = turn.rollout.step
    assert step is not None
    turn = plan.end_step(turn, model.StepState.SKIPPED, by=BY_PEOPLE)
    turn = turn.say("StepSkipped", f"step {step.name} is skipped by request")
    turn = waiting.stop_waiting(turn, only=waiting.ANY - {model.Waiting.REQUEST})
    return go_on(turn, after=step.index)


def promote_fully(turn: Turn) -> Turn:
    """Skip the remaining stages and all judging; capacity and route checks stay.

    So they do for a promoted candidate that has lost what it was given: it is given that anew.
    """
    plan_ = _with_switch(turn.rollout.plan)
    if turn.rollout.switched and not _serves_all(turn):
        plan_ = tuple(map(_to_switch_again, plan_))
    stages = tuple(
        gates.decided(replace(stage, control=model.Control.NONE), at=turn.now)
        if stage.is_left
        else stage
        for stage in plan_
    )
    return skip_steps(turn.with_rollout(replace(turn.rollout, plan=stages)))


def _to_switch_again(stage: model.Stage) -> model.Stage:
    """A switch has yet to happen; any other stage is as it was."""
    if stage.kind is not model.StageKind.SWITCH:
        return stage
    return replace(
        stage,
        state=model.StepState.PENDING,
        started_at=None,
        confirmed_at=None,
        ended_at=None,
        ended_by="",
    )


def _with_switch(plan_: tuple[model.Stage, ...]) -> tuple[model.Stage, ...]:
    """A shadow that stops ends without promotion, unless a person asks for it."""
    switches = any(stage.kind is model.StageKind.SWITCH for stage in plan_)
    return plan_ if switches else (*plan_, promotion.SWITCH)


def skip_steps(turn: Turn) -> Turn:
    """Of what is left of the plan only what gives it all traffic stays, if that is still to come."""
    stages = tuple(
        replace(stage, state=_cut(stage)) if stage.is_left else stage for stage in turn.rollout.plan
    )
    changed = replace(turn.rollout, plan=stages, waiting_for=None, step=None)
    return go_on(turn.with_rollout(changed), after=-1)


def _cut(stage: model.Stage) -> model.StepState:
    stays = stage.kind in {model.StageKind.FIRST, model.StageKind.SWITCH}
    return model.StepState.PENDING if stays else model.StepState.SKIPPED
