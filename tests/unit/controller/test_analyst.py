from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import evidence_build as build
import port_fakes
import pytest

from tidegate.controller import analyst
from tidegate.controller.analyst import AnalysisRequest, Analyst
from tidegate.evidence.model import Query, Selector, Series, Template
from tidegate.evidence.model import Ratio as RatioMeasure
from tidegate.evidence.templates import resolve_templates
from tidegate.ports import Ok, RawAnswer, Result, Retryable
from tidegate.rollout import model
from tidegate.rollout.model import Outcome, Verdict
from tidegate.settings import MetricSourceSettings

SCRAPE = build.SCRAPE
START = port_fakes.EPOCH.timestamp()
RANGE = re.compile(r"(?P<metric>\w+)\{(?P<matchers>.*)\}\[(?P<seconds>\d+)s\]")
SOURCES = {
    name: MetricSourceSettings(name=name, url="", enforces_namespace=True, timeout_seconds=0.02)
    for name in ("default", "other")
}
RATIO = "rest_server_requests_total"
LATENCY = "rest_server_request_duration_seconds_bucket"


class Tsdb:
    """A `MetricSource` that scrapes pods whose counters grow with time, all at the same moments."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.down: set[str] = set()
        self.hanging: set[str] = set()
        self.per_second: dict[str, float] = {build.CANDIDATE: 1.0, build.STABLE: 9.0}
        self.error_share: dict[str, float] = {}
        self.late_seconds = 0.0
        self.numbers: dict[str, str] = {}
        self.began_at = START - 3600

    async def query(self, source: str, *, promql: str, at: datetime) -> Result[RawAnswer]:
        self.asked.append((source, promql))
        await asyncio.sleep(0)
        if source in self.hanging:
            await asyncio.Event().wait()
        if source in self.down:
            return Retryable(message="down")
        asked = RANGE.fullmatch(promql)
        if asked is None:
            number = self.numbers[promql]
            return Ok(RawAnswer(result_type="scalar", result=[at.timestamp(), number]))
        end = at.timestamp()
        found = list(self._series(asked, start=end - float(asked["seconds"]), end=end))
        return Ok(RawAnswer(result_type="matrix", result=build.raw(found)))

    def _series(self, asked: re.Match[str], *, start: float, end: float) -> Iterator[Series]:
        visible = end - self.late_seconds
        times = [
            START + SCRAPE * index
            for index in range(-300, 20_000)
            if start <= START + SCRAPE * index <= visible
        ]
        for revision, rate in self.per_second.items():
            share = self.error_share.get(revision, 0.0) if "status_code" in asked[0] else 1.0
            edges = {"0.1": 0.9, "0.5": 0.99, "1": 1.0, "+Inf": 1.0}
            for le, below in edges.items() if "_bucket" in asked[0] else [("", 1.0)]:
                yield Series(
                    labels={"revision": revision, "pod": revision, "le": le},
                    samples=tuple(
                        (at, max(0.0, at - self.began_at) * rate * share * below) for at in times
                    ),
                )


class Bench:
    """An analyst with a hand-set clock and a request for a step confirmed at the clock's start."""

    def __init__(
        self, *metrics: model.Metric, templates: Mapping[str, Template] | None = None
    ) -> None:
        self.clock = port_fakes.ManualClock()
        self.tsdb = Tsdb()
        self.templates = templates or {}
        spec = build.spec(build.analysis(*(metrics or (build.metric(),))))
        resolved = resolve_templates(
            spec,
            find=lambda reference: self.templates.get(reference.name),
            sources=dict.fromkeys(SOURCES, True),
        )
        assert isinstance(resolved, Mapping), resolved
        self.request = AnalysisRequest(
            namespace="ml",
            name="iris",
            uid="uid-1",
            rollout_id="r1",
            stable=build.STABLE,
            candidate=build.CANDIDATE,
            spec=spec,
            templates=resolved,
            step_index=0,
            confirmed_at=self.clock.now(),
            first_traffic_at=self.clock.now(),
            split_percent=10.0,
            analysis_key="k1",
        )
        self.restart()

    def restart(self) -> None:
        self.analyst = Analyst(source=self.tsdb, clock=self.clock, sources=SOURCES)

    async def state(self, **changes: Any) -> model.AnalysisState:
        return await self.analyst.state(replace(self.request, **changes))

    async def states(self, *, seconds: float, every: float = 5.0) -> list[model.AnalysisState]:
        """What a reconciler sees that looks every few seconds."""
        found = []
        for _ in range(round(seconds / every)):
            await self.clock.advance(every)
            found.append(await self.state())
        return found


def run(scenario: Callable[[Bench], Coroutine[Any, Any, None]], bench: Bench | None = None) -> None:
    asyncio.run(scenario(bench or Bench()))


