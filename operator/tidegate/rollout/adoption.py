"""How the plan of a rollout differs from what spec asks for by now, and what adopting that would give.

A plan is fixed when its rollout begins (api.md, 2.5). What was reached stays reached: an adopted plan
keeps the stages up to the active one and takes from spec what lies beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import timedelta
from operator import attrgetter
from typing import Final

from tidegate import model
from tidegate.model.stages import PLAN_MAX_ITEMS
from tidegate.rollout import gates, plan, policy_gates
from tidegate.rollout.strategy.compile import plan_of
from tidegate.rollout.turn import Turn, weight_text

_ORDER = tuple(model.StageKind)
_STAYS = frozenset({model.Control.NONE, model.Control.RECORDED})  # no edit unmakes what is known


def difference(turn: Turn) -> str:
    """In which stages the plan differs from what spec asks for; empty where in none."""
    rollout = turn.active_rollout
    if rollout is None or rollout.ending or turn.seen.spec is None or turn.hindrances:
        return ""
    return ", ".join(_differences(rollout.plan, _adopted(rollout, turn.spec)))


def fits(turn: Turn) -> bool:
    """Status has room for the stages that were reached and those that are new."""
    return len(_adopted(turn.rollout, turn.spec)) <= PLAN_MAX_ITEMS


def adopted(rollout: model.Rollout, spec: model.Spec) -> model.Rollout:
    """The rollout with the plan of the present spec; a stage with another exposure is reached anew."""
    old, step = rollout.stage, rollout.step
    stages = _adopted(rollout, spec)
    rollout = replace(rollout, plan=stages, repinned=rollout.repinned + 1)
    confirmed_at = step.confirmed_at if step is not None else None
    if old is None or step is None or confirmed_at is None:
        return rollout
    new = stages[step.index]
    if new.exposure != old.exposure:
        undated = plan.with_step(rollout, step.index, replace(new, confirmed_at=None))
        step = replace(
            step, confirmed_at=None, hold_until=None, deadline_at=None, covered_since=None
        )
        return replace(rollout, step=step, plan=undated)
    step = replace(
        step,
        hold_until=confirmed_at + timedelta(seconds=new.hold_seconds),
        deadline_at=confirmed_at + timedelta(seconds=new.deadline_seconds),
    )
    return replace(rollout, step=step)


def _adopted(rollout: model.Rollout, spec: model.Spec) -> tuple[model.Stage, ...]:
    """The stages that were reached, then those of spec that lie beyond the active one.

    The active stage keeps its index. Adopting the same plan once more changes nothing.
    """
    step, stage = rollout.step, rollout.stage
    if step is None or stage is None or stage.kind is model.StageKind.FIRST:
        return rollout.plan
    wanted = plan_of(spec)
    if _previews(wanted) is not _previews(rollout.plan):
        return rollout.plan  # another plane carries the users of that strategy
    by_name = {one.name: one for one in wanted}
    active = _on_new_terms(stage, by_name.get(stage.name), live=rollout.exposure.live_percent)
    reached = (*rollout.plan[: step.index], active)
    ended = tuple(
        one for one in rollout.plan[step.index + 1 :] if one.state is not model.StepState.PENDING
    )
    known = {one.name for one in (*reached, *ended)}
    ahead = (one for one in wanted if one.name not in known and _place(one) > _place(active))
    return (*reached, *sorted((*ended, *ahead), key=_place))


def _previews(stages: Iterable[model.Stage]) -> bool:
    return any(stage.kind is model.StageKind.PREVIEW for stage in stages)


def _place(stage: model.Stage) -> tuple[int, float]:
    return _ORDER.index(stage.kind), stage.weight_percent


def _on_new_terms(stage: model.Stage, wanted: model.Stage | None, *, live: float) -> model.Stage:
    """The active stage with the terms of the edited one, which may raise its share and not lower it.

    Only a rollback takes traffic away; a switch has no terms.
    """
    if wanted is None or wanted.kind is not stage.kind or not stage.is_held:
        return stage
    kept = replace(
        gates.reopened(wanted, opened=stage.gates),
        control=stage.control if stage.control in _STAYS else wanted.control,
        baseline=stage.baseline,
        state=stage.state,
        started_at=stage.started_at,
        confirmed_at=stage.confirmed_at,
    )
    raises = wanted.weight_percent > stage.weight_percent and wanted.exposure.live_percent >= live
    if raises or live == 0:
        return kept
    room = math.floor(100 - stage.effective_weight_percent)  # beside the share that stays
    return replace(
        kept,
        weight_percent=stage.weight_percent,
        effective_weight_percent=stage.effective_weight_percent,
        mirror_percent=min(kept.mirror_percent, float(room)),
    )


def _differences(
    present: tuple[model.Stage, ...], wanted: tuple[model.Stage, ...]
) -> Iterator[str]:
    """One text per stage that differs, in the order of the plans."""
    before, after = ({stage.name: stage for stage in stages} for stages in (present, wanted))
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            yield f"{name} is gone"
        elif name not in before:
            yield f"{name} is new ({_terms(after[name])})"
        elif _own(before[name]) != _own(after[name]):
            yield f"{name}: {_terms(before[name])} -> {_terms(after[name])}"


def _own(stage: model.Stage) -> object:
    """What the plan itself says of it: policies speak for themselves."""
    return _planned(policy_gates.of_plan(stage))


def _terms(stage: model.Stage) -> str:
    """The terms that people edit most; a difference may lie in others."""
    hold, deadline = f"{stage.hold_seconds:g} s", f"{stage.deadline_seconds:g} s"
    weight = weight_text(stage.weight_percent)
    return f"weight {weight}, hold {hold}, deadline {deadline}, {stage.min_requests} requests"


# What was planned of a stage: the rest is its course, and its share follows the number of pods.
_COURSE: Final = frozenset(
    {
        "effective_weight_percent",
        "state",
        "started_at",
        "confirmed_at",
        "ended_at",
        "ended_by",
        "evidence",
    }
)
_planned: Final = attrgetter(
    *(field.name for field in fields(model.Stage) if field.name not in _COURSE)
)
