"""What a person's decision about a gate is worth: for this rollout, in time, from the right person.

Source: api.md, 10; docs/adr/0095.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate import model
from tidegate.policy.selectors import id_of

# The API server dates an approval to the second, by a clock that may lag behind the operator's.
CLOCKS_DIFFER = timedelta(minutes=1)
COUNTED, REJECTS, USED = "Counted", "Rejects", "Used"
OVERRIDE = "policy-override"  # the gate of whoever lets a rollout through its policies
UNHEARD = "NotOverridden"  # for good, or until the next pass
BY = "Approval"  # who ends a rollout that somebody has rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What people are asked: the rollout, its gates that are still closed, who made the change.

    With a `problem` nobody knows who is who.
    """

    rollout: model.Rollout | None
    closed: tuple[model.Gate, ...] = ()
    author: str = ""
    problem: str = ""


def rulings(
    given: Iterable[model.Approval], asked: Asked, *, at: datetime
) -> Mapping[str, model.Ruling]:
    """What each decision is worth at an instant, by its name; each person counts once for a gate."""
    found: dict[str, model.Ruling] = {}
    known: set[tuple[str, str, model.Decision]] = set()
    for one in sorted(given, key=lambda it: it.name):
        ruling = _ruling(one, asked, at=at)
        by = (one.gate, one.username, one.decision)
        if ruling.counts and by in known:
            ruling = _void("Duplicate", f"{one.username} has decided about {one.gate} already")
        elif ruling.counts:
            known.add(by)
        found[one.name] = ruling
    return found


def approvers(
    gate: model.Gate, given: Iterable[model.Approval], asked: Asked, *, at: datetime
) -> tuple[str, ...]:
    """Who has approved this gate, by name, each once."""
    return tuple(sorted({it.username for it in given if _approves(it, gate, asked, at=at)}))


def overriding(
    groups: Iterable[str], given: Iterable[model.Approval], asked: Asked, *, at: datetime
) -> model.Approval | None:
    """The first approval, by name, of a member of these groups that lets a rollout through, and why."""
    gate = model.Gate(name=OVERRIDE, min_approvals=1, approver_groups=tuple(sorted(groups)))
    found = (it for it in given if it.comment.strip() and _approves(it, gate, asked, at=at))
    return min(found, key=lambda it: it.name, default=None) if gate.approver_groups else None


def rejected(one: model.Approval) -> str:
    """Why a rollout ends that this decision has rejected, without its comment."""
    return f"gate {one.gate}: rejected by {one.username}"


def expires_at(approval: model.Approval, gate: model.Gate) -> datetime | None:
    """When it counts no more: by the gate's terms or its own, whichever is first; None for never."""
    ends = [approval.expires_at] if approval.expires_at is not None else []
    if gate.expires_seconds > 0 and approval.created_at is not None:
        ends.append(approval.created_at + timedelta(seconds=gate.expires_seconds))
    return min(ends, default=None)


def _approves(one: model.Approval, gate: model.Gate, asked: Asked, *, at: datetime) -> bool:
    if one.gate != gate.name or one.decision is not model.Decision.APPROVE:
        return False
    return _ruling(one, asked, at=at, gates=(gate,)).counts


def _ruling(
    one: model.Approval, asked: Asked, *, at: datetime, gates: tuple[model.Gate, ...] = ()
) -> model.Ruling:
    """The worth of one decision; at `gates`, or else at those of its name that are closed.

    What it has done at another gate of that name says nothing of `gates`, which somebody else named.
    """
    if one.problem:
        return _void("Invalid", one.problem)
    if other := _of_another(one, asked.rollout, may_be_used=not gates):
        return other
    assert asked.rollout is not None
    wanted = gates or tuple(it for it in asked.closed if it.name == one.gate)
    if not wanted:
        return _at_no_gate(one, asked.rollout)
    if asked.problem:
        return _void("ApproverUnverified", asked.problem)
    found = [_by(one, gate, asked, at) for gate in wanted]
    return next((it for it in found if it.counts), found[0])


