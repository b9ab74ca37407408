"""Rollouts that are under way, and those that wait for a place among them (api.md, 9.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tidegate.model.policy import EnforcementAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many rollouts at once, by one policy; `namespace` is empty where all namespaces count together.

    Two are the same where they count the same rollouts, whatever they allow.
    """

    policy: str
    member: str
    namespace: str
    most: int = field(compare=False)
    action: EnforcementAction = field(compare=False, default=EnforcementAction.ENFORCE)

    @property
    def holds(self) -> bool:
        """What is beyond it waits; else it is told only."""
        return self.action is EnforcementAction.ENFORCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A rollout with the limits that count it."""

    namespace: str
    name: str
    started_at: datetime
    limits: tuple[Limit, ...] = ()

    @property
    def place(self) -> tuple[datetime, str, str]:
        """The oldest comes first; names decide between those of one instant."""
        return self.started_at, self.namespace, self.name

    def is_of(self, other: Entrant) -> bool:
        """Both are rollouts of one ModelDeployment."""
        return (self.namespace, self.name) == (other.namespace, other.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Who has a place, and who waits for one, the oldest first."""

    running: tuple[Entrant, ...] = ()
    waiting: tuple[Entrant, ...] = ()


EMPTY_QUEUE = Queue()
