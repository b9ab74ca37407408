"""Gates before a stage: what the spec names, and what the level of automation leaves to people.

Taking traffic away knows no gate. Source: api.md, 5.3 and 5.6; house.md, H5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate import model
from tidegate.rollout.turn import Turn

MANUAL = model.MANUAL_GATE
PROMOTION = "promotion"
OPENABLE = frozenset({model.Waiting.MANUAL_STEP, model.Waiting.APPROVAL})
_BY_PEOPLE = frozenset({model.AutomationLevel.MANUAL, model.AutomationLevel.ADVISORY})
_OF_LEVEL = frozenset({MANUAL, PROMOTION})
_NEVER_ASKED = frozenset({model.StageKind.FIRST, model.StageKind.BAKE})


def closed(turn: Turn) -> tuple[model.Waiting, str] | None:
    """What keeps the active stage from beginning, with words; None where nothing does."""
    rollout = turn.active_rollout
    stage = rollout.stage if rollout is not None else None
    if rollout is None or stage is None or rollout.ending or _has_begun(rollout):
        return None
    level = turn.spec.automation.level
    if level is model.AutomationLevel.SHADOW and _answers_by_plan(stage):
        text = "automation.level is Shadow, so no user is answered by it: raise the level to go on"
        return model.Waiting.AUTOMATION_LEVEL, text
    name = next(_unopened(rollout, stage, level=level), "")
    if not name:
        return None
    ask = f"kubectl tidegate promote {turn.seen.meta.name}"
    if name == MANUAL and any(gate.name == name for gate in stage.gates):
        return model.Waiting.MANUAL_STEP, f"{ask} begins step {stage.name}"
    if any(gate.name == name for gate in stage.gates):
        return model.Waiting.APPROVAL, f"gate {name} before step {stage.name}: {ask} opens it"
    text = f"automation.level is {level}: {ask} begins step {stage.name}"
    return model.Waiting.MANUAL_STEP, text


def can_open(turn: Turn) -> bool:
    """A person may begin the active stage, whatever else it waits for."""
    found = closed(turn)
    return found is not None and found[0] in OPENABLE


def opened(turn: Turn) -> Turn:
    """All gates of the active stage are open."""
    rollout, stage, step = turn.rollout, turn.rollout.stage, turn.rollout.step
    assert stage is not None
    assert step is not None
    found = _unopened(rollout, stage, level=turn.spec.automation.level)
    names = tuple(dict.fromkeys(found))
    plan = [*rollout.plan]
    plan[step.index] = replace(stage, gates=_with_opened(stage.gates, names, turn=turn))
    text = f"{', '.join(names)} before step {stage.name}"
    return turn.with_rollout(replace(rollout, plan=tuple(plan))).say("Approved", text)


def kept_for_switch(turn: Turn) -> Turn:
    """The gates that the spec names before skipped stages have to be opened before the switch.

    Those of the level are not: whoever asks for everything at once has decided.
    """
    rollout = turn.rollout
    left = {model.StepState.PENDING, model.StepState.ACTIVE}
    waiting = [
        gate
        for stage in rollout.plan
        if stage.state in left and stage.kind is not model.StageKind.SWITCH
        for gate in stage.gates
        if gate.opened_at is None
    ]
    plan = tuple(
        replace(stage, gates=(*stage.gates, *waiting))
        if stage.kind is model.StageKind.SWITCH and stage.state in left
        else stage
        for stage in rollout.plan
    )
    return turn.with_rollout(replace(rollout, plan=plan))


def reopened(stage: model.Stage, *, opened: tuple[model.Gate, ...]) -> model.Stage:
    """The stage on edited terms: what people have opened before it stays open."""
    known = {gate.name: gate for gate in opened if gate.opened_at is not None}
    names = {gate.name for gate in stage.gates}
    of_spec = (known.get(gate.name, gate) for gate in stage.gates)
    of_level = (gate for gate in known.values() if gate.name in _OF_LEVEL - names)
    return replace(stage, gates=(*of_spec, *of_level))


def _has_begun(rollout: model.Rollout) -> bool:
    """The data plane carries its weight: whoever asks from now on is asked before the next stage."""
    return rollout.step is not None and rollout.step.confirmed_at is not None


def _answers_by_plan(stage: model.Stage) -> bool:
    return stage.kind not in _NEVER_ASKED and stage.exposure.answers_users


def _unopened(
    rollout: model.Rollout, stage: model.Stage, *, level: model.AutomationLevel
) -> Iterator[str]:
    """Names of the gates that are still to be opened, those of the spec first."""
    if stage.kind in _NEVER_ASKED:
        return
    is_open = {gate.name for gate in stage.gates if gate.opened_at is not None}
    decided = stage.control is model.Control.NONE  # for everything, or it served before
    waiting = (gate.name for gate in stage.gates if gate.opened_at is None)
    yield from (name for name in waiting if not (decided and name == MANUAL))
    if decided:
        return
    yield from (name for name in _passed_over(rollout) if name not in is_open)
    if level in _BY_PEOPLE and MANUAL not in {gate.name for gate in stage.gates}:
        yield MANUAL
    asked_by_spec = any(gate.name != MANUAL for one in rollout.plan for gate in one.gates)
    switches = stage.kind is model.StageKind.SWITCH
    if level is model.AutomationLevel.GATED and switches and not (asked_by_spec or is_open):
        yield PROMOTION


def _passed_over(rollout: model.Rollout) -> Iterator[str]:
    """What people were to be asked in stages before this one that nobody walked, and nobody skipped.

    Stages without a share, as of 0 pods, are left out by themselves; their gates are not.
    """
    at = rollout.step.index if rollout.step is not None else 0
    left = {model.StepState.PENDING, model.StepState.SKIPPED}
    for stage in rollout.plan[:at]:
        if stage.state in left and not stage.ended_by:
            yield from (gate.name for gate in stage.gates if gate.opened_at is None)
            if stage.awaits_request:
                yield MANUAL


def _with_opened(
    gates: tuple[model.Gate, ...], names: tuple[str, ...], *, turn: Turn
) -> tuple[model.Gate, ...]:
    known = tuple(
        replace(gate, opened_at=gate.opened_at or turn.now) if gate.name in names else gate
        for gate in gates
    )
    more = {gate.name for gate in gates}
    fresh = (model.Gate(name=name, opened_at=turn.now) for name in names if name not in more)
    return (*known, *fresh)
