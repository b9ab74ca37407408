"""The grid of intervals, fixed by the clock before anything is looked at.

Source: evidence.md, 2.3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

LATE_SECONDS = 5.0
LEAST_SCRAPES, MOST_SCRAPES = 2, 120
BLOCK = 240  # intervals of one length; two hours of half a minute each
LONGEST_SECONDS = 120.0  # of a grown interval: a fault late in a long wait is found as soon
_BOUNDARY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChange:
    """A weight as it was observed, not as it was sent. Units: unix seconds; share 0 to 1.

    It is the candidate's part of what both versions count, in which a copied request is two.
    """

    at: float
    step: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How time is cut. Units: seconds; `first_traffic_at` in unix seconds, None before it.

    `scrape_interval_seconds` is the longest of all sources; `shortest_scrape_seconds` that of the
    one that can be asked for the shortest span at once, None where all are alike.
    """

    interval_seconds: float
    scrape_interval_seconds: float
    settle_seconds: float
    cold_start_seconds: float
    first_traffic_at: float | None
    shortest_scrape_seconds: float | None = None

    @property
    def length_seconds(self) -> float:
        """Length of an interval: two scrapes, or it could close empty, to what one query holds."""
        shortest = self.shortest_scrape_seconds or self.scrape_interval_seconds
        least = LEAST_SCRAPES * self.scrape_interval_seconds
        return min(max(self.interval_seconds, least), MOST_SCRAPES * shortest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An interval that has closed and can be counted."""

    t0: float
    t1: float
    step: int
    weight: float


def slots(grid: Grid, *, events: Sequence[WeightChange], after: float, now: float) -> list[Slot]:
    """Intervals that start at or after an instant and may be evaluated now, in order.

    A weight change closes the running interval; what follows it within `settle_seconds`, and the
    candidate's first `cold_start_seconds` of traffic, belongs to no interval. Intervals grow as a
    weight stays, up to two minutes, so that a rollout that waits for days keeps a shorter table.
    """
    found: list[Slot] = []
    latest = now - grid.scrape_interval_seconds - LATE_SECONDS
    if grid.first_traffic_at is None:
        return found
    warm_at = grid.first_traffic_at + grid.cold_start_seconds
    for number, event in enumerate(events):
        last = number + 1 == len(events)
        until = latest if last else min(latest, events[number + 1].at)
        start = max(event.at + grid.settle_seconds, warm_at)
        ends = _boundaries(grid, start=start, after=after, until=until)
        if not last and latest >= events[number + 1].at and ends and until > ends[-1]:
            ends.append(until)  # the change closes the running interval early
        found.extend(
            Slot(t0=t0, t1=t1, step=event.step, weight=event.weight)
            for t0, t1 in itertools.pairwise(ends)
        )
    return found


def _boundaries(grid: Grid, *, start: float, after: float, until: float) -> list[float]:
    """Boundaries from `after` to `until`: each block of intervals is twice as long as the last."""
    length, found = grid.length_seconds, dict[float, None]()
    while True:
        grows = 2 * length <= LONGEST_SECONDS
        end = start + BLOCK * length if grows else math.inf
        # The tolerance keeps a boundary a boundary when a sum of floats misses it by a bit.
        first = max(0, math.ceil((after - start) / length - _BOUNDARY))
        whole = math.floor((min(until, end) - start) / length + _BOUNDARY)
        found |= dict.fromkeys(start + k * length for k in range(first, whole + 1))
        if until <= end:
            return list(found)
        start, length = end, 2 * length


def next_start(grid: Grid, *, events: Sequence[WeightChange], after: float) -> float:
    """Where the first interval begins that lies after an instant; the instant itself if unknown."""
    warm_at = after if grid.first_traffic_at is None else grid.first_traffic_at
    warm_at += grid.cold_start_seconds
    for event, following in itertools.pairwise((*events, None)):
        assert event is not None
        start = max(event.at + grid.settle_seconds, warm_at, after)
        if following is None or start < following.at:
            return start
    return after
