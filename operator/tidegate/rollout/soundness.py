"""A status that contradicts itself: edited by hand, or written by another version.

No step may be skipped because of it and no pass may fail on it for ever, so the rollout gives its
traffic back and begins anew.
Source: reliability.md, 2 (faults 12 and 13): doubt never promotes.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.rollout import ending, model
from tidegate.rollout.turn import Turn

WALKING = frozenset({model.Phase.PENDING, model.Phase.PROGRESSING, model.Phase.PROMOTING})
REASON = "its status contradicted itself"


def end_unsound(turn: Turn) -> Turn:
    """End a rollout that cannot be gone on with; what spec asks for then starts as usual."""
    rollout = turn.active_rollout
    if rollout is None or not (problem := _contradiction(rollout, stable=turn.stable)):
        return turn
    text = f"{rollout.revision.model_version}: {problem}"
    turn = turn.with_rollout(replace(rollout, step=None)).warn("StatusInconsistent", text)
    return ending.cancel(turn, result=model.RolloutResult.SUPERSEDED, reason=REASON)


def _contradiction(rollout: model.Rollout, *, stable: str) -> str:
    """What does not fit together, in words; empty for every status that the operator writes."""
    step = rollout.step
    if rollout.stage is model.Phase.ROLLING_BACK:
        return ""
    if rollout.stage not in WALKING | {model.Phase.INITIALIZING}:
        return f"no rollout works in stage {rollout.stage}"
    if (rollout.stage is model.Phase.INITIALIZING) is bool(stable):
        return f"stage {rollout.stage} with {'a' if stable else 'no'} stable revision"
    if rollout.stage in WALKING and not rollout.plan:
        return "a plan without steps"
    if step is None:
        return "no active step" if rollout.stage is model.Phase.PROGRESSING else ""
    if not 0 <= step.index < len(rollout.plan):
        return f"step {step.index} of {len(rollout.plan)}"
    timed = step.hold_until is not None and step.deadline_at is not None
    return "" if timed or step.confirmed_at is None else "a step without its times"
