"""Labels by cohort from the counters of pods: what is known of each prediction's time by now.

A cohort's counters are born with it, so that their values tell all of it, whatever happened between
two looks; of those that were there before the rollout they tell the past. A counter that falls began
again, and what it had counted stays.
Source: evidence.md, 11.1; ADR 0077.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tidegate.evidence.counts import binned, counters, exposition, owned, qualities, scrapes
from tidegate.evidence.counts.exposition import Counter, Lane, Samples
from tidegate.evidence.counts.owned import Owned, Pod
from tidegate.evidence.counts.qualities import Confusion
from tidegate.evidence.counts.reader import Reader
from tidegate.evidence.counts.rows import Counts, PodLabels
from tidegate.evidence.counts.scrapes import Mark
from tidegate.evidence.terms import (
    CORRECT,
    LABELLED,
    PREDICTIONS,
    Identity,
    Labels,
    Measure,
    Problem,
    Reason,
    Series,
)

MAX_COHORTS = 1000  # of both arms; more are a label that nobody has bounded
_SECONDS_SINCE_1970 = 9  # digits; anything shorter is no instant of our time
_AHEAD_SECONDS = 60.0  # clocks of pods and of the scrape may differ by so much

ByRole = Mapping[str, tuple[Series, ...]]
Key = tuple[str, float]  # a revision, and when the cohort begins
RoleLane = tuple[str, Lane]
RoleCounter = tuple[str, Counter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorting:
    """Which label tells a cohort, how long one is, and what is told by its counters."""

    label: str
    width_seconds: float
    measure: Measure


@dataclass(frozen=True, slots=True)
class _Known:
    """One series as far as it was read: its last sample, and all that it has counted."""

    mark: Mark
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """All that was read of one metric's labels, by revision and cohort, and as it was last told.

    `apart` are counters of which several series are different ones; `changed` is what has changed since
    it was told; `owned` are labels that turned out to be the application's.
    """

    known: Mapping[Key, Mapping[RoleLane, _Known]] = field(default_factory=dict)
    apart: frozenset[RoleCounter] = frozenset()
    told: Mapping[Key, tuple[PodLabels, ...]] = field(default_factory=dict)
    changed: frozenset[Key] = frozenset()
    owned: Owned = field(default_factory=dict)

    @property
    def flapping(self) -> frozenset[Pod]:
        """Pods of which counters fall again and again: each scrape meets another process."""
        return frozenset(
            (lane.counter.revision, lane.counter.pod)
            for lanes in self.known.values()
            for (_, lane), one in lanes.items()
            if one.mark.flaps
        )


NOTHING_READ = Read()


def cohorting_of(measure: Labels, *, width_seconds: float) -> Cohorting:
    """How the series of a measure are read."""
    return Cohorting(
        label=measure.cohort_label, width_seconds=width_seconds, measure=measure.measure
    )


@functools.lru_cache(maxsize=4096)
def start_of(text: str) -> float | None:
    """When a cohort begins, in unix seconds, from the text of its label; None for anything else.

    A time without a zone is UTC. Digits are those of ASCII; others are no number to anybody else.
    """
    if not text.isascii():
        return None
    if text.isdigit() and len(text) > _SECONDS_SINCE_1970:
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def unreadable(roles: ByRole, *, cohorting: Cohorting, metric: str) -> Problem | None:
    """Why these series tell of no cohorts; None when they do."""
    starts: dict[float, str] = {}
    for one in (it for series in roles.values() for it in series):
        text = one.labels.get(cohorting.label)
        if text is None:
            message = (
                f"series of {metric} have no label {cohorting.label}: name the label of the cohort in"
                " labels.cohortLabel, or export it"
            )
            return Problem(reason=Reason.ERROR, message=message)
        start = start_of(text)
        if start is None:
            return _unknown(
                f"cohort {text!r} is no time: export when it begins, such as 2026-11-30T06:00Z"
            )
        if not one.samples:
            message = f"a counter of cohort {text} is NaN or infinite, which is no count"
            return Problem(reason=Reason.ERROR, message=message)
        if start > one.samples[-1][0] + _AHEAD_SECONDS:
            return _unknown(
                f"cohort {text} was labelled before it began: are the clocks right, and is it the time"
                " of the prediction?"
            )
        if not counters.is_count(one.samples[-1][1]):
            message = f"a counter of cohort {text} is {one.samples[-1][1]:g}, which is no count"
            return Problem(reason=Reason.ERROR, message=message)
        starts[start] = text
    for start, text in sorted(starts.items()):
        if math.fmod(start, cohorting.width_seconds):
            return _unknown(
                f"cohort {text} is none of {cohorting.width_seconds:g} s: set labelCohort to the length"
                " that the exporter counts by"
            )
    if len(starts) > MAX_COHORTS:
        message = (
            f"{len(starts)} cohorts, {MAX_COHORTS} are the most: let the exporter drop old ones"
        )
        return Problem(reason=Reason.ERROR, message=message)
    return None


def _unknown(message: str) -> Problem:
    return Problem(reason=Reason.UNKNOWN_COHORT, message=message)


class LabelReader(Reader):
    """The fetched series of one metric's labels.

    How far a pod was scraped its newest series tells alone: those of old cohorts end.
    """

    def __init__(self, roles: ByRole, *, cohorting: Cohorting, scrape_seconds: float) -> None:
        newest: dict[counters.Target, Series] = {}
        for one in (it for series in roles.values() for it in series if it.samples):
            known = newest.get(counters.target(one))
            if known is None or known.samples[-1][0] < one.samples[-1][0]:
                newest[counters.target(one)] = one
        super().__init__(
            {LABELLED: tuple(newest.values())}, marks={}, scrape_seconds=scrape_seconds
        )
        self.cohorting = cohorting
        entries, self._owned = scrapes.by_role(roles, named=(cohorting.label,))
        self._entries = [
            (key, (role, entry.lane), entry.samples)
            for role in sorted(entries)
            for entry in entries[role]
            if (key := _key(entry.lane, cohorting.label)) is not None
        ]
        self._apart = _apart(self._entries)

    def read(self, before: Read, *, until: float) -> Read:
        """All that was counted up to an instant (unix seconds)."""
        labels = owned.joined(before.owned, self._owned)
        known = _under(before, labels)
        changed: set[Key] = set()
        for key, (role, scraped), samples in self._entries:
            lane = role, owned.placed(scraped, labels)
            old = known.get(key, {}).get(lane)
            new = _after(old, samples, until=until, spacing_seconds=self.spacing_seconds)
            if new is not None and new is not old:
                if key not in changed:
                    changed.add(key)
                    known[key] = dict(known.get(key, {}))
                known[key] = {**known[key], lane: new}
        return Read(
            known=known,
            apart=before.apart | self._apart,
            told=before.told,
            changed=frozenset(changed),
            owned=labels,
        )


def _under(before: Read, labels: Owned) -> dict[Key, Mapping[RoleLane, _Known]]:
    """What was read, where these labels are the application's."""
    if labels == before.owned:
        return dict(before.known)
    return {
        key: {(role, owned.placed(lane, labels)): one for (role, lane), one in lanes.items()}
        for key, lanes in before.known.items()
    }


