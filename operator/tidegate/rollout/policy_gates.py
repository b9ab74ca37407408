"""Gates of policies in the plan of a rollout, as policies ask for them now.

They stand in the plan, so that people see them, approve them, and read later who did. A gate is
asked before the first stage to come that would reach its point; one that was opened on terms that
are strict enough is not asked again. Source: api.md, 9; docs/adr/0057.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tidegate import model
from tidegate.policy import gates, judge
from tidegate.rollout.turn import Turn

Tried = tuple[model.Policy, model.PolicyGate]


def renewed(turn: Turn) -> Turn:
    """The running rollout with the gates that policies ask for now; a way back is asked for none."""
    rollout = turn.active_rollout
    if rollout is None or rollout.ending or rollout.step is None:
        return turn
    back = goes_back(turn, rollout)
    asking = () if back else judge.enforcing(turn.policies, gates.RULE)
    plan = _with(rollout, gates.asked(asking))
    return turn if plan == rollout.plan else turn.with_rollout(replace(rollout, plan=plan))


def goes_back(turn: Turn, rollout: model.Rollout) -> bool:
    """It brings back what served before, for which nobody is asked."""
    return bool(rollout.cause) or turn.served_before(rollout.revision.hash)


def is_given(rollout: model.Rollout) -> bool:
    """Users have the share of the active stage, or a part of it that has to be completed."""
    stage = rollout.stage
    if stage is None:
        return False
    whole = stage.exposure.is_visited and rollout.exposure == stage.exposure
    return whole or _is_unwatched(rollout)


def _is_unwatched(rollout: model.Rollout) -> bool:
    """Users have a part of its exposure, and no stage is confirmed by which that could be judged.

    It is completed, so that it is judged: held, it would serve its errors for the whole freeze. What
    no stage judges, such as a promotion, is not.
    """
    stage = rollout.stage
    if stage is None or not (stage.is_held and rollout.exposure.is_visited):
        return False
    reached = any(one.confirmed_at is not None for one in rollout.plan)
    return not reached or rollout.is_taken_again


def of_plan(stage: model.Stage) -> model.Stage:
    """The stage with the gates that the plan itself names."""
    return replace(stage, gates=tuple(it for it in stage.gates if not it.policies))


def tried_out(turn: Turn) -> Iterator[Tried]:
    """The gates that the running rollout would be asked for, if their policies enforced them."""
    rollout = turn.active_rollout
    if rollout is None or rollout.ending or rollout.step is None or goes_back(turn, rollout):
        return
    enforced = judge.enforcing(turn.policies, gates.RULE)
    for policy in turn.policies:
        if policy.problem or policy in enforced:
            continue
        for one in policy.gates:
            if _place(rollout, one, first=_first(rollout)) is not None:
                yield policy, one


def _with(rollout: model.Rollout, wanted: Sequence[model.PolicyGate]) -> tuple[model.Stage, ...]:
    first = _first(rollout)
    places = [(_place(rollout, one, first=first), one.gate) for one in wanted]
    return tuple(
        replace(stage, gates=(*_kept(stage), *(gate for at, gate in places if at == index)))
        for index, stage in enumerate(rollout.plan)
    )


def _kept(stage: model.Stage) -> Iterator[model.Gate]:
    """What the plan names, and what people have opened for a policy."""
    return (it for it in stage.gates if not it.policies or it.opened_at is not None)


def _first(rollout: model.Rollout) -> int:
    """The first stage whose share nobody has been given yet."""
    step, stage = rollout.step, rollout.stage
    assert step is not None
    if stage is None:
        return step.index
    return step.index + (step.confirmed_at is not None or is_given(rollout))


def _place(rollout: model.Rollout, wanted: model.PolicyGate, *, first: int) -> int | None:
    """Before which stage it is asked; None where it is open, or where no stage gets that far."""
    if any(gates.satisfies(it, wanted.gate) for stage in rollout.plan for it in stage.gates):
        return None
    ahead = range(first, len(rollout.plan))
    return next((at for at in ahead if _reaches(rollout.plan[at], wanted)), None)


def _reaches(stage: model.Stage, wanted: model.PolicyGate) -> bool:
    if not (stage.is_left and stage.asks_people):
        return False
    if stage.kind is model.StageKind.SWITCH:
        return True
    weight = wanted.before_weight
    return weight is not None and stage.exposure.live_percent >= weight
