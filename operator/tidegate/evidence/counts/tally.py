"""Counters of pods from one interval to the next: what each has counted, and up to which sample.

A tally remembers the last sample of every counter that went into a row. What comes after it belongs
to a later row, however long the counter was away, so nothing is lost at the border of rows or in a
gap. It depends on samples alone, so that it is the same after a restart.
Source: evidence.md, 2.2.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import exposition, owned, scrapes
from tidegate.evidence.counts import restarts as restarting
from tidegate.evidence.counts.exposition import Counter, Labels, Lane, Samples
from tidegate.evidence.counts.owned import Owned, Pod
from tidegate.evidence.counts.restarts import NONE, Restarts
from tidegate.evidence.counts.scrapes import Entry, Mark
from tidegate.evidence.terms import EDGE, LOOKBACK_SCRAPES, Series, Window

GAP_SCRAPES = 3.0
KNOWN_SCRAPES = 20  # so long before the first row a series that is away is remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Events by counter; a counter without usable samples is absent, which is not zero.

    `twice`, `flapping`, `refused`, `restarted`, `away` name pods: counted once although scraped twice; left out as
    their counters fall again and again; left out as two scrapes of one address disagree; with
    counters that began again; with counters that were away for long.
    """

    events: Mapping[Counter, float]
    twice: frozenset[Pod] = frozenset()
    flapping: frozenset[Pod] = frozenset()
    refused: frozenset[Pod] = frozenset()
    restarted: frozenset[Pod] = frozenset()
    away: frozenset[Pod] = frozenset()

    @property
    def unusable(self) -> frozenset[Pod]:
        """Pods that are left out."""
        return self.flapping | self.refused

    def by_pod(self, revision: str) -> dict[str, float]:
        """Events of a revision per pod."""
        totals: dict[str, float] = {}
        for counter, events in self.events.items():
            if counter.revision == revision:
                totals[counter.pod] = totals.get(counter.pod, 0.0) + events
        return totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What was wrong with the pods of a metric in its last row, as in `Counted`."""

    twice: frozenset[Pod] = frozenset()
    flapping: frozenset[Pod] = frozenset()
    refused: frozenset[Pod] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was counted of one role of a metric. `since` is where unbroken counting began.

    `apart` are counters of which several series are different ones although their own labels are
    equal; `same` says which counters are copies of another that only differ in a foreign label.
    `owned` are labels that turned out to be the application's, under which everything is known.
    """

    since: float | None = None
    marks: Mapping[Lane, Mark] = field(default_factory=dict)
    lanes: Mapping[Counter, tuple[Lane, ...]] = field(default_factory=dict)
    apart: frozenset[Counter] = frozenset()
    same: Mapping[Counter, Counter] = field(default_factory=dict)
    owned: Owned = field(default_factory=dict)

    @property
    def forgotten(self) -> Tally:
        """Nothing was counted yet, of counters that are known."""
        return replace(self, since=None, marks={})

    def under(self, labels: Owned) -> Tally:
        """The same where these labels are the application's: what looked like one counter is several."""
        if labels == self.owned:
            return self
        lanes: dict[Counter, tuple[Lane, ...]] = {}
        same: dict[Counter, Counter] = {}
        apart: set[Counter] = set()
        for counter, some in self.lanes.items():
            for lane in some:
                now = owned.placed(lane, labels)
                kept = now.counter
                if lane.counter != counter:  # a copy
                    kept = same[now.counter] = owned.placed(
                        lane._replace(counter=counter), labels
                    ).counter
                lanes[kept] = (*lanes.get(kept, ()), now)
                if counter in self.apart:
                    apart.add(kept)
        return replace(
            self,
            marks={owned.placed(lane, labels): mark for lane, mark in self.marks.items()},
            lanes=lanes,
            apart=frozenset(it for it in apart if len(lanes[it]) > 1),
            same=same,
            owned=labels,
        )

    def knows(self, revision: str) -> bool:
        """Some counter of the revision has been seen."""
        return any(counter.revision == revision for counter in self.lanes)


_ALL_ALIKE: Mapping[str, float] = {}


