"""The interval table: what each revision did between fixed instants, frozen when it closes.

Both arms are counted over the same (t0, t1] of the grid, and late samples never change a closed
row. Source: evidence.md, 2.3.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import counters, dispersion, histograms
from tidegate.evidence.counts.dispersion import Phi, Spread
from tidegate.evidence.counts.grid import Grid, Slot, WeightChange, slots
from tidegate.evidence.counts.rows import Counts, Flag, PodCounts, Row
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Identity, Series, Window

CHURN_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """Raw series of one metric, of both revisions.

    A ratio has `total` and `bad`, and with `complement` the events that are not `bad` are the ones
    that speak against a revision; a latency has `buckets` and the edges (seconds) that were fixed
    when the rollout began. `scrape_seconds` is how often their source scrapes; None is as often as
    the grid says.
    """

    total: tuple[Series, ...] = ()
    bad: tuple[Series, ...] = ()
    buckets: tuple[Series, ...] = ()
    complement: bool = False
    unit_seconds: float = 1.0
    edges: tuple[float, ...] = ()
    scrape_seconds: float | None = None

    @property
    def all(self) -> tuple[Series, ...]:
        """Every series of the metric."""
        return (*self.total, *self.bad, *self.buckets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Closed rows, and what stable's pods have shown up to now, per metric and stream."""

    rows: tuple[Row, ...] = ()
    spreads: Mapping[str, tuple[Spread, ...]] = field(default_factory=dict)
    closed_until: float = 0.0


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
) -> Table:
    """The table with every interval that has closed since; closed rows stay as they are.

    The dispersion of a row comes from what was seen before it, and is stored in it. Start from a
    table whose `spreads` hold the stable history, if there is one.
    Units: now in unix seconds; given_phi replaces the measured dispersion.
    """
    count = Counting(
        series=series,
        grid=grid,
        identity=identity,
        given_phi=given_phi,
        min_df=min_df,
        assumed=assumed,
    )
    spreads = dict(table.spreads)
    rows = list(table.rows)
    until = table.closed_until
    for slot in slots(grid, events=events, after=table.closed_until, now=now):
        row = count.row(slot, spreads=spreads)
        for name, counts in row.counts.items():
            known = spreads.get(name, (Spread(),) * len(counts.x_c))
            spreads[name] = widened(known, pods=counts.pods_s)
        rows.append(row)
        until = slot.t1
    return Table(rows=tuple(rows), spreads=spreads, closed_until=until)


class Counting:
    """Counts slots of time in series that were fetched together."""

    def __init__(
        self,
        *,
        series: Mapping[str, MetricSeries],
        grid: Grid,
        identity: Identity,
        given_phi: float | None = None,
        min_df: int = dispersion.MIN_DF,
        assumed: float = dispersion.ASSUMED,
    ) -> None:
        self._series = {name: series[name] for name in sorted(series)}
        self._grid = grid
        self._identity = identity
        self._given_phi = given_phi
        self._min_df = min_df
        self._assumed = assumed

    def row(self, slot: Slot, *, spreads: Mapping[str, tuple[Spread, ...]]) -> Row:
        """What both arms did in a slot, with the dispersion as it was known before."""
        counted: dict[str, Counts] = {}
        flags: set[Flag] = set()
        for name, everything in self._series.items():
            series = near(everything, slot=slot, grid=self._grid)
            window = _window(slot, series=series, grid=self._grid)
            births = counters.Births(series.all)
            raw = _raw(series, births=births, window=window, identity=self._identity)
            if raw is None:
                continue
            flags.update(raw.flags)
            known = spreads.get(name, (Spread(),) * len(raw.counts.x_c))
            counted[name] = replace(
                raw.counts,
                phi=tuple(self._phi(one) for one in known),
                after_s=self._after(everything, slot=slot),
            )
        return Row(
            t0=slot.t0,
            t1=slot.t1,
            step=slot.step,
            weight=slot.weight,
            counts=counted,
            flags=tuple(sorted(flags)),
        )

    def _after(self, everything: MetricSeries, *, slot: Slot) -> PodCounts | None:
        """Stable in the scrape after a slot, which shows what its last one came too early for."""
        if not self._identity.candidate or not self._identity.stable:
            return None
        scrape = everything.scrape_seconds or self._grid.scrape_interval_seconds
        following = replace(slot, t0=slot.t1, t1=slot.t1 + scrape)
        series = near(everything, slot=following, grid=self._grid)
        pods = _arm(
            series,
            births=counters.Births(series.all),
            window=_window(following, series=series, grid=self._grid),
            revision=self._identity.stable,
        ).pods
        streams = len(everything.edges) or 1
        return PodCounts(n=math.fsum(pod.n for pod in pods), x=_summed(pods, streams=streams))

    def _phi(self, spread: Spread) -> Phi:
        if self._given_phi is not None:
            return dispersion.given(self._given_phi)
        return spread.phi(min_df=self._min_df, assumed=self._assumed)


