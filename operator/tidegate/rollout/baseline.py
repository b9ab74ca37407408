"""What judges a stage that nobody serves beside: what was recorded of stable, and absolute limits.

The numbers are those with which the last stage beside stable ended. They stand in the plan, so they
outlive the process, and an old control that is asked anew would only say how the hour is.
Source: ADR 0073; api.md, 5.3.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.evidence.verdict import arms, recorded
from tidegate.rollout import plan
from tidegate.rollout.turn import Turn

_ALONE = frozenset({model.Control.LIMITS_ONLY, model.Control.RECORDED})


def state_judges(turn: Turn) -> Turn:
    """Fix what judges the stage, and say it; nothing where stable is beside it, or nobody judges."""
    step, stage = turn.rollout.step, turn.rollout.stage
    if step is None or stage is None or stage.control not in _ALONE:
        return turn
    if stage.kind is model.StageKind.BAKE:
        turn = _record(turn, stage, index=step.index)
        stage = turn.rollout.stage
        assert stage is not None
    text = _words(turn.spec.analysis, stage)
    return turn.with_rollout(replace(turn.rollout, step=replace(step, estimate=text)))


def _record(turn: Turn, stage: model.Stage, *, index: int) -> Turn:
    known = recorded.baselines(turn.spec.analysis, evidence=_beside_stable(turn.rollout))
    control = model.Control.RECORDED if known else model.Control.LIMITS_ONLY
    changed = replace(stage, control=control, baseline=known)
    return turn.with_rollout(
        replace(turn.rollout, plan=plan.with_step(turn.rollout, index, changed))
    )


def _beside_stable(rollout: model.Rollout) -> tuple[model.MetricResult, ...]:
    """The judgements with which the last stage ended that was judged beside stable; empty without one."""
    ended = [
        one.evidence
        for one in rollout.plan
        if one.control is model.Control.CONCURRENT and one.is_held and one.ended_at is not None
    ]
    return ended[-1] if ended else ()


def _words(analysis: model.Analysis, stage: model.Stage) -> str:
    alone = recorded.beside(analysis, stage.baseline)
    judged, left_out = arms.limits_of(analysis)
    _, unjudged = arms.limits_of(alone)
    parts = []
    if stage.baseline:
        found = ", ".join(map(recorded.words, stage.baseline))
        parts.append(f"judged by what was recorded of stable: {found}")
    elif stage.kind is model.StageKind.BAKE:
        parts.append("nothing was recorded of stable")
    if judged:
        parts.append(f"judged by absolute limits: {', '.join(judged)}")
    elif not stage.baseline:
        parts.append("nothing has a limit")
    if left_out and unjudged:
        parts.append(f"not judged without stable beside it: {', '.join(unjudged)}")
    return "; ".join(parts)
