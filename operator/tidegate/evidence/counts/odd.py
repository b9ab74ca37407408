"""Counters that show no counts: negative, NaN, infinite, or beyond what counters can hold.

Nobody knows what such a counter has seen, and what else its pod shows in the same scrapes would tell
of another ratio. So the pod was not scraped, as far as this metric goes, from the last count before
to the first one after: nothing of it is counted between the two. What it did meanwhile is known if
the counter only went on; where it began again, or nobody knows what it had before, the pod is
counted anew.
Source: ADR 0108.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import counters, exposition, owned
from tidegate.evidence.counts.exposition import SAME_SCRAPE_SECONDS, Counter, Lane, Samples
from tidegate.evidence.counts.owned import Owned, Pod
from tidegate.evidence.counts.restarts import Restarts
from tidegate.evidence.counts.scrapes import Entry
from tidegate.evidence.terms import Series

GONE_SCRAPES = 3.0  # a pod is gone when its samples are so much older than those of others


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A counter that shows no counts, from the last count before (`since`) to the first after it.

    `first` and `last` are its odd samples, of which the last has a `value`; `before` is its last
    count, None where nobody knows. `broken` says that it is not known what was counted meanwhile,
    `ended` that the counter is shown no more although its pod is.
    Units: unix seconds; `until` is infinite while it lasts.
    """

    lane: Lane
    since: float
    first: float
    last: float
    value: float
    before: float | None = None
    until: float = math.inf
    broken: bool = False
    ended: bool = False

    @property
    def pod(self) -> Pod:
        """Whose counter it is."""
        return self.lane.counter.revision, self.lane.counter.pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time between two instants (unix seconds) in which a pod shows no counts."""

    since: float
    until: float
    broken: bool = False


Spans = Mapping[Pod, tuple[Span, ...]]  # of each pod in the order of time, none within another
Breaks = Mapping[Pod, tuple[float, ...]]  # unix seconds at which pods are counted anew
NONE: Breaks = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """What is odd in the series of a metric. `lasting` are the runs of pods that are still there.

    `gone` are the others of which some counter was odd last, and when they were (unix seconds).
    """

    runs: tuple[Run, ...] = ()
    lasting: tuple[Run, ...] = ()
    spans: Spans = field(default_factory=dict)
    gone: Mapping[Pod, float] = field(default_factory=dict)

    @property
    def breaks(self) -> Breaks:
        """Where pods are counted anew."""
        found = {
            pod: tuple(it.until for it in spans if it.broken and it.until < math.inf)
            for pod, spans in self.spans.items()
        }
        return {pod: instants for pod, instants in found.items() if instants}

    def touches(self, *, start: float, end: float) -> bool:
        """Some pod shows no counts in a part of a stretch of time (unix seconds)."""
        return any(
            span.since < end and min(span.until, self.gone.get(pod, math.inf)) > start
            for pod, spans in self.spans.items()
            for span in spans
        )


NOTHING = Odd()


def values_of(samples: Samples, *, lasts: bool = False) -> list[tuple[float, float]]:
    """The samples of a series that are no counts; `lasts` says that those before them were none.

    A single NaN before or after all others may be how a source marks where a series ends, and then it
    is no sample.
    """
    found = [it for it in samples if not counters.is_count(it[1])]
    if found and _is_mark(samples[-1:], beside=samples[-2:-1]):
        found.pop()
    if found and not lasts and _is_mark(samples[:1], beside=samples[1:2]):
        del found[0]
    return found


def _is_mark(sample: Samples, *, beside: Samples) -> bool:
    return math.isnan(sample[0][1]) and all(counters.is_count(value) for _, value in beside)


def newest_value(samples: Samples) -> float | None:
    """The last value of a series if it is no count."""
    found = values_of(samples)
    return found[-1][1] if found and found[-1][0] == samples[-1][0] else None


def shows(samples: Samples, *, after: float) -> bool:
    """True if some value after an instant (unix seconds) is no count."""
    return any(at > after for at, _ in values_of(samples))


def found(
    series: Iterable[Series],
    *,
    roles: Mapping[str, Sequence[Entry]],
    marked: Mapping[str, Collection[Lane]],
    known: Sequence[Run],
    restarts: Restarts,
    labels: Owned,
    named: Collection[str],
    spacing_seconds: float,
) -> Odd:
    """What is odd in the series, of which `roles` are the counts; `known` are the runs before.

    `marked` are by role the series that have been counted before, `labels` those of applications.
    """
    known = [replace(run, lane=owned.placed(run.lane, labels)) for run in known]
    every = tuple(series)
    odd = _odd_samples(every, known=known, labels=labels, named=named)
    if not odd and not known:
        return NOTHING
    begin = min((one.samples[0][0] for one in every if one.samples), default=math.inf)
    lanes = {run.lane.counter: run.lane for run in known}
    lanes |= {lane.counter: lane for lane in odd}
    pods = {(counter.revision, counter.pod) for counter in lanes}
    entries = {
        role: [it for it in some if (it.lane.counter.revision, it.lane.counter.pod) in pods]
        for role, some in roles.items()
    }
    events = _events(lanes, odd=odd, entries=entries)
    runs = [
        run
        for counter, lane in sorted(lanes.items())
        for run in _runs_of(
            lane,
            events=events[counter],
            known=[run for run in known if run.lane.counter == counter],
            restarts=restarts.get(lane.process, ()),
            begin=begin,
            spacing_seconds=spacing_seconds,
        )
    ]
    falls = _falls(entries)
    runs = [_with_falls(run, falls=falls.get(run.pod, ())) for run in runs]
    newest = _newest(roles, odd=odd)
    patience = GONE_SCRAPES * spacing_seconds
    gone_before = max(newest.values(), default=-math.inf) - patience
    lasting = [run for run in runs if run.until == math.inf]
    gone = {run.pod: at for run in lasting if (at := newest.get(run.pod, -math.inf)) < gone_before}
    return Odd(
        runs=tuple(runs),
        lasting=tuple(
            replace(run, ended=newest[run.pod] - run.last > patience)
            for run in lasting
            if run.pod not in gone
        ),
        spans=_with_births(_spans(runs), entries=entries, marked=marked),
        gone=gone,
    )


def without(roles: Mapping[str, Sequence[Entry]], *, spans: Spans) -> dict[str, tuple[Entry, ...]]:
    """The series without what their pods show while a counter of theirs is odd."""
    return {
        role: tuple(
            entry
            for one in entries
            if (entry := _outside(one, spans.get(_pod(one.lane), ()))).samples
        )
        for role, entries in roles.items()
    }


def _odd_samples(
    series: Iterable[Series], *, known: Sequence[Run], labels: Owned, named: Collection[str]
) -> dict[Lane, list[tuple[float, float]]]:
    lasting = {run.lane.counter for run in known if run.until == math.inf}
    found: dict[Lane, list[tuple[float, float]]] = {}
    for one in series:
        if counters.are_counts(one.samples):
            continue
        lane = owned.placed(exposition.lane_of(one, named=named), labels)
        values = values_of(one.samples, lasts=lane.counter in lasting)
        if values:
            found.setdefault(lane, []).extend(values)
    return found


_Event = tuple[float, bool, float]  # instant, whether it is a count, value


def _events(
    lanes: Mapping[Counter, Lane],
    *,
    odd: Mapping[Lane, Sequence[tuple[float, float]]],
    entries: Mapping[str, Sequence[Entry]],
) -> dict[Counter, list[_Event]]:
    """By counter its samples in the order of time, whichever series they are of."""
    found: dict[Counter, set[_Event]] = {counter: set() for counter in lanes}
    for lane, values in odd.items():
        found[lane.counter] |= {(at, False, value) for at, value in values}
    for entry in itertools.chain.from_iterable(entries.values()):
        if entry.lane.counter in found:
            found[entry.lane.counter] |= {(at, True, value) for at, value in entry.samples}
    return {counter: sorted(events, key=lambda it: it[:2]) for counter, events in found.items()}


def _runs_of(
    lane: Lane,
    *,
    events: Sequence[_Event],
    known: Sequence[Run],
    restarts: Sequence[float],
    begin: float,
    spacing_seconds: float,
) -> list[Run]:
    """The runs of one counter in samples that `begin` at an instant, and those known to end later."""
    found: list[Run] = []
    lasting = next((run for run in known if run.until == math.inf), None)
    run = lasting if lasting is not None and not (events and events[0][0] <= lasting.last) else None
    count: tuple[float, float] | None = None
    for at, is_count, value in events:
        if is_count:
            if run is not None:
                found.append(_ended(run, at=at, value=value))
            run, count = None, (at, value)
        elif run is not None:
            run = replace(run, last=at, value=value)
        else:
            run = _begun(lane, at=at, value=value, count=count, apart=spacing_seconds)
            same = (it for it in known if count is None and it.first <= at <= it.last)
            if (before := next(same, None)) is not None:
                run = replace(before, lane=lane, last=at, value=value, until=math.inf)
    if run is not None:
        later = [at for at in restarts if at > run.last + SAME_SCRAPE_SECONDS]
        found.append(replace(run, until=later[0], broken=True) if later else run)
    first = found[0].first if found else math.inf
    return [*(it for it in known if begin <= it.until < math.inf and it.last < first), *found]


def _begun(
    lane: Lane, *, at: float, value: float, count: tuple[float, float] | None, apart: float
) -> Run:
    """Without a count before it nobody knows since when; its pod may have others between scrapes."""
    if count is None:
        return Run(lane=lane, since=at - apart, first=at, last=at, value=value, broken=True)
    return Run(lane=lane, since=count[0], first=at, last=at, value=value, before=count[1])


def _ended(run: Run, *, at: float, value: float) -> Run:
    went_on = run.before is not None and value >= run.before
    return replace(run, until=at, broken=run.broken or not went_on)


def _falls(entries: Mapping[str, Sequence[Entry]]) -> dict[Pod, list[float]]:
    """When counters of a pod fell, in unix seconds and their order."""
    found: dict[Pod, set[float]] = {}
    for entry in itertools.chain.from_iterable(entries.values()):
        for (_, earlier), (at, later) in itertools.pairwise(entry.samples):
            if later < earlier:
                found.setdefault(_pod(entry.lane), set()).add(at)
    return {pod: sorted(instants) for pod, instants in found.items()}


def _with_falls(run: Run, *, falls: Sequence[float]) -> Run:
    """A pod of which some counter fell meanwhile may have begun again."""
    next_ = bisect_right(falls, run.since)
    fell = next_ < len(falls) and falls[next_] <= run.until
    return replace(run, broken=True) if fell else run


def _spans(runs: Iterable[Run]) -> dict[Pod, tuple[Span, ...]]:
    by_pod: dict[Pod, list[Span]] = {}
    for run in sorted(runs, key=lambda it: it.since):
        spans = by_pod.setdefault(run.pod, [])
        if spans and run.since < spans[-1].until:
            last = spans[-1]
            spans[-1] = replace(
                last, until=max(last.until, run.until), broken=last.broken or run.broken
            )
        else:
            spans.append(Span(since=run.since, until=run.until, broken=run.broken))
    return {pod: tuple(spans) for pod, spans in by_pod.items()}


def _with_births(
    spans: Spans,
    *,
    entries: Mapping[str, Sequence[Entry]],
    marked: Mapping[str, Collection[Lane]],
) -> Spans:
    """The same where counters that appear meanwhile break a span: who knows what they had before."""
    born: dict[Pod, set[int]] = {}
    for role, some in entries.items():
        seen = marked.get(role, ())
        for entry in some:
            pod = _pod(entry.lane)
            place = _place(spans.get(pod, ()), entry.samples[0][0])
            if place is not None and entry.lane not in seen:
                born.setdefault(pod, set()).add(place)
    return {
        pod: tuple(
            replace(span, broken=True) if place in born.get(pod, ()) else span
            for place, span in enumerate(found)
        )
        for pod, found in spans.items()
    }


def _newest(
    roles: Mapping[str, Sequence[Entry]],
    *,
    odd: Mapping[Lane, Sequence[tuple[float, float]]],
) -> dict[Pod, float]:
    """The newest sample of each pod, whether it is a count or not, in unix seconds."""
    pods: dict[Pod, float] = {}
    every = itertools.chain.from_iterable(roles.values())
    lasts = itertools.chain(
        ((it.lane, it.samples[-1][0]) for it in every),
        ((lane, max(values)[0]) for lane, values in odd.items()),
    )
    for lane, at in lasts:
        pod = _pod(lane)
        pods[pod] = max(at, pods.get(pod, at))
    return pods


def _outside(entry: Entry, spans: Sequence[Span]) -> Entry:
    if not spans:
        return entry
    return Entry(entry.lane, tuple(it for it in entry.samples if _place(spans, it[0]) is None))


def _place(spans: Sequence[Span], at: float) -> int | None:
    """Which of the spans an instant lies in; its ends are counts."""
    place = bisect_left(spans, at - SAME_SCRAPE_SECONDS, key=_since) - 1
    inside = place >= 0 and at < spans[place].until - SAME_SCRAPE_SECONDS
    return place if inside else None


def _since(span: Span) -> float:
    return span.since


def _pod(lane: Lane) -> Pod:
    return lane.counter.revision, lane.counter.pod
