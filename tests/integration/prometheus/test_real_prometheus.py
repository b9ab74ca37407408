"""What the analyst measures through a real Prometheus is what was served."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import evidence_build as build
import port_fakes
import pytest

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.prometheus import PrometheusSources
from tidegate.controller.analyst import AnalysisRequest, Analyst
from tidegate.evidence.templates import resolve_templates
from tidegate.ports import Fatal, Ok, RawAnswer, Result, Retryable
from tidegate.rollout import model
from tidegate.rollout.model import Outcome, Verdict
from tidegate.settings import MetricSourceSettings

LIMITS = {
    "error-ratio": model.Threshold(max=0.05),
    "latency-p50": model.Threshold(max=0.1),
    "latency-p95": model.Threshold(max=0.25),
    "latency-p99": model.Threshold(max=5),
}


@pytest.fixture(scope="module")
def settings(prometheus: Any) -> MetricSourceSettings:
    return MetricSourceSettings(name="default", url=prometheus.url, scrape_interval_seconds=1.0)


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
    """Judges the deployment's candidate by these metrics since this time."""

    def judged(since: float, *metrics: model.Metric, preset: str) -> model.AnalysisState:
        request = _request(deployment.name, since, *metrics, preset=preset)
        analyst = Analyst(source=sources, clock=SystemClock(), sources={"default": settings})
        return asyncio.run(_first_judgement(analyst, request))

    return judged


def _request(
    name: str, confirmed_at: float, *metrics: model.Metric, preset: str
) -> AnalysisRequest:
    analysis = build.analysis(*metrics, settle_seconds=0.0, warmup_seconds=0.0)
    spec = build.spec(analysis, preset=preset)
    templates = resolve_templates(spec, find=lambda _: None, sources={"default": True})
    assert not isinstance(templates, tuple), templates
    return AnalysisRequest(
        namespace="ml",
        name=name,
        uid="uid",
        rollout_id="r",
        stable=build.STABLE,
        candidate=build.CANDIDATE,
        spec=spec,
        templates=templates,
        step_index=0,
        confirmed_at=datetime.fromtimestamp(confirmed_at, tz=UTC),
        first_traffic_at=None,
        split_percent=20.0,
        analysis_key="",
    )


async def _first_judgement(analyst: Analyst, request: AnalysisRequest) -> model.AnalysisState:
    for _ in range(100):
        state = await analyst.state(request)
        if state.judged:
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
    for _ in range(3):  # known long enough to prove that Prometheus would have seen a third pod
        before = deployment.scraped()

    candidate.serve(180, seconds=0.02)
    candidate.serve(20, code=503, seconds=2.0)  # the first of this status code
    stable.serve(800, seconds=0.02)
    deployment.start(build.CANDIDATE, "b").serve(50, seconds=0.02)  # born with requests
    deployment.scraped()

    state = judge(before, *_metrics(), preset=preset)

    assert state.requests == 250
    assert state.observed_candidate_percent == pytest.approx(100 * 250 / 1050, abs=0.01)
    results = {it.name: it for it in state.results}
    assert {it.candidate.total for it in results.values()} == {250}
    assert {it.baseline.total for it in results.values()} == {800}
    errors = results["error-ratio"]
    assert (errors.value, errors.baseline_value) == (20 / 250, 0)
    assert errors.outcome is Outcome.FAIL
    assert results["latency-p50"].outcome is Outcome.PASS
    assert results["latency-p95"].outcome is Outcome.FAIL
    assert results["latency-p95"].edge == 0.25
    assert results["latency-p99"].outcome is Outcome.PASS
    assert state.verdict is Verdict.ROLL_BACK
    assert "error-ratio 0.08 > 0.05 (n=250)" in state.message


def test_a_restarted_pod_loses_no_request_that_was_scraped(deployment: Any, judge: Judge) -> None:
    candidate = deployment.start(build.CANDIDATE)
    candidate.serve(100)
    before = deployment.scraped()
    candidate.serve(30)
    deployment.scraped()
    deployment.start(build.CANDIDATE).serve(40)
    deployment.scraped()

    assert judge(before, build.metric(), preset="MLServer").requests == 70


def test_without_traffic_the_step_holds(deployment: Any, judge: Judge) -> None:
    deployment.start(build.CANDIDATE)
    before = deployment.scraped()

    state = judge(before, build.metric(), preset="MLServer")

    assert (state.verdict, state.reason) == (Verdict.HOLD, "NoData")


def test_free_queries(deployment: Any, judge: Judge) -> None:
    candidate = deployment.start(build.CANDIDATE)
    candidate.serve(1)
    before = deployment.scraped()
    candidate.serve(79)
    deployment.scraped()
    table = {
        "kept": (SERVED, 90, "Passed"),
        "broken": (SERVED, 70, "Breach"),
        "absent": ("sum(no_such_metric)", 1, "NoData"),
        "nan": ("vector(0) / 0", 1, "NoData"),
        "several": ("up", 1, "Error"),
        "malformed": ("sum(", 1, "MetricsUnavailable"),
    }
    metrics = [
        build.metric(name, preset="", query=query, threshold=model.Threshold(max=limit))
        for name, (query, limit, _) in table.items()
    ]

    state = judge(before, *metrics, preset="HTTP")

    found = {result.name: result.reason for result in state.results}
    assert found == {name: reason for name, (_, _, reason) in table.items()}


def test_a_prometheus_that_hangs_holds_the_step(
    prometheus: Any, settings: MetricSourceSettings
) -> None:
    hasty = replace(settings, timeout_seconds=0.5)
    sources = PrometheusSources([hasty], clock=SystemClock(), recorder=port_fakes.MemoryRecorder())
    assert isinstance(_ask(sources, "up"), Ok)

    prometheus.process.send_signal(signal.SIGSTOP)
    try:
        hanging = _ask(sources, "up")
    finally:
        prometheus.process.send_signal(signal.SIGCONT)

    assert isinstance(hanging, Retryable)
    assert isinstance(_ask(sources, "up"), Ok)
    sources.close()


def _ask(sources: PrometheusSources, promql: str) -> Result[RawAnswer]:
    return asyncio.run(sources.query("default", promql=promql, at=datetime.now(UTC)))


def test_the_adapter_speaks_to_the_real_api(sources: PrometheusSources) -> None:
    scalar = _ask(sources, "42")
    bad = _ask(sources, "sum(")

    assert isinstance(scalar, Ok)
    assert (scalar.value.result_type, scalar.value.result[1]) == ("scalar", "42")
    assert isinstance(bad, Fatal)
    assert "parse error" in bad.message
