"""Stable before the rollout: what its pods say of dispersion, its usual rates, its buckets.

Source: evidence.md, 2.1 and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegate import model
from tidegate.evidence.counts import counters, histograms, intervals, readings
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.grid import LATE_SECONDS, Grid, WeightChange
from tidegate.evidence.counts.histograms import Histogram
from tidegate.evidence.counts.intervals import MetricSeries, Table
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.terms import Identity, Latency, Problem, Template, Window

COMMON = 0.5
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
                self.metric: replace(self.series, edges=shape.edges, unit_seconds=unit_seconds)
            },
            grid=replace(
                self.grid, settle_seconds=0.0, cold_start_seconds=0.0, first_traffic_at=self.start
            ),
            events=(WeightChange(at=self.start, step=_BEFORE, weight=0.0),),
            identity=replace(self.identity, candidate=""),
            now=self.end + scrape + LATE_SECONDS,
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
        births = counters.Births(stable)
        return histograms.collect(stable, births=births, window=window, unit_seconds=unit_seconds)


def shape_of(
    metric: model.Metric,
    *,
    template: Template,
    series: MetricSeries,
    identity: Identity,
    past: Past | None,
) -> Shape | Problem:
    """How a counted metric is cut into streams, from the series of both arms and the history.

    Errors: as `readings.latency_shape`.
    """
    measure = template.measure
    if isinstance(measure, Latency):
        return readings.latency_shape(
            measure,
            threshold=metric.threshold,
            buckets=series.buckets,
            identity=identity,
            history=past.histogram(unit_seconds=measure.unit_seconds) if past else None,
        )
    if past is None:
        return Shape()
    counted = [row.counts[past.metric] for row in past.table(Shape()).rows if row.counts]
    requests = sum(counts.n_s for counts in counted)
    bad = sum(counts.x_s[0] for counts in counted)
    return Shape(common=bad > COMMON * requests)


def spreads_of(past: Past | None, *, shape: Shape, unit_seconds: float = 1.0) -> tuple[Spread, ...]:
    """What stable's pods have shown of each stream before the rollout."""
    nothing = (Spread(),) * (len(shape.edges) or 1)
    if past is None:
        return nothing
    return past.table(shape, unit_seconds=unit_seconds).spreads.get(past.metric, nothing)
