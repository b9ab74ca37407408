"""Where news of rollouts goes, as people ask for it, and what came of sending it.

Source: api.md, 13; docs/adr/0099.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import About
from tidegate.model.policy import Requirement
from tidegate.model.status import Condition


class NotificationType(enum.StrEnum):
    """What a receiver understands."""

    WEBHOOK = "Webhook"
    CLOUD_EVENTS = "CloudEvents"
    SLACK = "Slack"
    MS_TEAMS = "MSTeams"
    ALERTMANAGER = "Alertmanager"


class Severity(enum.StrEnum):
    """How much an event matters to people."""

    INFO = "Info"
    WARN = "Warn"
    ERROR = "Error"

    @property
    def rank(self) -> int:
        """0 for what matters least."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Either the URL of an allowed host, or a receiver by the name that the administrator gave it."""

    url: str = ""
    receiver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationProvider:
    """A NotificationProvider. One with a `problem` could not be read, and gets nothing.

    No `events`, `names` or `selector` means all. At most `per_minute` messages are sent to it.
    """

    name: str
    generation: int = 0
    type: NotificationType = NotificationType.WEBHOOK
    to: Recipient = Recipient()
    events: frozenset[str] = frozenset()
    min_severity: Severity = Severity.INFO
    names: frozenset[str] = frozenset()
    selector: tuple[Requirement, ...] = ()
    template: str = ""
    per_minute: int = 30
    timeout_seconds: float = 10.0
    retries: int = 5
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationStatus:
    """What the operator says of a NotificationProvider."""

    observed_generation: Annotated[int, About("Generation this speaks of.")] = 0
    delivered: Annotated[int, About("Messages that were answered by 2xx.")] = 0
    failed: Annotated[int, About("Messages that were given up after their last try.")] = 0
    dropped: Annotated[
        int, About("Messages that were not tried, since too many waited for the receiver.")
    ] = 0
    last_success_at: Annotated[
        datetime | None, About("When a message was delivered last.", quiet=True)
    ] = None
    last_failure_at: Annotated[datetime | None, About("When a try failed last.", quiet=True)] = None
    conditions: Annotated[
        tuple[Condition, ...], About("Aspects of the state.", limit=16, key="type")
    ] = ()