def test_nothing_is_asked_before_settle_warm_up_and_one_scrape_are_over() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=70)

        assert {it.reason for it in states} == {"Warmup"}
        assert not any(it.judged for it in states)
        assert bench.tsdb.asked == []
        assert bench.analyst.next_look_seconds(bench.request) == 5.0

        (state,) = await bench.states(seconds=5)
        assert state.judged
        assert state.reason == "Insufficient"  # 15 requests in the 15 s since it is warm
        states = await bench.states(seconds=60)
        assert states[-1].verdict is Verdict.ADVANCE

    run(scenario)


def test_later_steps_wait_only_for_the_traffic_to_settle() -> None:
    async def scenario(bench: Bench) -> None:
        bench.request = replace(
            bench.request, first_traffic_at=bench.clock.now() - timedelta(hours=1)
        )
        states = await bench.states(seconds=45)

        assert [it.judged for it in states] == [False] * 8 + [True]

    run(scenario)


def test_a_missing_time_of_first_traffic_is_the_confirmation() -> None:
    bench = Bench()

    assert replace(bench.request, first_traffic_at=None).data_from == bench.request.data_from


def test_between_looks_the_last_judgement_is_returned_without_asking() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=80)
        asked = len(bench.tsdb.asked)
        before = await bench.state()
        await bench.clock.advance(4.9)

        assert await bench.state() == before
        assert len(bench.tsdb.asked) == asked
        assert bench.analyst.next_look_seconds(bench.request) == pytest.approx(0.1)
        await bench.clock.advance(0.1)
        assert bench.analyst.next_look_seconds(bench.request) == 0.0
        await bench.state()
        assert len(bench.tsdb.asked) > asked

    run(scenario)


def test_equal_queries_of_a_look_are_asked_once() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=80)
        bench.tsdb.asked.clear()
        await bench.states(seconds=5)

        metrics = [RANGE.fullmatch(promql) for _, promql in bench.tsdb.asked]
        assert sorted(it["metric"] for it in metrics if it) == [LATENCY, RATIO, RATIO]

    run(
        scenario,
        Bench(
            build.metric(),
            build.metric("slow", preset="latency-p95", threshold=model.Threshold(max=0.5)),
        ),
    )


def test_an_erring_candidate_is_rolled_back_after_three_scrapes() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.per_second[build.CANDIDATE] = 10.0
        bench.tsdb.error_share[build.CANDIDATE] = 0.08
        states = await bench.states(seconds=120)

        verdicts = [it.verdict for it in states]
        first = verdicts.index(Verdict.ROLL_BACK)
        # Judged from 75 s on; looks at 75, 90 and 105 s bring new samples.
        assert (first + 1) * 5 == 105
        assert states[first].message == "error-ratio 0.08 > 0.01 (n=450)"
        assert states[first].results[0].failures == 3

    run(scenario)


def test_errors_from_before_the_step_settled_do_not_count() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.began_at = START - 15
        bench.tsdb.error_share[build.CANDIDATE] = 0.5
        bench.tsdb.per_second[build.CANDIDATE] = 0.0
        states = await bench.states(seconds=200)

        assert {it.verdict for it in states} == {Verdict.HOLD}
        assert states[-1].reason == "NoData"
        assert states[-1].without_data_since == port_fakes.EPOCH + timedelta(seconds=75)

    run(scenario)


def test_requests_and_share_are_counted_since_the_traffic_settled() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=630)

        assert states[-1].requests == 600
        assert states[-1].observed_candidate_percent == 10.0

    run(scenario)


@pytest.mark.parametrize("late_seconds", [0.0, 15.0])
def test_a_restart_changes_no_count(late_seconds: float) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.late_seconds = late_seconds
        for _ in range(4):
            (*_, before) = await bench.states(seconds=600)
            bench.restart()
            assert (await bench.state()).requests == before.requests

    run(scenario)


def test_samples_that_become_visible_late_are_not_lost() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.late_seconds = 10.0
        await bench.states(seconds=600)
        bench.tsdb.late_seconds = 0.0
        (state,) = await bench.states(seconds=30, every=30)

        assert state.requests == 600

    run(scenario)


def test_a_day_long_step_is_counted_in_pieces_after_a_restart() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(26 * 3600)
        state = await bench.state()

        assert len(bench.tsdb.asked) == analyst.MAX_CHUNKS + 2
        assert max(int(RANGE.fullmatch(it)["seconds"]) for _, it in bench.tsdb.asked) < 5 * 3600  # type: ignore[index]
        (state,) = await bench.states(seconds=5)
        assert state.requests == 26 * 3600 - 30

    run(scenario)


def test_a_source_that_is_down_holds_and_is_counted() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=75)
        bench.tsdb.down.add("default")
        states = await bench.states(seconds=20)

        assert [it.consecutive_errors for it in states] == [1, 2, 3, 4]
        assert {(it.verdict, it.reason) for it in states} == {(Verdict.HOLD, "MetricsUnavailable")}
        assert states[-1].without_data_since == port_fakes.EPOCH + timedelta(seconds=80)
        assert states[-1].requests == 45  # the last number known

        bench.tsdb.down.clear()
        (state,) = await bench.states(seconds=5)
        assert (state.consecutive_errors, state.without_data_since) == (0, None)

    run(scenario)


