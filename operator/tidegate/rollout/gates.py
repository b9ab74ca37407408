"""Gates before a stage: what the spec names, and what the level of automation leaves to people.

Taking traffic away knows no gate. Source: api.md, 5.3 and 5.6; house.md, H5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from tidegate import model
from tidegate.rollout import approvals, policies
from tidegate.rollout.turn import Turn

MANUAL = model.MANUAL_GATE
PROMOTION = "promotion"
OPENABLE = frozenset({model.Waiting.MANUAL_STEP, model.Waiting.APPROVAL})
_BY_PEOPLE = frozenset({model.AutomationLevel.MANUAL, model.AutomationLevel.ADVISORY})
_OF_LEVEL = frozenset({MANUAL, PROMOTION})
_Identity = tuple[str, tuple[str, ...]]


def closed(turn: Turn) -> tuple[model.Waiting, str] | None:
    """What keeps the active stage from beginning, with words: people first, then policies."""
    return asked(turn) or policies.held(turn)


def asked(turn: Turn) -> tuple[model.Waiting, str] | None:
    """What people are asked before the active stage, with words; None where they are not."""
    rollout = turn.active_rollout
    stage = rollout.stage if rollout is not None else None
    if rollout is None or stage is None or rollout.ending or _has_begun(rollout):
        return None
    if rollout.cause:
        return None  # a way back
    level = turn.spec.automation.level
    if level is model.AutomationLevel.SHADOW and _answers_by_plan(stage):
        text = "automation.level is Shadow, so no user is answered by it: raise the level to go on"
        return model.Waiting.AUTOMATION_LEVEL, text
    gate = next(_unopened(rollout, stage, level=level), None)
    if gate is None:
        return None
    name = gate.name
    if not gate.opens_by_request:
        text = f"gate {name} before step {stage.name}: {approvals.text(turn, gate)}"
        return model.Waiting.APPROVAL, text
    ask = f"kubectl tidegate promote {turn.seen.meta.name}"
    if name == MANUAL and any(gate.name == name for gate in stage.gates):
        return model.Waiting.MANUAL_STEP, f"{ask} begins step {stage.name}"
    if name not in _OF_LEVEL or any(gate.name == name for gate in stage.gates):
        return model.Waiting.APPROVAL, f"gate {name} before step {stage.name}: {ask} opens it"
    text = f"automation.level is {level}: {ask} begins step {stage.name}"
    return model.Waiting.MANUAL_STEP, text


def can_open(turn: Turn) -> bool:
    """A person may open a gate of the active stage by a request, whatever else it waits for."""
    found = asked(turn)
    if found is None or found[0] not in OPENABLE:
        return False
    return any(gate.opens_by_request for gate in _waiting(turn))


def need_approval(turn: Turn) -> bool:
    """Only approvals open the gates of the active stage."""
    found = asked(turn)
    return found is not None and found[0] is model.Waiting.APPROVAL and not can_open(turn)


def opened(turn: Turn) -> Turn:
    """The gates of the active stage that a request opens are open."""
    return _open(
        turn, [replace(it, opened_at=turn.now) for it in _waiting(turn) if it.opens_by_request]
    )


def approved(turn: Turn) -> Turn:
    """The gates of the active stage that enough people have approved are open; the others wait."""
    if turn.active_rollout is None or asked(turn) is None:
        return turn
    of_level = [it for it in _waiting(turn) if it.name in _OF_LEVEL and it.opens_by_request]
    waits = [gate for gate in _waiting(turn) if gate not in of_level]
    for gate in waits:
        turn = approvals.look_at_expiry(turn, gate)
    given = [(gate, approvals.approved_by(turn, gate)) for gate in waits]
    short = {gate.name for gate, people in given if len(people) < approvals.needed(gate)}
    met = [
        replace(gate, opened_at=turn.now, approved_by=people)
        for gate, people in given
        if gate.name not in short
    ]
    return _open(turn, met)


def _waiting(turn: Turn) -> list[model.Gate]:
    """The gates of the active stage that are still to be opened."""
    rollout, stage = turn.rollout, turn.rollout.stage
    if stage is None or _has_begun(rollout):
        return []
    return [*_unopened(rollout, stage, level=turn.spec.automation.level)]


def _open(turn: Turn, found: list[model.Gate]) -> Turn:
    rollout, stage, step = turn.rollout, turn.rollout.stage, turn.rollout.step
    if not found or stage is None or step is None:
        return turn
    by_name = {_identity(gate): gate for gate in found}
    plan = [*rollout.plan]
    plan[step.index] = replace(stage, gates=_with_opened(stage.gates, by_name))
    text = f"{', '.join(map(_named, by_name.values()))} before step {stage.name}"
    return turn.with_rollout(replace(rollout, plan=tuple(plan))).say("Approved", text)


def _named(gate: model.Gate) -> str:
    return f"{gate.name} by {' and '.join(gate.approved_by)}" if gate.approved_by else gate.name


def kept_for_switch(turn: Turn) -> Turn:
    """The gates that the spec names before skipped stages have to be opened before the switch.

    Those of the level are not: whoever asks for everything at once has decided.
    """
    rollout = turn.rollout
    waiting = [
        gate
        for stage in rollout.plan
        if stage.is_left and stage.kind is not model.StageKind.SWITCH
        for gate in stage.gates
        if gate.opened_at is None
    ]
    plan = tuple(
        replace(stage, gates=(*stage.gates, *waiting))
        if stage.kind is model.StageKind.SWITCH and stage.is_left
        else stage
        for stage in rollout.plan
    )
    return turn.with_rollout(replace(rollout, plan=plan))


def decided(stage: model.Stage, *, at: datetime) -> model.Stage:
    """The stage with its manual gate open: it has been decided for everything at once."""
    opened = (
        replace(gate, opened_at=at)
        if _is_of_plan(gate, MANUAL) and gate.opened_at is None
        else gate
        for gate in stage.gates
    )
    return replace(stage, gates=tuple(opened))


def reopened(stage: model.Stage, *, opened: tuple[model.Gate, ...]) -> model.Stage:
    """The stage on edited terms: what people have opened before it stays open."""
    known = {_identity(gate): gate for gate in opened if gate.opened_at is not None}
    names = {gate.name for gate in stage.gates}
    of_spec = (known.get(_identity(gate), gate) for gate in stage.gates)
    beside = (gate for gate in known.values() if gate.policies or gate.name in _OF_LEVEL - names)
    return replace(stage, gates=(*of_spec, *beside))


def _has_begun(rollout: model.Rollout) -> bool:
    """The data plane carries its weight: whoever asks from now on is asked before the next stage."""
    return rollout.step is not None and rollout.step.confirmed_at is not None


def _answers_by_plan(stage: model.Stage) -> bool:
    return stage.asks_people and stage.exposure.answers_users


def _unopened(
    rollout: model.Rollout, stage: model.Stage, *, level: model.AutomationLevel
) -> Iterator[model.Gate]:
    """The gates that are still to be opened, those of the spec first."""
    if not stage.asks_people:
        return
    is_open = any(gate.opened_at is not None and not gate.policies for gate in stage.gates)
    decided = stage.control is model.Control.NONE  # for everything, or it served before
    waiting = (gate for gate in stage.gates if gate.opened_at is None)
    yield from (gate for gate in waiting if not (decided and _is_of_plan(gate, MANUAL)))
    if decided:
        return
    yield from _passed_over(rollout)
    if level in _BY_PEOPLE and not any(_is_of_plan(gate, MANUAL) for gate in stage.gates):
        yield model.Gate(name=MANUAL)
    asked_by_spec = any(
        gate.name != MANUAL and not gate.policies for one in rollout.plan for gate in one.gates
    )
    switches = stage.kind is model.StageKind.SWITCH
    if level is model.AutomationLevel.GATED and switches and not (asked_by_spec or is_open):
        yield model.Gate(name=PROMOTION)


def _is_of_plan(gate: model.Gate, name: str) -> bool:
    return gate.name == name and not gate.policies


def _passed_over(rollout: model.Rollout) -> Iterator[model.Gate]:
    """What people were to be asked in stages before this one that nobody walked, and nobody skipped.

    Stages without a share, as of 0 pods, are left out by themselves; their gates are not.
    """
    at = rollout.step.index if rollout.step is not None else 0
    left = {model.StepState.PENDING, model.StepState.SKIPPED}
    for index, stage in enumerate(rollout.plan[:at]):
        if stage.state in left and not stage.ended_by:
            since = {name for it in rollout.plan[index + 1 : at + 1] for name in _opened_in(it)}
            manual = (model.Gate(name=MANUAL),) if stage.awaits_request else ()
            gates = (*(gate for gate in stage.gates if gate.opened_at is None), *manual)
            yield from (gate for gate in gates if gate.name not in since)


def _opened_in(stage: model.Stage) -> set[str]:
    return {gate.name for gate in stage.gates if gate.opened_at is not None}


def _with_opened(
    gates: tuple[model.Gate, ...], opened: Mapping[_Identity, model.Gate]
) -> tuple[model.Gate, ...]:
    """The same with these open; those of other stages and of the level come at the end."""
    known = tuple(
        replace(gate, opened_at=it.opened_at, approved_by=it.approved_by)
        if gate.opened_at is None and (it := opened.get(_identity(gate))) is not None
        else gate
        for gate in gates
    )
    names = {_identity(gate) for gate in gates}
    return (*known, *(it for identity, it in opened.items() if identity not in names))


def _identity(gate: model.Gate) -> _Identity:
    """Plan and policies may have gates of one name, on terms of their own."""
    return gate.name, gate.policies
