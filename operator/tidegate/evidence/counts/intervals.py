"""The interval table: what each revision did between fixed instants, frozen when it closes.

Both arms are counted over the same time, and late samples never change a closed row: an interval
waits for them, and what comes later still is counted in the row in which it is seen.
Source: evidence.md, 2.3; ADR 0021.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import arms, binned, dispersion, labelled
from tidegate.evidence.counts.arms import Arm
from tidegate.evidence.counts.binned import Binning
from tidegate.evidence.counts.dispersion import Phi, Spread
from tidegate.evidence.counts.grid import Grid, Slot, WeightChange, slots
from tidegate.evidence.counts.labelled import NOTHING_READ, Cohorting, LabelReader, Read
from tidegate.evidence.counts.reader import NOTHING, Lag, Marks, Reader
from tidegate.evidence.counts.rows import Counts, Flag, PodCounts, Row
from tidegate.evidence.counts.tally import Counted, Faults
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Identity, Series

BAD, BINS, BUCKETS, TOTAL = "bad", "bins", "buckets", "total"
WORSE, WORSE_EVENTS = 2.0, 3.0  # what stable shows after a row is kept if it is so much worse


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """Raw series of one metric, of both revisions.

    A ratio has `total` and `bad`, and with `complement` the events that are not `bad` are the ones
    that speak against a revision; with `common` bad events are the rule, so that it is the others
    of which the dispersion is measured. A latency has `buckets` and the edges (seconds) that were fixed
    when the rollout began. A distribution has `bins` and the labels by which they are told apart; labels
    have `labels` by role, and how their cohorts are told apart. `scrape_seconds` is how often their source scrapes; None is as often as
    the grid says.
    """

    total: tuple[Series, ...] = ()
    bad: tuple[Series, ...] = ()
    buckets: tuple[Series, ...] = ()
    bins: tuple[Series, ...] = ()
    complement: bool = False
    common: bool = False
    unit_seconds: float = 1.0
    edges: tuple[float, ...] = ()
    binning: Binning | None = None
    labels: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    cohorting: Cohorting | None = None
    scrape_seconds: float | None = None

    @property
    def may_be_early(self) -> bool:
        """What has arrived since the last row can show harm, before the next one is closed."""
        return self.binning is None and self.cohorting is None

    @property
    def roles(self) -> Mapping[str, tuple[Series, ...]]:
        """The series by what they count."""
        return {
            BAD: self.bad,
            BINS: self.bins,
            BUCKETS: self.buckets,
            TOTAL: self.total,
            **self.labels,
        }

    @property
    def all(self) -> tuple[Series, ...]:
        """Every series, whatever it counts."""
        return tuple(one for role in sorted(self.roles) for one in self.roles[role])

    def reader(self, marks: Marks, *, grid: Grid) -> Reader:
        """The series as they are counted from where the marks are."""
        scrape = self.scrape_seconds or grid.scrape_interval_seconds
        if self.cohorting is not None:
            return LabelReader(self.labels, cohorting=self.cohorting, scrape_seconds=scrape)
        named = binned.labels_of(self.binning) if self.binning is not None else ()
        return Reader(self.roles, marks=marks, scrape_seconds=scrape, named=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Closed rows, and what stable's pods have shown up to now, per metric and stream.

    `recent` are rows before them that somebody has taken, as far as silence is told by them.
    `marks` say up to which sample each counter was counted, `labels` what was read of cohorts;
    `faults` are those of the last row,
    `lags` and `spacings` (seconds between two samples, by revision) those of the series that were
    read last.
    """

    rows: tuple[Row, ...] = ()
    recent: tuple[Row, ...] = ()
    spreads: Mapping[str, tuple[Spread, ...]] = field(default_factory=dict)
    closed_until: float = 0.0
    marks: Mapping[str, Marks] = field(default_factory=dict)
    labels: Mapping[str, Read] = field(default_factory=dict)
    faults: Mapping[str, Faults] = field(default_factory=dict)
    lags: Mapping[str, tuple[Lag, ...]] = field(default_factory=dict)
    spacings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[Row, ...]:
        """All rows that are known, in the order of time."""
        return (*self.recent, *self.rows)