def test_counting_stops_at_a_source_that_is_down() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.down.add("default")
        await bench.clock.advance(3 * 3600)
        state = await bench.state()

        assert (state.requests, state.reason) == (0, "MetricsUnavailable")

    run(scenario)


OTHER = Template(
    name="answers",
    measure=RatioMeasure(bad=Selector(metric="bad_total"), total=Selector(metric="all_total")),
    source="other",
)


def test_a_hanging_source_does_not_keep_another_metric_from_rolling_back() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.hanging.add("other")
        bench.tsdb.per_second[build.CANDIDATE] = 10.0
        bench.tsdb.error_share[build.CANDIDATE] = 0.08
        states = await bench.states(seconds=120)

        assert states[-1].verdict is Verdict.ROLL_BACK
        outcomes = {it.name: it.outcome for it in states[-1].results}
        assert outcomes == {"error-ratio": Outcome.FAIL, "answers": Outcome.ERROR}
        assert "did not answer in time" in states[-1].results[1].message

    reference = model.TemplateRef(kind="MetricTemplate", name="answers")
    run(
        scenario,
        Bench(
            build.metric(),
            build.metric("answers", preset="", template=reference),
            templates={"answers": OTHER},
        ),
    )


def test_two_callers_cause_one_look() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(80)
        first, second = await asyncio.gather(bench.state(), bench.state())

        assert first == second
        assert len(bench.tsdb.asked) == 2

    run(scenario)


@pytest.mark.parametrize(
    "change",
    [
        {"rollout_id": "r2"},
        {"step_index": 1},
        {"analysis_key": "k2"},
        {"confirmed_at": port_fakes.EPOCH + timedelta(seconds=1)},
    ],
)
def test_another_step_starts_anew(change: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.error_share[build.CANDIDATE] = 1.0
        bench.tsdb.per_second[build.CANDIDATE] = 10.0
        await bench.states(seconds=95)
        state = await bench.state(**change)

        assert state.results[0].failures == 1

    run(scenario)


def test_a_forgotten_object_starts_anew() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=80)
        asked = len(bench.tsdb.asked)
        bench.analyst.forget("uid-1")
        bench.analyst.forget("uid-2")
        await bench.state()

        assert len(bench.tsdb.asked) > asked

    run(scenario)


def test_the_number_of_remembered_steps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyst, "MAX_STEPS", 2)

    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(80)
        for uid in ("a", "b", "a", "c"):
            await bench.state(uid=uid)
        asked = len(bench.tsdb.asked)
        await bench.state(uid="a")
        assert len(bench.tsdb.asked) == asked
        await bench.state(uid="b")
        assert len(bench.tsdb.asked) > asked

    run(scenario)


def test_a_free_query_is_asked_for_both_revisions() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {
            f'load{{r="{build.CANDIDATE}"}}': "0.9",
            f'load{{r="{build.STABLE}"}}': "0.2",
        }
        states = await bench.states(seconds=200)

        (result,) = states[-1].results
        assert (result.value, result.baseline_value) == (0.9, 0.2)
        assert states[-1].verdict is Verdict.ROLL_BACK
        assert states[-1].message == "load 0.9 > 0.5"

    limit = model.Threshold(max=0.5)
    run(
        scenario,
        Bench(build.metric("load", preset="", query='load{r="${revision}"}', threshold=limit)),
    )


def test_a_free_query_that_does_not_tell_revisions_apart_has_no_baseline() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "NaN"}
        states = await bench.states(seconds=80)

        assert states[-1].reason == "NoData"
        bench.tsdb.numbers = {"load": "0.001"}
        states = await bench.states(seconds=200)
        assert states[-1].verdict is Verdict.ADVANCE

    run(scenario, Bench(build.metric("load", preset="", query="load")))


def test_a_metric_that_cannot_be_asked_is_an_error() -> None:
    async def scenario(bench: Bench) -> None:
        broken = Template(name="x", measure=Query(promql="up{${name}}"), source="default")
        away = replace(bench.request.templates["other"], source="gone")
        bench.request = replace(
            bench.request,
            templates={
                "error-ratio": bench.request.templates["error-ratio"],
                "broken": broken,
                "other": away,
            },
        )
        states = await bench.states(seconds=100)

        results = {it.name: (it.outcome, it.message) for it in states[-1].results}
        assert results["error-ratio"][0] is Outcome.PASS
        assert results["broken"][0] is Outcome.ERROR
        assert results["other"] == (Outcome.ERROR, "other: unknown metric source 'gone'")

    run(scenario, Bench(build.metric(), build.metric("broken"), build.metric("other")))


def test_beyond_the_planned_steps_the_analysis_says_how_many_requests_are_needed() -> None:
    bench = Bench()

    assert bench.request.min_requests == 100
    assert replace(bench.request, step_index=7).min_requests == 100
