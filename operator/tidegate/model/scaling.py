"""How many pods a rollout may add or miss, and who makes room for a candidate (api.md, 5.3)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SurgePolicy(enum.StrEnum):
    """Where the room for the pods of a candidate comes from.

    `BORROW`: from stable first, as far as its share allows. `RECREATE`: from stable alone, also below
    what its share needs; no pod is ever added.
    """

    SURGE = "Surge"
    BORROW = "Borrow"
    RECREATE = "Recreate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many pods a rollout may add or miss (api.md, 5.3).

    `candidate_pods` is the size that a step gives the candidate apart from its weight.
    """

    candidate_pods: int | None = None
    match_traffic: bool = True
    min_replicas: int = 1
    max_surge_percent: float = 100.0
    max_unavailable_percent: float = 0.0
    surge_policy: SurgePolicy = SurgePolicy.SURGE

    @property
    def lends(self) -> bool:
        """Stable gives pods up before the candidate gets some."""
        return self.surge_policy is not SurgePolicy.SURGE

    @property
    def in_place(self) -> bool:
        """No pod is ever added: the last one of a version goes for the first of the other."""
        return self.surge_policy is SurgePolicy.RECREATE
