"""Counting the metrics of a rollout: the table of each, and the edges that a latency is cut by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tidegate import model
from tidegate.controller.analysis.arrivals import Arrivals
from tidegate.controller.analysis.pieces import Pieces
from tidegate.controller.analysis.setting import Setting
from tidegate.evidence.counts import (
    binned,
    buckets,
    completeness,
    early,
    intervals,
    labelled,
    readings,
)
from tidegate.evidence.counts import silence as silences
from tidegate.evidence.counts.births import births_of
from tidegate.evidence.counts.completeness import ReadyPods
from tidegate.evidence.counts.early import Present
from tidegate.evidence.counts.grid import (
    LATE_SECONDS,
    LEAST_SCRAPES,
    Grid,
    WeightChange,
    next_start,
    slots,
)
from tidegate.evidence.counts.history import History, shape_of, spreads_of
from tidegate.evidence.counts.intervals import MetricSeries, Table
from tidegate.evidence.counts.reader import NOTHING, PATIENCE_SCRAPES
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.counts.tally import Faults
from tidegate.evidence.terms import (
    LOOKBACK_SCRAPES,
    STALE_SCRAPES,
    Distribution,
    Labels,
    Latency,
    Problem,
    Reason,
)


class Counting:
    """The tables since the evidence began. `early` and `windows` have the rows of what must not wait.

    `pasts` are stable's histories by metric, as they become known.
    """

    def __init__(
        self, setting: Setting, *, grid: Grid, pasts: Mapping[str, History | None]
    ) -> None:
        self.setting = setting
        self.grid = grid
        self.tables: dict[str, Table] = {}
        self.shapes: dict[str, Shape] = {}
        self.early: dict[str, tuple[Row, ...]] = {}
        self.windows: dict[str, tuple[Row, ...]] = {}
        self._pasts = pasts
        self._unshaped: dict[str, Problem] = {}
        self._born: dict[str, Mapping[str, float]] = {}
        self._bins: dict[str, int] = {}
        self._arrivals = Arrivals()

    def counted_until(self, metric: str, *, events: Sequence[WeightChange]) -> float:
        """Unix seconds at which the next interval of a metric begins."""
        table = self.tables.get(metric)
        after = max(events[0].at, table.closed_until if table is not None else 0.0)
        return next_start(self.grid, events=events, after=after)

    def asked_from(self, metric: str, *, events: Sequence[WeightChange]) -> float:
        """Where an answer begins: at the first weight until a row was counted, as pods are born."""
        table = self.tables.get(metric)
        if table is None or not table.closed_until:
            return events[0].at
        return self.counted_until(metric, events=events)

    def closes_at(self, events: Sequence[WeightChange], *, after: float) -> float:
        """Unix seconds at which the next interval of any metric is over, late samples included.

        A metric whose source is down lags behind, and holds up no other.
        """
        waits = self.grid.length_seconds + self.setting.scrape_seconds + LATE_SECONDS
        ends = (self.counted_until(it.name, events=events) + waits for it in self.setting.counted)
        return min((it for it in ends if it > after), default=math.inf)

    def count(
        self,
        metric: model.Metric,
        *,
        pieces: Pieces,
        events: Sequence[WeightChange],
        now: float,
    ) -> Problem | None:
        """Close the intervals that are over at `now`; why nothing can be counted, if so."""
        name = metric.name
        measure = self.setting.templates[name].measure
        series = pieces.series(metric, scrape_seconds=self.setting.spacing_of(metric))
        if isinstance(measure, Distribution):
            binning = binned.binning_of(measure)
            problem = binned.unreadable(
                series.bins, binning=binning, metric=measure.series.metric
            ) or self._too_many(name, bins=len(series.bins))
            if problem is not None:
                return problem
            series = replace(series, binning=binning)
        if isinstance(measure, Labels):
            assert metric.labels is not None, metric
            cohorting = labelled.cohorting_of(measure, width_seconds=metric.labels.cohort_seconds)
            problem = labelled.unreadable(series.labels, cohorting=cohorting, metric=name)
            if problem is not None:
                return problem
            series = replace(series, cohorting=cohorting)
        self._note_births(metric, series=series, events=events)
        shape = self._shape(metric, series=series, events=events, now=now)
        if shape is None:
            return self._unshaped.get(name)
        series = replace(
            series,
            edges=shape.edges,
            unit_seconds=self.setting.unit_of(name),
            common=shape.common,
        )
        reader = series.reader(self.tables[name].marks.get(name, NOTHING), grid=self.grid)
        self.tables[name] = intervals.close_intervals(
            self.tables[name],
            series={name: series},
            grid=self.grid,
            events=events,
            identity=self.setting.identity,
            now=now,
            readers={name: reader},
            born=self._born[name],
        )
        if not metric.dry_run and series.may_be_early:
            present = Present(
                metric=name,
                series=series,
                reader=reader,
                table=self.tables[name],
                grid=self.grid,
                events=events,
                identity=self.setting.identity,
                at=min(now, reader.arrived_until()),
                born=self._born[name],
            )
            self.early[name] = early.rows(present)
            self.windows[name] = early.windows(present)
        return None

    def _too_many(self, metric: str, *, bins: int) -> Problem | None:
        """Why a distribution is too much beside those before it."""
        self._bins[metric] = bins
        known = {it.name: self._bins.get(it.name, 0) for it in self.setting.counted}
        return binned.too_many(known, metric=metric)

    def closed(self, *, until: float = math.inf) -> dict[str, Sequence[Row]]:
        """The rows that have closed since the last `drop` and end by then (unix seconds), by metric."""
        found = {
            name: tuple(row for row in table.rows if row.t1 <= until)
            for name, table in self.tables.items()
        }
        return {name: rows for name, rows in found.items() if rows}

    def drop(self, recorded: Mapping[str, Sequence[Row]]) -> None:
        """Forget closed rows that others keep; what silence is told by stays, without its pods."""
        for metric in self.setting.counted:
            rows = recorded.get(metric.name, ())
            if rows:
                table = self.tables[metric.name]
                recent = silences.told_by(
                    (*table.recent, *rows), metric=metric.name, seconds=self._window_seconds(metric)
                )
                self.tables[metric.name] = replace(
                    table, rows=table.rows[len(rows) :], recent=recent
                )

    def closed_by(self, metrics: Sequence[model.Metric]) -> float:
        """Up to when rows of all of these metrics have closed (unix seconds)."""
        return min(self.tables.get(it.name, Table()).closed_until for it in metrics)

    def _note_births(
        self, metric: model.Metric, *, series: MetricSeries, events: Sequence[WeightChange]
    ) -> None:
        scrape = self.setting.spacing_of(metric)
        asked_from = self.asked_from(metric.name, events=events)
        self._born[metric.name] = births_of(
            series.all,
            since=asked_from - LOOKBACK_SCRAPES * scrape,
            known=self._born.get(metric.name, {}),
            scrape_seconds=scrape,
        )

    def _shape(
        self,
        metric: model.Metric,
        *,
        series: MetricSeries,
        events: Sequence[WeightChange],
        now: float,
    ) -> Shape | None:
        """How the metric is cut; a latency by the edges of the first interval that shows them.

        Intervals before that one are not counted. So it does not depend on when anybody looked.
        """
        name = metric.name
        if name in self.shapes:
            return self.shapes[name]
        if not isinstance(self.setting.templates[name].measure, Latency):
            return self._begin_table(metric, series=series, since=0.0)
        after = self.tables.get(name, Table()).closed_until
        reader = series.reader(NOTHING, grid=self.grid)
        for slot in slots(self.grid, events=events, after=after, now=now):
            if reader.awaits(end=slot.t1, now=now):
                break
            near = intervals.near(series, slot=slot, grid=self.grid)
            waited = slot.t0 - events[0].at > PATIENCE_SCRAPES * self.setting.spacing_of(metric)
            found = self._begin_table(metric, series=near, since=slot.t0, waited=waited)
            if found is not None:
                return found
            self.tables[name] = Table(closed_until=slot.t1)
        return None

    def _begin_table(
        self, metric: model.Metric, *, series: MetricSeries, since: float, waited: bool = False
    ) -> Shape | None:
        name, past = metric.name, self._pasts.get(metric.name)
        found = shape_of(
            metric,
            template=self.setting.templates[name],
            series=series,
            identity=self.setting.identity,
            past=past,
            waited=waited,
        )
        if isinstance(found, Problem):
            self._unshaped[name] = found
            return None
        known = spreads_of(past, shape=found)
        self.tables[name] = Table(spreads={name: known}, closed_until=since)
        self.shapes[name] = found
        return found

    def state_of_data(
        self, metric: model.Metric, *, pieces: Pieces, step: int, at: float, ready: ReadyPods
    ) -> Problem | None:
        """Why a metric says nothing about the present, or not of all pods, although it was answered."""
        identity = self.setting.identity
        if not metric.needs_stable:
            identity = replace(identity, stable="")
        scrape = self.setting.spacing_of(metric)
        table = self.tables.get(metric.name, Table())
        spacing = max((scrape, *table.spacings.get(metric.name, {}).values()))
        absent = readings.presence(
            pieces.all,
            identity=identity,
            quiet_seconds=self._arrivals.quiet_seconds(
                metric.name,
                series=pieces.all,
                at=at,
                patience_seconds=PATIENCE_SCRAPES * scrape,
            ),
            stale_after_seconds=STALE_SCRAPES * spacing,
            asked=pieces.asked,
        )
        if absent is not None:
            lost = metric.pairs and absent.reason is Reason.NO_DATA
            return readings.nothing_paired(pieces.asked) if lost else absent
        faults = table.faults.get(metric.name, Faults())
        faulty = readings.faulty(faults, lags=table.lags.get(metric.name, ()))
        if faulty is not None:
            return faulty
        template = self.setting.templates[metric.name]
        if isinstance(template.measure, Latency):
            lacking = buckets.lacking(
                pieces.buckets,
                identity=identity,
                measure=template.measure,
                edges=self.shapes.get(metric.name, readings.NO_SHAPE).edges,
            )
            if lacking is not None:
                return lacking
        proxied = template.mode is model.IdentityMode.GATEWAY
        missing = completeness.incomplete(
            pieces.all,
            identity=self.setting.identity,
            ready=ReadyPods() if proxied else ready,
            spacing_seconds=spacing,
            asked=pieces.asked,
        )
        if metric.labels is not None:
            return missing  # labels come when they come
        return missing or readings.silence(
            table.shown,
            metric=metric.name,
            step=step,
            since=at - self._window_seconds(metric),
            seconds=self._window_seconds(metric),
            asked=pieces.asked,
            pairs=metric.pairs,
        )

    def _window_seconds(self, metric: model.Metric) -> float:
        """What is asked of the present: so long that the slower arm has shown something in it."""
        return max(metric.window_seconds, LEAST_SCRAPES * self.setting.spacing_of(metric))

    def _by_arm(self, spacings: Mapping[str, float]) -> Mapping[str, float]:
        identity = self.setting.identity
        arms = {"candidate": identity.candidate, "stable": identity.stable}
        return {whose: spacings[it] for whose, it in arms.items() if it in spacings}

    def silence(
        self, metric: model.Metric, *, pieces: Pieces, event: WeightChange, since: float, at: float
    ) -> str:
        """That the candidate shows no finished request while stable does; empty where not so.

        `metric` is that of all requests; nothing counts before `since` (unix seconds).
        """
        found = silences.silence(
            silences.requests_in(total=pieces.total, buckets=pieces.buckets),
            rows=self.tables.get(metric.name, Table()).shown,
            metric=metric.name,
            identity=self.setting.identity,
            grid=self.grid,
            event=event,
            since=since,
            at=at,
            scrape_seconds=self.setting.spacing_of(metric),
        )
        if found is None:
            return ""
        return (
            f"NoData: for {found.seconds:.0f} s the candidate has shown no finished request, where those"
            f" of stable promise {found.due:.0f}: it does not answer, or is not scraped; asked"
            f" {pieces.asked}"
        )

    def remarks(self) -> str:
        """What is unusual about the samples of the metrics, in words; empty without anything."""
        found: list[str] = []
        for metric in self.setting.counted:
            table = self.tables.get(metric.name)
            if table is None:
                continue
            text = readings.remark(
                table.faults.get(metric.name, Faults()),
                spacings=self._by_arm(table.spacings.get(metric.name, {})),
                scrape_seconds=self.setting.scrape_of(metric),
                late_seconds=self._arrivals.late_seconds(metric.name),
            )
            found += [text] if text else []
        return "; ".join(dict.fromkeys(found))
