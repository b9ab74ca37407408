"""A shadow: copies of requests for a candidate that answers nobody, then what the spec says.

Source: api.md, 5.3 (`shadow`, `canary.warmup`); house.md, H5.
"""

from __future__ import annotations

from typing import assert_never

from tidegate import model
from tidegate.rollout.strategy import canary, promotion

SHADOW = "shadow"
WARM_UP = "warmup"


def stages(spec: model.Spec, shadow: model.Shadow) -> tuple[model.Stage, ...]:
    """The shadow with its verdict, and what comes after it."""
    judged = model.Stage(
        name=SHADOW,
        kind=model.StageKind.SHADOW,
        weight_percent=0.0,
        effective_weight_percent=0.0,
        mirror_percent=shadow.mirror.percent,
        hold_seconds=shadow.mirror.seconds,
        deadline_seconds=shadow.deadline_seconds,
        min_requests=shadow.min_requests,
        awaits_request=shadow.then is model.Then.HOLD,
        agreement=shadow.agreement,
        isolated=shadow.isolated,
    )
    return (judged, *_after(spec, shadow.then))


def _after(spec: model.Spec, then: model.Then) -> tuple[model.Stage, ...]:
    """A stopped shadow is never promoted; one that is held waits in its stage."""
    match then:
        case model.Then.STOP:
            return ()
        case model.Then.CANARY:
            return canary.stages(spec)
        case model.Then.HOLD | model.Then.PROMOTE:
            return promotion.stages(spec)
        case _ as never:
            assert_never(never)


def warm_up(mirror: model.Mirror) -> model.Stage:
    """The same stage without a verdict: time ends it."""
    return model.Stage(
        name=WARM_UP,
        kind=model.StageKind.SHADOW,
        control=model.Control.NONE,
        weight_percent=0.0,
        effective_weight_percent=0.0,
        mirror_percent=mirror.percent,
        hold_seconds=mirror.seconds,
        deadline_seconds=mirror.seconds,
    )
