"""One look at a subject: what it asks for, and what it makes of the answers. It never waits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tidegate import model
from tidegate.controller.analysis.case import Case
from tidegate.controller.analysis.fetch import MAX_SCRAPES, Ask, Found
from tidegate.controller.analysis.pieces import Pieces, pieces_of
from tidegate.controller.analysis.schedule import Sample
from tidegate.controller.analysis.spans import Spans
from tidegate.controller.analysis.subject import Subject
from tidegate.evidence.attempt import attempt
from tidegate.evidence.counts import counters, warming
from tidegate.evidence.counts.grid import LATE_SECONDS
from tidegate.evidence.counts.history import HISTORY_INTERVALS, History, Past, reduced, shape_alone
from tidegate.evidence.counts.readings import nothing_of
from tidegate.evidence.counts.warming import MOST_SECONDS
from tidegate.evidence.queries import promql
from tidegate.evidence.queries.promql import Free
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Problem, Reason, Series
from tidegate.evidence.verdict.outlook import about
from tidegate.evidence.verdict.rules import is_counted

LEAST_HISTORY_INTERVALS = 4
WATCHED_SECONDS = 3600.0  # of stable's start; images may have to be pulled first
MAX_CHUNKS = 24  # per look and metric; the rest of a long rollout is counted at the next look
MAX_HISTORY_SAMPLES = 250_000  # of one metric: of many pods less time tells as much
MAX_SERIES = 120_000  # of all metrics together; one look counts so many in a few seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What one metric wants at once: by role the ask, or why there is none."""

    metric: model.Metric
    asks: Mapping[str, Ask]
    since: float | None
    until: float


