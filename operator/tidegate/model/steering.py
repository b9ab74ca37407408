"""Who moves a rollout: gates that a person opens, levels of automation, and what is advised.

Source: api.md, 5.3 and 5.6.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import POLICY, TEXT, About

GATES_MAX_ITEMS = 16
# Of all policies together, so that the gates of steps have room beside them.
POLICY_GATES_MAX_ITEMS = 8
GATE_POLICIES_MAX_ITEMS = 8  # that are named; more ask for it all the same
GROUPS_MAX_ITEMS = 8
APPROVERS_MAX_ITEMS = 16
MANUAL_GATE = "manual"  # nobody in particular is asked, only that somebody says go


class AutomationLevel(enum.StrEnum):
    """Who moves a rollout forward; back it goes by itself at every level.

    `Manual`, `Advisory`: a person, before every stage. `Shadow`: the operator, but no user is ever
    answered by the candidate. `Gated`: the operator, but for gates. `Full`: the operator, but for gates
    that the spec names.
    """

    MANUAL = "Manual"
    SHADOW = "Shadow"
    ADVISORY = "Advisory"
    GATED = "Gated"
    FULL = "Full"


class DecisionMode(enum.StrEnum):
    """Who acts on the predictions of the model; handed to its pods."""

    HUMAN_ONLY = "HumanOnly"
    SHADOW = "Shadow"
    ASSIST = "Assist"
    PARTIAL = "Partial"
    FULL = "Full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """How much of a rollout the operator does, and the model of its decisions (None: not said)."""

    level: AutomationLevel = AutomationLevel.FULL
    decision_mode: DecisionMode | None = None


FULL_AUTOMATION = Automation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A point before a stage at which people are asked; open once enough of them have agreed.

    With `min_approvals` only that many RolloutApprovals of different people open it; without, one
    of them or the request `promote`. The rest says whose approvals count, and how long.
    """

    name: Annotated[str, About("Name of the gate.", recorded=True)]
    min_approvals: Annotated[
        int,
        About(
            "Approvals that open it; absent: one does, or the request promote.",
            quiet=True,
            vital=True,
        ),
    ] = 0
    approver_groups: Annotated[
        tuple[str, ...],
        About(
            "An approver is in one of these groups.",
            limit=GROUPS_MAX_ITEMS,
            quiet=True,
            vital=True,
        ),
    ] = ()
    not_author: Annotated[
        bool, About("Whoever made the change cannot approve it.", quiet=True, vital=True)
    ] = False
    expires_seconds: Annotated[
        float,
        About(
            "How long an approval counts that did not open it.",
            name="expiresAfter",
            duration=True,
            quiet=True,
            vital=True,
        ),
    ] = 0.0
    opened_at: Annotated[
        datetime | None, About("When people opened it.", vital=True, recorded=True)
    ] = None
    approved_by: Annotated[
        tuple[str, ...],
        About("Whose approvals opened it.", limit=APPROVERS_MAX_ITEMS, quiet=True, recorded=True),
    ] = ()
    policies: Annotated[
        tuple[str, ...],
        About(
            "Policies that ask for it; absent: the plan itself does.",
            limit=GATE_POLICIES_MAX_ITEMS,
            each=POLICY,
            quiet=True,
            vital=True,
        ),
    ] = ()

    @property
    def opens_by_request(self) -> bool:
        """The request `promote` opens it, by whomever."""
        return self.min_approvals == 0


class Advice(enum.StrEnum):
    """What the operator would do."""

    PROMOTE = "Promote"
    HOLD = "Hold"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What the evidence advises a person to do, and why."""

    action: Annotated[Advice, About("Promote, Hold or Rollback.")]
    reason: Annotated[str, About("Why.", limit=TEXT)] = ""
    at: Annotated[datetime, About("Since when.")]
