"""Blue-green: the candidate at full size beside stable, looked at, and then all users in one write.

Source: api.md, 5.3 (`strategy.blueGreen`); house.md, H5.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout.strategy import promotion


def stages(spec: model.Spec, asked: model.BlueGreen) -> tuple[model.Stage, ...]:
    """The preview, the switch, which may wait for a person, and the bake where one is asked for."""
    switch, *bake = promotion.stages(spec)
    gates = () if asked.auto_promote else (model.Gate(name=model.MANUAL_GATE),)
    switch = replace(switch, control=model.Control.LIMITS_ONLY, gates=gates)
    return (_preview(asked), switch, *bake)


def _preview(asked: model.BlueGreen) -> model.Stage:
    """Who visits it is nobody that stable could be compared by, so absolute limits judge.

    Copies of what users send are, so that with those it is held against stable. The switch has no
    routes: by the write that moves the users their testers become users, too.
    """
    copied = asked.mirror_percent > 0
    return model.Stage(
        name="preview",
        kind=model.StageKind.PREVIEW,
        weight_percent=0.0,
        effective_weight_percent=0.0,
        control=model.Control.CONCURRENT if copied else model.Control.LIMITS_ONLY,
        mirror_percent=asked.mirror_percent,
        preview=True,
        routes=asked.routes,
        replicas_percent=asked.preview_percent,
        hold_seconds=asked.preview_seconds,
        deadline_seconds=asked.deadline_seconds,
        min_requests=asked.min_requests,
        smoke_test=asked.smoke_test,
    )