def close_intervals(
    table: Table,
    *,
    series: Mapping[str, MetricSeries],
    grid: Grid,
    events: Sequence[WeightChange],
    identity: Identity,
    now: float,
    given_phi: float | None = None,
    min_df: int = dispersion.MIN_DF,
    assumed: float = dispersion.ASSUMED,
    readers: Mapping[str, Reader] | None = None,
    born: Mapping[str, float] | None = None,
    patient: bool = True,
) -> Table:
    """The table with every interval that has closed since; closed rows stay as they are.

    The dispersion of a row comes from what was seen before it, and is stored in it. Start from a
    table whose `spreads` hold the stable history, if there is one. With `patient` an interval stays
    open while samples of it may still come. `readers` are those of the series, if they were made.
    A pod that was `born` less than the warm-up before an interval is left out of it, on either side.
    Units: now and births in unix seconds; given_phi replaces the measured dispersion.
    """
    count = Counting(
        table,
        series=series,
        grid=grid,
        identity=identity,
        given_phi=given_phi,
        min_df=min_df,
        assumed=assumed,
        readers=readers,
        born=born,
    )
    for slot in slots(grid, events=events, after=table.closed_until, now=now):
        if patient and count.awaits(slot, now=now):
            break
        count.close(slot)
    return count.table


