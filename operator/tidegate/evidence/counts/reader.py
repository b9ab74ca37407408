"""The series of one metric as they are counted from row to row, and what is still to come of them.

A row waits for samples that are late: an interval of which a part has arrived is never final.
Source: evidence.md, 2.3.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.evidence.counts import exposition, owned, restarts, scrapes, tally
from tidegate.evidence.counts.exposition import Counter, Samples
from tidegate.evidence.counts.owned import Owned, Pod
from tidegate.evidence.counts.scrapes import Entry
from tidegate.evidence.counts.tally import Counted, Tally
from tidegate.evidence.terms import Series, Window

PATIENCE_SCRAPES = 20  # so long a row waits for what is late
GONE_SCRAPES = 3.0  # a pod is gone when those of others are so much newer
_DUE_SCRAPES = 0.95  # the next sample of a series does not come much sooner

Marks = Mapping[str, Tally]  # by role
NOTHING: Marks = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """A counter without new samples although its pod has newer ones. Units: seconds."""

    counter: Counter
    seconds: float


class Reader:
    """The fetched series of one metric by role, such as all events and bad events.

    `marks` are those before the series were fetched. `spacings` are how far apart the samples
    of each revision are, by what they say themselves; `spacing_seconds` is the slowest one's, for
    which a row has to wait. Labels that are `named` are the application's.
    """

    def __init__(
        self,
        roles: Mapping[str, Sequence[Series]],
        *,
        marks: Marks,
        scrape_seconds: float,
        named: Collection[str] = (),
    ) -> None:
        everything = [one for role in sorted(roles) for one in roles[role]]
        self.spacings = scrapes.spacings(everything)
        self.spacing_seconds = max(self.spacings.values(), default=scrape_seconds)
        self.scrape_seconds = scrape_seconds
        self._roles, self._labels = scrapes.by_role(
            {role: series for role, series in roles.items() if series},
            known=_known_labels(marks),
            named=named,
        )
        marks = {role: known.under(self._labels) for role, known in marks.items()}
        self._among = [one for role in sorted(self._roles) for one in self._roles[role]]
        self._newest = self._read_newest(marks)
        self._restarts = restarts.found(
            [
                (entry.lane, _since_mark(entry, marks.get(role)))
                for role, entries in self._roles.items()
                for entry in entries
            ]
        )
        self._by_pod: dict[Pod, list[Entry]] = {}
        for entry in self._among:
            self._by_pod.setdefault(_pod(entry.lane.counter), []).append(entry)

    def count(
        self, marks: Marks, *, start: float, end: float, fresh: bool, revision: str = ""
    ) -> tuple[Mapping[str, Counted], Marks]:
        """What was counted by role, and the marks after it; of one revision, if one is given.

        `fresh` as in `tally.count`.
        """
        window = Window(start=start, end=end, scrape_interval_seconds=self.scrape_seconds)
        counted: dict[str, Counted] = {}
        after = dict(marks)
        for role, entries in self._roles.items():
            wanted = (it for it in entries if it.lane.counter.revision == revision)
            counted[role], after[role] = tally.count(
                marks.get(role, Tally()),
                tuple(wanted) if revision else entries,
                among=self._among,
                window=window,
                fresh=fresh,
                spacing_seconds=self.spacing_seconds,
                spacings=self.spacings,
                restarts=self._restarts,
                labels=self._labels,
            )
        return counted, after

    def awaits(self, *, end: float, now: float) -> bool:
        """True while samples of an interval that is over may still come."""
        if now >= end + PATIENCE_SCRAPES * self.scrape_seconds:
            return False
        newest = self._newest
        last = max((it.at for it in newest.pods.values()), default=math.inf)

        def is_due(at: float) -> bool:
            return at + _DUE_SCRAPES * self.spacing_seconds <= end

        if is_due(last):
            return True
        gone_before = last - GONE_SCRAPES * self.spacing_seconds
        return any(
            is_due(at)
            and newest.pods[_pod(counter)].at > gone_before
            and self._has_stopped(counter, at=at)
            for counter, at in newest.counters.items()
        )

    def lags(self, known: Sequence[Lag] = ()) -> tuple[Lag, ...]:
        """Counters that have fallen behind their pods, the worst first; `known` are those before."""
        newest = self._newest
        before = {lag.counter for lag in known}
        found = [
            Lag(counter=counter, seconds=seconds)
            for counter, at in newest.counters.items()
            if (seconds := newest.pods[_pod(counter)].at - at) > GONE_SCRAPES * self.spacing_seconds
            and (counter in before or self._has_stopped(counter, at=at))
        ]
        return tuple(sorted(found, key=lambda it: (-it.seconds, it.counter)))

    def arrived_until(self) -> float:
        """Unix seconds up to which no counter of a pod lags behind the others; else infinite.

        A part of a pod's counters, such as its errors alone, would tell of another ratio.
        """
        newest = self._newest
        late = (
            at
            for counter, at in newest.counters.items()
            if self.spacing_seconds
            < newest.pods[_pod(counter)].at - at
            < PATIENCE_SCRAPES * self.scrape_seconds
            and self._has_stopped(counter, at=at)
        )
        return min(late, default=math.inf)

    def _has_stopped(self, counter: Counter, *, at: float) -> bool:
        """Others of its last scrape went on, and their process did not begin again since.

        A scrape of which all series end at once has got another name, or is gone.
        """
        pod = self._newest.pods[_pod(counter)]
        if pod.restarted_at > at:
            return False
        if pod.at <= at:
            return True  # the whole pod is behind
        return any(
            entry.lane.counter != counter
            and entry.samples[-1][0] > at
            and exposition.is_at(entry.samples, at)
            for entry in self._by_pod.get(_pod(counter), ())
        )

    def _read_newest(self, marks: Marks) -> _Newest:
        counters: dict[Counter, float] = {}
        pods: dict[Pod, _PodNewest] = {}
        for counter, at, fell_at in self._known(marks):
            counters[counter] = max(at, counters.get(counter, at))
            pod = pods.get(_pod(counter), _PodNewest())
            pods[_pod(counter)] = _PodNewest(
                at=max(at, pod.at), restarted_at=max(fell_at, pod.restarted_at)
            )
        return _Newest(counters=counters, pods=pods)

    def _known(self, marks: Marks) -> Iterator[tuple[Counter, float, float]]:
        """By counter the newest sample, and when it fell last."""
        for known in marks.values():
            for lane, mark in known.marks.items():
                counter = known.same.get(lane.counter, lane.counter)
                yield counter, mark.at, mark.falls[-1] if mark.falls else -math.inf
        for role, entries in self._roles.items():
            same = marks[role].same if role in marks else {}
            for entry in entries:
                counter = same.get(entry.lane.counter, entry.lane.counter)
                yield counter, entry.samples[-1][0], scrapes.fell_at(entry.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PodNewest:
    at: float = -math.inf
    restarted_at: float = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    counters: Mapping[Counter, float]
    pods: Mapping[Pod, _PodNewest]


def _known_labels(marks: Marks) -> Owned:
    found = owned.NONE
    for known in marks.values():
        found = owned.joined(found, known.owned)
    return found


def _since_mark(entry: Entry, known: Tally | None) -> Samples:
    """The samples of a series, with the one that was counted last where they come later."""
    mark = known.marks.get(entry.lane) if known is not None else None
    if mark is None or mark.at >= entry.samples[0][0]:
        return entry.samples
    return ((mark.at, mark.value), *entry.samples)


def _pod(counter: Counter) -> Pod:
    return counter.revision, counter.pod
