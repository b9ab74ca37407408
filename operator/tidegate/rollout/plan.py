"""The steps of one rollout, frozen when it starts, and where it stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from tidegate import model
from tidegate.rollout.strategy.compile import fitted
from tidegate.rollout.turn import Turn, weight_text


def fit_to_pods(turn: Turn) -> Turn:
    """Where pods are the weight, or few are swapped, steps ahead follow a changed number of pods.

    A step that is being held keeps its weight: a restart at each change might never end.
    """
    rollout, spec = turn.rollout, turn.spec
    fixed = not (turn.by_pods or spec.scaling.in_place)
    if fixed or (spec.replicas == 0 and rollout.first_traffic_at is not None):
        return turn  # a rollout that is parked goes on where it stood
    reached = rollout.step.index if rollout.step and rollout.step.confirmed_at else -1
    stages = tuple(
        fitted(stage, spec=spec) if index != reached and stage.is_left else stage
        for index, stage in enumerate(rollout.plan)
    )
    if stages == rollout.plan:
        return turn
    return name_rounding(turn.with_rollout(replace(rollout, plan=stages)))


def name_rounding(turn: Turn) -> Turn:
    """Rounding is never silent (features.md, R2; api.md, 5.2)."""
    rounded_steps = rounded(turn.rollout.plan)
    if not rounded_steps:
        return turn
    parts = ", ".join(
        f"{s.name}: {weight_text(s.weight_percent)} -> {weight_text(s.exposure.live_percent)}"
        for s in rounded_steps
    )
    return turn.say("WeightRounded", f"{turn.spec.replicas} pods cannot give every weight: {parts}")


def next_index(rollout: model.Rollout, *, after: int = -1) -> int | None:
    """The next stage to walk, or None; one that rounding brings to no exposure is none."""
    for index in range(after + 1, len(rollout.plan)):
        stage = rollout.plan[index]
        if stage.exposure.is_visited and stage.state is model.StepState.PENDING:
            return index
    return None


def rounded(plan: Iterable[model.Stage]) -> tuple[model.Stage, ...]:
    """Steps whose weight the data plane cannot give exactly."""
    return tuple(s for s in plan if abs(s.exposure.live_percent - s.weight_percent) > 1e-6)


KEPT_RESULTS = 8  # of 32 metrics in each of 32 steps
_RANKS = (
    model.Outcome.FAIL,
    model.Outcome.ERROR,
    model.Outcome.NO_DATA,
    model.Outcome.INCONCLUSIVE,
    model.Outcome.PASS,
)


def with_step(rollout: model.Rollout, index: int, step: model.Stage) -> tuple[model.Stage, ...]:
    """The plan with another step at one place."""
    return (*rollout.plan[:index], step, *rollout.plan[index + 1 :])


def end_step(turn: Turn, state: model.StepState, *, by: str = "") -> Turn:
    """End the active step, if there is one, and keep the judgements with which it ended.

    `by` says who ended it where no evidence did.
    """
    rollout = turn.rollout
    stage = rollout.stage
    if rollout.step is None or stage is None:
        return turn
    index = rollout.step.index
    at_once = state is model.StepState.PASSED and not stage.is_held
    ended = replace(
        stage,
        state=state,
        confirmed_at=turn.now if at_once else stage.confirmed_at,
        ended_at=turn.now,
        ended_by=by,
        evidence=_kept(turn.seen.analysis.results) if stage.is_held else (),
    )
    changed = replace(
        rollout,
        plan=with_step(rollout, index, ended),
        evidence_digest=turn.seen.analysis.digest or rollout.evidence_digest,
    )
    return turn.with_rollout(changed)


def _kept(results: Iterable[model.MetricResult]) -> tuple[model.MetricResult, ...]:
    """What a record needs, the worst first; texts stay out, as status has a size."""
    ranked = sorted(results, key=lambda one: (not one.acts, _RANKS.index(one.outcome), one.name))
    return tuple(replace(one, message="") for one in ranked[:KEPT_RESULTS])


def enter(turn: Turn, index: int) -> Turn:
    """Make the step at `index` the active one; its weight is not set yet."""
    rollout = turn.rollout
    step = rollout.plan[index]
    active = model.ActiveStep(index=index, name=step.name, started_at=turn.now)
    entered = replace(step, state=model.StepState.ACTIVE, started_at=turn.now)
    changed = replace(
        rollout,
        step=active,
        plan=with_step(rollout, index, entered),
        progress_at=turn.now,
        inconclusive_since=None,
        silence=None,
    )
    return turn.with_rollout(changed)


def confirm(turn: Turn) -> Turn:
    """Start the step's clock: the data plane carries its weight."""
    rollout = turn.rollout
    step = rollout.step
    assert step is not None
    planned, before = rollout.plan[step.index], rollout.judged_stage
    # What other limits were held against says nothing about these.
    other_limits = before is not None and before.limits != planned.limits
    confirmed = replace(
        step,
        confirmed_at=turn.now,
        hold_until=turn.now + timedelta(seconds=planned.hold_seconds),
        deadline_at=turn.now + timedelta(seconds=planned.deadline_seconds),
    )
    changed = replace(
        rollout,
        step=confirmed,
        plan=with_step(rollout, step.index, replace(planned, confirmed_at=turn.now)),
        progress_at=turn.now,
        inconclusive_since=None,
        first_traffic_at=rollout.first_traffic_at or turn.now,
        judged_since=turn.now,
        evidence_since=turn.now
        if other_limits or rollout.is_taken_again or _begins_apart(rollout)
        else _evidence_since(turn, planned),
    )
    return turn.with_rollout(changed)


