"""The real analyst before sources whose samples are late, doubled, renamed, sparse or lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import evidence_build as build
import pytest
from analyst_bench import START, Bench, flow, metric, run
from metric_source import Row

from tidegate import model

Verdict = model.Verdict
COMPARED = metric(threshold=model.NO_THRESHOLD)
Spoil = Callable[[list[Row], float], None]


def bench_of(
    *, candidate: float, stable: float = 0.0, spoil: Spoil = lambda _rows, _now: None
) -> Bench:
    bench = Bench(COMPARED, candidate=flow(candidate), stable_error_share=stable)
    bench.tsdb.spoil = lambda rows, _: spoil(rows, bench.clock.now().timestamp())
    return bench


def decided(states: list[model.AnalysisState]) -> model.AnalysisState:
    """The first state that is no hold, else the last one."""
    return next((one for one in states if one.verdict is not Verdict.HOLD), states[-1])


def closed(bench: Bench) -> list[dict[str, Any]]:
    """The rows that were over when they were judged."""
    return [one for one in bench.rows() if not {"Running", "Window"} & set(one["flags"])]


def counted(bench: Bench) -> dict[str, float]:
    rows = [one["counts"]["error-ratio"] for one in closed(bench) if one["counts"]]
    return {name: sum(one[name] for one in rows) for name in ("nC", "nS")}


def until(rows: list[Row], last: float) -> None:
    for row in rows:
        row["values"] = [one for one in row["values"] if one[0] <= last]


def of_candidate(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["metric"]["revision"] == build.CANDIDATE]


# --- late ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [30.0, 40.0, 90.0])
def test_samples_that_are_late_are_all_counted_and_named(late: float) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.late_seconds = late
        states = await bench.states(seconds=420)

        assert decided(states).verdict is Verdict.ADVANCE
        rows = [one["counts"]["error-ratio"] for one in closed(bench)]
        assert {one["nC"] for one in rows} == {1500}
        assert {one["nS"] for one in rows} == {13500}
        assert any("late" in one.message for one in states)

    run(scenario, bench_of(candidate=0.002, stable=0.002))


@pytest.mark.parametrize("code", ["500", "200"])
def test_a_series_that_is_later_than_the_others_of_its_pod_is_waited_for(code: str) -> None:
    def spoil(rows: list[Row], now: float) -> None:
        until([row for row in rows if row["metric"].get("status_code") == code], now - 40)

    async def scenario(bench: Bench) -> None:
        found = decided(await bench.states(seconds=300))

        assert found.verdict is Verdict.ROLL_BACK, found.message
        assert all(one["counts"]["error-ratio"]["nC"] == 1500 for one in closed(bench))

    run(scenario, bench_of(candidate=0.01, stable=0.002, spoil=spoil))


def test_a_series_that_stays_away_while_its_pod_goes_on_keeps_the_step() -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        until([row for row in rows if row["metric"].get("status_code") == "500"], START + 100)

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=900, every=15)

        assert {one.verdict for one in states} == {Verdict.HOLD}
        assert states[-1].reason == "Stale"
        assert 'status_code="500"' in states[-1].message

    run(scenario, bench_of(candidate=0.01, stable=0.01, spoil=spoil))


SLOW = metric("latency-p95", threshold=model.NO_THRESHOLD)


@pytest.mark.parametrize("late", [0.0, 40.0])
def test_a_slow_version_is_found_by_late_samples_too(late: float) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.late_seconds = late
        found = decided(await bench.states(seconds=300))

        assert found.verdict is Verdict.ROLL_BACK, found.message

    run(scenario, Bench(SLOW, candidate=flow(0.0, slow_share=0.3)))


def test_a_latency_is_cut_when_both_arms_are_there() -> None:
    """The candidate has more buckets than stable, of which nothing is seen for three minutes."""

    def spoil(rows: list[Row], _now: float) -> None:
        rows[:] = [
            row
            for row in rows
            if row["metric"]["revision"] == build.CANDIDATE or row["values"][-1][0] > START + 180
        ]
        for row in rows:
            if row["metric"]["revision"] != build.CANDIDATE:
                row["values"] = [it for it in row["values"] if it[0] > START + 180]

    async def scenario(bench: Bench) -> None:
        bench.tsdb.spoil = lambda rows, _: spoil(rows, 0.0)
        before = await bench.states(seconds=170)
        found = decided(await bench.states(seconds=300))

        assert [one.reason for one in before[-1].results] == ["NoBaseline"]
        assert found.verdict is Verdict.ROLL_BACK, found.message

    candidate = replace(flow(0.0, slow_share=0.3), edges=("0.1", "0.25", "0.5", "1", "2.5", "5"))
    run(scenario, Bench(SLOW, candidate=candidate))


# --- renamed and doubled -------------------------------------------------------------------------


def relabelled(rows: list[Row], *, at: float, **labels: str) -> None:
    """From an instant on the series carry other labels."""
    later = [
        {
            **row,
            "metric": {**row["metric"], **labels},
            "values": [it for it in row["values"] if it[0] > at],
        }
        for row in rows
    ]
    until(rows, at)
    rows += later
    rows[:] = [row for row in rows if row["values"]]


@pytest.mark.parametrize("label", ["node", "job", "pod_template"])
@pytest.mark.parametrize("stable", [0.0, 0.002])
def test_labels_that_are_added_to_a_scrape_reject_nobody(label: str, stable: float) -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        relabelled(rows, at=START + 149, **{label: "n1"})

    async def scenario(bench: Bench) -> None:
        bench.candidate.born_at = START - 300
        states = await bench.states(seconds=420)

        assert decided(states).verdict is Verdict.ADVANCE, states[-1].message
        assert max(one["counts"]["error-ratio"]["nS"] for one in closed(bench)) <= 13500

    run(scenario, bench_of(candidate=stable, stable=stable, spoil=spoil))


def test_a_series_of_errors_that_is_away_for_a_while_rejects_nobody() -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        for row in of_candidate(rows):
            if row["metric"].get("status_code") == "500":
                row["values"] = [it for it in row["values"] if not START + 95 < it[0] < START + 200]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600)

        assert decided(states).verdict is Verdict.ADVANCE, states[-1].message

    run(scenario, bench_of(candidate=0.002, stable=0.002, spoil=spoil))


def doubled(rows: list[Row], *, since: float, until_: float, shift: float, **labels: str) -> None:
    """For a while a second scrape sees the same, a few seconds later."""
    copies = []
    for row in rows:
        values = []
        for (at, text), (_, after) in zip(row["values"], row["values"][1:], strict=False):
            between = float(text) + (float(after) - float(text)) * shift / 15
            if since < at + shift <= until_:
                values.append([at + shift, f"{between:.0f}"])
        if values:
            copies.append({**row, "metric": {**row["metric"], **labels}, "values": values})
    rows += copies


@pytest.mark.parametrize("share", [0.002, 0.9])
@pytest.mark.parametrize("label", ["job", "service", "own_external"])
def test_after_a_minute_of_double_scraping_counting_goes_on(share: float, label: str) -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        doubled(rows, since=START + 120, until_=START + 180, shift=3.0, **{label: "b"})

    async def scenario(bench: Bench) -> None:
        bench.candidate.bad_from = START + 190 if share > 0.5 else START - 300
        states = await bench.states(seconds=420)

        expected = Verdict.ROLL_BACK if share > 0.5 else Verdict.ADVANCE
        ends = [one.verdict for one in states if one.verdict is not Verdict.HOLD]
        assert ends[-1] is expected, states[-1].message
        assert max(one["counts"]["error-ratio"]["nS"] for one in closed(bench)) <= 13_700

    run(scenario, bench_of(candidate=share, stable=0.002, spoil=spoil))


def test_double_scraping_is_told_and_counted_once() -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        doubled(rows, since=0, until_=START + 1e9, shift=3.0, endpoint="b")

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=200)

        assert any("ScrapedTwice" in one.message for one in states)
        assert any("ScrapedTwice" in one["flags"] for one in closed(bench))
        assert all(abs(one["counts"]["error-ratio"]["nS"] - 13500) < 500 for one in closed(bench))

    run(scenario, bench_of(candidate=0.002, stable=0.002, spoil=spoil))


# --- sparse, falling, lost -----------------------------------------------------------------------


@pytest.mark.parametrize("phase", [0.0, 15.0, 30.0, 45.0])
def test_samples_that_are_further_apart_than_the_settings_say_are_counted(phase: float) -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        for row in rows:
            shift = phase if row["metric"]["revision"] == build.CANDIDATE else 0.0
            row["values"] = [it for it in row["values"] if (it[0] - START - shift) % 60 == 0]
        rows[:] = [row for row in rows if row["values"]]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600)

        assert decided(states).verdict is Verdict.ADVANCE, states[-1].message
        total = counted(bench)
        assert total["nC"] / total["nS"] == pytest.approx(50 / 450, rel=0.15)
        assert any("60 s apart, the settings say 15 s" in one.message for one in states)

    run(scenario, bench_of(candidate=0.002, stable=0.002, spoil=spoil))


def test_several_workers_behind_one_port_are_named() -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        for row in rows:
            row["values"] = [
                [at, f"{float(text) * (0.48 if round((at - START) / 15) % 2 else 0.52):.0f}"]
                for at, text in row["values"]
            ]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300)

        assert {one.verdict for one in states} == {Verdict.HOLD}
        assert states[-1].reason == "Error"
        assert "fall again and again" in states[-1].message

    run(scenario, bench_of(candidate=0.002, stable=0.002, spoil=spoil))


@pytest.mark.parametrize("stable", [0.0, 0.01])
@pytest.mark.parametrize("gap", [60.0, 75.0])
def test_what_fails_while_nobody_can_scrape_is_counted(stable: float, gap: float) -> None:
    """In the first part of every two minutes each request fails, and so does each scrape."""

    def is_bad(at: float) -> bool:
        return (at - START) % 120 < gap

    def errors(at: float) -> float:
        whole, rest = divmod(at - START, 120)
        return 20 * (whole * gap + min(rest, gap))

    def spoil(rows: list[Row], _now: float) -> None:
        for row in of_candidate(rows):
            bad = row["metric"]["status_code"] == "500"
            row["values"] = [
                [at, f"{max(0.0, errors(at)) if bad else 20 * (at - START + 600) - errors(at):.0f}"]
                for at, _ in row["values"]
                if not is_bad(at)
            ]

    async def scenario(bench: Bench) -> None:
        found = decided(await bench.states(seconds=1200, every=15))

        assert found.verdict is Verdict.ROLL_BACK, found.message

    run(scenario, bench_of(candidate=0.0, stable=stable, spoil=spoil))


def test_a_pod_that_is_replaced_holds_up_nothing_for_long() -> None:
    async def scenario(bench: Bench) -> None:
        stable = bench.tsdb.pod(build.STABLE, "b")
        bench.tsdb.pods.append(replace(stable, name="c", born_at=START + 100))
        stable.dies_at = START + 105
        states = await bench.states(seconds=420)

        assert decided(states).verdict is Verdict.ADVANCE, states[-1].message

    run(scenario, bench_of(candidate=0.002, stable=0.002))


# --- never answered ------------------------------------------------------------------------------


@pytest.mark.parametrize("check", list(model.ShareCheck))
@pytest.mark.parametrize("answered", [0.0, 5.0])
def test_a_candidate_that_answers_hardly_anything_is_rolled_back(
    answered: float, check: model.ShareCheck
) -> None:
    """Stable's pods finish 450 requests per second, so that the candidate should finish 50."""

    async def scenario(bench: Bench) -> None:
        spec = bench.request.spec
        traffic = replace(spec.traffic, share_check=check)
        bench.edit(spec=replace(spec, traffic=traffic))
        found = decided(await bench.states(seconds=300))

        assert (found.verdict, found.reason) == (Verdict.ROLL_BACK, "Unanswered"), found.message
        assert "does not answer" in found.message

    run(scenario, Bench(COMPARED, candidate=flow(0.0, per_second=answered)))


def test_a_candidate_without_any_series_is_none_that_does_not_answer() -> None:
    """Its pods may not be scraped: nothing is known of them."""

    def spoil(rows: list[Row], _now: float) -> None:
        rows[:] = [row for row in rows if row["metric"]["revision"] != build.CANDIDATE]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600, every=15)

        assert {one.verdict for one in states} == {Verdict.HOLD}
        assert states[-1].reason == "NoData"

    run(scenario, bench_of(candidate=0.0, spoil=spoil))


def test_a_candidate_that_is_not_scraped_any_more_is_none_that_does_not_answer() -> None:
    def spoil(rows: list[Row], _now: float) -> None:
        until(of_candidate(rows), START + 150)
        rows[:] = [row for row in rows if row["values"]]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=900, every=15)

        assert Verdict.ROLL_BACK not in {one.verdict for one in states}

    run(scenario, bench_of(candidate=0.002, stable=0.002, spoil=spoil))