def _of_another(
    one: model.Approval, rollout: model.Rollout | None, *, may_be_used: bool
) -> model.Ruling | None:
    """Why it is not about what is being rolled out, if it is not; or what it has done by now."""
    if rollout is None:
        return _void("NoRollout", "nothing is being rolled out: decide once a rollout has begun")
    if one.revision != rollout.revision.hash:
        text = f"it is about revision {one.revision}, and the last rollout is of"
        return _void("OtherRevision", f"{text} {rollout.revision.hash}: delete it")
    if one.attempt != rollout.attempt:
        text = f"it is about attempt {one.attempt}, and the last one is"
        return _void("OtherAttempt", f"{text} {rollout.attempt}: decide again")
    if may_be_used and _is_used(one, rollout):
        return model.Ruling(counts=True, reason=USED, message="the rollout has followed it")
    if not rollout.active or rollout.ending:
        return _void("RolloutEnded", f"rollout {rollout.id} has ended: delete it")
    if one.created_at is None or one.created_at < rollout.started_at - CLOCKS_DIFFER:
        return _void("TooEarly", "it is older than the rollout: delete it, and decide again")
    return None


def _is_used(one: model.Approval, rollout: model.Rollout) -> bool:
    """It is among those that opened the gate, or that had the rollout end."""
    if one.decision is model.Decision.REJECT:
        return rollout.rollback_by == BY and rollout.rollback_reason.startswith(rejected(one))
    opened = (gate for stage in rollout.plan for gate in stage.gates if gate.name == one.gate)
    return any(one.username in gate.approved_by for gate in opened)


def _at_no_gate(one: model.Approval, rollout: model.Rollout) -> model.Ruling:
    """No gate of this name is closed: people have opened it, or there is none."""
    if one.gate == OVERRIDE:
        return _of_policies(one, rollout)
    names = tuple(dict.fromkeys(gate.name for it in rollout.plan for gate in it.gates))
    if one.gate in names:
        return _void("GateOpen", f"gate {one.gate} is open: to go back, kubectl tidegate abort")
    text = f"the plan has no gate {one.gate} (its gates: {', '.join(names) or 'none'})"
    return _void("NoSuchGate", text)


def _of_policies(one: model.Approval, rollout: model.Rollout) -> model.Ruling:
    """What came of letting a rollout through its policies; nobody takes one back by that gate."""
    if one.decision is model.Decision.REJECT:
        return _void("NoSuchGate", f"nobody is asked at {OVERRIDE}: to go back, abort the rollout")
    if not one.comment.strip():
        return _void("NoComment", "spec.comment has to say why: delete it, and decide again")
    passed = [it.policy for it in rollout.overrides if it.by == one.username]
    if passed:
        return model.Ruling(counts=True, reason=USED, message=f"overrides {', '.join(passed)}")
    if rollout.overrides:
        return _let_through_already(one, rollout)
    text = f"no policy that holds this rollout names a group of {one.username} in overrides, as far as is known"
    return _void(UNHEARD, text)


def _let_through_already(one: model.Approval, rollout: model.Rollout) -> model.Ruling:
    """Others were faster; final once no policy is left that its author might yet be asked for."""
    passed = {it.policy: it.by for it in rollout.overrides}
    by = ", ".join(f"{policy} by {who}" for policy, who in passed.items())
    text = f"the rollout was let through {by} already"
    if {id_of(it) for it in rollout.policies} <= passed.keys():
        return _void("Duplicate", text)
    rest = f"no other policy that holds it names a group of {one.username} in overrides"
    return _void(UNHEARD, f"{text}; {rest}, as far as is known")


def _by(one: model.Approval, gate: model.Gate, asked: Asked, at: datetime) -> model.Ruling:
    """Whether its author may decide, and has in time. Whoever says no needs no more than a group."""
    if gate.approver_groups and not one.groups & frozenset(gate.approver_groups):
        names = ", ".join(gate.approver_groups)
        return _void("NotInGroup", f"{one.username} is in none of the groups of the gate: {names}")
    if one.decision is model.Decision.REJECT:
        return model.Ruling(counts=True, reason=REJECTS)
    if gate.not_author and not asked.author:
        return _void("AuthorUnknown", AUTHOR_UNKNOWN)
    if gate.not_author and one.username == asked.author:
        return _void("IsAuthor", f"{one.username} made the change: somebody else has to approve it")
    ends = expires_at(one, gate)
    if ends is not None and at >= ends:
        return _void("Expired", f"since {ends:%Y-%m-%d %H:%M} UTC: delete it, and decide again")
    return model.Ruling(counts=True, reason=COUNTED)


AUTHOR_UNKNOWN = (
    "nobody knows who made the change: have annotation tidegate.dev/author name that user"
)


def _void(reason: str, message: str) -> model.Ruling:
    return model.Ruling(counts=False, reason=reason, message=message)
