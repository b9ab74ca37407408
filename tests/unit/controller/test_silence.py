"""The real analyst before a candidate of which nothing is seen."""

from __future__ import annotations

from collections.abc import Callable

import evidence_build as build
import pytest
from analyst_bench import SCRAPE, START, WARM, Bench, Pod, metric, run
from metric_source import Row

from tidegate import model

Verdict = model.Verdict
DURING = 120.0  # seconds after which the candidate is seen no more


def hidden(bench: Bench, *, revisions: tuple[str, ...], after: float = 0.0) -> None:
    """The source has seen nothing of these since an instant."""

    def spoil(rows: list[Row], _promql: str) -> None:
        for row in rows:
            if row["metric"]["revision"] in revisions:
                row["values"] = [it for it in row["values"] if it[0] <= START + after]
        rows[:] = [row for row in rows if row["values"]]

    bench.tsdb.spoil = spoil


async def silent_at(bench: Bench, *, seconds: float = 400.0) -> float | None:
    """Seconds from the confirmation to the first state that calls the candidate silent."""
    for number, state in enumerate(await bench.states(seconds=seconds)):
        if state.silent:
            assert state.verdict is Verdict.HOLD
            assert state.silent.startswith("NoData")
            return 5.0 * (number + 1)
    return None


def metrics() -> dict[str, Callable[[], Bench]]:
    return {
        "ratio": lambda: Bench(metric()),
        "latency": lambda: Bench(metric("latency-p95")),
        "value": lambda: Bench(metric("load", preset="", query="load", compare=None), analysis={}),
    }


@pytest.mark.parametrize("kind", ["ratio", "latency", "value"])
def test_a_candidate_that_was_never_seen_is_silent_four_scrapes_after_its_warm_up(
    kind: str,
) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.01"}
        hidden(bench, revisions=(build.CANDIDATE,), after=-1000.0)
        found = await silent_at(bench)
        assert found is not None
        assert WARM - START + 4 * SCRAPE <= found <= WARM - START + 6 * SCRAPE

    run(scenario, metrics()[kind]())


def test_one_that_was_seen_is_silent_soon_after_it_was_seen_last() -> None:
    async def scenario(bench: Bench) -> None:
        hidden(bench, revisions=(build.CANDIDATE,), after=DURING)
        found = await silent_at(bench)
        assert found is not None
        assert DURING + 4 * SCRAPE <= found <= DURING + 8 * SCRAPE

    run(scenario, Bench(metric(compare=None), analysis={"min_requests": 10**9}))


def test_a_source_that_sees_nobody_calls_nobody_silent() -> None:
    async def scenario(bench: Bench) -> None:
        hidden(bench, revisions=(build.CANDIDATE, build.STABLE), after=DURING)
        assert await silent_at(bench) is None

    run(scenario, Bench(metric(), analysis={"min_requests": 10**9}))


def test_what_was_seen_before_the_source_went_away_is_not_repeated() -> None:
    async def scenario(bench: Bench) -> None:
        hidden(bench, revisions=(build.CANDIDATE,), after=-1000.0)
        assert await silent_at(bench) is not None
        bench.tsdb.down = {"default"}
        states = await bench.states(seconds=120)
        assert not states[-1].silent

    run(scenario)


def test_a_source_that_does_not_answer_is_no_silence() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=DURING)
        bench.tsdb.down = {"default"}
        assert await silent_at(bench, seconds=600) is None

    run(scenario, Bench(metric(), analysis={"min_requests": 10**9}))


def test_samples_that_are_late_for_everybody_are_no_silence() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.late_seconds = 90.0
        assert await silent_at(bench) is None

    run(scenario, Bench(metric(), analysis={"min_requests": 10**9}))


def test_an_idle_candidate_is_not_silent() -> None:
    """Stable's requests promise it one a minute."""

    async def scenario(bench: Bench) -> None:
        hidden(bench, revisions=(build.CANDIDATE,), after=-1000.0)
        for pod in bench.tsdb.pods:
            pod.per_second = 0.08
        assert await silent_at(bench, seconds=900) is None

    run(scenario, Bench(metric(), candidate=Pod(revision=build.CANDIDATE, born_at=START)))
