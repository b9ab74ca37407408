"""From a spec to the plan of a rollout: typed stages, frozen when it starts.

A strategy is one file that makes stages; the walk knows kinds of stages, and no strategy.
Source: house.md, H5; api.md, 2.5: edits of the strategy wait for the next rollout.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tidegate import model
from tidegate.rollout.strategy import canary
from tidegate.traffic.plane import plane_of

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
    return tuple(fitted(stage, spec=spec) for stage in canary.stages(spec))


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
