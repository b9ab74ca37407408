"""Increase of one counter over a window, from raw samples (evidence.md, 2.2).

PromQL's own functions extrapolate and drop the first value of a new series, which for a canary is
its whole start-up. So counters are differenced here, one by one, and summed over pods afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from tidegate.evidence.terms import Series, Window

MOST_EVENTS = 2.0**53  # up to here every count is a float; nothing counts beyond
# From here on a counter that fell cannot have come so far again between two scrapes.
_LEAST_IMPLAUSIBLE = 100.0
_RESTARTED_BELOW = 0.5
Target = tuple[str, str, str]


def delta(
    samples: Sequence[tuple[float, float]], *, window: Window, from_zero: bool
) -> float | None:
    """Events counted within the window, never negative; None means no data, which is not zero.

    The last sample at or before the start is the anchor, however old: what was counted while
    nobody looked belongs to the window in which the counter is seen again. `from_zero` says that
    a series without any earlier sample was born inside the window.
    Units: (unix seconds, value) pairs, ascending; values that no counter has are dropped.
    """
    known = [(at, value) for at, value in samples if is_count(value) and at <= window.end]
    before = [value for at, value in known if at <= window.start]
    values = [value for at, value in known if at > window.start]
    if not values:
        return None
    if before:
        values.insert(0, before[-1])
    elif from_zero:
        values.insert(0, 0.0)
    return gained(values) if len(values) > 1 else None


def is_count(value: float) -> bool:
    """A value that a counter can have."""
    return 0 <= value <= MOST_EVENTS


def gained(values: Sequence[float]) -> float:
    """Events between the first and the last of the values of one counter."""
    return sum(gain(old, new) for old, new in itertools.pairwise(values))


def gain(old: float, new: float) -> float:
    """Events between two samples. After a fall the counter began again at zero.

    A fall to more than half is no restart: no process repeats half of its life between two
    scrapes. Nobody knows then what was counted, so it is nothing.
    """
    if new >= old:
        return new - old
    return new if began_again(old, new) else 0.0


def began_again(old: float, new: float) -> bool:
    """The counter fell as far as it does when its process is another one."""
    return new < old and new <= max(_LEAST_IMPLAUSIBLE, _RESTARTED_BELOW * old)


def target(series: Series) -> Target:
    """What was scraped: revision, pod and address."""
    labels = series.labels
    return labels.get("revision", ""), labels.get("pod", ""), labels.get("instance", "")


def newest(series: Iterable[Series]) -> float | None:
    """Unix seconds of the last sample of any of the series."""
    return max((one.samples[-1][0] for one in series if one.samples), default=None)
