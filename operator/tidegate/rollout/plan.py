"""The steps of one rollout, frozen when it starts, and where it stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from tidegate import model
from tidegate.rollout.turn import Turn, weight_text
from tidegate.traffic.provider import provider_for


def freeze(spec: model.Spec) -> tuple[model.PlanStep, ...]:
    """The plan of a rollout that starts now, with the weights that the data plane can give.

    Source: api.md, 2.5: edits of the strategy wait for the next rollout.
    """
    provider = provider_for(spec.traffic.provider)
    return tuple(
        model.PlanStep(
            name=step.name,
            weight_percent=step.weight_percent,
            effective_weight_percent=provider.effective_weight(
                step.weight_percent, replicas=spec.replicas, scaling=spec.scaling
            ),
            hold_seconds=step.hold_seconds,
            deadline_seconds=step.deadline_seconds,
            min_requests=step.min_requests,
        )
        for step in spec.steps
    )


def fit_to_pods(turn: Turn) -> Turn:
    """Where pods are the weight, steps that are not reached yet follow a changed number of pods.

    A step that is being held keeps its weight: a restart at each change might never end.
    """
    rollout, spec = turn.rollout, turn.spec
    if not turn.by_pods or (spec.replicas == 0 and rollout.first_traffic_at is not None):
        return turn  # a rollout that is parked goes on where it stood
    provider = provider_for(spec.traffic.provider)
    reached = rollout.step.index if rollout.step and rollout.step.confirmed_at else -1
    fitted = tuple(
        replace(
            step,
            effective_weight_percent=provider.effective_weight(
                step.weight_percent, replicas=spec.replicas, scaling=spec.scaling
            ),
        )
        if index != reached and step.state in {model.StepState.PENDING, model.StepState.ACTIVE}
        else step
        for index, step in enumerate(rollout.plan)
    )
    if fitted == rollout.plan:
        return turn
    return name_rounding(turn.with_rollout(replace(rollout, plan=fitted)))


def name_rounding(turn: Turn) -> Turn:
    """Rounding is never silent (features.md, R2; api.md, 5.2)."""
    rounded_steps = rounded(turn.rollout.plan)
    if not rounded_steps:
        return turn
    parts = ", ".join(
        f"{s.name}: {weight_text(s.weight_percent)} -> {weight_text(s.effective_weight_percent)}"
        for s in rounded_steps
    )
    return turn.say("WeightRounded", f"{turn.spec.replicas} pods cannot give every weight: {parts}")


def next_index(rollout: model.Rollout, *, after: int = -1) -> int | None:
    """The next step to walk, or None; a step that rounding brings to no weight is no step."""
    for index in range(after + 1, len(rollout.plan)):
        if rollout.plan[index].effective_weight_percent > 0:
            return index
    return None


def rounded(plan: Iterable[model.PlanStep]) -> tuple[model.PlanStep, ...]:
    """Steps whose weight the data plane cannot give exactly."""
    return tuple(s for s in plan if abs(s.effective_weight_percent - s.weight_percent) > 1e-6)


KEPT_RESULTS = 8  # of 32 metrics in each of 32 steps
_RANKS = (
    model.Outcome.FAIL,
    model.Outcome.ERROR,
    model.Outcome.NO_DATA,
    model.Outcome.INCONCLUSIVE,
    model.Outcome.PASS,
)


def with_step(
    rollout: model.Rollout, index: int, step: model.PlanStep
) -> tuple[model.PlanStep, ...]:
    """The plan with another step at one place."""
    return (*rollout.plan[:index], step, *rollout.plan[index + 1 :])


def end_step(turn: Turn, state: model.StepState) -> Turn:
    """End the active step, if there is one, and keep the judgements with which it ended."""
    rollout = turn.rollout
    if rollout.step is None:
        return turn
    index = rollout.step.index
    ended = replace(
        rollout.plan[index],
        state=state,
        ended_at=turn.now,
        evidence=_kept(turn.seen.analysis.results),
    )
    changed = replace(
        rollout,
        plan=with_step(rollout, index, ended),
        evidence_digest=turn.seen.analysis.digest or rollout.evidence_digest,
    )
    return turn.with_rollout(changed)


def _kept(results: Iterable[model.MetricResult]) -> tuple[model.MetricResult, ...]:
    """What a record needs, the worst first; texts stay out, as status has a size."""
    ranked = sorted(results, key=lambda one: (one.dry_run, _RANKS.index(one.outcome), one.name))
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
    )
    return turn.with_rollout(changed)


def confirm(turn: Turn) -> Turn:
    """Start the step's clock: the data plane carries its weight."""
    rollout = turn.rollout
    step = rollout.step
    assert step is not None
    planned = rollout.plan[step.index]
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
        first_traffic_at=rollout.first_traffic_at or turn.now,
        judged_since=turn.now,
        evidence_since=rollout.evidence_since or turn.now,
    )
    return turn.with_rollout(changed)


def current_weight(rollout: model.Rollout) -> float:
    """The weight the rollout works towards in its present stage, in percent."""
    match rollout.stage:
        case model.Phase.PROMOTING:
            return 100.0
        case model.Phase.PENDING | model.Phase.PROGRESSING if rollout.step is not None:
            return rollout.plan[rollout.step.index].effective_weight_percent
        case _:
            return 0.0
