"""Series that can be counted: whose counters they are, and how often they are sampled.

Source: evidence.md, 2.2.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.evidence.counts import counters, exposition, owned
from tidegate.evidence.counts.exposition import Lane, Samples
from tidegate.evidence.counts.owned import Owned
from tidegate.evidence.terms import Series

FLAPS_WITHIN = 12  # samples
_MOST_FALLS = 3
_SPACINGS_READ = 64  # series that tell how often they are scraped; they are all alike


@dataclass(frozen=True, slots=True)
class Mark:
    """The last sample of a series that was counted, and how often it fell lately.

    `falls` are the instants of the last falls; `peak` is the value before the first of them, and
    `back` says that it was reached again.
    """

    at: float
    value: float
    falls: tuple[float, ...] = ()
    peak: float = 0.0
    back: bool = False

    @property
    def flaps(self) -> bool:
        """The counter falls again and again: each scrape meets another process."""
        return len(self.falls) >= _MOST_FALLS - self.back

    def after(self, samples: Samples, *, spacing_seconds: float) -> Mark:
        """The mark at the last of some later samples."""
        falls, peak, back, last = self.falls, self.peak, self.back, self.value
        for at, value in samples:
            if falls:
                falls = tuple(it for it in falls if it > at - FLAPS_WITHIN * spacing_seconds)
                back = bool(falls) and (back or value >= peak)
            if value < last:
                peak = peak if falls else last
                falls = (*falls, at)[-_MOST_FALLS:]
            last = value
        return Mark(samples[-1][0], last, falls, peak, back) if samples else self


@dataclass(frozen=True, slots=True)
class Entry:
    """A series that can be counted, with the counter it is of."""

    lane: Lane
    samples: Samples


def entries_of(series: Iterable[Series], *, named: Collection[str] = ()) -> tuple[Entry, ...]:
    """The series, by whose counters they are; values that no counter has are dropped.

    One that goes on under another spelling of its labels is one series. `named` as in `by_role`.
    """
    roles, _ = by_role({"": tuple(series)}, named=named)
    return roles[""]


def by_role(
    roles: Mapping[str, Sequence[Series]],
    *,
    known: Owned = owned.NONE,
    named: Collection[str] = (),
) -> tuple[dict[str, tuple[Entry, ...]], Owned]:
    """The same of series of one metric by role, with what labels are their application's.

    These are `known` from before, found in the series of all roles, or `named` by a template.
    """
    entries = {role: _by_name(series, named=named) for role, series in roles.items()}
    labels = owned.found(
        ((it.lane, it.samples) for found in entries.values() for it in found), known=known
    )
    if not labels:
        return entries, labels
    placed = {
        role: tuple(Entry(owned.placed(it.lane, labels), it.samples) for it in found)
        for role, found in entries.items()
    }
    return placed, labels


def _by_name(series: Iterable[Series], *, named: Collection[str]) -> tuple[Entry, ...]:
    found: list[Entry] = []
    places: dict[Lane, int] = {}
    for one in series:
        samples = one.samples
        if not all(counters.is_count(value) for _, value in samples):
            samples = tuple(it for it in samples if counters.is_count(it[1]))
        if not samples:
            continue
        entry = Entry(exposition.lane_of(one, named=named), samples)
        place = places.setdefault(entry.lane, len(found))
        known = found[place] if place < len(found) else None
        if known is not None and (joined := exposition.in_a_row(known.samples, samples)):
            found[place] = Entry(entry.lane, joined)
        else:
            found.append(entry)
    return tuple(found)


def fell_at(samples: Samples) -> float:
    """Unix seconds at which a counter began again for the last time; minus infinity for never."""
    last = -math.inf
    for (_, earlier), (at, later) in itertools.pairwise(samples):
        if later < earlier:
            last = at
    return last


def spacings(series: Iterable[Series], *, least: int = 1) -> Mapping[str, float]:
    """The same by revision, of series with so many gaps at the least; the lower one of two.

    Two versions may be scraped by different rules, and one that is lost is not yet another rule.
    """
    gaps: dict[str, list[float]] = {}
    read: dict[str, int] = {}
    for one in series:
        revision = one.labels.get("revision", "")
        if len(one.samples) > least and read.get(revision, 0) < _SPACINGS_READ:
            read[revision] = read.get(revision, 0) + 1
            found = (later[0] - at[0] for at, later in itertools.pairwise(one.samples))
            gaps.setdefault(revision, []).extend(found)
    return {revision: statistics.median_low(found) for revision, found in gaps.items()}


def spacing(series: Iterable[Series], *, default: float) -> float:
    """Usual seconds between two samples, by what they say themselves."""
    gaps: list[float] = []
    read = 0
    for one in series:
        if len(one.samples) > 1:
            gaps += (later[0] - at[0] for at, later in itertools.pairwise(one.samples))
            read += 1
            if read == _SPACINGS_READ:
                break
    return statistics.median(gaps) if gaps else default
