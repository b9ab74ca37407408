"""Who moves a rollout: gates that a person opens, levels of automation, and what is advised.

Source: api.md, 5.3 and 5.6.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import TEXT, About

GATES_MAX_ITEMS = 8
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
    """A point before a stage at which a person is asked; open once one has agreed."""

    name: Annotated[str, About("Name of the gate.", recorded=True)]
    opened_at: Annotated[
        datetime | None, About("When a person opened it.", vital=True, recorded=True)
    ] = None


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
