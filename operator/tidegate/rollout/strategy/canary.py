"""A canary: rising shares of the users, each of which has to prove something, then everything.

Source: api.md, 5.3; house.md, H5.
"""

from __future__ import annotations

from tidegate import model
from tidegate.rollout.strategy import promotion


def stages(spec: model.Spec) -> tuple[model.Stage, ...]:
    """One live stage per step of the spec, the switch, and the bake where one is asked for."""
    live = tuple(
        model.Stage(
            name=step.name,
            kind=model.StageKind.LIVE,
            weight_percent=step.weight_percent,
            effective_weight_percent=step.weight_percent,
            hold_seconds=step.hold_seconds,
            deadline_seconds=step.deadline_seconds,
            min_requests=step.min_requests,
            gates=(step.gate,) if step.gate else (),
            limits=step.limits,
            replicas=step.replicas,
            replicas_percent=step.replicas_percent,
            routes=step.routes,
            mirror_percent=step.mirror_percent,
        )
        for step in spec.steps
    )
    return (*live, *promotion.stages(spec))
