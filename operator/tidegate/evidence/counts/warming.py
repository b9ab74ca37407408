"""How long stable's pods took to warm: what they showed after their own start, beside later.

Source: evidence.md, 2.3; ADR 0026.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.evidence.counts.births import births_of
from tidegate.evidence.counts.history import Past
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import PodCounts
from tidegate.evidence.terms import LOOKBACK_SCRAPES

LEAST_SECONDS, MOST_SECONDS = 60.0, 600.0
_WORSE = 2.0  # times the usual rate of bad events is not warm
_DEVIATIONS = 3.0
_LEAST_EVENTS = 5.0


@dataclass(slots=True)
class _Seen:
    """Requests of all pods of one age, and bad events per stream."""

    n: float = 0.0
    x: tuple[float, ...] = ()

    def add(self, pod: PodCounts) -> None:
        known = self.x or (0.0,) * len(pod.x)
        self.n += pod.n
        self.x = tuple(a + b for a, b in zip(known, pod.x, strict=True))


def warm_after(past: Past, shape: Shape, *, unit_seconds: float = 1.0) -> float | None:
    """The age (seconds) from which on pods were as later; None where nothing can be said.

    `past` is that of stable's start. Pods that were there before it say nothing, and at least one
    must be seen for longer than `MOST_SECONDS`, as what is usual is what it showed from then on.
    Result: from `LEAST_SECONDS` to `MOST_SECONDS`, an end of an interval.
    """
    scrape = past.grid.scrape_interval_seconds
    born = births_of(
        past.series.all,
        since=past.start - LOOKBACK_SCRAPES * scrape,
        known={},
        scrape_seconds=scrape,
    )
    young: dict[int, _Seen] = {}
    usual = _Seen()
    length = past.grid.length_seconds
    for row in past.table(shape, unit_seconds=unit_seconds).rows:
        for pod in row.counts[past.metric].pods_s if past.metric in row.counts else ():
            age = row.t1 - born.get(pod.pod, -math.inf)
            if age > MOST_SECONDS + length and math.isfinite(age):
                usual.add(pod)
            elif math.isfinite(age):
                young.setdefault(math.ceil(age / length), _Seen()).add(pod)
    if usual.n <= 0 or not young:
        return None
    cold = [number * length for number, seen in young.items() if _is_cold(seen, usual=usual)]
    return min(MOST_SECONDS, max(LEAST_SECONDS, *cold, 0.0))


def _is_cold(seen: _Seen, *, usual: _Seen) -> bool:
    """More bad events in any stream than twice the usual ones and chance explain."""
    return any(
        bad >= _LEAST_EVENTS
        and bad > (fair := _WORSE * often * seen.n / usual.n) + _DEVIATIONS * math.sqrt(fair)
        for bad, often in zip(seen.x, usual.x, strict=True)
    )


def longest(found: Mapping[str, float | None]) -> float:
    """Of what the metrics say; the least where none of them says anything."""
    return max((it for it in found.values() if it is not None), default=LEAST_SECONDS)
