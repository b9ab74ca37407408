"""How far the number of pods may stray on the way, whatever makes the share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from tidegate import model
from tidegate.traffic.splits import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many pods a pass may have above, or lack below, the number of replicas."""

    surge_pods: int
    unavailable_pods: int


@lru_cache(maxsize=4096)  # the same few sizes at every pass
def limits(replicas: int, *, scaling: model.Scaling) -> Limits:
    """Percentages as pods: surge rounds up, unavailable down; both 0 would stand still for ever.

    Source: R1.
    """
    surge = math.ceil(replicas * exact(scaling.max_surge_percent) / 100)
    unavailable = math.floor(replicas * exact(scaling.max_unavailable_percent) / 100)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(surge_pods=surge, unavailable_pods=unavailable)