def _key(lane: Lane, label: str) -> Key | None:
    start = start_of(dict(lane.counter.own).get(label, ""))
    return None if start is None else (lane.counter.revision, start)


def _after(
    known: _Known | None, samples: Samples, *, until: float, spacing_seconds: float
) -> _Known | None:
    first = 0 if known is None else bisect_right(samples, known.mark.at, key=_instant)
    new = samples[first : bisect_right(samples, until, key=_instant)]
    if not new or (known is not None and all(value == known.mark.value for _, value in new)):
        return known
    if known is None:
        known = _Known(Mark(*new[0]), new[0][1])
        new = new[1:]
    gained = counters.gained([known.mark.value, *(value for _, value in new)])
    mark = known.mark.after(new, spacing_seconds=spacing_seconds)
    return _Known(mark, known.total + gained)


def _apart(entries: Iterable[tuple[Key, RoleLane, Samples]]) -> frozenset[RoleCounter]:
    """Counters of which several series cannot be copies of each other."""
    lanes: dict[RoleCounter, list[Samples]] = {}
    for _, (role, lane), samples in entries:
        lanes.setdefault((role, lane.counter), []).append(samples)
    return frozenset(
        counter for counter, some in lanes.items() if len(some) > 1 and not exposition.agree(some)
    )


