"""How every strategy ends: the switch of all traffic, and the bake where one is asked for.

Source: house.md, H5; api.md, 5.3 (`postPromotion`).
"""

from __future__ import annotations

from tidegate import model

SWITCH = model.Stage(
    name="promotion",
    kind=model.StageKind.SWITCH,
    weight_percent=100.0,
    effective_weight_percent=100.0,
)


def stages(spec: model.Spec) -> tuple[model.Stage, ...]:
    """Stable stays the way back until the last of these stages has passed."""
    bake = spec.bake
    return (SWITCH, _bake(bake)) if bake.seconds > 0 else (SWITCH,)


def _bake(asked: model.Bake) -> model.Stage:
    """Nobody else gets requests meanwhile, so only absolute limits can judge."""
    return model.Stage(
        name="bake",
        kind=model.StageKind.BAKE,
        weight_percent=100.0,
        effective_weight_percent=100.0,
        control=model.Control.LIMITS_ONLY,
        kept_percent=asked.kept_percent,
        hold_seconds=asked.seconds,
        deadline_seconds=asked.seconds,
    )
