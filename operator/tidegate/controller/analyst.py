"""Looks at the metrics of running steps, and remembers in memory only what it saw.

Everything can be read again: after a restart the requests of the step are counted anew from its
beginning, and k of the last n looks start from nothing, which delays a verdict and never forges
one. The verdict itself is `evidence.verdicts.judge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import assert_never

from tidegate.evidence import history, measure, queries, samples, tally, verdicts
from tidegate.evidence.model import (
    Identity,
    Latency,
    Measurement,
    Problem,
    Query,
    Ratio,
    Reason,
    Series,
    StepEvidence,
    Template,
    Window,
)
from tidegate.evidence.substitution import Unsafe
from tidegate.ports import Clock, MetricSource, Ok, RawAnswer
from tidegate.rollout import model
from tidegate.settings import MetricSourceSettings

CHUNK_SCRAPES = 240  # an hour at 15 s; keeps a raw answer well below the adapter's 2 MiB
MAX_CHUNKS = 24  # per look; the rest of a long step is counted at the next look
MAX_STEPS = 10_000
DEADLINE_FACTOR = 3.0  # the adapter gives up earlier; this holds for any MetricSource
_UNKNOWN_SOURCE = MetricSourceSettings(name="", url="")
_NOT_ASKED = Problem(reason=Reason.NO_DATA, message="the query does not tell revisions apart")

Question = tuple[str, str]  # metric source, PromQL
Answers = Mapping[Question, RawAnswer | Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRequest:
    """The step to be judged. `stable` is empty when nothing serves beside the candidate.

    `templates` holds one entry per metric of the spec, as `evidence.templates` resolves them.
    """

    namespace: str
    name: str
    uid: str
    rollout_id: str
    stable: str
    candidate: str
    spec: model.Spec
    templates: Mapping[str, Template]
    step_index: int
    confirmed_at: datetime
    first_traffic_at: datetime | None
    split_percent: float
    analysis_key: str

    def __post_init__(self) -> None:
        missing = {metric.name for metric in self.spec.analysis.metrics} - self.templates.keys()
        assert not missing, missing

    @property
    def identity(self) -> Identity:
        """Whose series are read."""
        return Identity(
            namespace=self.namespace, name=self.name, candidate=self.candidate, stable=self.stable
        )

    @property
    def settled_at(self) -> float:
        """Unix seconds from which on the traffic counts."""
        return self.confirmed_at.timestamp() + self.spec.analysis.settle_seconds

    @property
    def data_from(self) -> float:
        """Unix seconds from which on the candidate is judged: settled and warm."""
        first_traffic = self.first_traffic_at or self.confirmed_at
        warm_at = first_traffic.timestamp() + self.spec.analysis.warmup_seconds
        return max(self.settled_at, warm_at)

    @property
    def min_requests(self) -> int:
        """Requests that the step needs before it may pass."""
        steps = self.spec.steps
        if self.step_index < len(steps):
            return steps[self.step_index].min_requests
        return self.spec.analysis.min_requests


StepKey = tuple[str, int, datetime, str]


@dataclass(slots=True, kw_only=True)
class _Memory:
    """What is known of the step that one ModelDeployment is in."""

    key: StepKey
    tally: tally.Tally
    evidence: StepEvidence = field(default_factory=StepEvidence)
    looked_at: float | None = None  # monotonic
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One metric with its window and its questions by role, or why there are none."""

    metric: model.Metric
    template: Template
    window: Window
    questions: Mapping[str, Question] | Problem


