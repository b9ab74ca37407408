"""What the analyst measures through a real Prometheus or VictoriaMetrics is what was served."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import beside
import evidence_build as build
import port_fakes
import pytest
from shell_replica import until

from tidegate import model
from tidegate.adapters.clock import SystemClock
from tidegate.adapters.prometheus import PrometheusSources
from tidegate.controller.analysis.judge import Analyst
from tidegate.controller.analysis.subject import Subject, as_judged
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts import samples
from tidegate.evidence.terms import Problem
from tidegate.evidence.verdict.templates import resolve_templates
from tidegate.model import Verdict
from tidegate.ports import Fatal, Ok, RawAnswer, Result, Retryable
from tidegate.settings import MetricSourceSettings

STORES = ("prometheus", "victoria-metrics")
LIMITS = {
    "error-ratio": model.Threshold(max=0.05),
    "latency-p50": model.Threshold(max=0.1),
    "latency-p95": model.Threshold(max=0.25),
    "latency-p99": model.Threshold(max=5),
}
SLOW = {"latency-p50": 20, "latency-p95": 20, "latency-p99": 0}  # of what the test serves


@pytest.fixture(scope="module")
def settings(prometheus: Any, store: str) -> MetricSourceSettings:
    """As docs/how-to/prometheus.md says for each of them."""
    return MetricSourceSettings(
        name="default",
        url=prometheus.url,
        scrape_interval_seconds=1.0,
        query_parameters={"nocache": "1"} if store == "victoria-metrics" else {},
    )


@pytest.fixture
def sources(settings: MetricSourceSettings) -> Iterator[PrometheusSources]:
    sources = PrometheusSources(
        [settings], clock=SystemClock(), recorder=port_fakes.MemoryRecorder()
    )
    yield sources
    sources.close()


SERVED = (
    'sum(http_requests_total{model_deployment="${name}",revision="${revision}",path=~".*infer"})'
)
Judge = Callable[..., model.AnalysisState]


@pytest.fixture
def judge(sources: PrometheusSources, settings: MetricSourceSettings, deployment: Any) -> Judge:
    """Judges the deployment's candidate by these metrics since this time, once it was counted."""

    def judged(
        since: float, *metrics: model.Metric, preset: str, requests: float
    ) -> model.AnalysisState:
        subject = _subject(deployment.name, since, *metrics, preset=preset)
        recorder = port_fakes.MemoryRecorder()
        analyst = Analyst(
            source=sources,
            clock=SystemClock(),
            sources={"default": settings},
            recorder=recorder,
            executor=beside.Inline(),
            background=beside.Background(recorder=recorder),
            leading=lambda: True,
        )
        return asyncio.run(_judgement(analyst, subject, requests=requests))

    return judged


def _subject(name: str, confirmed_at: float, *metrics: model.Metric, preset: str) -> Subject:
    analysis = build.analysis(
        *metrics, interval_seconds=1.0, settle_seconds=0.0, warmup_seconds=0.0
    )
    spec = build.spec(analysis, preset=preset)
    templates = resolve_templates(spec, find=lambda _: None, sources={"default": True})
    assert not isinstance(templates, tuple), templates
    confirmed = datetime.fromtimestamp(confirmed_at, tz=UTC)
    step = model.Stage(
        name="p20",
        weight_percent=20.0,
        effective_weight_percent=20.0,
        hold_seconds=60.0,
        deadline_seconds=600.0,
        min_requests=100,
        state=model.StepState.ACTIVE,
        started_at=confirmed,
        confirmed_at=confirmed,
    )
    return Subject(
        key=Key(namespace="ml", name=name),
        uid="uid",
        id="r",
        candidate=build.CANDIDATE,
        control=build.STABLE,
        control_until=confirmed,
        since=confirmed,
        first_traffic_at=confirmed,
        stages=(as_judged(step, by=model.Control.CONCURRENT),),
        analysis=spec.analysis,
        traffic=spec.traffic,
        preset=spec.server.preset,
        templates=templates,
    )


async def _judgement(analyst: Analyst, subject: Subject, *, requests: float) -> model.AnalysisState:
    """Intervals close some seconds after their end, when late samples have come in."""
    state = model.AnalysisState()
    for _ in range(1200):
        state = analyst.judged(subject)
        if state.judged and state.requests >= requests:
            return state
        await asyncio.sleep(0.1)
    raise AssertionError(state)


def _metrics() -> list[model.Metric]:
    return [
        build.metric(name, preset=name, threshold=limit, critical=True)
        for name, limit in LIMITS.items()
    ]