def widened(spreads: tuple[Spread, ...], *, pods: Sequence[PodCounts]) -> tuple[Spread, ...]:
    """The spreads of a metric's streams after one more interval of stable's pods."""
    requests = [pod.n for pod in pods]
    names = [pod.pod or f"{number}" for number, pod in enumerate(pods)]
    return tuple(
        dispersion.widen(one, n=requests, x=[pod.x[k] for pod in pods], pods=names)
        for k, one in enumerate(spreads)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    counts: Counts
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    pods: tuple[PodCounts, ...]
    flags: tuple[Flag, ...]


def _window(slot: Slot, *, series: MetricSeries, grid: Grid) -> Window:
    scrape = series.scrape_seconds or grid.scrape_interval_seconds
    return Window(start=slot.t0, end=slot.t1, scrape_interval_seconds=scrape)


def near(series: MetricSeries, *, slot: Slot, grid: Grid) -> MetricSeries:
    """What may say something about a slot: its samples and those of a fixed time before it.

    Counts must not depend on how much else an answer holds, which is more after a restart.
    """
    window = _window(slot, series=series, grid=grid)
    after = slot.t0 - LOOKBACK_SCRAPES * window.scrape_interval_seconds

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


def _raw(
    series: MetricSeries, *, births: counters.Births, window: Window, identity: Identity
) -> _Raw | None:
    """Counts of both arms without their dispersion; None when neither has data."""
    candidate, stable = (
        _arm(series, births=births, window=window, revision=revision)
        for revision in (identity.candidate, identity.stable)
    )
    if not candidate.pods and not stable.pods:
        return None
    streams = len(series.edges) or 1
    counts = Counts(
        n_c=math.fsum(pod.n for pod in candidate.pods),
        n_s=math.fsum(pod.n for pod in stable.pods),
        x_c=_summed(candidate.pods, streams=streams),
        x_s=_summed(stable.pods, streams=streams),
        phi=(),
        pods_s=stable.pods,
        pods_c=candidate.pods,
        complete=bool(candidate.pods and stable.pods),
    )
    return _Raw(counts=counts, flags=(*candidate.flags, *stable.flags))


def _summed(pods: Sequence[PodCounts], *, streams: int) -> tuple[float, ...]:
    return tuple(math.fsum(pod.x[k] for pod in pods) for k in range(streams))


def _arm(series: MetricSeries, *, births: counters.Births, window: Window, revision: str) -> _Arm:
    def of(all_series: Iterable[Series]) -> list[Series]:
        return [
            _cut(one, window=window)
            for one in all_series
            if revision and one.labels.get("revision") == revision
        ]

    if series.edges:
        buckets = of(series.buckets)
        pods = _latency_pods(buckets, births=births, window=window, series=series)
        return _Arm(pods=pods, flags=_churn(buckets, pods=len(pods)))
    total = of(series.total)
    all_events = counters.by_target(total, births=births, window=window)
    bad_events = counters.by_target(of(series.bad), births=births, window=window)
    pods = tuple(
        PodCounts(pod=_name(key), n=n, x=(_against(series, n=n, bad=bad_events.get(key, 0.0)),))
        for key, n in sorted(all_events.items())
    )
    clamped = any(bad_events.get(key, 0.0) > n for key, n in all_events.items())
    flags = _churn(total, pods=len(pods))
    return _Arm(pods=pods, flags=(*flags, Flag.CLAMPED) if clamped else flags)


def _name(target: counters.Target) -> str:
    _, pod, address = target
    return pod or address


def _against(series: MetricSeries, *, n: float, bad: float) -> float:
    clamped = min(n, bad)  # scrape skew may show more bad events than events
    return n - clamped if series.complement else clamped


def _latency_pods(
    buckets: Sequence[Series], *, births: counters.Births, window: Window, series: MetricSeries
) -> tuple[PodCounts, ...]:
    """Requests slower than each edge, per pod; a pod that lacks an edge is left out."""
    by_target: dict[counters.Target, list[Series]] = {}
    for one in buckets:
        by_target.setdefault(counters.target(one), []).append(one)
    found: list[PodCounts] = []
    for key in sorted(by_target):
        histogram = histograms.collect(
            by_target[key], births=births, window=window, unit_seconds=series.unit_seconds
        )
        if histogram is not None and set(series.edges) <= set(histogram.edges):
            slower = tuple(histogram.above(edge) for edge in series.edges)
            found.append(PodCounts(pod=_name(key), n=histogram.total, x=slower))
    return tuple(found)


def _churn(series: Sequence[Series], *, pods: int) -> tuple[Flag, ...]:
    again = {counters.target(one) for one in series if _falls(one)}
    return (Flag.CHURN,) if len(again) > CHURN_SHARE * max(1, pods) else ()


def _falls(series: Series) -> bool:
    values = [value for _, value in series.samples]
    return any(later < earlier for earlier, later in itertools.pairwise(values))


def _cut(series: Series, *, window: Window) -> Series:
    """The samples that matter to a window: its own and the last one before it."""
    first = max(0, bisect_right(series.samples, window.start, key=_instant) - 1)
    return replace(series, samples=series.samples[first:])