class Counting:
    """Counts slots of time in series that were fetched together; each goes on from the last."""

    def __init__(
        self,
        table: Table,
        *,
        series: Mapping[str, MetricSeries],
        grid: Grid,
        identity: Identity,
        given_phi: float | None = None,
        min_df: int = dispersion.MIN_DF,
        assumed: float = dispersion.ASSUMED,
        readers: Mapping[str, Reader] | None = None,
        born: Mapping[str, float] | None = None,
    ) -> None:
        self._series = {name: series[name] for name in sorted(series)}
        self._readers = readers or {
            name: one.reader(table.marks.get(name, NOTHING), grid=grid)
            for name, one in self._series.items()
        }
        self._grid = grid
        self._born = born or {}
        self._identity = identity
        self._given_phi = given_phi
        self._min_df = min_df
        self._assumed = assumed
        self._rows, self._recent = list(table.rows), table.recent
        self._spreads = dict(table.spreads)
        self._marks = dict(table.marks)
        self._labels = dict(table.labels)
        self._faults = dict(table.faults)
        self._lags = table.lags
        self._closed_until = table.closed_until

    @property
    def table(self) -> Table:
        """The table after the slots that were closed."""
        return Table(
            rows=tuple(self._rows),
            recent=self._recent,
            spreads=self._spreads,
            closed_until=self._closed_until,
            marks=self._marks,
            labels=self._labels,
            faults=self._faults,
            lags={name: one.lags(self._lags.get(name, ())) for name, one in self._readers.items()},
            spacings={name: one.spacings for name, one in self._readers.items()},
        )

    def awaits(self, slot: Slot, *, now: float) -> bool:
        """Samples of the slot may still come, or of the scrape after it."""
        return any(
            one.awaits(end=slot.t1 + one.scrape_seconds, now=now) for one in self._readers.values()
        )

    def close(self, slot: Slot) -> Row:
        """What both arms did in a slot, with the dispersion as it was known before."""
        row = self._row(slot, {name: self._count(name, slot=slot) for name in self._series})
        for name, counts in row.counts.items():
            known = self._spreads.get(name, (Spread(),) * len(counts.x_c))
            common = self._series[name].common
            self._spreads[name] = widened(known, pods=counts.pods_s, common=common)
        self._rows.append(row)
        self._closed_until = slot.t1
        return row

    def aside(self, slot: Slot) -> Row:
        """The same for any stretch of time, whatever rows it was part of; it changes nothing.

        Pods that are not warm count as well: no warm-up excuses an outage.
        """
        found: dict[str, _Raw | None] = {}
        for name in self._series:
            marks = {role: it.forgotten for role, it in self._marks.get(name, NOTHING).items()}
            roles, _ = self._readers[name].count(marks, start=slot.t0, end=slot.t1, fresh=True)
            found[name] = self._raw(name, roles)
        return self._row(slot, found)

    def _row(self, slot: Slot, found: Mapping[str, _Raw | None]) -> Row:
        raw = {name: one for name, one in found.items() if one is not None}
        counts: dict[str, Counts] = {}
        for name, one in raw.items():
            known = self._spreads.get(name, (Spread(),) * len(one.counts.x_c))
            counts[name] = replace(one.counts, phi=tuple(self._phi(it) for it in known))
        return Row(
            t0=slot.t0,
            t1=slot.t1,
            step=slot.step,
            weight=slot.weight,
            counts=counts,
            flags=tuple(sorted({flag for one in raw.values() for flag in one.flags})),
        )

    def _count(self, name: str, *, slot: Slot) -> _Raw | None:
        """Counts of both arms without their dispersion; None when there are no data.

        While the candidate is away, what stable counts is left for the row in which both are
        counted again, so that the two arms are counted over the same time.
        """
        reader = self._readers[name]
        if isinstance(reader, LabelReader):
            return self._labelled(name, reader, slot=slot)
        before = self._marks.get(name, NOTHING)
        roles, after = reader.count(
            before, start=slot.t0, end=slot.t1, fresh=slot.t0 > self._closed_until
        )
        self._faults[name] = _faults(roles)
        found = self._raw(name, roles, cold=self._cold(slot))
        candidate = self._identity.candidate
        if found is not None and not found.candidate and _is_known(before, candidate):
            return None
        self._marks[name] = after
        if found is None or not candidate or not self._identity.stable:
            return found
        after_s = self._following(name, after, slot=slot, row=found.counts)
        return replace(found, counts=replace(found.counts, after_s=after_s))

    def _labelled(self, name: str, reader: LabelReader, *, slot: Slot) -> _Raw | None:
        """What is known of each cohort by the end of a slot, whatever was between slots."""
        read = reader.read(self._labels.get(name, NOTHING_READ), until=slot.t1)
        self._faults[name] = Faults(flapping=read.flapping)
        self._labels[name], counts = labelled.told(
            read, identity=self._identity, cohorting=reader.cohorting
        )
        return None if counts is None else _Raw(counts=counts, flags=(), candidate=True)

    def _following(self, name: str, marks: Marks, *, slot: Slot, row: Counts) -> PodCounts | None:
        """Stable in the scrape after a slot, if it shows what its last one came too early for."""
        reader, series = self._readers[name], self._series[name]
        roles, _ = reader.count(
            marks,
            start=slot.t1,
            end=slot.t1 + reader.scrape_seconds,
            fresh=False,
            revision=self._identity.stable,
        )
        pods = self._arm(roles, series=series, revision=self._identity.stable).pods
        streams = len(series.edges) or 1
        after = PodCounts(n=math.fsum(pod.n for pod in pods), x=_summed(pods, streams=streams))
        worse = (
            bad >= WORSE_EVENTS and bad * row.n_s > WORSE * before * after.n
            for bad, before in zip(after.x, row.x_s, strict=True)
        )
        return after if any(worse) else None

    def _cold(self, slot: Slot) -> frozenset[str]:
        """The pods that are not warm when a slot begins; without a warm-up all are warm at once."""
        if not self._grid.cold_start_seconds:
            return frozenset()
        warm = slot.t0 - self._grid.cold_start_seconds
        return frozenset(pod for pod, at in self._born.items() if at > warm)

    def _raw(
        self, name: str, roles: Mapping[str, Counted], *, cold: frozenset[str] = frozenset()
    ) -> _Raw | None:
        """Counts of both arms; None when neither has data."""
        series = self._series[name]
        candidate, stable = (
            self._arm(roles, series=series, revision=revision)
            for revision in (self._identity.candidate, self._identity.stable)
        )
        if not candidate.pods and not stable.pods:
            return None
        streams = len(series.edges) or 1
        warm_c, warm_s = (
            tuple(pod for pod in arm.pods if pod.pod not in cold) for arm in (candidate, stable)
        )
        counts = Counts(
            n_c=math.fsum(pod.n for pod in warm_c),
            n_s=math.fsum(pod.n for pod in warm_s),
            x_c=_summed(warm_c, streams=streams),
            x_s=_summed(warm_s, streams=streams),
            phi=(),
            pods_s=warm_s,
            pods_c=warm_c,
            cold_c=math.fsum(pod.n for pod in candidate.pods if pod.pod in cold),
            cold_s=math.fsum(pod.n for pod in stable.pods if pod.pod in cold),
            complete=bool(candidate.pods and stable.pods),
        )
        if series.binning is not None:
            counts = binned.with_bins(counts, candidate=candidate, stable=stable)
        return _Raw(
            counts=counts,
            flags=(*candidate.flags, *stable.flags),
            candidate=bool(candidate.pods or candidate.left_out),
        )

    def _arm(self, roles: Mapping[str, Counted], *, series: MetricSeries, revision: str) -> Arm:
        if not revision:
            return Arm()
        if series.binning is not None:
            return binned.arm_of(roles.get(BINS), revision=revision, binning=series.binning)
        if series.edges:
            return arms.of_latency(
                roles.get(BUCKETS),
                revision=revision,
                edges=series.edges,
                unit_seconds=series.unit_seconds,
            )
        return arms.of_ratio(
            roles.get(TOTAL),
            bad=roles.get(BAD),
            revision=revision,
            complement=series.complement,
        )

    def _phi(self, spread: Spread) -> Phi:
        if self._given_phi is not None:
            return dispersion.given(self._given_phi)
        return spread.phi(min_df=self._min_df, assumed=self._assumed)


