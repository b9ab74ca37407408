"""Increase of counters over a window, from raw samples (evidence.md, 2.2).

PromQL's own functions extrapolate and drop the first value of a new series, which for a canary is
its whole start-up. So series are differenced here, one by one, and summed over pods afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from tidegate.evidence.terms import Series, Window

MOST_EVENTS = 2.0**53  # up to here every count is a float; nothing counts beyond
Target = tuple[str, str, str]


def delta(
    samples: Sequence[tuple[float, float]], *, window: Window, from_zero: bool
) -> float | None:
    """Events counted within the window, never negative; None means no data, which is not zero.

    The last sample at or before the start is the anchor, if it is not stale. `from_zero` says
    that a series without any earlier sample was born inside the window.
    Units: (unix seconds, value) pairs, ascending; values that no counter has are dropped.
    """
    usable = [
        (at, value) for at, value in samples if 0 <= value <= MOST_EVENTS and at <= window.end
    ]
    before = [(at, value) for at, value in usable if at <= window.start]
    values = [value for at, value in usable if at > window.start]
    if not values:
        return None
    if not before and from_zero:
        values.insert(0, 0.0)
    elif before and before[-1][0] >= window.start - window.stale_after_seconds:
        values.insert(0, before[-1][1])
    if len(values) < 2:
        return None
    # After a drop the counter started again at zero.
    return sum(new - old if new >= old else new for old, new in itertools.pairwise(values))


def target(series: Series) -> Target:
    """What was scraped: revision, pod and address."""
    labels = series.labels
    return labels.get("revision", ""), labels.get("pod", ""), labels.get("instance", "")


class Births:
    """Tells label sets that were born inside the window from pods that were only not seen before.

    A series that appears on a target already known is a new label set, such as the first error: it
    counts from zero. What a target had counted when it was seen for the first time may be older
    than the window, even where the source looked for it long before: discovery takes a while. So a
    new target counts from its second sample on, in both arms alike.
    """

    __slots__ = ("_first",)

    def __init__(self, series: Iterable[Series]) -> None:
        self._first: dict[Target, float] = {}
        for one in series:
            if one.samples:
                key, at = target(one), one.samples[0][0]
                self._first[key] = min(at, self._first.get(key, at))

    def from_zero(self, series: Series) -> bool:
        """True if the first sample of the series counts in full."""
        first = self._first.get(target(series))
        return first is not None and bool(series.samples) and series.samples[0][0] > first


def by_target(series: Iterable[Series], *, births: Births, window: Window) -> dict[Target, float]:
    """Events per target; a target whose series all lack data is absent."""
    totals: dict[Target, float] = {}
    for one in series:
        counted = delta(one.samples, window=window, from_zero=births.from_zero(one))
        if counted is not None:
            key = target(one)
            totals[key] = totals.get(key, 0.0) + counted
    return totals


def newest(series: Iterable[Series]) -> float | None:
    """Unix seconds of the last sample of any of the series."""
    return max((one.samples[-1][0] for one in series if one.samples), default=None)