def _evidence_since(turn: Turn, stage: model.Stage) -> datetime:
    """Evidence of a preview is its own: users are not those who tested."""
    rollout, preview = turn.rollout, model.StageKind.PREVIEW
    tested = any(it.kind is preview and it.confirmed_at for it in rollout.plan)
    begins = stage.kind is not preview and stage.confirmed_at is None
    if rollout.evidence_since is None or (tested and begins):
        return turn.now
    return rollout.evidence_since


def _begins_apart(rollout: model.Rollout) -> bool:
    """Copies tell nothing of what users get: what was counted of them counts for no other stage."""
    since, stage = rollout.evidence_since, rollout.stage
    if since is None or stage is None:
        return False
    counted = [it for it in rollout.plan if it.confirmed_at and it.confirmed_at >= since]
    return any(counts_apart(it, stage) for it in counted)


def counts_apart(before: model.Stage, after: model.Stage) -> bool:
    """What was counted in one stage says nothing about a later one: it was counted with copies."""
    shadowed = before.kind is model.StageKind.SHADOW
    ended = before.mirror_percent > 0 and after.mirror_percent <= 0
    return ended or (shadowed and after.kind is not model.StageKind.SHADOW)


def undated(turn: Turn) -> Turn:
    """The active step has yet to be reached again, and its whole hold begins then."""
    rollout = turn.rollout
    assert rollout.step is not None
    step = replace(
        rollout.step, confirmed_at=None, hold_until=None, deadline_at=None, covered_since=None
    )
    return turn.with_rollout(replace(rollout, step=step))


def taken_again(turn: Turn, *, confirmed_at: datetime | None = None) -> Turn:
    """The stage whose weight stands is the active one once more, where the next one has not begun.

    With the date of its weight it goes on being judged until that is confirmed again.
    """
    rollout = turn.rollout
    step = rollout.step
    assert step is not None
    index = max(
        (at for at, one in enumerate(rollout.plan) if _was_reached(one)), default=step.index
    )
    if index == step.index:
        return turn
    waits = replace(rollout.plan[step.index], state=model.StepState.PENDING, started_at=None)
    stage = replace(
        rollout.plan[index], confirmed_at=confirmed_at, ended_at=None, ended_by="", evidence=()
    )
    changed = replace(rollout, plan=with_step(rollout, step.index, waits), waiting_for=None)
    changed = replace(changed, plan=with_step(changed, index, stage))
    return enter(turn.with_rollout(changed), index)


def _was_reached(stage: model.Stage) -> bool:
    return stage.is_held and stage.confirmed_at is not None


def wanted_exposure(rollout: model.Rollout) -> model.Exposure:
    """What the rollout works towards in its present stage."""
    stage = rollout.stage
    return model.NO_TRAFFIC if rollout.ending or stage is None else stage.exposure