def told(after: Read, *, identity: Identity, cohorting: Cohorting) -> tuple[Read, Counts | None]:
    """What is known of the cohorts that have changed; None where no counter was ever seen."""
    if not after.known:
        return after, None
    now, news = dict(after.told), dict[str, dict[float, tuple[PodLabels, ...]]]()
    for key in sorted(after.changed):
        revision, start = key
        pods = _pods(after.known[key], apart=after.apart, measure=cohorting.measure)
        if now.get(key) != pods:
            now[key] = pods
            news.setdefault(revision, {})[start] = pods
    counts = Counts(
        n_c=0.0,
        n_s=0.0,
        x_c=(0.0,),
        x_s=(0.0,),
        phi=(),
        cohorts_c=news.get(identity.candidate, {}),
        cohorts_s=news.get(identity.stable, {}) if identity.stable else {},
    )
    return replace(after, told=now, changed=frozenset()), counts


def _pods(
    known: Mapping[RoleLane, _Known], *, apart: frozenset[RoleCounter], measure: Measure
) -> tuple[PodLabels, ...]:
    """One cohort of one revision, by pod."""
    by_pod: dict[str, dict[str, float]] = {}
    flapping: set[str] = set()
    totals: dict[RoleCounter, list[float]] = {}
    for (role, lane), one in known.items():
        totals.setdefault((role, lane.counter), []).append(one.total)
        if one.mark.flaps:
            flapping.add(lane.counter.pod)
    for (role, counter), found in totals.items():
        pod = by_pod.setdefault(counter.pod, {})
        total = math.fsum(found) if (role, counter) in apart else max(found)
        pod[role] = pod.get(role, 0.0) + total
    usable = sorted(by_pod.keys() - flapping)
    return _together([labels_of(pod, by_pod[pod], measure=measure) for pod in usable])


def _together(pods: Sequence[PodLabels]) -> tuple[PodLabels, ...]:
    """Of many pods groups, as they tell of clumps as well."""
    groups: dict[str, PodLabels] = {}
    for one in pods:
        name = binned.group_of(one.pod, of=len(pods))
        known = groups.get(name)
        groups[name] = replace(one, pod=name) if known is None else _plus(known, one)
    return tuple(groups[name] for name in sorted(groups))


def _plus(one: PodLabels, other: PodLabels) -> PodLabels:
    return PodLabels(
        pod=one.pod,
        predictions=one.predictions + other.predictions,
        labelled=one.labelled + other.labelled,
        n=one.n + other.n,
        x=one.x + other.x,
    )


def summed(roles: ByRole, *, cohorting: Cohorting) -> Mapping[float, PodLabels]:
    """What a source that sums over pods says of each cohort by now, by its start in unix seconds.

    Shapes: one series for each cohort and role, of which the last sample counts.
    """
    found: dict[float, dict[str, float]] = {}
    for role, series in roles.items():
        for one in series:
            start = start_of(one.labels.get(cohorting.label, ""))
            if start is not None and one.samples:
                counted = found.setdefault(start, {})
                counted[role] = counted.get(role, 0.0) + one.samples[-1][1]
    return {
        start: labels_of(binned.ALL, found[start], measure=cohorting.measure)
        for start in sorted(found)
    }


def labels_of(pod: str, counted: Mapping[str, float], *, measure: Measure) -> PodLabels:
    """A pod that does not say which of its labels are right has none, so that it waits for them."""
    telling = (CORRECT,) if measure is Measure.ACCURACY else qualities.cells_of(measure)
    told = any(role in counted for role in telling)
    labelled = counted.get(LABELLED, 0.0) if told else 0.0
    if measure is Measure.ACCURACY:
        events = qualities.of_labels(labelled, correct=counted.get(CORRECT, 0.0))
    else:
        cells = {name: counted.get(name, 0.0) for name in qualities.cells_of(measure)}
        events = qualities.of_cells(Confusion(**cells), measure=measure)
    return PodLabels(
        pod=pod,
        predictions=counted.get(PREDICTIONS, 0.0),
        labelled=max(labelled, events.n),
        n=events.n,
        x=events.x,
    )


def _instant(sample: tuple[float, float]) -> float:
    return sample[0]
