"""Stable before the rollout: what its pods say of dispersion, its usual rates, its buckets.

Raw samples of many pods are large and are wanted only once: `reduced` keeps what is used of them,
whatever edges the rollout turns out to be cut by.
Source: evidence.md, 2.1 and 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tidegate import model
from tidegate.evidence.counts import dispersion, histograms, intervals, readings, tally
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.grid import LATE_SECONDS, Grid, WeightChange
from tidegate.evidence.counts.histograms import Histogram
from tidegate.evidence.counts.intervals import MetricSeries, Table
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Counts, Usual
from tidegate.evidence.terms import Identity, Latency, Problem, Template, Window

T = TypeVar("T")
COMMON = 0.5
HISTORY_INTERVALS = 60
_BEFORE = -1  # no step of the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Raw series of one metric of stable. Units: unix seconds; `grid` is that of the rollout."""

    metric: str
    series: MetricSeries
    identity: Identity
    grid: Grid
    start: float
    end: float

    def table(self, shape: Shape, *, unit_seconds: float = 1.0) -> Table:
        """Its closed intervals, in the streams of a shape."""
        scrape = self.grid.scrape_interval_seconds
        return intervals.close_intervals(
            Table(),
            series={
                self.metric: replace(
                    self.series,
                    edges=shape.edges,
                    unit_seconds=unit_seconds,
                    common=shape.common,
                )
            },
            grid=replace(
                self.grid, settle_seconds=0.0, cold_start_seconds=0.0, first_traffic_at=self.start
            ),
            events=(WeightChange(at=self.start, step=_BEFORE, weight=0.0),),
            identity=replace(self.identity, candidate=""),
            now=self.end + scrape + LATE_SECONDS,
            patient=False,
        )

    def histogram(self, *, unit_seconds: float) -> Histogram | None:
        """All of its requests by latency; None without any."""
        window = Window(
            start=self.start,
            end=self.end,
            scrape_interval_seconds=self.grid.scrape_interval_seconds,
        )
        stable = [
            one for one in self.series.buckets if one.labels.get("revision") == self.identity.stable
        ]
        return histograms.collect(
            tally.once(stable, window=window).events, unit_seconds=unit_seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is used of a past. Its size depends on intervals and edges, not on pods.

    `edges` (seconds) are those that all pods had, empty for a ratio; the rows and spreads of
    `full` have one stream for each. `good` are the spreads of the events that are not bad, by which
    a metric is judged of which bad events are the rule. `requests` is how the requests themselves
    spread over the pods.
    """

    metric: str
    edges: tuple[float, ...]
    full: Table
    histogram: Histogram | None
    good: tuple[Spread, ...] = ()
    requests: Spread = field(default_factory=Spread)

    def table(self, shape: Shape) -> Table:
        """Its intervals in the streams of a shape; nothing is known of an edge that pods lacked."""
        if shape.common:
            return replace(self.full, spreads={self.metric: self.good} if self.good else {})
        if shape.edges == self.edges:
            return self.full
        spreads = self.full.spreads.get(self.metric, ())
        chosen = [self.edges.index(it) if it in self.edges else None for it in shape.edges]

        def streams(values: Sequence[T], *, without: T) -> tuple[T, ...]:
            return tuple(without if index is None else values[index] for index in chosen)

        def cut(counts: Counts) -> Counts:
            return replace(
                counts,
                x_c=streams(counts.x_c, without=0.0),
                x_s=streams(counts.x_s, without=0.0),
                phi=streams(counts.phi, without=Spread().phi()),
            )

        rows = (
            replace(row, counts={name: cut(counts) for name, counts in row.counts.items()})
            for row in self.full.rows
        )
        known = {self.metric: streams(spreads, without=Spread())} if spreads else {}
        return replace(self.full, rows=tuple(rows), spreads=known)


def reduced(past: Past, *, unit_seconds: float = 1.0) -> History:
    """Count a past once, by all edges that its pods have in common."""
    only_stable = replace(past.identity, candidate="")
    edges = readings.common_edges(
        past.series.buckets, identity=only_stable, unit_seconds=unit_seconds
    )
    counted = bool(edges or past.series.total)
    full = past.table(Shape(edges=edges), unit_seconds=unit_seconds) if counted else Table()
    rows = (
        replace(row, counts={name: replace(it, pods_s=()) for name, it in row.counts.items()})
        for row in full.rows
    )
    found = History(
        metric=past.metric,
        edges=edges,
        full=Table(rows=tuple(rows), spreads=full.spreads, closed_until=full.closed_until),
        histogram=past.histogram(unit_seconds=unit_seconds),
        requests=_of_requests(full, metric=past.metric),
    )
    if edges or not _is_common(found):
        return found
    return replace(found, good=past.table(Shape(common=True)).spreads.get(past.metric, ()))


def _of_requests(table: Table, *, metric: str) -> Spread:
    spread = Spread()
    for row in table.rows:
        pods = row.counts[metric].pods_s if metric in row.counts else ()
        spread = dispersion.widen_shares(spread, requests={pod.pod: pod.n for pod in pods})
    return spread


def usual_of(past: History | None, *, shape: Shape) -> Usual | None:
    """What stable showed of the stream that decides; None without requests in its history."""
    if past is None:
        return None
    table = past.table(shape)
    counted = [row.counts[past.metric] for row in table.rows if past.metric in row.counts]
    requests = math.fsum(one.n_s for one in counted)
    if requests <= 0 or (shape.edges and shape.edges[shape.decisive] not in past.edges):
        return None
    bad = math.fsum(one.x_s[shape.decisive] for one in counted)
    return Usual(rate=bad / requests)


def shape_of(
    metric: model.Metric,
    *,
    template: Template,
    series: MetricSeries,
    identity: Identity,
    past: History | None,
    waited: bool = False,
) -> Shape | Problem:
    """How a counted metric is cut into streams, from the series of both arms and the history.

    `waited` says that stable was waited for; where it has shown nothing until then, a limit is
    held against the candidate alone. Errors: as `readings.latency_shape`.
    """
    measure = template.measure
    if isinstance(measure, Latency):
        return readings.latency_shape(
            measure,
            threshold=model.Threshold(max=metric.cut_at),
            buckets=series.buckets,
            identity=identity,
            history=past.histogram if past else None,
            edges_of_stable=past.edges if past else (),
            alone=metric.compare is None or (waited and metric.threshold.max is not None),
        )
    return Shape() if past is None else Shape(common=_is_common(past))


def shape_alone(metric: model.Metric, *, template: Template, past: History) -> Shape | Problem:
    """How a counted metric would be cut by what stable has shown alone."""
    if isinstance(template.measure, Latency):
        return readings.cut(past.edges, threshold=metric.threshold, history=past.histogram)
    return Shape(common=_is_common(past))


def _is_common(past: History) -> bool:
    """Bad events are the rule and not the exception."""
    counted = [row.counts[past.metric] for row in past.full.rows if row.counts]
    requests = sum(counts.n_s for counts in counted)
    bad = sum(counts.x_s[0] for counts in counted)
    return bad > COMMON * requests


def spreads_of(past: History | None, *, shape: Shape) -> tuple[Spread, ...]:
    """What stable's pods have shown of each stream before the rollout."""
    nothing = (Spread(),) * (len(shape.edges) or 1)
    return nothing if past is None else past.table(shape).spreads.get(past.metric, nothing)
