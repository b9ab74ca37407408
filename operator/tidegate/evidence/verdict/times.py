"""When counting tells something, and from which instant on something holds.

Units: seconds, infinite where something never comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.evidence.counts.grid import LATE_SECONDS

LONGEST = 365 * 86400.0
_PRECISION = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How often is counted. Units: seconds of an interval, and between scrapes."""

    interval_seconds: float
    scrape_seconds: float

    @property
    def delay_seconds(self) -> float:
        """Until what has happened is judged."""
        return self.scrape_seconds + LATE_SECONDS


def earliest(holds: Callable[[float], bool]) -> float:
    """The first instant (seconds) from which on something holds, within some percent."""
    low, high = 1.0, LONGEST
    if not holds(high):
        return math.inf
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
