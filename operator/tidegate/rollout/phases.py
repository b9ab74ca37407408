"""The phase that people see: one table from where a rollout stands. Source: api.md, 6.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate import model

_PHASES: Final[Mapping[model.StageKind, model.Phase]] = {
    model.StageKind.FIRST: model.Phase.INITIALIZING,
    model.StageKind.SHADOW: model.Phase.SHADOWING,
    model.StageKind.PREVIEW: model.Phase.PROGRESSING,
    model.StageKind.LIVE: model.Phase.PROGRESSING,
    model.StageKind.SWITCH: model.Phase.PROMOTING,
    model.StageKind.BAKE: model.Phase.BAKING,
}
# What is promoted says so at once; all else is pending until requests are to reach it.
_AT_ONCE = frozenset({model.StageKind.FIRST, model.StageKind.SWITCH})
BEFORE_TRAFFIC = frozenset({model.Phase.INITIALIZING, model.Phase.PENDING})


def phase_of(rollout: model.Rollout, *, stands_still: bool = False) -> model.Phase:
    """The phase of an active rollout by its ending, the kind of its stage, and whether it waits."""
    if rollout.ending:
        return model.Phase.ROLLING_BACK
    if stands_still:
        asked = rollout.waiting_for is not None and rollout.waiting_for.reason
        approval = asked is model.Waiting.APPROVAL
        return model.Phase.AWAITING_APPROVAL if approval else model.Phase.PAUSED
    stage = rollout.stage
    if stage is None or not (rollout.begun or stage.kind in _AT_ONCE):
        return model.Phase.PENDING
    return _PHASES[stage.kind]
