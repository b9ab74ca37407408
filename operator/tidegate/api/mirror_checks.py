"""What copies of requests need beyond a plane that makes them: safety, pods, and metrics that show them."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate import model
from tidegate.model import objects
from tidegate.rollout.strategy.compile import field_of, plan_of
from tidegate.traffic.plane import plane_of
from tidegate.traffic.sizing.limits import limits

SAFE = "tidegate.dev/shadow-safe"
UNSAFE = "UnsafeShadow"


def violations(spec: model.Spec) -> Iterator[model.Violation]:
    """Why this candidate must not get copies, or could not be judged by them; each with its fix."""
    mirrored = [stage for stage in plan_of(spec) if stage.mirror_percent > 0]
    if not mirrored:
        return
    yield from _side_effects(spec)
    for stage in mirrored:
        yield from _room(spec, stage)
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


def _room(spec: model.Spec, stage: model.Stage) -> Iterator[model.Violation]:
    """Stable keeps every pod, as it answers everybody: those of the copies come on top."""
    needed = plane_of(spec.traffic).sizing.candidate_needed(
        stage.exposure.load_percent, replicas=spec.replicas, scaling=spec.scaling
    )
    spare = limits(spec.replicas, scaling=spec.scaling).surge_pods
    if stage.exposure.live_percent <= 0 and needed > spare:
        yield model.Violation(
            path=field_of(stage),
            message=(
                f"{stage.mirror_percent:g} % need {needed} pods beside the {spec.replicas} of stable, and "
                f"scaling.maxSurgePercent of {spec.scaling.max_surge_percent:g} gives room for {spare}: "
                "lower this, or raise that"
            ),
        )
