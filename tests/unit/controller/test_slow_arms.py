"""The real analyst before two versions that are scraped at intervals of their own, and what it waits for."""

from __future__ import annotations

import analyst_bench
import evidence_build as build
import pytest
from analyst_bench import START, Bench, flow, metric, run
from metric_source import Row

from tidegate import model
from tidegate.controller.analysis.setting import setting_of
from tidegate.controller.analysis.spacing import LONGEST_SECONDS, respaced
from tidegate.evidence.counts import readings
from tidegate.evidence.counts.tally import Faults
from tidegate.evidence.terms import Series

Verdict = model.Verdict
COMPARED = metric(threshold=model.NO_THRESHOLD)
OFTEN = "samples of the candidate revision are 5 s apart, the settings say 15 s"
BOTH = frozenset({build.CANDIDATE, build.STABLE})


def bench_of(every: dict[str, int], *, candidate: float = 0.0) -> Bench:
    """Samples of these revisions come so many seconds apart; those of others every 15 s."""
    bench = Bench(COMPARED, candidate=flow(candidate))

    def thin(rows: list[Row], _query: str) -> None:
        for row in rows:
            apart = every.get(row["metric"]["revision"], 15)
            row["values"] = [it for it in row["values"] if (it[0] - START) % apart == 0]
        rows[:] = [row for row in rows if row["values"]]

    bench.tsdb.spoil = thin
    return bench


def verdicts(states: list[model.AnalysisState]) -> list[tuple[Verdict, str]]:
    """What was said, without what was said again."""
    said = [(one.verdict, one.reason) for one in states]
    return [it for it, before in zip(said, [None, *said], strict=False) if it != before]


def shares(bench: Bench) -> list[float]:
    """The candidate's part of the requests by row that is over."""
    closed = [it for it in bench.rows() if not {"Running", "Window"} & set(it["flags"])]
    counts = [it["counts"]["error-ratio"] for it in closed if it["counts"]]
    return [it["nC"] / (it["nC"] + it["nS"]) for it in counts]


@pytest.mark.parametrize(
    ("every", "named"),
    [
        (
            {build.STABLE: 60},
            "samples of the stable revision are 60 s apart, the settings say 15 s",
        ),
        (
            {build.CANDIDATE: 60},
            "samples of the candidate revision are 60 s apart, the settings say 15 s",
        ),
        ({build.STABLE: 60, build.CANDIDATE: 60}, "samples are 60 s apart, the settings say 15 s"),
        (
            {build.STABLE: 30},
            "samples of the stable revision are 30 s apart, the settings say 15 s",
        ),
        (
            {build.CANDIDATE: 45, build.STABLE: 30},
            "samples of the candidate revision are 45 s apart",
        ),
    ],
)
def test_equal_versions_advance_once_and_for_good_however_often_each_is_scraped(
    every: dict[str, int], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyst_bench, "SCRAPE", 5.0)  # what a pod shows at most

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=660)

        said = verdicts(states)
        assert said[-1] == (Verdict.ADVANCE, "NonInferior"), states[-1].message
        assert {reason for _, reason in said} <= {"Warmup", "Insufficient", "NonInferior"}
        assert len(said) == len(set(said)), said  # nothing is taken back
        assert shares(bench) == pytest.approx([0.1] * len(shares(bench)), abs=0.005)
        assert any(named in one.message for one in states)
        least = 2 * max(every.values())
        rows = [it for it in bench.rows() if not {"Running", "Window"} & set(it["flags"])]
        assert all(it["t1"] - it["t0"] >= least for it in rows)

    run(scenario, bench_of(every))


@pytest.mark.parametrize("slow", [{build.STABLE}, {build.CANDIDATE}, BOTH])
def test_a_bad_version_is_found_however_often_each_is_scraped(slow: frozenset[str]) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600)
        assert (Verdict.ROLL_BACK, "Regression") in verdicts(states), states[-1].message

    run(scenario, bench_of(dict.fromkeys(slow, 60), candidate=0.08))


@pytest.mark.parametrize("slow", [build.STABLE, build.CANDIDATE])
def test_another_operator_counts_the_same_shares(slow: str) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=600)
        before = bench.rows()
        bench.restart()
        states = await bench.states(seconds=60)

        assert verdicts(states)[-1] == (Verdict.ADVANCE, "NonInferior"), states[-1].message
        assert all(one.verdict is Verdict.ADVANCE for one in states if one.judged)
        after = {(it["t0"], it["t1"]): it["counts"]["error-ratio"] for it in bench.rows()}
        for row in before:
            counts = after[row["t0"], row["t1"]]
            assert (counts["nC"], counts["nS"]) == (
                row["counts"]["error-ratio"]["nC"],
                row["counts"]["error-ratio"]["nS"],
            )

    run(scenario, bench_of({slow: 60}))


def test_a_slow_arm_whose_samples_end_is_stale() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=600)
        for pod in bench.tsdb.pods:
            if pod.revision == build.STABLE:
                pod.dies_at = START + 600
        states = await bench.states(seconds=300)
        assert (Verdict.HOLD, "Stale") in verdicts(states), verdicts(states)

    run(scenario, bench_of({build.STABLE: 60}))


@pytest.mark.parametrize(
    ("gaps", "seen"),
    [
        ([15.0] * 8, None),
        ([20.0] * 8, None),  # not so far apart that rows would be too short
        ([60.0, 60.0], 60.0),
        ([60.0], None),  # one gap may be a scrape that was lost
        ([15.0, 30.0], None),
        ([15.0, 45.0], None),
        ([LONGEST_SECONDS] * 3, LONGEST_SECONDS),
        ([LONGEST_SECONDS + 60] * 3, None),
    ],
)
def test_what_samples_say_of_their_interval(gaps: list[float], seen: float | None) -> None:
    subject = Bench(COMPARED).request.subject
    setting = setting_of(subject, scrapes={"default": 15.0})
    at = [START]
    for gap in gaps:
        at.append(at[-1] + gap)
    samples = tuple((it, it - START) for it in at)
    series = Series(labels={"revision": build.STABLE}, samples=samples)

    found = respaced(setting, {"error-ratio": [series]})

    assert found.seen == ({} if seen is None else {"default": seen})
    assert (found is setting) == (seen is None)
    assert found.spacing_of(COMPARED) == found.scrape_seconds == (seen or 15.0)
    assert found.scrape_of(COMPARED) == 15.0
    assert found == setting  # it is still judged in the same way
    assert respaced(found, {"error-ratio": [series]}) is found


@pytest.mark.parametrize(
    ("spacings", "said"),
    [
        ({}, ""),
        ({"candidate": 15.0, "stable": 15.0}, ""),
        (
            {"candidate": 5.0, "stable": 30.0},
            f"{OFTEN}; samples of the stable revision are 30 s apart, the settings say 15 s",
        ),
        ({"candidate": 5.0, "stable": 5.0}, "samples are 5 s apart, the settings say 15 s"),
    ],
)
def test_the_remark_names_the_arm(spacings: dict[str, float], said: str) -> None:
    remark = readings.remark(Faults(), spacings=spacings, scrape_seconds=15.0, late_seconds=0.0)
    assert remark == said