@dataclass(slots=True, kw_only=True)
class Look:
    """Everything that is asked about one subject at one instant (unix seconds).

    Use: `send` what `asks` names, `take` the answers, until there are no more asks; then `end`.
    """

    subject: Subject
    case: Case
    at: float
    problems: dict[str, Problem] = field(default_factory=dict)
    _counting: list[_Wanted] = field(default_factory=list)
    _pasts: list[_Wanted] = field(default_factory=list)
    _starts: list[_Wanted] = field(default_factory=list)
    _read: dict[str, tuple[_Wanted, Pieces]] = field(default_factory=dict)
    _newest: dict[counters.Target, Sample] = field(default_factory=dict)
    _chunks: int = 0
    _counts: bool = False
    _silent: str = ""

    @classmethod
    def begin(cls, subject: Subject, case: Case, *, at: float) -> Look:
        """The history of the control, where it is unknown; and all metrics once they count.

        Before the first row can close only what is counted is asked for: an outage is not excused.
        """
        look = cls(subject=subject, case=case, at=at)
        look._pasts = [look._past(metric) for metric in case.without_past]
        look._starts = [
            start for metric in case.without_warmth if (start := look._start(metric)) is not None
        ]
        if not look._starts and case.without_warmth:
            case.learn_warmth({})
        if subject.events and at >= case.looks_from(subject):
            judges = at >= case.judged_from(subject)
            if judges:
                case.looked_at = at
            wanted = case.setting.metrics if judges else case.setting.counted
            look._counting = [look._next(metric) for metric in wanted]
            look._counts = True
        return look

    @property
    def learns(self) -> bool:
        """The history of the control is asked for, which is large."""
        return bool(self._pasts or self._starts)

    @property
    def asks(self) -> tuple[Ask, ...]:
        """What is to be asked next; empty when the look is over.

        Nothing is counted before the history is there: it says how rows are cut.
        """
        wanted = self._pasts or self._starts or self._counting
        return tuple(dict.fromkeys(ask for one in wanted for ask in one.asks.values()))

    @property
    def newest(self) -> tuple[Sample, ...]:
        """The newest sample of every target of the candidate, oldest first."""
        return tuple(sorted(self._newest.values(), key=lambda one: one.at))

    def take(self, answers: Mapping[Ask, Found]) -> None:
        """Learn and count what was asked for last."""
        if self._pasts:
            self._learn(answers)
            return
        if self._starts:
            self._learn_warmth(answers)
            return
        counting, self._counting = self._counting, []
        self._chunks += 1
        pieces = self._pieces(
            [one for one in counting if one.metric.name not in self.problems], answers
        )
        if self.case.respace(_spaced(pieces)):
            self._counting = [self._next(one.metric) for one in counting]
            return
        for wanted, found in pieces:
            problem = attempt(
                partial(self._count, wanted, found),
                otherwise=partial(self.case.fault, wanted.metric.name),
            )
            if problem is not None:
                self.problems[wanted.metric.name] = problem
        if self._counting:  # rows are large until they are recorded, and these may be many
            self.case.record_rows([one.metric for one in self._counting])

    def end(self, *, now: float) -> model.AnalysisState:
        """Remember what the look showed, and judge."""
        if self.case.looked_at == self.at:
            self.case.note(self.problems, at=self.at)
        if not self.subject.events:
            return model.AnalysisState(estimates=self.case.estimates)
        context = self.case.context(self.subject, now=now)
        if self._counts:
            self.case.settle_rows(context)
        return self.case.judge(context, silent=self._silent)

    # --- asking ----------------------------------------------------------------------------------

    def _past(self, metric: model.Metric) -> _Wanted:
        scrape_seconds = self.case.setting.scrape_of(metric)
        end = self.subject.control_until.timestamp()
        most = self.case.spans.scrapes(_history_of(metric)) * scrape_seconds
        start = end - min(HISTORY_INTERVALS * self.case.grid.length_seconds, most)
        return self._wanted(metric, since=start, until=end)

    def _start(self, metric: model.Metric) -> _Wanted | None:
        """What stable's pods showed after they were made; None where that was too short ago."""
        made_at, until = self.subject.control_made_at, self.subject.control_until.timestamp()
        if made_at is None:
            return None
        since = made_at.timestamp()
        most = min(WATCHED_SECONDS, MAX_SCRAPES * self.case.setting.scrape_of(metric))
        end = min(until, since + most)
        return self._wanted(metric, since=since, until=end) if end - since > MOST_SECONDS else None

    def _next(self, metric: model.Metric) -> _Wanted:
        """The next piece of a metric, which is short of now where much time has passed."""
        if not is_counted(self.case.setting.templates[metric.name]):
            return self._wanted(metric, since=None, until=self.at)
        since = min(self.at, self.case.counting.asked_from(metric.name, events=self.subject.events))
        since -= self._further_back(metric)
        scrape_seconds = self.case.setting.scrape_of(metric)
        span_seconds = self.case.spans.scrapes(metric.name) * scrape_seconds
        return self._wanted(metric, since=since, until=min(self.at, since + span_seconds))

    def _wanted(self, metric: model.Metric, *, since: float | None, until: float) -> _Wanted:
        asked = self.case.asked(metric)
        asks: dict[str, Ask] = {}
        if isinstance(asked, Problem):
            self.problems[metric.name] = asked
        else:
            asks = {
                role: Ask(wanted=one, since=since, at=until)
                for role, one in asked.items()
                if role != promql.STABLE and isinstance(one, promql.Wanted | Free)
            }
        return _Wanted(metric=metric, asks=asks, since=since, until=until)

    def _shorter(self, wanted: _Wanted, problem: Problem, *, what: str, intervals: int) -> bool:
        """Whether less of it is to be asked for at once; so many intervals are the least."""
        spans = self.case.spans
        if problem.reason is Reason.METRICS_UNAVAILABLE:
            spans.missed(what)
        if wanted.since is None or not problem.too_large:
            return False
        scrape_seconds = self.case.setting.scrape_of(wanted.metric)
        least_seconds = intervals * self.case.grid.length_seconds
        least_seconds += self._further_back(wanted.metric)
        return spans.too_large(
            what,
            asked=round((wanted.until - wanted.since) / scrape_seconds),
            least=math.ceil(least_seconds / scrape_seconds) + 1,
        )

    def _further_back(self, metric: model.Metric) -> float:
        """So much more than a source's own interval asks for, as samples are further apart."""
        setting = self.case.setting
        return LOOKBACK_SCRAPES * (setting.spacing_of(metric) - setting.scrape_of(metric))

    # --- taking ----------------------------------------------------------------------------------

    def _learn(self, answers: Mapping[Ask, Found]) -> None:
        """Take in the control's history; while its source is down this is tried again.

        No verdict may depend on one bad moment. Where samples are so far apart that rows get
        longer, more of it is asked for.
        """
        shown = [(it, self._found(it, answers)) for it in self._pasts]
        if self.case.respace(_spaced(shown)):
            self._pasts = [self._past(it.metric) for it in self._pasts]
            self._counting = [self._next(it.metric) for it in self._counting]
            return
        learned: dict[str, History | None] = {}
        gaps: dict[str, str] = {}
        again: list[_Wanted] = []
        for wanted in self._pasts:
            found, metric = _bounded(self._found(wanted, answers)), wanted.metric
            what = _history_of(metric)
            if isinstance(found, Pieces):
                self._read[metric.name] = wanted, found
                longer = self.case.spans.answered(what)
            else:
                assert isinstance(found, Problem), found
                longer = self._shorter(wanted, found, what=what, intervals=LEAST_HISTORY_INTERVALS)
            if longer:
                again.append(self._past(metric))
            elif isinstance(found, Pieces) or metric.name in self._read:  # the longest to be had
                asked, pieces = self._read[metric.name]
                past = attempt(
                    partial(self._as_past, asked, pieces),
                    otherwise=partial(self.case.fault, metric.name),
                )
                if isinstance(past, Problem):
                    learned[metric.name] = None
                    gaps[metric.name] = f"stable's history {past.message}"
                    continue
                learned[metric.name] = past
                gaps |= self._gap(asked)
            elif found.reason is Reason.METRICS_UNAVAILABLE:
                self.problems[metric.name] = found
            else:
                learned[metric.name] = None
                gaps[metric.name] = f"stable's history could not be read: {found.message}"
        self._pasts = again
        self.case.learn(learned, gaps=gaps)

    def _learn_warmth(self, answers: Mapping[Ask, Found]) -> None:
        """Take in how long stable's pods took; while a source is down nothing is counted.

        What was counted with another warm-up would not be the same after a restart.
        """
        starts, self._starts = self._starts, []
        found = {wanted.metric.name: self._found(wanted, answers) for wanted in starts}
        for answer in found.values():
            if isinstance(answer, Problem) and answer.reason is Reason.METRICS_UNAVAILABLE:
                self.problems |= dict.fromkeys(found, answer)
                return
        warm: dict[str, float | None] = {}
        for wanted in starts:
            name, pieces = wanted.metric.name, found[wanted.metric.name]
            if isinstance(pieces, Pieces):
                after = attempt(
                    partial(self._warm_after, wanted, pieces),
                    otherwise=partial(self.case.fault, name),
                )
                warm[name] = None if isinstance(after, Problem) else after
        self.case.learn_warmth(warm)

    def _warm_after(self, wanted: _Wanted, pieces: Pieces) -> float | None:
        metric, setting = wanted.metric, self.case.setting
        past, unit = self._past_of(wanted, pieces), setting.unit_of(metric.name)
        shape = shape_alone(
            metric, template=setting.templates[metric.name], past=reduced(past, unit_seconds=unit)
        )
        if isinstance(shape, Problem):
            return None
        return warming.warm_after(past, shape, unit_seconds=unit)

    def _gap(self, wanted: _Wanted) -> Mapping[str, str]:
        """What is missing of the history that would have been asked for."""
        assert wanted.since is not None, wanted
        span_seconds = wanted.until - wanted.since
        longest = Spans().scrapes("") * self.case.setting.scrape_of(wanted.metric)
        if span_seconds >= min(HISTORY_INTERVALS * self.case.grid.length_seconds, longest):
            return {}
        text = f"of stable's history the last {about(span_seconds)} were read, more is too large"
        return {wanted.metric.name: text}

    def _as_past(self, wanted: _Wanted, pieces: Pieces) -> History:
        past = self._past_of(wanted, pieces)
        return reduced(past, unit_seconds=self.case.setting.unit_of(wanted.metric.name))

    def _past_of(self, wanted: _Wanted, pieces: Pieces) -> Past:
        assert wanted.since is not None, wanted
        scrape_seconds = self.case.setting.spacing_of(wanted.metric)
        return Past(
            metric=wanted.metric.name,
            series=pieces.series(wanted.metric, scrape_seconds=scrape_seconds),
            identity=self.subject.identity,
            grid=self.case.grid,
            start=wanted.since,
            end=wanted.until,
        )

    def _pieces(
        self, counting: list[_Wanted], answers: Mapping[Ask, Found]
    ) -> list[tuple[_Wanted, Pieces | Mapping[str, float]]]:
        """What can be counted, if it is not too much."""
        found: list[tuple[_Wanted, Pieces | Mapping[str, float]]] = []
        for wanted in counting:
            answer, name = self._found(wanted, answers), wanted.metric.name
            if not isinstance(answer, Problem):
                self.case.spans.answered(name)
                found.append((wanted, answer))
            elif self._shorter(wanted, answer, what=name, intervals=1):
                self._counting.append(self._next(wanted.metric))
            else:
                self.problems[name] = answer
        series = sum(it.count for _, it in found if isinstance(it, Pieces))
        if series <= MAX_SERIES:
            return found
        message = (
            f"{series} series of all metrics, pods and buckets are more than the {MAX_SERIES} that"
            " are counted for one ModelDeployment: use fewer metrics, label values or buckets"
        )
        problem = Problem(reason=Reason.ERROR, message=message)
        self.problems |= {wanted.metric.name: problem for wanted, _ in found}
        return []

    def _found(
        self, wanted: _Wanted, answers: Mapping[Ask, Found]
    ) -> Pieces | Mapping[str, float] | Problem:
        """The answers of a metric put together, or why they cannot be."""
        return attempt(
            partial(self._together, wanted, answers),
            otherwise=partial(self.case.fault, wanted.metric.name),
        )

    def _together(
        self, wanted: _Wanted, answers: Mapping[Ask, Found]
    ) -> Pieces | Mapping[str, float] | Problem:
        """The first problem is that of all."""
        known = self.problems.get(wanted.metric.name)
        if not wanted.asks and known is not None:
            return known
        found = {role: answers[ask] for role, ask in wanted.asks.items()}
        for answer in found.values():
            if isinstance(answer, Problem):
                return answer
        if not is_counted(self.case.setting.templates[wanted.metric.name]):
            (numbers,) = found.values()
            assert isinstance(numbers, Mapping), wanted
            return numbers
        asked = self.case.asked(wanted.metric)
        assert not isinstance(asked, Problem), wanted
        return pieces_of(asked, found=found)

    def _count(self, wanted: _Wanted, found: Pieces | Mapping[str, float]) -> Problem | None:
        """Count or check one metric; what is wrong with its data, if anything is."""
        metric, case = wanted.metric, self.case
        if not isinstance(found, Pieces):
            return self._check(wanted, found)
        self._remember_newest(metric, found)
        # What came long ago is final; only the last piece has to wait for late samples.
        now = min(self.at, wanted.until + case.setting.scrape_seconds + LATE_SECONDS)
        events = self.subject.events
        problem = case.count(metric, pieces=found, events=events, now=now)
        if wanted.until == self.at:
            if metric.name == case.setting.requests_from:
                self._silent = case.counting.silence(
                    metric,
                    pieces=found,
                    event=events[-1],
                    since=self.case.data_from(self.subject),
                    at=self.at,
                )
            return problem or case.counting.state_of_data(
                metric,
                pieces=found,
                step=events[-1].step,
                at=self.at,
                ready=self.subject.ready,
            )
        if self._chunks >= MAX_CHUNKS:
            message = "the requests of a long rollout are still being counted"
            return Problem(reason=Reason.INSUFFICIENT, message=message)
        self._counting.append(self._next(metric))
        return None

    def _check(self, wanted: _Wanted, numbers: Mapping[str, float]) -> Problem | None:
        value = numbers.get(self.subject.candidate, numbers.get(""))
        if value is None:
            asked = wanted.asks[promql.NUMBER].wanted.words
            message = nothing_of("candidate", of_other=bool(numbers), asked=asked)
            return Problem(reason=Reason.NO_DATA, message=message)
        self.case.check(wanted.metric, value=value, at=self.at)
        return None

    def _remember_newest(self, metric: model.Metric, pieces: Pieces) -> None:
        scrape_seconds = self.case.setting.scrape_of(metric)
        for one in pieces.all:
            if one.labels.get("revision") == self.subject.candidate and one.samples:
                target, at = counters.target(one), one.samples[-1][0]
                known = self._newest.get(target)
                if known is None or known.at < at:
                    self._newest[target] = Sample(at=at, scrape_seconds=scrape_seconds)


def _spaced(found: Iterable[tuple[_Wanted, object]]) -> Mapping[str, Sequence[Series]]:
    """By metric the series that tell how often pods are scraped; labels come when they come."""
    return {
        wanted.metric.name: pieces.all
        for wanted, pieces in found
        if isinstance(pieces, Pieces) and wanted.metric.labels is None
    }


def _bounded(found: Pieces | Mapping[str, float] | Problem) -> object:
    """The same, or why it is more than is kept of a history."""
    if not isinstance(found, Pieces) or found.samples <= MAX_HISTORY_SAMPLES:
        return found
    message = (
        f"{found.samples:,} samples are more than the {MAX_HISTORY_SAMPLES:,} that are read of it"
    )
    return Problem(reason=Reason.ERROR, message=message, too_large=True)


def _history_of(metric: model.Metric) -> str:
    """Under what the span of a metric's history is remembered; no metric has this name."""
    return f"@history of {metric.name}"
