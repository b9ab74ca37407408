"""Sizes of a candidate for which nobody makes room. Source: api.md, 5.3 (`scaling.surgePolicy`)."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate import model
from tidegate.rollout.strategy.compile import plan_of, scaling_at
from tidegate.traffic.plane import plane_of
from tidegate.traffic.sizing.limits import room_beside, spare_pods


def violations(spec: model.Spec) -> Iterator[model.Violation]:
    """Least sizes that would need more pods than stable lends; a single pod is swapped, not shared."""
    scaling = spec.scaling
    if not scaling.lends or spec.replicas <= 1:
        return
    spare = spare_pods(spec.replicas, scaling=scaling)
    if scaling.min_replicas > spare:
        yield _too_many("spec.strategy.scaling.minReplicas", scaling.min_replicas, spare, spec)
    before = 0.0
    # Copies may come before the steps, and some plans have none.
    live = (stage for stage in plan_of(spec) if stage.kind is model.StageKind.LIVE)
    for step, stage in zip(spec.steps, live, strict=False):
        yield from _of_step(spec, step, stage, before)
        before = step.weight_percent


def _of_step(
    spec: model.Spec, step: model.Step, stage: model.Stage, before: float
) -> Iterator[model.Violation]:
    """A step may give the candidate a size of its own; stable has the share of the step before."""
    asked = scaling_at(stage, spec=spec).candidate_pods
    if asked is None:
        return
    sizing = plane_of(spec.traffic).sizing
    carries = sizing.stable_pods(before, replicas=spec.replicas, scaling=spec.scaling)
    room = room_beside(carries, replicas=spec.replicas, scaling=spec.scaling)
    if asked > room:
        member = "replicas" if step.replicas else "replicasPercent"
        yield _too_many(f"spec.strategy.canary.steps[{step.name}].{member}", asked, room, spec)


def _too_many(path: str, asked: int, room: int, spec: model.Spec) -> model.Violation:
    policy = spec.scaling.surge_policy
    return model.Violation(
        path=path,
        message=(
            f"{asked} pods are asked for, and with surgePolicy {policy} there is room for {room} of "
            f"{spec.replicas}: ask for at most {room}, raise maxUnavailablePercent, or set surgePolicy: Surge"
        ),
    )
