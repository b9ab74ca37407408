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


def in_effect(
    spec: model.Spec, rollout: model.Rollout | None, *, began: model.Spec | None = None
) -> model.Spec:
    """The spec with the plane, the sizes and the preview of the rollout under way, by its plan.

    An edit of the strategy waits for the next rollout: whoever shares users goes on to share them,
    and whoever switches them must find both versions at full size. `began` is the spec with the
    strategy by which the rollout began, where that is of another type and can still be read.
    """
    kinds = {stage.kind for stage in rollout.plan} if rollout is not None and rollout.active else ()
    if not {model.StageKind.SWITCH, model.StageKind.SHADOW}.intersection(kinds):
        return spec
    exclusive = model.StageKind.PREVIEW in kinds
    if exclusive is spec.traffic.exclusive:
        return spec
    pinned = began if began is not None and began.traffic.exclusive is exclusive else None
    scaling = whole.SCALING if exclusive else model.Scaling()
    return replace(
        spec,
        traffic=replace(spec.traffic, exclusive=exclusive),
        scaling=pinned.scaling if pinned is not None else scaling,
        pinned_preview=pinned.preview_service if pinned is not None else "",
    )


def field_of(stage: model.Stage) -> str:
    """The field of a spec that asks for the copies of a stage, or for the stage where it has none."""
    if stage.mirror_percent <= 0:
        return "spec.strategy"
    return f"spec.strategy.{_place_of(stage)}.mirrorPercent"


def routes_field_of(stage: model.Stage) -> str:
    """The field of a spec that asks for the routes of testers in a stage that has some."""
    preview = stage.kind is model.StageKind.PREVIEW
    return f"spec.strategy.{'blueGreen.preview' if preview else 'canary'}.routes"


def _place_of(stage: model.Stage) -> str:
    match stage.kind:
        case model.StageKind.SHADOW:
            return "canary.warmup" if stage.control is model.Control.NONE else "shadow"
        case model.StageKind.PREVIEW:
            return "blueGreen.prePromotion"
        case _:
            return f"canary.steps[{stage.name}]"


def fitted(stage: model.Stage, *, spec: model.Spec) -> model.Stage:
    """The stage with the share that the data plane gives when asked for its weight.

    Of a single pod that is swapped in place there is nothing to share, with testers neither: it has
    all or nothing.
    """
    if spec.scaling.in_place and spec.replicas == 1 and stage.weight_percent < 100:
        return replace(stage, effective_weight_percent=0.0, routes=())
    share = plane_of(spec.traffic).sizing.effective_weight(
        stage.weight_percent, replicas=spec.replicas, scaling=spec.scaling
    )
    same = share == stage.effective_weight_percent
    return stage if same else replace(stage, effective_weight_percent=share)


def scaling_at(stage: model.Stage, *, spec: model.Spec) -> model.Scaling:
    """How pods follow the load in this stage, which may give the candidate a size of its own."""
    pods = stage.replicas or math.ceil(spec.replicas * stage.replicas_percent / 100)
    if pods == 0:
        return spec.scaling
    return replace(spec.scaling, candidate_pods=min(pods, spec.replicas))


def candidate_pods(stage: model.Stage, *, spec: model.Spec) -> int:
    """Pods that the candidate comes to have in this stage: where its evidence comes from."""
    pods = plane_of(spec.traffic).sizing.candidate_pods(
        stage.exposure.load_percent,
        replicas=spec.replicas,
        scaling=scaling_at(stage, spec=spec),
    )
    return max(pods, math.ceil(spec.replicas * stage.replicas_percent / 100))