class Analyst:
    """Judges running steps, one look per interval and step."""

    def __init__(
        self,
        *,
        source: MetricSource,
        clock: Clock,
        sources: Mapping[str, MetricSourceSettings],
    ) -> None:
        self._source = source
        self._clock = clock
        self._sources = sources
        self._memories: dict[str, _Memory] = {}

    async def state(self, request: AnalysisRequest) -> model.AnalysisState:
        """The judgement of the step; queries only when a look is due, and one look at a time."""
        memory = self._memory(request)
        async with memory.lock:
            if self._wait_seconds(request, memory=memory) <= 0:
                memory.looked_at = self._clock.monotonic()
                await self._look(request, memory=memory)
            return verdicts.judge(
                memory.evidence,
                analysis=request.spec.analysis,
                step=verdicts.StepContext(
                    now=self._now(),
                    judged_from=self._judged_from(request),
                    min_requests=request.min_requests,
                    candidate_percent=request.split_percent,
                ),
            )

    def next_look_seconds(self, request: AnalysisRequest) -> float:
        """Seconds until `state` will query again; 0 when a look is due."""
        return max(0.0, self._wait_seconds(request, memory=self._memory(request)))

    def forget(self, uid: str) -> None:
        """Drop what is known of a ModelDeployment whose rollout ended or that is gone."""
        self._memories.pop(uid, None)

    def _memory(self, request: AnalysisRequest) -> _Memory:
        key = (request.rollout_id, request.step_index, request.confirmed_at, request.analysis_key)
        memory = self._memories.pop(request.uid, None)
        if memory is None or memory.key != key:
            memory = _Memory(key=key, tally=tally.Tally(until=request.settled_at))
        self._memories[request.uid] = memory  # as the newest
        while len(self._memories) > MAX_STEPS:
            del self._memories[next(iter(self._memories))]
        return memory

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _judged_from(self, request: AnalysisRequest) -> float:
        """One scrape after the data begin to count; before that there is nothing to see."""
        return request.data_from + self._scrape_seconds(request.spec.analysis.source)

    def _wait_seconds(self, request: AnalysisRequest, *, memory: _Memory) -> float:
        warmup = self._judged_from(request) - self._now()
        if memory.looked_at is None:
            return warmup
        since = self._clock.monotonic() - memory.looked_at
        return max(warmup, request.spec.analysis.interval_seconds - since)

    def _scrape_seconds(self, source: str) -> float:
        settings = self._sources.get(source, _UNKNOWN_SOURCE)
        return settings.scrape_interval_seconds

    async def _look(self, request: AnalysisRequest, *, memory: _Memory) -> None:
        """Ask everything at one instant, then remember what it showed."""
        end = self._now()
        analysis = request.spec.analysis
        counter = tally.counter_of(
            analysis, server=request.spec.server.preset, templates=request.templates
        )
        behind = await self._catch_up(request, memory=memory, counter=counter, end=end)
        counting = self._window(counter.source, start=memory.tally.until, end=end)
        windows = self._windows(request, end=end)
        shared = _shared_range(request, windows=windows, counting=counting)
        total = _counting(request, counter=counter, range_seconds=shared)
        plans = [
            _plan(request, metric=one, window=windows[one.name], shared_range_seconds=shared)
            for one in analysis.metrics
        ]
        answers = await self._ask_all({total, *(q for plan in plans for q in _asked(plan))}, at=end)
        memory.evidence = history.record(
            _count(
                memory,
                series=behind or _series(answers[total]),
                identity=request.identity,
                window=counting,
            ),
            measurements={
                plan.metric.name: _measured(plan, answers=answers, identity=request.identity)
                for plan in plans
            },
            required=frozenset(one.name for one in analysis.metrics if not one.dry_run),
            keep=analysis.breach_out_of,
            at=end,
        )

    def _window(self, source: str, *, start: float, end: float) -> Window:
        return Window(start=start, end=end, scrape_interval_seconds=self._scrape_seconds(source))

    def _windows(self, request: AnalysisRequest, *, end: float) -> Mapping[str, Window]:
        """The window of each metric; none reaches back before the data that count."""
        return {
            metric.name: self._window(
                request.templates[metric.name].source,
                start=max(request.data_from, end - metric.window_seconds),
                end=end,
            )
            for metric in request.spec.analysis.metrics
        }

    async def _catch_up(
        self, request: AnalysisRequest, *, memory: _Memory, counter: tally.Counter, end: float
    ) -> Problem | None:
        """Count a long step in chunks, as after a restart, until one query covers the rest."""
        chunk_seconds = CHUNK_SCRAPES * self._scrape_seconds(counter.source)
        for _ in range(MAX_CHUNKS):
            start = memory.tally.until
            if end - start <= chunk_seconds:
                return None
            window = self._window(counter.source, start=start, end=start + chunk_seconds)
            question = _counting(request, counter=counter, range_seconds=window.range_seconds)
            series = _series(await self._ask(question, at=window.end))
            if isinstance(series, Problem):
                return series
            memory.tally = tally.advance(
                memory.tally, series=series, identity=request.identity, window=window
            )
        message = "the requests of a long step are still being counted"
        return Problem(reason=Reason.INSUFFICIENT, message=message)

    async def _ask_all(self, questions: set[Question], *, at: float) -> Answers:
        """All answers, asked at the same time; one slow source does not delay another's."""
        ordered = sorted(questions)
        answers = await asyncio.gather(*(self._ask(question, at=at) for question in ordered))
        return dict(zip(ordered, answers, strict=True))

    async def _ask(self, question: Question, *, at: float) -> RawAnswer | Problem:
        source, promql = question
        settings = self._sources.get(source)
        if settings is None:
            return Problem(reason=Reason.ERROR, message=f"unknown metric source {source!r}")
        try:
            async with asyncio.timeout(DEADLINE_FACTOR * settings.timeout_seconds):
                result = await self._source.query(
                    source, promql=promql, at=datetime.fromtimestamp(at, tz=UTC)
                )
        except TimeoutError:
            message = f"metric source {source} did not answer in time"
            return Problem(reason=Reason.METRICS_UNAVAILABLE, message=message)
        if isinstance(result, Ok):
            return result.value
        return Problem(reason=Reason.METRICS_UNAVAILABLE, message=f"{source}: {result.message}")


