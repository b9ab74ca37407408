"""From a spec to the plan of a rollout: typed stages, frozen when it starts.

A strategy is one file that makes stages; the walk knows kinds of stages, and no strategy.
Source: house.md, H5; api.md, 2.5: edits of the strategy wait for the next rollout.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tidegate import model
from tidegate.rollout.strategy import blue_green, canary, shadow
from tidegate.traffic.plane import plane_of
from tidegate.traffic.sizing import whole

FIRST = model.Stage(
    name="first",
    kind=model.StageKind.FIRST,
    weight_percent=100.0,
    effective_weight_percent=100.0,
    control=model.Control.NONE,
)


def first_plan() -> tuple[model.Stage, ...]:
    """The plan of the very first revision: it serves as soon as it is ready, compared with nothing."""
    return (FIRST,)


def plan_of(spec: model.Spec) -> tuple[model.Stage, ...]:
    """The stages of a rollout that starts now, with the exposures that the data plane can give."""
    return tuple(fitted(stage, spec=spec) for stage in _stages(spec))


def _stages(spec: model.Spec) -> tuple[model.Stage, ...]:
    if spec.blue_green is not None:
        return blue_green.stages(spec, spec.blue_green)
    asked = spec.shadow
    found = canary.stages(spec) if asked is None else shadow.stages(spec, asked)
    return found if spec.warm_up is None else (shadow.warm_up(spec.warm_up), *found)


def in_effect(spec: model.Spec, rollout: model.Rollout | None) -> model.Spec:
    """The spec with the plane and the sizes of the rollout under way, by its plan.

    An edit of the strategy waits for the next rollout: whoever shares users goes on to share them,
    and whoever switches them must find both versions at full size.
    """
    kinds = {stage.kind for stage in rollout.plan} if rollout is not None and rollout.active else ()
    if not {model.StageKind.SWITCH, model.StageKind.SHADOW}.intersection(kinds):
        return spec
    exclusive = model.StageKind.PREVIEW in kinds
    if exclusive is spec.traffic.exclusive:
        return spec
    traffic = replace(spec.traffic, exclusive=exclusive)
    return replace(spec, traffic=traffic, scaling=whole.SCALING if exclusive else spec.scaling)


def field_of(stage: model.Stage) -> str:
    """The field of a spec that asks for the exposure of a stage."""
    if stage.kind is not model.StageKind.SHADOW:
        return "spec.strategy"
    warms_up = stage.control is model.Control.NONE
    return f"spec.strategy.{'canary.warmup' if warms_up else 'shadow'}.mirrorPercent"


def fitted(stage: model.Stage, *, spec: model.Spec) -> model.Stage:
    """The stage with the share that the data plane gives when asked for its weight."""
    share = plane_of(spec.traffic).sizing.effective_weight(
        stage.weight_percent, replicas=spec.replicas, scaling=spec.scaling
    )
    return replace(stage, effective_weight_percent=share)


def scaling_at(stage: model.Stage, *, spec: model.Spec) -> model.Scaling:
    """How pods follow the load in this stage, which may give the candidate a size of its own."""
    pods = stage.replicas or math.ceil(spec.replicas * stage.replicas_percent / 100)
    if pods == 0:
        return spec.scaling
    return replace(spec.scaling, candidate_pods=min(pods, spec.replicas))
