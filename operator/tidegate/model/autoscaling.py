"""Autoscalers of revisions: what is asked for, and what is seen of them.

Pods as whole numbers, utilisation in percent of what the containers request.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class DuringRollout(enum.StrEnum):
    """What the autoscalers may do while two revisions serve."""

    PROPORTIONAL = "Proportional"
    FROZEN = "Frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """An autoscaler for each live revision, between so many pods that carry the whole load."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int
    during_rollout: DuringRollout = DuringRollout.PROPORTIONAL

    def within(self, replicas: int) -> int:
        """The number, moved into the limits."""
        return min(max(replicas, self.min_replicas), self.max_replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """The limits that an autoscaler of ours has, as written in it."""

    least: int
    most: int
    cpu_percent: int
