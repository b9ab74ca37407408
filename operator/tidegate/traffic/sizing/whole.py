"""Both versions at full size, and the users with one of them: nothing in between.

Source: house.md, H5 (blue-green: a full-size candidate, one switch); api.md, 5.3.
"""

# ruff: noqa: ARG002  (all or nothing needs fewer facts than the common interface offers)

from __future__ import annotations

from typing import Final

from tidegate import model
from tidegate.traffic.sizing.by_weight import ByWeight

# Beside stable there is room for as many pods again, and no share is too small for all of them.
SCALING: Final = model.Scaling(match_traffic=False, max_surge_percent=100.0)


class Whole(ByWeight):
    """Sizes where users change sides in one write, there and back."""

    def part_of(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling, candidate: int
    ) -> float:
        """The whole weight: it waits until there are pods for all of it."""
        return weight_percent

    def kept_share(
        self, live_percent: float, *, replicas: int, missing_pods: int, stable: int, candidate: int
    ) -> float:
        """Everything until stable can carry everything, which may have been shrunk meanwhile."""
        ready = stable >= max(replicas - missing_pods, 1)
        return 0.0 if candidate == 0 or ready else live_percent
