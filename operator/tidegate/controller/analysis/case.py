"""What is known of one subject: its interval table, the ledger of its tests, its checks.

A case is worked out from series that were handed in; it asks nothing and reads no clock. What it
has to say to the journal is kept until somebody takes it away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from tidegate import model
from tidegate.controller.analysis.counting import Counting
from tidegate.controller.analysis.display import Display
from tidegate.controller.analysis.pieces import Asked, Pieces, asked_by
from tidegate.controller.analysis.setting import Setting
from tidegate.controller.analysis.spacing import respaced
from tidegate.controller.analysis.spans import Spans
from tidegate.controller.analysis.subject import Subject
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.counts import readings, warming
from tidegate.evidence.counts.grid import Grid, WeightChange
from tidegate.evidence.counts.history import History, shape_alone, usual_of
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Flag, Row
from tidegate.evidence.journal import replay
from tidegate.evidence.journal.row_lines import RunningDigest
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import (
    Check,
    Context,
    EvidenceConfig,
    Judgement,
    MetricRule,
)
from tidegate.evidence.terms import Problem, Reason, Series
from tidegate.evidence.verdict import engine, harm, outlook, rates, rules
from tidegate.evidence.verdict.forecast import Past
from tidegate.evidence.verdict.rates import Arrivals

ERRORS = frozenset({Reason.METRICS_UNAVAILABLE, Reason.ERROR})
_RECORDED = ""  # no metric has this name
_OUTLOOK = "@outlook"  # nor this one
_SAME_SCRAPE = 0.9  # looks that are less of a scrape apart may see the same one


class Case:
    """One subject that is judged. `since` is where its evidence begins."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.since: datetime | None = None
        self.looked_at: float | None = None
        self._asked: dict[str, Asked | Problem] = {}
        self._journal: list[model.Document] = []
        self._faults: dict[tuple[str, str], bool] = {}
        self.spans = Spans()
        self._pasts: dict[str, History | None] = {}
        self._gaps: dict[str, str] = {}
        self._estimates: tuple[model.Estimate, ...] = ()
        self.warmup_seconds = setting.analysis.warmup_seconds
        self._warmth_is_known = not (setting.analysis.warmup_learned and setting.identity.stable)
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
            cold_start_seconds=self.warmup_seconds,
            first_traffic_at=first_traffic_at,
            shortest_scrape_seconds=min(self.setting.scrapes.values()),
        )
        self.looked_at = None
        self.counting = Counting(self.setting, grid=self.grid, pasts=self._pasts)
        self._rows: list[Row] = []
        self._config = self._new_config()
        self._ledger = ledger.begin(self._config)
        self._ended = False
        self._problems: Mapping[str, Problem] = {}
        self._checks: dict[str, tuple[Check, ...]] = {}
        self._checked: dict[str, float] = {}
        self._errors = 0
        self._without_data_since: float | None = None
        self._display = Display(analysis, templates=self.setting.templates)
        self._logged: object = None
        self._digest = RunningDigest()

    def asked(self, metric: model.Metric) -> Asked | Problem:
        """What a metric wants by role, or why nothing: of one setting it stays the same."""
        found = self._asked.get(metric.name)
        if found is None:
            setting = self.setting
            template = setting.templates[metric.name]
            found = asked_by(metric, template=template, identity=setting.identity)
            self._asked[metric.name] = found
        return found

    def journal(self) -> list[model.Document]:
        """What was to be logged since the last time."""
        documents, self._journal = self._journal, []
        return documents

    def fault(self, metric: str, error: Exception) -> Problem:
        """What is wrong with a metric that broke a calculation; the operator tells of it as well."""
        self._note_fault(metric, repr(error))
        return failure(error)

    def faults(self) -> list[tuple[str, str]]:
        """By metric the errors that were met for the first time since the last time."""
        for metric, error in self._ledger.failed.items():
            self._note_fault(metric, error)
        new = [one for one, told in self._faults.items() if not told]
        self._faults |= dict.fromkeys(new, True)
        return new

    def _note_unseen(self, what: str, error: Exception) -> None:
        """Something that is for people alone could not be worked out."""
        self._note_fault(what, repr(error))

    def _note_fault(self, metric: str, error: str) -> None:
        self._faults.setdefault((metric, error), False)

    # --- stable before the rollout ---------------------------------------------------------------

    @property
    def without_past(self) -> tuple[model.Metric, ...]:
        """Metrics whose history with stable is still to be learned."""
        if not self.setting.identity.stable:
            return ()
        return tuple(one for one in self.setting.with_history if one.name not in self._pasts)

    def learn(self, pasts: Mapping[str, History | None], *, gaps: Mapping[str, str]) -> None:
        """Take in stable's history, None where there is none; with the last of it the outlook."""
        self._pasts |= pasts
        self._gaps |= gaps
        if not self.without_past:
            attempt(self._look_ahead, otherwise=partial(self._note_unseen, _OUTLOOK))

    @property
    def lacks_history(self) -> bool:
        """Something of what stable showed before is still to be learned."""
        return bool(self.without_past or self.without_warmth)

    @property
    def without_warmth(self) -> tuple[model.Metric, ...]:
        """Metrics that may still say how long stable's pods took to warm."""
        return () if self._warmth_is_known else self.setting.with_history

    def learn_warmth(self, found: Mapping[str, float | None]) -> None:
        """Take in, by metric, how long they took in seconds; nothing was counted before."""
        self._warmth_is_known = True
        self.warmup_seconds = max(self.warmup_seconds, warming.longest(found))
        self._begin_again()

    def _begin_again(self) -> None:
        """Count from the first weight on, in another way."""
        looked_at = self.looked_at
        self._begin(first_traffic_at=self.grid.first_traffic_at)
        self.looked_at = looked_at

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
            arrivals=self._arrivals(config, pasts=found),
            pods=self.setting.pods,
        )

    def _arrivals(self, config: EvidenceConfig, *, pasts: Mapping[str, Past]) -> Arrivals | None:
        """The requests to come, by the first request rate that stable's history shows any of."""
        for rule in config.metrics:
            past = self._pasts.get(rule.name)
            if rule.pace is not None and past is not None and rule.name in pasts:
                per_second = pasts[rule.name].requests_per_second
                return rates.arrivals_of(past.requests, requests_per_second=per_second)
        return None

    def _seen(self, rule: MetricRule, *, shape: Shape) -> Past | None:
        past = self._pasts[rule.name]
        assert past is not None, rule
        return outlook.past_of(past.table(shape), rule=rule)

    @property
    def estimates(self) -> tuple[model.Estimate, ...]:
        """What each planned step can find out; empty before the past was learned."""
        return self._estimates

    # --- counting --------------------------------------------------------------------------------

    def respace(self, found: Mapping[str, Sequence[Series]]) -> bool:
        """Whether series, by metric, are so far apart that all must be counted anew, in longer rows."""
        setting = self.setting if self._ended else respaced(self.setting, found)
        if setting is self.setting:
            return False
        self.setting = setting
        self._begin_again()
        return True

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
        return self.counting.count(metric, pieces=pieces, events=events, now=now)

    def check(self, metric: model.Metric, *, value: float, at: float) -> None:
        """One more check of a plain value; one per scrape interval, as others show nothing new.

        A value that breaks meanwhile, as another pod was scraped, makes the last check a failing one.
        """
        check = Check(value=value, kept=not metric.threshold.broken_by(value))
        known, last = self._checks.get(metric.name, ()), self._checked.get(metric.name)
        least = _SAME_SCRAPE * self.setting.scrape_of(metric)
        if last is not None and 0 <= at - last < least:
            if check.kept or not known[-1].kept:
                return
            known = known[:-1]
        else:
            self._checked[metric.name] = at
        kept = (*known, check)
        self._checks[metric.name] = kept[-self.setting.analysis.breach_out_of :]

    def note(self, problems: Mapping[str, Problem], *, at: float) -> None:
        """What was wrong with the data of this look."""
        self._problems = problems
        failed = dict.fromkeys(self._ledger.failed, Reason.ERROR)
        guards = {one.name for one in self.setting.analysis.metrics if one.acts}
        told = failed | {name: problem.reason for name, problem in problems.items()}
        reasons = {reason for name, reason in told.items() if name in guards}
        self._errors = self._errors + 1 if reasons & ERRORS else 0
        if not reasons:
            self._without_data_since = None
        elif self._without_data_since is None:
            self._without_data_since = at

    # --- from when on ----------------------------------------------------------------------------

    def data_from(self, subject: Subject) -> float:
        """Unix seconds from which on the last weight is judged."""
        return subject.data_from(self.warmup_seconds)

    def judged_from(self, subject: Subject) -> float:
        """One scrape after the data begin to count; before that there is nothing to see."""
        return self.data_from(subject) + self.setting.scrape_seconds

    def looks_from(self, subject: Subject) -> float:
        """An outage is looked for from the first scrape on: no warm-up excuses one."""
        judged_from = self.judged_from(subject)
        if not self.setting.looks_for_outages:
            return judged_from
        return min(judged_from, subject.events[-1].at + self.setting.scrape_seconds)

    # --- judging ---------------------------------------------------------------------------------

    def settle_rows(self, context: Context) -> None:
        """Put new rows into the ledger, and see whether they end the rollout."""
        self._take(self.counting.closed())
        self._end_early(context)

    def record_rows(self, counted: Sequence[model.Metric]) -> None:
        """Put those new rows into the ledger that all of these metrics have got to."""
        self._take(self.counting.closed(until=self.counting.closed_by(counted)))

    def _take(self, closed: Mapping[str, Sequence[Row]]) -> None:
        """Begin the ledger anew where an old row was completed later.

        Counting keeps its rows until they are recorded, whatever happens meanwhile.
        """
        fresh = dict(closed)
        config = self._new_config()
        until = self._rows[-1].t1 if self._rows else 0.0
        late = any(row.t0 < until for rows in fresh.values() for row in rows)
        if late or config != self._config or not self._logged:
            fresh[_RECORDED] = self._rows
            self._open(config)
        for row in readings.merged(fresh):
            self._record(row)
        self.counting.drop(closed)

    def _open(self, config: EvidenceConfig) -> None:
        self._config = config
        self._rows, self._ledger = [], ledger.begin(config, drifts=self._ledger.drifts)
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
                continues=bool(self._ledger.drifts),
            )
        )

    def _record(self, row: Row) -> None:
        if Flag.WINDOW not in row.flags:
            self._rows.append(self._without_bins(row))
        self._digest.add(row)
        self._ledger = ledger.record(self._ledger, row=row, config=self._config)
        self._journal.append(replay.row(rollout=self.setting.rollout, row=row))

    def _without_bins(self, row: Row) -> Row:
        """What may have to be recorded again; of a distribution nothing, and its bins are many."""
        drifting = {rule.name for rule in self._config.metrics if rule.drift is not None}
        kept = {name: one for name, one in row.counts.items() if name not in drifting}
        return row if len(kept) == len(row.counts) else replace(row, counts=kept)

    def _end_early(self, context: Context) -> None:
        """Harm in what has arrived since the last row; what showed it is then the end."""
        for found in (
            readings.merged(self.counting.windows),
            readings.merged(self.counting.early),
        ):
            if not found or self._ended:
                continue
            state = self._ledger
            for row in found:
                state = ledger.record(state, row=row, config=self._config)
            if engine.rolls_back(state, context=context, config=self._config):
                self._ended = True
                self.looked_at = context.now if self.looked_at is None else self.looked_at
                for row in found:
                    self._record(row)

    def context(self, subject: Subject, *, now: float) -> Context:
        """What the engine must know besides the rows."""
        step = subject.events[-1].step
        return Context(
            now=now,
            step=step,
            judged_from=self.judged_from(subject),
            has_stable=bool(self.setting.identity.stable),
            problems=dict(self._problems),
            checks=dict(self._checks),
            min_requests=subject.stages[step].min_requests,
            late=harm.is_late(
                now,
                confirmed_at=subject.events[-1].at,
                deadline_seconds=subject.stages[step].deadline_seconds,
            ),
        )

    def judge(self, context: Context, *, silent: str) -> model.AnalysisState:
        """The verdict after the last look, with the numbers behind it; `silent` as of that look."""
        judgement = engine.decide(self._ledger, context=context, config=self._config)
        self._log(judgement, context=context)
        message = judgement.message
        if judgement.verdict is model.Verdict.HOLD and (remarks := self.counting.remarks()):
            message = f"{message}; {remarks}"
        return model.AnalysisState(
            judged=self.looked_at is not None,
            verdict=judgement.verdict,
            reason=judgement.reason.value,
            message=message,
            results=self._results(judgement),
            requests=judgement.step_requests,
            consecutive_errors=self._errors,
            without_data_since=_instant(self._without_data_since),
            only_proof_is_missing=judgement.only_proof_is_missing,
            observed_candidate_percent=self._observed_percent(context.step),
            estimates=self._estimates,
            digest=self._digest.value if self._rows or self._ended else "",
            silent=silent,
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
        chosen = self.counting.shapes if shapes is None else shapes
        usual = {
            name: found
            for name, shape in chosen.items()
            if (found := usual_of(self._pasts.get(name), shape=shape)) is not None
        }
        return rules.config_of(
            setting.analysis,
            templates=setting.templates,
            shapes=chosen,
            traffic=setting.traffic,
            one_pod=setting.one_pod,
            usual=usual,
            unlike=setting.unlike,
            references=setting.references,
            holds_seconds=[stage.hold_seconds for stage in setting.plan],
        )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
