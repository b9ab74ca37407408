"""How far the number of pods may stray on the way, whatever makes the share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from tidegate import model
from tidegate.traffic.splits import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many pods a pass may have above, or lack below, the number of replicas.

    `unavailable_pods` may lack when everything goes to one side; `lent_pods` while the other side still
    has its share: it makes room with them.
    """

    surge_pods: int
    unavailable_pods: int
    lent_pods: int


@lru_cache(maxsize=4096)  # the same few sizes at every pass
def limits(replicas: int, *, scaling: model.Scaling) -> Limits:
    """Percentages as pods: surge rounds up, unavailable down; both 0 would stand still for ever.

    A single pod cannot be lent: `Borrow` adds one then.
    Source: R1; api.md, 5.3 (`scaling.surgePolicy`).
    """
    surge = math.ceil(replicas * exact(scaling.max_surge_percent) / 100)
    unavailable = math.floor(replicas * exact(scaling.max_unavailable_percent) / 100)
    if scaling.surge_policy is model.SurgePolicy.BORROW and replicas == 1:
        surge = max(surge, 1)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    missing = min(unavailable, 1) if scaling.in_place else unavailable
    return Limits(surge_pods=surge, unavailable_pods=missing, lent_pods=unavailable)


def spare_pods(replicas: int, *, scaling: model.Scaling) -> int:
    """Pods that a candidate can have while stable still has everything: added ones, and lent ones."""
    allowed = limits(replicas, scaling=scaling)
    if not scaling.lends:
        return allowed.surge_pods
    return allowed.surge_pods + min(allowed.lent_pods, max(replicas - 1, 0))


def room_beside(stable_pods: int, *, replicas: int, scaling: model.Scaling) -> int:
    """Pods that a candidate can have while stable carries its share with so many, less those it lends."""
    allowed = limits(replicas, scaling=scaling)
    lends = scaling.lends or allowed.surge_pods == 0
    kept = max(stable_pods - allowed.lent_pods * lends, min(stable_pods, 1))
    return replicas + allowed.surge_pods - kept
