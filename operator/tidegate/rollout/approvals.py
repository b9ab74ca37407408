"""Gates that RolloutApprovals open, and rollouts that one of them ends.

An approval is asked for when its stage comes, so whoever deletes it before has withdrawn it. What is
open stays open. A rejection counts at once, while its gate is closed. Source: api.md, 10; docs/adr/0095.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.policy import approvals
from tidegate.rollout.turn import Turn

BY = approvals.BY
_LONGEST_COMMENT = 256


def asked(rollout: model.Rollout | None, *, author: str, problem: str) -> approvals.Asked:
    """What people are asked of a rollout; `author` is who is said to have made its change now."""
    if rollout is None:
        return approvals.Asked(rollout=None, problem=problem)
    author = rollout.author or author
    return approvals.Asked(rollout=rollout, closed=_closed(rollout), author=author, problem=problem)


def rejection(turn: Turn) -> str:
    """Who has rejected the running rollout, and why; empty where nobody has."""
    rollout = turn.active_rollout
    given = turn.seen.approvals.given
    if rollout is None or rollout.ending or not given:
        return ""
    found = approvals.rulings(given, _asked(turn), at=turn.now)
    one = next((it for it in given if found[it.name].reason == approvals.REJECTS), None)
    if one is None:
        return ""
    why = f": {one.comment[:_LONGEST_COMMENT]}" if one.comment else ""
    return f"{approvals.rejected(one)}{why}"


def approved_by(turn: Turn, gate: model.Gate) -> tuple[str, ...]:
    """Whose approvals of a gate of the running rollout count now."""
    given = turn.seen.approvals.given
    return approvals.approvers(gate, given, _asked(turn), at=turn.now) if given else ()


def needed(gate: model.Gate) -> int:
    """How many people have to approve it."""
    return max(gate.min_approvals, 1)


def text(turn: Turn, gate: model.Gate) -> str:
    """How many of how many have approved a gate, by whom, and what is to be done."""
    found = approved_by(turn, gate)
    by = f" ({', '.join(found)})" if found else ""
    if problem := _hindrance(turn, gate):
        how = problem
    else:
        groups = f" by {' or '.join(gate.approver_groups)}" if gate.approver_groups else ""
        how = f"kubectl tidegate approve {turn.seen.meta.name} --gate {gate.name}{groups}"
    return f"{len(found)} of {needed(gate)} approvals{by}; {how}"


def pinned(turn: Turn) -> Turn:
    """Who made the change, as was said first: nobody becomes another author by a later edit."""
    rollout, author = turn.active_rollout, turn.seen.meta.author
    if rollout is None or rollout.author or not author:
        return turn
    matters = any(gate.not_author for stage in rollout.plan for gate in stage.gates)
    return turn.with_rollout(replace(rollout, author=author)) if matters else turn


def look_at_expiry(turn: Turn, gate: model.Gate) -> Turn:
    """Look again when an approval of this gate ends: what was told of it is not true any more."""
    for one in turn.seen.approvals.given:
        if one.gate == gate.name:
            turn = turn.look_at(approvals.expires_at(one, gate))
    return turn


def _asked(turn: Turn) -> approvals.Asked:
    return asked(
        turn.active_rollout,
        author=turn.seen.meta.author,
        problem=turn.seen.approvals.problem,
    )


def _hindrance(turn: Turn, gate: model.Gate) -> str:
    """Why no approval would open it, whoever gives one."""
    matter = _asked(turn)
    if matter.problem:
        return matter.problem
    return approvals.AUTHOR_UNKNOWN if gate.not_author and not matter.author else ""


def _closed(rollout: model.Rollout) -> tuple[model.Gate, ...]:
    """Gates that are still to be opened: of the stages to come, and of those that nobody walked.

    A stage that has begun asks nobody any more.
    """
    step = rollout.step
    begun = step is not None and step.confirmed_at is not None
    first = step.index + begun if step is not None else 0
    skipped = model.StepState.SKIPPED
    opened = {gate.name for stage in rollout.plan for gate in stage.gates if gate.opened_at}
    return tuple(
        gate
        for index, stage in enumerate(rollout.plan)
        if index >= first or (stage.state is skipped and not stage.ended_by)
        for gate in stage.gates
        if gate.opened_at is None and (index >= first or gate.name not in opened)
    )