@pytest.mark.parametrize("preset", ["MLServer", "HTTP"])
def test_presets_measure_exactly_what_was_served(
    deployment: Any, judge: Judge, preset: str
) -> None:
    candidate, stable = deployment.start(build.CANDIDATE), deployment.start(build.STABLE)
    for pod in (candidate, stable):  # history from before the step must not count
        pod.serve(500, code=500, seconds=9.0)
    before = deployment.scraped()

    candidate.serve(180, seconds=0.02)
    candidate.serve(20, code=503, seconds=2.0)  # the first of this status code
    stable.serve(800, seconds=0.02)
    newcomer = deployment.start(build.CANDIDATE, "b")
    newcomer.serve(7, seconds=0.02)  # before its first scrape: nobody can tell when
    deployment.scraped()
    newcomer.serve(50, seconds=0.02)

    state = judge(before, *_metrics(), preset=preset, requests=250)

    assert state.requests == 250
    assert state.observed_candidate_percent == pytest.approx(100 * 250 / 1050, abs=0.01)
    results = {it.name: it for it in state.results}
    assert {it.candidate.total for it in results.values()} == {250}
    assert {it.baseline.total for it in results.values()} == {800}
    errors = results.pop("error-ratio")
    assert (errors.value, errors.baseline_value) == (20 / 250, 0)
    assert {name: it.candidate.bad for name, it in results.items()} == SLOW
    assert results["latency-p95"].edge == 0.25


def test_a_restarted_pod_loses_no_request_that_was_scraped(deployment: Any, judge: Judge) -> None:
    candidate = deployment.start(build.CANDIDATE)
    candidate.serve(100)
    before = deployment.scraped()
    candidate.serve(30)
    deployment.scraped()
    deployment.start(build.CANDIDATE).serve(40)
    deployment.scraped()

    assert judge(before, build.metric(), preset="MLServer", requests=70).requests == 70


def test_without_traffic_the_step_holds(deployment: Any, judge: Judge) -> None:
    deployment.start(build.CANDIDATE)
    before = deployment.scraped()

    state = judge(before, build.metric(), preset="MLServer", requests=0)

    assert (state.verdict, state.reason) == (Verdict.HOLD, "NoData")


def test_free_queries(deployment: Any, judge: Judge) -> None:
    candidate = deployment.start(build.CANDIDATE)
    candidate.serve(1)
    before = deployment.scraped()
    candidate.serve(79)
    deployment.scraped()
    table = {
        "served": (SERVED, "Insufficient", 80),  # one look of five
        "absent": ("sum(no_such_metric)", "NoData", None),
        "nan": ("vector(0) / 0", "NoData", None),
        "several": ("up", "Error", None),
        "malformed": ("sum(", "MetricsUnavailable", None),
    }
    metrics = [
        build.metric(name, preset="", query=query, threshold=model.Threshold(max=90))
        for name, (query, _, _) in table.items()
    ]

    state = judge(before, *metrics, preset="HTTP", requests=0)

    found = {result.name: (result.reason, result.value) for result in state.results}
    assert found == {name: (reason, value) for name, (_, reason, value) in table.items()}


def test_a_prometheus_that_hangs_holds_the_step(
    prometheus: Any, settings: MetricSourceSettings
) -> None:
    hasty = replace(settings, timeout_seconds=0.5)
    sources = PrometheusSources([hasty], clock=SystemClock(), recorder=port_fakes.MemoryRecorder())
    until(lambda: isinstance(_ask(sources, "up"), Ok))

    prometheus.process.send_signal(signal.SIGSTOP)
    # The signal only asks: a busy machine may let the threads answer once more.
    os.waitid(os.P_PID, prometheus.process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        hanging = _ask(sources, "up")
    finally:
        prometheus.process.send_signal(signal.SIGCONT)

    assert isinstance(hanging, Retryable)
    until(lambda: isinstance(_ask(sources, "up"), Ok))
    sources.close()


def _ask(sources: PrometheusSources, promql: str) -> Result[RawAnswer]:
    return asyncio.run(sources.query("default", promql=promql, at=datetime.now(UTC)))


def test_the_adapter_speaks_to_the_real_api(sources: PrometheusSources) -> None:
    scalar = _ask(sources, "42")
    bad = _ask(sources, "sum(")

    assert isinstance(scalar, Ok)
    answer = scalar.value
    assert samples.parse_number(answer.result_type, result=answer.result) == 42  # or a vector
    assert isinstance(bad, Fatal)
    assert re.match(r"answered 4\d\d: .*(parse|unparsed)", bad.message), bad


def test_raw_samples_of_a_pod_that_is_gone_can_be_read(
    deployment: Any, sources: PrometheusSources
) -> None:
    """Its last sample is the mark of a series that ended, which is no number."""
    deployment.start(build.CANDIDATE).serve(10)
    deployment.start(build.STABLE).serve(10)
    deployment.start(build.CANDIDATE, "b").serve(10)
    deployment.scraped()
    del deployment.prometheus.exporter.pods[f"/{deployment.name}/{build.CANDIDATE}/a"]
    deployment.scraped()
    deployment.scraped()
    revisions = f"{build.CANDIDATE}|{build.STABLE}"
    selector = f'{{model_deployment="{deployment.name}",revision=~"{revisions}",pod=~".*a"}}'

    answer = _ask(sources, f"rest_server_requests_total{selector}[60s]")

    assert isinstance(answer, Ok)
    found = samples.matrix(answer.value.result_type, result=answer.value.result, warnings=())
    assert not isinstance(found, Problem), found
    newest = {one.labels["revision"]: one.samples[-1] for one in found}
    assert {value for _, value in newest.values()} == {10.0}
    assert newest[build.CANDIDATE][0] < newest[build.STABLE][0]
