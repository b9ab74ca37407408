"""What is known of one subject: its interval table, the ledger of its tests, its checks.

A case is worked out from series that were handed in; it asks nothing and reads no clock. What it
has to say to the journal is kept until somebody takes it away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tidegate import model
from tidegate.controller.analysis.display import Display
from tidegate.controller.analysis.pieces import Pieces
from tidegate.controller.analysis.spans import Spans
from tidegate.controller.analysis.subject import Subject
from tidegate.evidence.counts import intervals, readings
from tidegate.evidence.counts.grid import LATE_SECONDS, Grid, WeightChange, next_start, slots
from tidegate.evidence.counts.history import History, shape_alone, shape_of, spreads_of
from tidegate.evidence.counts.intervals import MetricSeries, Table
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.journal import replay
from tidegate.evidence.journal.row_lines import RunningDigest
from tidegate.evidence.queries import presets
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import (
    Check,
    Context,
    EvidenceConfig,
    Judgement,
    MetricRule,
)
from tidegate.evidence.terms import Identity, Latency, Problem, Ratio, Reason, Template, Window
from tidegate.evidence.verdict import client_errors, engine, outlook, rules

ERRORS = frozenset({Reason.METRICS_UNAVAILABLE, Reason.ERROR})
WITHOUT_PROOF = frozenset({Reason.UNDECIDED, Reason.NO_BASELINE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What stays the same as long as a rollout is judged in one way.

    `metrics` are those of the spec, and one that only counts requests where none of them does.
    """

    rollout: str
    namespace: str
    name: str
    analysis: model.Analysis
    traffic: model.Traffic
    templates: Mapping[str, Template]
    metrics: tuple[model.Metric, ...]
    plan: tuple[model.PlanStep, ...]
    one_pod: bool
    identity: Identity
    scrapes: Mapping[str, float]

    @property
    def scrape_seconds(self) -> float:
        """The longest scrape interval of the sources that are asked: one grid holds for all."""
        return max(self.scrapes.values())

    def judged_from(self, subject: Subject) -> float:
        """One scrape after the data begin to count; before that there is nothing to see."""
        return subject.data_from + self.scrape_seconds

    def scrape_of(self, metric: model.Metric) -> float:
        """How often the source of a metric scrapes."""
        return self.scrapes[self.templates[metric.name].source]

    @property
    def counted(self) -> tuple[model.Metric, ...]:
        """The metrics that are events out of n."""
        return tuple(one for one in self.metrics if rules.is_counted(self.templates[one.name]))


def setting_of(subject: Subject, *, scrapes: Mapping[str, float]) -> Setting:
    """The setting of a subject; `scrapes` in seconds, by source."""
    analysis, templates = client_errors.beside(subject.analysis, subject.templates)
    found = dict(templates)
    metrics = analysis.metrics
    counter = presets.REQUESTS.get(analysis.data_plane or subject.preset)
    if counter and rules.requests_from(analysis, templates=found) == rules.REQUESTS:
        found[rules.REQUESTS] = Template(
            name=rules.REQUESTS, measure=Ratio(bad=counter, total=counter), source=analysis.source
        )
        metrics = (*metrics, model.Metric(name=rules.REQUESTS, dry_run=True))
    return Setting(
        rollout=f"{subject.key.namespace}/{subject.id}",
        namespace=subject.key.namespace,
        name=subject.key.name,
        analysis=analysis,
        traffic=subject.traffic,
        templates=found,
        metrics=metrics,
        plan=tuple(replace(stage, confirmed_at=None) for stage in subject.stages),
        one_pod=subject.one_pod,
        identity=subject.identity,
        scrapes=scrapes,
    )


