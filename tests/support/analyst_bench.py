"""A real Analyst before a metric source that scrapes made-up pods, with time in the test's hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import beside
import evidence_build as build
import port_fakes
from metric_source import FakeSeries, FakeSource, Row, pod_name

from tidegate import model
from tidegate.controller.analysis.judge import Analyst
from tidegate.controller.analysis.subject import Subject, as_judged
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts.completeness import ReadyPods
from tidegate.evidence.terms import Ratio, Selector, Template
from tidegate.evidence.verdict.templates import resolve_templates
from tidegate.ports import Ok, RawAnswer, Result, Retryable
from tidegate.settings import MetricSourceSettings

SCRAPE = build.SCRAPE
START = port_fakes.EPOCH.timestamp()
WARM = START + 60.0  # where the first interval of the default analysis begins
SOURCES = {
    name: MetricSourceSettings(name=name, url="", enforces_namespace=True, timeout_seconds=20.0)
    for name in ("default", "other")
}
COMPARE = model.Compare()
OTHER = Template(
    name="answers",
    measure=Ratio(
        bad=Selector(metric="other_requests_total", matches=build.BAD),
        total=Selector(metric="other_requests_total"),
    ),
    source="other",
)
EDGES = ("0.1", "0.25", "0.5", "1", "2.5")
_AT_MOST = {"-5": 0.0, "0": 0.0, "0.1": 0.5, "0.25": 0.9, "0.5": 1.0, "1": 1.0, "2.5": 1.0}


@dataclass(kw_only=True)
class Pod:
    """Counters that grow evenly; what is bad or slow begins at `bad_from`."""

    revision: str
    name: str = "a"
    per_second: float = 50.0
    error_share: float = 0.0
    refused_share: float = 0.0
    slow_share: float = 0.0
    born_at: float = START - 7200
    bad_from: float = START - 7200
    dies_at: float = START + 1e9
    restarts_at: float | None = None
    edges: tuple[str, ...] = EDGES
    prefix: str = "rest_server"

    def series(self, *, start: float, end: float) -> list[FakeSeries]:
        """What a scrape at every multiple of 15 s in (start, end] has seen."""
        first = max(start, self.born_at)
        last = min(end, self.dies_at)
        times = [
            START + SCRAPE * index
            for index in range(int((first - START) // SCRAPE), int((last - START) // SCRAPE) + 1)
            if first <= START + SCRAPE * index <= last
        ]
        requests = f"{self.prefix}_requests_total"
        found = [
            self._counter(requests, times, self._served, status_code="200"),
            self._counter(requests, times, self._errors, status_code="500"),
        ]
        if self.refused_share:
            found.append(self._counter(requests, times, self._refused, status_code="404"))
        buckets = f"{self.prefix}_request_duration_seconds_bucket"
        for le in (*self.edges, "+Inf"):
            at_most = 1.0 if le == "+Inf" else _AT_MOST.get(le, 1.0)
            slow = 0.0 if le == "+Inf" or float(le) > 1 else 1.0
            found.append(self._counter(buckets, times, self._below(at_most, slow=slow), le=le))
        return found

    def _served(self, at: float) -> float:
        return self.per_second * (at - self.born_at) - self._errors(at) - self._refused(at)

    def _refused(self, at: float) -> float:
        return self.per_second * self.refused_share * max(0.0, at - self.bad_from)

    def _errors(self, at: float) -> float:
        return self.per_second * self.error_share * max(0.0, at - self.bad_from)

    def _below(self, at_most: float, *, slow: float) -> Callable[[float], float]:
        def count(at: float) -> float:
            slow_ones = self.per_second * self.slow_share * max(0.0, at - self.bad_from)
            return (self.per_second * (at - self.born_at) - slow_ones * slow) * at_most

        return count

    def _lost(self, count: Callable[[float], float], *, at: float) -> float:
        """What a restart has made the counter forget."""
        restarted = self.restarts_at is not None and at >= self.restarts_at
        return count(self.restarts_at or 0.0) if restarted else 0.0

    def _counter(
        self, metric: str, times: list[float], count: Callable[[float], float], **labels: str
    ) -> FakeSeries:
        names = {
            "namespace": "ml",
            "model_deployment": "iris",
            "revision": self.revision,
            "pod": pod_name("iris", self.revision, self.name),
            "instance": f"{self.revision}-{self.name}:8082",
            "path": "/v2/models/iris/infer",
            **labels,
        }
        values = [(at, f"{round(count(at) - self._lost(count, at=at))}") for at in times]
        return FakeSeries(metric=metric, labels=names, values=values)


def flow(error_share: float, *, per_second: float = 50.0, slow_share: float = 0.0) -> Pod:
    """The pod of the candidate."""
    return Pod(
        revision=build.CANDIDATE,
        per_second=per_second,
        error_share=error_share,
        slow_share=slow_share,
        born_at=START - 300,
        bad_from=START - 300,
    )


@dataclass
class Tsdb(FakeSource):
    """A metric source over pods; whole sources may be down or hang, samples may come late."""

    pods: list[Pod] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    late_seconds: float = 0.0
    numbers: dict[str, str] = field(default_factory=dict)
    answer: Callable[[str], Result[RawAnswer] | None] = lambda _: None

    def pod(self, revision: str, name: str = "a") -> Pod:
        return next(it for it in self.pods if (it.revision, it.name) == (revision, name))

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        self.asked.append((source, promql))
        if source in self.hanging:
            await asyncio.Event().wait()
        if source in self.down:
            return Retryable(message="down")
        given = self.answer(promql)
        if given is not None:
            return given
        if promql in self.numbers:
            value = [at.timestamp(), self.numbers[promql]]
            return Ok(RawAnswer(result_type="scalar", result=value))
        return await super().query(source, promql=promql, at=at, namespace=namespace)

    def _raw(self, promql: str, *, at: float) -> list[Row]:
        seconds = float(promql.rsplit("[", 1)[1].removesuffix("s]"))
        visible = at - self.late_seconds
        self.series = [
            one for pod in self.pods for one in pod.series(start=at - seconds, end=visible)
        ]
        return super()._raw(promql, at=at)


def metric(name: str = "error-ratio", **more: object) -> model.Metric:
    """Compared with stable and limited to 5 % bad requests, unless said otherwise."""
    fields: dict[str, object] = {
        "preset": name,
        "compare": COMPARE,
        "threshold": model.Threshold(max=0.05),
    }
    return build.metric(name, **{**fields, **more})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a pass knows of the rollout that it wants judged."""

    name: str
    uid: str
    rollout: model.Rollout
    stable: str
    spec: model.Spec
    templates: Mapping[str, Template]
    ready: ReadyPods = field(default_factory=ReadyPods)
    control_made_at: datetime | None = None

    @property
    def subject(self) -> Subject:
        rollout = self.rollout
        return Subject(
            key=Key(namespace="ml", name=self.name),
            uid=self.uid,
            id=rollout.id,
            candidate=rollout.revision.hash,
            control=self.stable,
            control_until=rollout.started_at,
            since=rollout.evidence_since,
            first_traffic_at=rollout.first_traffic_at,
            stages=tuple(as_judged(it, by=model.Control.CONCURRENT) for it in rollout.plan),
            analysis=self.spec.analysis,
            traffic=self.spec.traffic,
            preset=self.spec.server.preset,
            templates=self.templates,
            ready=self.ready,
            control_made_at=self.control_made_at,
        )


