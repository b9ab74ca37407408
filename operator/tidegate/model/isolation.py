"""What is seen of the NetworkPolicies that keep shadows from sending. Source: docs/adr/0072."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """Revisions whose pods one of our NetworkPolicies keeps from sending, by short hash.

    `unreadable` says why they cannot be looked at, `refused` why one cannot be made or deleted; both are
    empty where nothing is in the way.
    """

    revisions: frozenset[str] = frozenset()
    unreadable: str = ""
    refused: str = ""

    @property
    def obstacle(self) -> str:
        """What is in the way, for people."""
        return self.unreadable or self.refused