class Case:
    """One subject that is judged. `since` is where its evidence begins."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.since: datetime | None = None
        self.looked_at: float | None = None
        self._journal: list[model.Document] = []
        self.spans = Spans()
        self._pasts: dict[str, History | None] = {}
        self._gaps: dict[str, str] = {}
        self._estimates: tuple[model.Estimate, ...] = ()
        self._begin(first_traffic_at=None)

    def begin_evidence(self, subject: Subject) -> None:
        """Forget what was counted: the evidence begins at another instant."""
        self.since = subject.since
        first = subject.first_traffic_at
        self._begin(first_traffic_at=None if first is None else first.timestamp())

    def _begin(self, *, first_traffic_at: float | None) -> None:
        analysis = self.setting.analysis
        self.grid = Grid(
            interval_seconds=analysis.interval_seconds,
            scrape_interval_seconds=self.setting.scrape_seconds,
            settle_seconds=analysis.settle_seconds,
            cold_start_seconds=analysis.warmup_seconds,
            first_traffic_at=first_traffic_at,
            shortest_scrape_seconds=min(self.setting.scrapes.values()),
        )
        self.looked_at = None
        self._tables: dict[str, Table] = {}
        self._shapes: dict[str, Shape] = {}
        self._unshaped: dict[str, Problem] = {}
        self._taken: dict[str, int] = {}
        self._early: dict[str, tuple[Row, ...]] = {}
        self._rows: list[Row] = []
        self._config = self._new_config()
        self._ledger = ledger.begin(self._config)
        self._ended = False
        self._problems: Mapping[str, Problem] = {}
        self._checks: dict[str, tuple[Check, ...]] = {}
        self._checked: dict[str, int] = {}
        self._errors = 0
        self._without_data_since: float | None = None
        self._display = Display(analysis, templates=self.setting.templates)
        self._logged: object = None
        self._digest = RunningDigest()

    def journal(self) -> list[model.Document]:
        """What was to be logged since the last time."""
        documents, self._journal = self._journal, []
        return documents

    # --- stable before the rollout ---------------------------------------------------------------

    @property
    def without_past(self) -> tuple[model.Metric, ...]:
        """Metrics whose history with stable is still to be learned."""
        if not self.setting.identity.stable:
            return ()
        return tuple(one for one in self.setting.counted if one.name not in self._pasts)

    def learn(self, pasts: Mapping[str, History | None], *, gaps: Mapping[str, str]) -> None:
        """Take in stable's history, None where there is none; with the last of it the outlook."""
        self._pasts |= pasts
        self._gaps |= gaps
        if not self.without_past:
            self._look_ahead()

    def _look_ahead(self) -> None:
        """Work out what the steps can find."""
        shapes: dict[str, Shape] = {}
        for metric in self.setting.analysis.metrics:
            past = self._pasts.get(metric.name)
            if past is None:
                continue
            template = self.setting.templates[metric.name]
            shape = shape_alone(metric, template=template, past=past)
            if isinstance(shape, Shape):
                shapes[metric.name] = shape
        config = self._new_config(shapes)
        found = {
            rule.name: seen
            for rule in config.metrics
            if rule.name in shapes and (seen := self._seen(rule, shape=shapes[rule.name]))
        }
        self._estimates = outlook.estimates(
            self.setting.plan,
            pasts=found,
            config=config,
            interval_seconds=self.grid.length_seconds,
            scrape_seconds=self.grid.scrape_interval_seconds,
            gaps=self._gaps,
        )

    def _seen(self, rule: MetricRule, *, shape: Shape) -> outlook.Past | None:
        past = self._pasts[rule.name]
        assert past is not None, rule
        return outlook.past_of(past.table(shape), rule=rule)

    def unit_of(self, metric: str) -> float:
        """How long the unit of a latency's edges is, in seconds; 1 for any other metric."""
        measure = self.setting.templates[metric].measure
        return measure.unit_seconds if isinstance(measure, Latency) else 1.0

    @property
    def estimates(self) -> tuple[model.Estimate, ...]:
        """What each planned step can find out; empty before the past was learned."""
        return self._estimates

    # --- counting --------------------------------------------------------------------------------

    def counted_until(self, metric: str, *, events: Sequence[WeightChange]) -> float:
        """Unix seconds at which the next interval of a metric begins."""
        table = self._tables.get(metric)
        after = max(events[0].at, table.closed_until if table is not None else 0.0)
        return next_start(self.grid, events=events, after=after)

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
        if self._ended:
            return None
        name = metric.name
        series = pieces.series(metric, scrape_seconds=self.setting.scrape_of(metric))
        shape = self._shape(metric, series=series, events=events, now=now)
        if shape is None:
            return self._unshaped.get(name)
        series = replace(series, edges=shape.edges, unit_seconds=self.unit_of(name))
        self._tables[name] = intervals.close_intervals(
            self._tables[name],
            series={name: series},
            grid=self.grid,
            events=events,
            identity=self.setting.identity,
            now=now,
        )
        if metric.critical:
            self._early[name] = intervals.early_rows(
                self._tables[name],
                series={name: series},
                grid=self.grid,
                events=events,
                identity=self.setting.identity,
                now=now,
            )
        return None

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
        if name in self._shapes:
            return self._shapes[name]
        if not isinstance(self.setting.templates[name].measure, Latency):
            return self._begin_table(metric, series=series, since=0.0)
        after = self._tables.get(name, Table()).closed_until
        for slot in slots(self.grid, events=events, after=after, now=now):
            near = intervals.near(series, slot=slot, grid=self.grid)
            found = self._begin_table(metric, series=near, since=slot.t0)
            if found is not None:
                return found
            self._tables[name] = Table(closed_until=slot.t1)
        return None

    def _begin_table(
        self, metric: model.Metric, *, series: MetricSeries, since: float
    ) -> Shape | None:
        name, past = metric.name, self._pasts.get(metric.name)
        found = shape_of(
            metric,
            template=self.setting.templates[name],
            series=series,
            identity=self.setting.identity,
            past=past,
        )
        if isinstance(found, Problem):
            self._unshaped[name] = found
            return None
        known = spreads_of(past, shape=found)
        self._tables[name] = Table(spreads={name: known}, closed_until=since)
        self._shapes[name] = found
        return found

    def state_of_data(
        self, metric: model.Metric, *, pieces: Pieces, step: int, at: float
    ) -> Problem | None:
        """Why a metric says nothing about the present, although it was answered."""
        identity = self.setting.identity
        if metric.compare is None:
            identity = replace(identity, stable="")
        scrape = self.setting.scrape_of(metric)
        window = Window(start=at, end=at, scrape_interval_seconds=scrape)
        absent = readings.presence(pieces.all, identity=identity, window=window, asked=pieces.asked)
        if absent is not None:
            return absent
        table = self._tables.get(metric.name)
        return readings.silence(
            table.rows if table is not None else (),
            metric=metric.name,
            step=step,
            since=at - metric.window_seconds,
            seconds=metric.window_seconds,
            asked=pieces.asked,
        )

    def check(self, metric: model.Metric, *, value: float, at: float) -> None:
        """One more check of a plain value; one per scrape interval, as others show nothing new."""
        scrape = int(at // self.setting.scrape_of(metric))
        if self._checked.get(metric.name) == scrape:
            return
        self._checked[metric.name] = scrape
        check = Check(value=value, kept=not metric.threshold.broken_by(value))
        kept = (*self._checks.get(metric.name, ()), check)
        self._checks[metric.name] = kept[-self.setting.analysis.breach_out_of :]

    def note(self, problems: Mapping[str, Problem], *, at: float) -> None:
        """What was wrong with the data of this look."""
        self._problems = problems
        guards = {one.name for one in self.setting.analysis.metrics if not one.dry_run}
        reasons = {problem.reason for name, problem in problems.items() if name in guards}
        self._errors = self._errors + 1 if reasons & ERRORS else 0
        if not reasons:
            self._without_data_since = None
        elif self._without_data_since is None:
            self._without_data_since = at

    # --- judging ---------------------------------------------------------------------------------

    def settle_rows(self, context: Context) -> None:
        """Put new rows into the ledger; begin it anew where an old row was completed later."""
        config = self._new_config()
        fresh = {
            name: table.rows[self._taken.get(name, 0) :] for name, table in self._tables.items()
        }
        self._taken = {name: len(table.rows) for name, table in self._tables.items()}
        until = self._rows[-1].t1 if self._rows else 0.0
        late = any(row.t0 < until for rows in fresh.values() for row in rows)
        if late or config != self._config or not self._logged:
            self._open(config)
            fresh = {name: table.rows for name, table in self._tables.items()}
        for row in readings.merged(fresh):
            self._record(row)
        self._end_early(context)

    def _open(self, config: EvidenceConfig) -> None:
        self._config = config
        self._rows, self._ledger = [], ledger.begin(config)
        self._digest = RunningDigest()
        self._display = Display(self.setting.analysis, templates=self.setting.templates)
        setting = self.setting
        self._logged = (setting.rollout,)
        self._journal.append(
            replay.opened(
                rollout=setting.rollout,
                namespace=setting.namespace,
                name=setting.name,
                config=config,
            )
        )

    def _record(self, row: Row) -> None:
        self._rows.append(row)
        self._digest.add(row)
        self._ledger = ledger.record(self._ledger, row=row, config=self._config)
        self._journal.append(replay.row(rollout=self.setting.rollout, row=row))

    def _end_early(self, context: Context) -> None:
        """A critical metric may roll back before its interval closes; that is then the last one."""
        rows = readings.merged(self._early)
        if not rows or self._ended:
            return
        state = self._ledger
        for row in rows:
            state = ledger.record(state, row=row, config=self._config)
        found = engine.decide(state, context=context, config=self._config)
        if found.verdict is model.Verdict.ROLL_BACK:
            self._ended = True
            for row in rows:
                self._record(row)

    def context(self, subject: Subject, *, now: float) -> Context:
        """What the engine must know besides the rows."""
        step = subject.events[-1].step
        return Context(
            now=now,
            step=step,
            judged_from=self.setting.judged_from(subject),
            has_stable=bool(self.setting.identity.stable),
            problems=dict(self._problems),
            checks=dict(self._checks),
            min_requests=subject.stages[step].min_requests,
        )

    def judge(self, context: Context) -> model.AnalysisState:
        """The verdict after the last look, with the numbers behind it."""
        judgement = engine.decide(self._ledger, context=context, config=self._config)
        self._log(judgement, context=context)
        return model.AnalysisState(
            judged=self.looked_at is not None,
            verdict=judgement.verdict,
            reason=judgement.reason.value,
            message=judgement.message,
            results=self._results(judgement),
            requests=judgement.step_requests,
            consecutive_errors=self._errors,
            without_data_since=_instant(self._without_data_since),
            only_proof_is_missing=judgement.reason in WITHOUT_PROOF,
            observed_candidate_percent=self._observed_percent(context.step),
            estimates=self._estimates,
            digest=self._digest.value if self._rows else "",
        )

    def _log(self, judgement: Judgement, *, context: Context) -> None:
        """One line per look that brought a row or another verdict."""
        seen = (len(self._rows), judgement.verdict, judgement.reason)
        if not self._logged or self._logged == seen:
            return
        self._logged = seen
        self._journal.append(
            replay.judged(
                rollout=self.setting.rollout,
                rows=len(self._rows),
                digest=self._digest.value,
                context=context,
                judgement=judgement,
            )
        )

    def _results(self, judgement: Judgement) -> tuple[model.MetricResult, ...]:
        if self.looked_at is None:
            return ()
        return self._display.results(
            judgement,
            ledger=self._ledger,
            rows=self._rows,
            checks=self._checks,
            config=self._config,
            at=datetime.fromtimestamp(self.looked_at, tz=UTC),
        )

    def _observed_percent(self, step: int) -> float | None:
        counted = self._config.requests_from
        counts = [
            row.counts[counted] for row in self._rows if row.step == step and counted in row.counts
        ]
        candidate = sum(one.n_c for one in counts)
        total = candidate + sum(one.n_s for one in counts)
        return round(100 * candidate / total, 2) if total > 0 else None

    def _new_config(self, shapes: Mapping[str, Shape] | None = None) -> EvidenceConfig:
        setting = self.setting
        return rules.config_of(
            setting.analysis,
            templates=setting.templates,
            shapes=self._shapes if shapes is None else shapes,
            traffic=setting.traffic,
            one_pod=setting.one_pod,
            plan=setting.plan,
            interval_seconds=self.grid.length_seconds,
        )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