class Bench:
    """One rollout whose first step is confirmed when the clock starts.

    The candidate has one pod with a tenth of the traffic, stable two pods with the rest.
    """

    def __init__(
        self,
        *metrics: model.Metric,
        templates: Mapping[str, Template] | None = None,
        candidate: Pod | None = None,
        stable_error_share: float = 0.0,
        analysis: Mapping[str, object] | None = None,
        preset: str = "MLServer",
    ) -> None:
        self.preset = preset
        self.clock = port_fakes.ManualClock()
        self.sources = SOURCES
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.recorder = port_fakes.MemoryRecorder()
        self.tsdb = Tsdb(
            pods=[
                candidate or Pod(revision=build.CANDIDATE, born_at=START - 300, bad_from=START),
                Pod(
                    revision=build.STABLE,
                    name="a",
                    per_second=225.0,
                    error_share=stable_error_share,
                ),
                Pod(
                    revision=build.STABLE,
                    name="b",
                    per_second=225.0,
                    error_share=stable_error_share,
                ),
            ]
        )
        self.templates = templates or {}
        self.request = self._request(metrics or (metric(),), analysis=analysis or {})
        self.restart()

    def _request(
        self, metrics: tuple[model.Metric, ...], *, analysis: Mapping[str, object]
    ) -> Request:
        spec = build.spec(build.analysis(*metrics, **analysis), preset=self.preset)
        resolved = resolve_templates(
            spec,
            find=lambda reference: self.templates.get(reference.name),
            sources=dict.fromkeys(SOURCES, True),
        )
        assert isinstance(resolved, Mapping), resolved
        return Request(
            name="iris",
            uid="uid-1",
            rollout=_rollout(self.clock.now()),
            stable=build.STABLE,
            spec=spec,
            templates=resolved,
        )

    @property
    def candidate(self) -> Pod:
        return self.tsdb.pod(build.CANDIDATE)

    @property
    def rollout(self) -> model.Rollout:
        return self.request.rollout

    def edit(self, **changes: Any) -> None:
        """Change the request, as a user or another pass of the operator does."""
        self.request = replace(self.request, **changes)

    def edit_rollout(self, **changes: Any) -> None:
        self.edit(rollout=replace(self.rollout, **changes))

    def restart(self) -> None:
        """Another process: nothing of the old one is left but the log."""
        self.background.end()
        self.recorder = port_fakes.MemoryRecorder()
        self.background = beside.Background(recorder=self.recorder)
        self.leading = True
        self.analyst = Analyst(
            source=self.tsdb,
            clock=self.clock,
            sources=self.sources,
            recorder=self.recorder,
            executor=beside.Inline(),
            background=self.background,
            leading=lambda: self.leading,
        )

    def next_step(self, weight_percent: float) -> None:
        """Confirm another step now."""
        step = _step(weight_percent, confirmed_at=self.clock.now())
        self.edit_rollout(plan=(*self.rollout.plan, step))

    async def state(self, **changes: Any) -> model.AnalysisState:
        """What a pass reads once everything that is due by now has been looked at."""
        subject = replace(self.request, **changes).subject
        self.analyst.judged(subject)
        await self.look()
        return self.analyst.judged(subject)

    def woken(self) -> list[tuple[Key, bool]]:
        """The passes that are asked for from now on, and whether urgently."""
        found: list[tuple[Key, bool]] = []

        def wake(key: Key, *, priority: bool = False) -> None:
            found.append((key, priority))

        self._beside = asyncio.get_running_loop().create_task(self.background.run(wake))
        return found

    def give_up_soon(self, source: str) -> None:
        """Another process, which gives a source up after a moment of real time."""
        self.sources = {
            **self.sources,
            source: replace(self.sources[source], timeout_seconds=0.02),
        }
        self.restart()

    async def look(self) -> None:
        """Let every look that is due begin and end."""
        await self.clock.advance(0)
        await self.background.idle()
        await self.clock.advance(0)
        await self.background.idle()

    async def states(self, *, seconds: float, every: float = 5.0) -> list[model.AnalysisState]:
        """What a reconciler sees that looks every few seconds."""
        found = []
        for _ in range(round(seconds / every)):
            await self.clock.advance(every)
            await self.look()
            found.append(await self.state())
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The interval table as it was logged last."""
        documents: list[Any] = list(self.recorder.evidence_documents)
        opened = [i for i, one in enumerate(documents) if one["event"] == "evidence-opened"]
        later = documents[opened[-1] :] if opened else []
        return [one["row"] for one in later if one["event"] == "evidence-row"]

    def log(self) -> list[str]:
        """The evidence documents as lines of the log."""
        return [json.dumps(one) for one in self.recorder.evidence_documents]


def _step(weight_percent: float, *, confirmed_at: datetime) -> model.Stage:
    return model.Stage(
        name=f"p{weight_percent:g}",
        weight_percent=weight_percent,
        effective_weight_percent=weight_percent,
        hold_seconds=300.0,
        deadline_seconds=3600.0,
        min_requests=100,
        confirmed_at=confirmed_at,
    )


def _rollout(now: datetime) -> model.Rollout:
    digest = build.CANDIDATE.ljust(64, "0")
    return model.Rollout(
        id="iris-c0ffee0001-1",
        revision=model.Revision(hash=build.CANDIDATE, digest=digest, model_version="2"),
        attempt=1,
        active=True,
        started_at=now - timedelta(seconds=20),
        progress_at=now,
        plan=(_step(10.0, confirmed_at=now),),
        first_traffic_at=now,
        evidence_since=now,
    )


def run(scenario: Callable[[Bench], Coroutine[Any, Any, None]], bench: Bench | None = None) -> None:
    asyncio.run(scenario(bench or Bench()))


def two_sources(*, candidate: Pod | None = None, dry_run: bool = False) -> Bench:
    """The same counters once more, under another name, from the other source."""
    reference = model.TemplateRef(kind="MetricTemplate", name="answers")
    answers = metric("answers", preset="", template=reference, dry_run=dry_run)
    bench = Bench(metric(), answers, templates={"answers": OTHER}, candidate=candidate)
    bench.tsdb.pods += [replace(pod, prefix="other") for pod in bench.tsdb.pods]
    return bench