def _is_known(marks: Marks, revision: str) -> bool:
    return any(one.knows(revision) for one in marks.values())


def _faults(roles: Mapping[str, Counted]) -> Faults:
    found = Faults()
    for one in roles.values():
        found = Faults(
            twice=found.twice | one.twice,
            flapping=found.flapping | one.flapping,
            refused=found.refused | one.refused,
        )
    return found


def widened(
    spreads: tuple[Spread, ...], *, pods: Sequence[PodCounts], common: bool = False
) -> tuple[Spread, ...]:
    """The spreads of a metric's streams after one more interval of stable's pods.

    With `common` of the events that are not bad: those that are tested must be those measured, and
    what nearly every request is cannot clump.
    """
    requests = [pod.n for pod in pods]
    names = [pod.pod or f"{number}" for number, pod in enumerate(pods)]
    return tuple(
        dispersion.widen(
            one,
            n=requests,
            x=[pod.n - pod.x[k] if common else pod.x[k] for pod in pods],
            pods=names,
        )
        for k, one in enumerate(spreads)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """Counts without their dispersion; `candidate` says that it had samples."""

    counts: Counts
    flags: tuple[Flag, ...]
    candidate: bool


def _summed(pods: Sequence[PodCounts], *, streams: int) -> tuple[float, ...]:
    return tuple(math.fsum(pod.x[k] for pod in pods) for k in range(streams))


def near(series: MetricSeries, *, slot: Slot, grid: Grid) -> MetricSeries:
    """The samples in a slot and those of a fixed time before it.

    What is read from them must not depend on how much else an answer holds.
    """
    scrape = series.scrape_seconds or grid.scrape_interval_seconds
    after = slot.t0 - LOOKBACK_SCRAPES * scrape

    def cut(all_series: tuple[Series, ...]) -> tuple[Series, ...]:
        found = (_between(one, after=after, until=slot.t1) for one in all_series)
        return tuple(one for one in found if one.samples)

    return replace(
        series, total=cut(series.total), bad=cut(series.bad), buckets=cut(series.buckets)
    )


def _between(series: Series, *, after: float, until: float) -> Series:
    first = bisect_right(series.samples, after, key=_instant)
    last = bisect_right(series.samples, until, key=_instant)
    return replace(series, samples=series.samples[first:last])


def _instant(sample: tuple[float, float]) -> float:
    return sample[0]