@dataclass(slots=True)
class _Active:
    """A series with new samples; `mark` is where they are counted from, None if unknown."""

    lane: Lane
    mark: Mark | None
    new: Samples

    @property
    def points(self) -> Samples:
        return self.new if self.mark is None else ((self.mark.at, self.mark.value), *self.new)


def count(
    tally: Tally,
    entries: Sequence[Entry],
    *,
    among: Sequence[Entry],
    window: Window,
    fresh: bool,
    spacing_seconds: float,
    spacings: Mapping[str, float] = _ALL_ALIKE,
    restarts: Restarts = NONE,
    labels: Owned = owned.NONE,
) -> tuple[Counted, Tally]:
    """What the counters counted in a window, and the tally after it.

    `fresh` says that time before the window belongs to no row, so that what was counted then is
    left out. `among` are all series of the metric: they tell whether a target was there before.
    Where revisions are scraped at other intervals than `spacing_seconds`, `spacings` say so.
    What is counted after one of the `restarts` of a process begins at zero. `labels` are those that
    are the application's.
    """
    work = _Work(
        tally.under(owned.joined(tally.owned, labels)),
        among=among,
        window=window,
        fresh=fresh,
        spacing_seconds=spacing_seconds,
        spacings=spacings,
        restarts=restarts,
    )
    return work.run(entries)


def once(series: Sequence[Series], *, window: Window, among: Iterable[Series] = ()) -> Counted:
    """What series counted in a single window; `among` are further ones of the same targets."""
    found, _ = scrapes.by_role({"counted": series, "among": tuple(among)})
    spaced = scrapes.spacing(series, default=window.scrape_interval_seconds)
    everything = (*found["counted"], *found["among"])
    counted, _ = count(
        Tally(),
        found["counted"],
        among=everything,
        window=window,
        fresh=True,
        spacing_seconds=spaced,
        restarts=restarting.found([(it.lane, it.samples) for it in everything]),
    )
    return counted


