"""What people decide about gates, as they wrote it, and what it is worth.

Source: api.md, 10.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import About
from tidegate.model.status import Condition


class Decision(enum.StrEnum):
    """What a person says to a gate."""

    APPROVE = "Approve"
    REJECT = "Reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A RolloutApproval. One with a `problem` could not be read, and counts for nothing.

    `created_at` is the API server's, so nobody can choose it; `expires_at` the approver's own end.
    """

    name: str
    revision: str = ""
    attempt: int = 0
    gate: str = ""
    decision: Decision = Decision.APPROVE
    username: str = ""
    groups: frozenset[str] = frozenset()
    comment: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    generation: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Those that name a ModelDeployment, by name; with a `problem` none of them counts."""

    given: tuple[Approval, ...] = ()
    problem: str = ""


NO_APPROVALS = Approvals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Whether a decision counts now, why as one word, and what to do where it does not."""

    counts: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStatus:
    """What the operator says of a RolloutApproval."""

    observed_generation: Annotated[int, About("Generation this speaks of.")] = 0
    conditions: Annotated[
        tuple[Condition, ...], About("Aspects of the state.", limit=16, key="type")
    ] = ()
