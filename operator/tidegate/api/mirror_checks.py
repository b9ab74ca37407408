"""What copies of requests need beyond a plane that makes them: safety, pods, and metrics that show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate import model
from tidegate.model import objects
from tidegate.rollout.strategy.compile import field_of, plan_of, scaling_at
from tidegate.traffic.plane import plane_of
from tidegate.traffic.sizing.limits import room_beside, spare_pods

SAFE = "tidegate.dev/shadow-safe"
UNSAFE = "UnsafeShadow"


def violations(spec: model.Spec) -> Iterator[model.Violation]:
    """Why this candidate must not get copies, or could not be judged by them; each with its fix."""
    mirrored = [stage for stage in plan_of(spec) if stage.mirror_percent > 0]
    if not mirrored:
        return
    yield from _side_effects(spec)
    yield from _lacks_room(spec)
    if spec.analysis.data_plane and any(stage.needs_proof for stage in mirrored):
        yield model.Violation(
            path="spec.analysis.dataPlane",
            message=(
                f"{spec.analysis.data_plane} shows no copied requests, since nobody gets their answers: "
                "remove it, so that the candidate is judged by the metrics of its own pods"
            ),
        )


def _side_effects(spec: model.Spec) -> Iterator[model.Violation]:
    """A request that is answered twice may book, pay or learn twice."""
    declared = objects.at(dict(spec.template), "metadata", "annotations", SAFE)
    if declared != "true":
        yield model.Violation(
            path="spec.workload.template.metadata.annotations",
            message=(
                f'annotation {SAFE}: "true" is missing: copied requests are carried out twice. Declare '
                "that this server writes, sends and learns nothing while it answers, or use another strategy"
            ),
            reason=UNSAFE,
        )


def _lacks_room(spec: model.Spec) -> Iterator[model.Violation]:
    """More copies than there is room for, at the size that spec starts with or at the smallest one."""
    told: set[str] = set()
    for sized in _sizes(spec):
        for stage in plan_of(sized):
            if stage.mirror_percent <= 0 or stage.name in told:
                continue
            found = tuple(_room(sized, stage))
            told |= {stage.name for _ in found}
            yield from found


def _sizes(spec: model.Spec) -> Iterator[model.Spec]:
    """The spec as it is, and where autoscalers may take pods, with the fewest that they leave."""
    yield spec
    if spec.autoscaling is not None and spec.replicas > spec.autoscaling.min_replicas:
        yield replace(spec, replicas=spec.autoscaling.min_replicas)


def _room(spec: model.Spec, stage: model.Stage) -> Iterator[model.Violation]:
    """Stable answers everybody else: the pods of the copies come on top, or are lent."""
    live = stage.exposure.live_percent
    needed = plane_of(spec.traffic).sizing.candidate_needed(
        stage.exposure.load_percent, replicas=spec.replicas, scaling=scaling_at(stage, spec=spec)
    )
    spare = _spare_beside(spec, live) if live else spare_pods(spec.replicas, scaling=spec.scaling)
    if needed <= spare:
        return
    lends = spec.scaling.lends
    policy = spec.scaling.surge_policy
    room = f"surgePolicy {policy}" if lends else "scaling.maxSurgePercent of "
    room += "" if lends else f"{spec.scaling.max_surge_percent:g}"
    yield model.Violation(
        path=field_of(stage),
        message=(
            f"{stage.mirror_percent:g} % {_beside(spec, live, needed=needed)}, and "
            f"{room} gives room for {spare}: lower this, or "
            f"{'choose surgePolicy: Surge' if lends else 'raise that'}"
        ),
    )


def _beside(spec: model.Spec, live: float, *, needed: int) -> str:
    if live:
        return f"beside {live:g} % of the users need {needed} pods"
    scaled = spec.autoscaling is not None and spec.replicas == spec.autoscaling.min_replicas
    fewest = " (workload.autoscaling.minReplicas)" if scaled else ""
    return f"need {needed} pods beside the {spec.replicas} of stable{fewest}"


def _spare_beside(spec: model.Spec, live: float) -> int:
    """Pods that a candidate can have while stable has those for the rest of the users."""
    carries = plane_of(spec.traffic).sizing.stable_pods(
        live, replicas=spec.replicas, scaling=spec.scaling
    )
    return room_beside(carries, replicas=spec.replicas, scaling=spec.scaling)