class _Work:
    """One window. The tally that it starts from stays as it is."""

    def __init__(
        self,
        tally: Tally,
        *,
        among: Sequence[Entry],
        window: Window,
        fresh: bool,
        spacing_seconds: float,
        spacings: Mapping[str, float],
        restarts: Restarts,
    ) -> None:
        self._window = window
        self._fresh = fresh or tally.since is None
        self._since = window.start if self._fresh or tally.since is None else tally.since
        self._spacing, self._spacings = spacing_seconds, spacings
        self._restarts = restarts
        self._marks = dict(tally.marks)
        self._lanes = dict(tally.lanes)
        self._apart = set(tally.apart)
        self._same = dict(tally.same)
        self._owned = tally.owned
        self._among = among
        self._scrapes: dict[tuple[str, str, Labels], list[Entry]] | None = None
        self._twice: set[Pod] = set()
        self._refused: set[Pod] = set()
        self._flapping: set[Pod] = set()
        self._restarted: set[Pod] = set()
        self._away: set[Pod] = set()

    def run(self, entries: Sequence[Entry]) -> tuple[Counted, Tally]:
        active: dict[Counter, list[_Active]] = {}
        for entry in entries:
            found = self._activate(entry)
            if found is not None:
                active.setdefault(self._counter(entry.lane), []).append(found)
        self._merge_foreign_copies(active)
        events = {
            counter: events
            for counter in sorted(active)
            if (events := self._events(counter, active[counter])) is not None
        }
        self._remember(active)
        counted = Counted(
            events=events,
            twice=frozenset(self._twice),
            flapping=frozenset(self._flapping),
            refused=frozenset(self._refused),
            restarted=frozenset(self._restarted),
            away=frozenset(self._away),
        )
        return counted, Tally(
            since=self._since,
            marks=self._marks,
            lanes=self._lanes,
            apart=frozenset(self._apart),
            same=self._same,
            owned=self._owned,
        )

    def _counter(self, lane: Lane) -> Counter:
        return self._same.get(lane.counter, lane.counter)

    def _activate(self, entry: Entry) -> _Active | None:
        """The samples of a series that are still to be counted in this window."""
        samples, window = entry.samples, self._window
        mark = self._marks.get(entry.lane)
        end = _seen_by(samples, window.end)
        if mark is None:
            known_after = self._since - KNOWN_SCRAPES * window.scrape_interval_seconds
            first = _seen_by(samples, known_after)
            begin = _seen_by(samples, self._since)
            if begin > first:
                at, value = samples[first]
                mark = self._after(Mark(at, value), samples[first + 1 : begin], lane=entry.lane)
        else:
            first = _seen_by(samples, mark.at)
            begin = max(first, _seen_by(samples, window.start))
            if self._fresh and begin > first:
                mark = self._after(mark, samples[first:begin], lane=entry.lane)
            else:
                begin = first
        if mark is not None:
            self._note(entry.lane, mark)
        new = samples[begin:end]
        return _Active(entry.lane, mark, new) if new else None

    def _after(self, mark: Mark, samples: Samples, *, lane: Lane) -> Mark:
        return mark.after(samples, spacing_seconds=self._spacing_of(lane.counter))

    def _spacing_of(self, counter: Counter) -> float:
        return self._spacings.get(counter.revision, self._spacing)

    def _note(self, lane: Lane, mark: Mark) -> None:
        self._marks[lane] = mark
        known = self._lanes.get(self._counter(lane), ())
        if lane not in known:
            self._lanes[self._counter(lane)] = (*known, lane)

    # --- one counter -----------------------------------------------------------------------------

    def _events(self, counter: Counter, lanes: list[_Active]) -> float | None:
        """Events of a counter, of which there may be several series."""
        if len(lanes) == 1 or counter in self._apart:
            return _sum(self._of_one(counter, lane) for lane in lanes)
        if exposition.agree([lane.points for lane in lanes]):
            return self._of_copies(counter, lanes)
        self._apart.add(counter)
        if _is_contradiction(lanes):
            self._refused.add((counter.revision, counter.pod))
            self._apart.discard(counter)
            return None
        return _sum(self._of_one(counter, lane) for lane in lanes)

    def _of_one(self, counter: Counter, lane: _Active) -> float | None:
        points = lane.new
        base = lane.mark or self._handed_over(counter, lane)
        if base is not None:
            self._note_gap(counter, base.at, lane.new[0][0])
            points = ((base.at, base.value), *points)
        elif self._is_born(counter, lane):
            self._note_gap(counter, lane.new[0][0], lane.new[0][0])
            points = ((lane.new[0][0], 0.0), *points)
        if len(points) < 2:
            return None
        known = self._restarts.get(lane.lane.process, ()) if self._restarts else ()
        return restarting.gained(points, restarts=known)

    def _of_copies(self, counter: Counter, lanes: list[_Active]) -> float | None:
        """All series in the order of time are one."""
        known = [lane.mark for lane in lanes if lane.mark is not None]
        base = max(known, key=lambda mark: mark.at, default=None)
        after = base.at if base is not None else -1.0
        merged = sorted(point for lane in lanes for point in lane.new if point[0] > after)
        if not merged:
            return 0.0
        events = self._of_one(counter, _Active(lanes[0].lane, base, merged))
        if events:
            self._twice.add((counter.revision, counter.pod))
        return events

    def _handed_over(self, counter: Counter, lane: _Active) -> Mark | None:
        """Where another series of the counter ended, if this one goes on from there."""
        ended = [
            mark
            for other in self._lanes.get(counter, ())
            if other != lane.lane
            and (mark := self._marks.get(other)) is not None
            and mark.at < lane.new[0][0]
        ]
        last = max(ended, key=lambda mark: mark.at, default=None)
        if last is None or counter in self._apart or lane.new[0][1] < last.value:
            return None
        return last

    def _is_born(self, counter: Counter, lane: _Active) -> bool:
        """The counter began within the window, on a target that was there before and went on.

        Every other series of the same scrape may tell: it has a sample at the birth and one
        before. A counter that was known and is away for a while is none, nor is one of a target
        of which all series are new, as after a change of labels.
        """
        born = lane.new[0][0]
        looked_back = self._window.start - LOOKBACK_SCRAPES * self._window.scrape_interval_seconds
        if born - self._spacing_of(counter) <= looked_back:
            return False  # it may have been there before
        if counter in self._lanes and counter not in self._apart:
            return False
        return any(
            other.lane != lane.lane
            and exposition.is_at(other.samples, born)
            and (other.samples[0][0] < born or other.lane in self._marks)
            for other in self._scraped_with(lane.lane)
        )

    def _scraped_with(self, lane: Lane) -> Sequence[Entry]:
        if self._scrapes is None:
            self._scrapes = {}
            for entry in self._among:
                self._scrapes.setdefault(entry.lane.scraped, []).append(entry)
        return self._scrapes.get(lane.scraped, ())

    def _note_gap(self, counter: Counter, last: float, next_: float) -> None:
        late = next_ <= self._window.start and not self._fresh
        if late or next_ - last > GAP_SCRAPES * self._spacing_of(counter):
            self._away.add((counter.revision, counter.pod))

    def _remember(self, active: Mapping[Counter, list[_Active]]) -> None:
        """Keep the last samples, and whose counters fell."""
        for counter, lanes in active.items():
            pod = counter.revision, counter.pod
            for lane in lanes:
                before = Mark(*lane.new[0]) if lane.mark is None else lane.mark
                mark = self._after(before, lane.new, lane=lane.lane)
                if mark.falls and mark.falls[-1] > before.at:
                    self._restarted.add(pod)
                if mark.flaps:
                    self._flapping.add(pod)
                self._note(lane.lane, mark)

    # --- copies that differ in a foreign label ---------------------------------------------------

    def _merge_foreign_copies(self, active: dict[Counter, list[_Active]]) -> None:
        """Find counters that are one but for a label that no scrape is known to add.

        Only where a pod was scraped at different instants: series of one scrape are never copies.
        """
        pods: dict[Pod, list[Counter]] = {}
        for counter in sorted(active):
            pods.setdefault((counter.revision, counter.pod), []).append(counter)
        for found in pods.values():
            clocks = {lane.new[-1][0] for counter in found for lane in active[counter]}
            if len(clocks) > 1:
                self._merge_in_pod(found, active)

    def _merge_in_pod(self, found: Sequence[Counter], active: dict[Counter, list[_Active]]) -> None:
        by_rest: dict[tuple[str, Labels], Counter] = {}
        names = {name for counter in found for name, _ in counter.own} - _TELLING
        for counter in found:
            for name in sorted(names):
                rest = name, tuple(item for item in counter.own if item[0] != name)
                first = by_rest.setdefault(rest, counter)
                if first != counter and counter in active and first in active:
                    self._merge(first, counter, active)

    def _merge(self, first: Counter, second: Counter, active: dict[Counter, list[_Active]]) -> None:
        one, other = active[first][0], active[second][0]
        samples = one.points, other.points
        copies = (
            one.lane.place == other.lane.place
            and min(map(len, samples)) > 1
            and not exposition.share_scrapes(*samples)
            and exposition.agree(samples)
            and any(samples[0][0][1] < value for _, value in samples[0])
        )
        if copies:
            self._same[second] = first
            moved = self._lanes.pop(second, ())
            self._lanes[first] = (*self._lanes.get(first, ()), *moved)
            active[first] += active.pop(second)


_TELLING = frozenset({exposition.NAME, EDGE})


def _is_contradiction(lanes: Sequence[_Active]) -> bool:
    """One address was scraped at different instants and told different things."""
    return any(
        one.lane.place == other.lane.place
        and bool(one.lane.place[0])
        and not exposition.share_scrapes(one.points, other.points)
        for index, one in enumerate(lanes)
        for other in lanes[index + 1 :]
    )


def _sum(events: Iterable[float | None]) -> float | None:
    known = [it for it in events if it is not None]
    return sum(known) if known else None


def _seen_by(samples: Samples, at: float) -> int:
    """How many of the samples were taken at or before an instant."""
    return bisect_right(samples, (at, math.inf))