def _plan(
    request: AnalysisRequest, *, metric: model.Metric, window: Window, shared_range_seconds: int
) -> _Plan:
    template = request.templates[metric.name]
    planned = queries.plan(
        template,
        given=dict(metric.variables),
        identity=request.identity,
        range_seconds=(
            shared_range_seconds if isinstance(template.measure, Ratio) else window.range_seconds
        ),
        window_seconds=max(1, int(window.end - window.start)),
    )
    questions: Mapping[str, Question] | Problem
    if isinstance(planned, Unsafe):
        questions = Problem(reason=Reason.ERROR, message=planned.message)
    else:
        questions = {role: (template.source, text) for role, text in planned.items()}
    return _Plan(metric=metric, template=template, window=window, questions=questions)


def _shared_range(
    request: AnalysisRequest, *, windows: Mapping[str, Window], counting: Window
) -> int:
    """One range for all counters of events, so that equal queries are asked once."""
    ratios = [
        windows[name].range_seconds
        for name, template in request.templates.items()
        if name in windows and isinstance(template.measure, Ratio)
    ]
    return max([counting.range_seconds, *ratios])


def _counting(request: AnalysisRequest, *, counter: tally.Counter, range_seconds: int) -> Question:
    text = queries.selector(
        counter.selector,
        variables=counter.variables,
        identity=request.identity,
        range_seconds=range_seconds,
    )
    assert not isinstance(text, Unsafe), text.message  # resolve_templates has checked it
    return counter.source, text


def _asked(plan: _Plan) -> list[Question]:
    return [] if isinstance(plan.questions, Problem) else list(plan.questions.values())


def _count(
    memory: _Memory,
    *,
    series: tuple[Series, ...] | Problem,
    identity: Identity,
    window: Window,
) -> StepEvidence:
    """Evidence with the requests up to now; what may still change stays open in the tally."""
    if isinstance(series, Problem):
        return replace(memory.evidence, requests_problem=series.message)
    now = tally.advance(memory.tally, series=series, identity=identity, window=window)
    late = window.scrape_interval_seconds + tally.LATE_SECONDS
    final = replace(window, end=max(window.start, window.end - late))
    memory.tally = tally.advance(memory.tally, series=series, identity=identity, window=final)
    return replace(
        memory.evidence,
        requests=now.candidate,
        requests_problem="",
        observed_candidate_percent=now.candidate_percent,
    )


def _series(answer: RawAnswer | Problem) -> tuple[Series, ...] | Problem:
    if isinstance(answer, Problem):
        return answer
    return samples.parse_series(answer.result_type, result=answer.result, warnings=answer.warnings)


def _number(answer: RawAnswer | Problem) -> float | Problem:
    if isinstance(answer, Problem):
        return answer
    return samples.parse_number(answer.result_type, result=answer.result, warnings=answer.warnings)


def _measured(plan: _Plan, *, answers: Answers, identity: Identity) -> Measurement:
    threshold, window = plan.metric.threshold, plan.window
    if isinstance(plan.questions, Problem):
        return measure.failed(plan.questions, threshold=threshold, window=window)
    found = {role: answers[question] for role, question in plan.questions.items()}
    match plan.template.measure:
        case Ratio():
            return measure.ratio(
                _series(found[queries.TOTAL]),
                bad=_series(found[queries.BAD]),
                threshold=threshold,
                identity=identity,
                window=window,
            )
        case Latency() as latency:
            return measure.latency(
                _series(found[queries.BUCKETS]),
                measure=latency,
                threshold=threshold,
                identity=identity,
                window=window,
            )
        case Query():
            return measure.query(
                _number(found[queries.CANDIDATE]),
                stable=_number(found.get(queries.STABLE, _NOT_ASKED)),
                threshold=threshold,
                window=window,
            )
        case _ as never:
            assert_never(never)
