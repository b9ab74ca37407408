"""The real analyst before counters that show what no counter has: never good, and never harm."""

from __future__ import annotations

from collections.abc import Callable

import evidence_build as build
import pytest
from analyst_bench import START, Bench, flow, metric, run
from metric_source import Row

from tidegate import model

Verdict = model.Verdict
COMPARED = metric(threshold=model.NO_THRESHOLD)
Is = Callable[[Row], bool]


def errors_of(revision: str) -> Is:
    return lambda row: (
        row["metric"]["revision"] == revision and row["metric"].get("status_code") == "500"
    )


ERRORS = errors_of(build.CANDIDATE)


def requests_of(revision: str) -> Is:
    return lambda row: (
        row["metric"]["revision"] == revision and row["metric"].get("status_code") == "200"
    )


def bench_of(
    odd: str,
    *,
    of: Is = ERRORS,
    candidate: float = 0.0,
    stable: float = 0.0,
    since: float = 0.0,
    until: float = 1e9,
    metrics: tuple[model.Metric, ...] = (COMPARED,),
) -> Bench:
    """Some counters show an odd value in a stretch of time (seconds from the start)."""
    bench = Bench(*metrics, candidate=flow(candidate), stable_error_share=stable)

    def spoil(rows: list[Row], _: str) -> None:
        for row in filter(of, rows):
            row["values"] = [
                (at, odd if START + since <= at <= START + until else value)
                for at, value in row["values"]
            ]

    bench.tsdb.spoil = spoil
    return bench


def verdicts(states: list[model.AnalysisState]) -> set[model.Verdict]:
    return {one.verdict for one in states}


@pytest.mark.parametrize(
    ("odd", "candidate"), [("-5", 0.0), ("NaN", 0.5), ("-Inf", 0.5), ("1e300", 0.5)]
)
def test_errors_that_are_no_counts_are_no_good_ones_and_no_harm(odd: str, candidate: float) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300, every=15.0)
        assert verdicts(states) == {Verdict.HOLD}
        assert states[-1].reason == "Error"
        assert f"shows {float(odd):g}, which is no count" in states[-1].message
        assert 'status_code="500"' in states[-1].message

    run(scenario, bench_of(odd, candidate=candidate))


@pytest.mark.parametrize("odd", ["-5", "NaN"])
def test_requests_that_are_no_counts_are_no_silence(odd: str) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300, every=15.0)
        assert verdicts(states) == {Verdict.HOLD}
        assert states[-1].reason == "Error"
        assert not any(one.silent for one in states)

    run(scenario, bench_of(odd, of=requests_of(build.CANDIDATE)))


def test_a_stable_that_shows_no_counts_is_no_measure() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300, every=15.0)
        assert verdicts(states) == {Verdict.HOLD}
        assert "of the stable" in states[-1].message

    run(scenario, bench_of("+Inf", of=errors_of(build.STABLE), stable=0.01, candidate=0.01))


@pytest.mark.parametrize(
    ("seconds", "of"),
    [(0.0, errors_of(build.CANDIDATE)), (90.0, requests_of(build.CANDIDATE))],
)
def test_a_good_version_passes_once_its_counters_count_again(seconds: float, of: Is) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=420, every=15.0)
        assert states[-1].verdict is Verdict.ADVANCE
        assert Verdict.ROLL_BACK not in verdicts(states)

    run(scenario, bench_of("-5", of=of, since=75.0, until=75.0 + seconds))


@pytest.mark.parametrize(
    ("share", "of"), [(0.03, errors_of(build.CANDIDATE)), (0.5, requests_of(build.CANDIDATE))]
)
def test_what_failed_meanwhile_is_found_once_counters_count_again(share: float, of: Is) -> None:
    async def scenario(bench: Bench) -> None:
        bench.candidate.bad_from = START + 90
        states = await bench.states(seconds=420, every=15.0)
        assert Verdict.ADVANCE not in verdicts(states)
        assert states[-1].verdict is Verdict.ROLL_BACK

    run(scenario, bench_of("NaN", of=of, since=75.0, until=200.0, candidate=share))


def test_weeks_of_errors_that_were_not_seen_are_not_those_of_now() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=420, every=15.0)
        assert Verdict.ROLL_BACK not in verdicts(states)
        assert states[-1].verdict is Verdict.ADVANCE

    bench = bench_of("-1", until=150.0)
    spoil = bench.tsdb.spoil

    def earlier(rows: list[Row], text: str) -> None:
        for row in filter(errors_of(build.CANDIDATE), rows):
            row["values"] = [(at, "5000") for at, _ in row["values"]]
        spoil(rows, text)

    bench.tsdb.spoil = earlier
    run(scenario, bench)


def test_the_mark_of_an_end_is_no_value() -> None:
    """VictoriaMetrics answers raw samples with the NaN that ends a series."""

    async def scenario(bench: Bench) -> None:
        pods = bench.tsdb.pods
        pods[1].dies_at = START + 150

        def spoil(rows: list[Row], _: str) -> None:
            for row in rows:
                last = row["values"][-1][0] if row["values"] else 0.0
                if row["metric"]["instance"] == f"{build.STABLE}-a:8082" and last == START + 150:
                    row["values"].append((last + 15, "NaN"))

        bench.tsdb.spoil = spoil
        states = await bench.states(seconds=300, every=15.0)
        assert "Error" not in {one.reason for one in states}
        assert states[-1].requests > 5000

    run(scenario, Bench(COMPARED))


def test_another_metric_still_finds_harm() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300, every=15.0)
        assert states[-1].verdict is Verdict.ROLL_BACK
        assert states[-1].message.startswith("latency-p95")

    metrics = (COMPARED, metric("latency-p95", threshold=model.Threshold(max=0.5)))
    bench = bench_of("NaN", metrics=metrics)
    bench.candidate.slow_share = 0.6
    run(scenario, bench)


def test_a_restart_of_the_operator_gives_the_same_rows() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=300, every=15.0)
        live = [one for one in bench.rows() if not {"Running", "Window"} & set(one["flags"])]
        bench.restart()
        await bench.states(seconds=5)
        again = [one for one in bench.rows() if not {"Running", "Window"} & set(one["flags"])]
        assert again[: len(live)] == live
        assert len(live) > 5

    run(scenario, bench_of("-5", since=95.0, until=240.0, candidate=0.002, stable=0.002))
