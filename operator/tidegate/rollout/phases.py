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
_STANDING: Final[Mapping[model.Waiting | None, model.Phase]] = {
    model.Waiting.APPROVAL: model.Phase.AWAITING_APPROVAL,
    model.Waiting.FREEZE: model.Phase.FROZEN,
}
# What is promoted says so at once; all else is pending until requests are to reach it.
_AT_ONCE = frozenset({model.StageKind.FIRST, model.StageKind.SWITCH})
BEFORE_TRAFFIC = frozenset({model.Phase.INITIALIZING, model.Phase.PENDING})


def phase_of(rollout: model.Rollout, *, stands_still: bool = False) -> model.Phase:
    """The phase of an active rollout by its ending, the kind of its stage, and whether it waits."""
    if rollout.ending:
        return model.Phase.ROLLING_BACK
    asked = rollout.waiting_for.reason if rollout.waiting_for is not None else None
    if asked is model.Waiting.CONCURRENCY_QUOTA:
        return model.Phase.PENDING
    if stands_still:
        if asked is model.Waiting.POLICY and not rollout.begun:
            return model.Phase.POLICY_VIOLATION
        return _STANDING.get(asked, model.Phase.PAUSED)
    stage = rollout.stage
    if stage is None or not (rollout.begun or stage.kind in _AT_ONCE):
        return model.Phase.PENDING
    return _PHASES[stage.kind]
