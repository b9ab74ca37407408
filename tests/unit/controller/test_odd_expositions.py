"""The real analyst before exporters of which the histograms lack buckets."""

from __future__ import annotations

from collections.abc import Callable

import evidence_build as build
import pytest
from analyst_bench import Bench, flow, metric, run
from metric_source import Row

from tidegate import model

Verdict = model.Verdict
COMPARED = metric(threshold=model.NO_THRESHOLD)
SLOW = metric("latency-p95", threshold=model.NO_THRESHOLD)
Spoil = Callable[[list[Row]], None]
CANDIDATES, STABLES = (build.CANDIDATE,), (build.STABLE,)


def bench_of(
    spoil: Spoil,
    *,
    candidate: float = 0.002,
    stable: float = 0.002,
    metric: model.Metric = COMPARED,
) -> Bench:
    bench = Bench(metric, candidate=flow(candidate), stable_error_share=stable)
    bench.tsdb.spoil = lambda rows, _: spoil(rows)
    return bench


def of(rows: list[Row], revisions: tuple[str, ...], **labels: str) -> list[Row]:
    wanted = labels.items()
    return [
        row
        for row in rows
        if row["metric"]["revision"] in revisions and wanted <= row["metric"].items()
    ]


def without_buckets(*revisions: str, pod: str = "", **labels: str) -> Spoil:
    def spoil(rows: list[Row]) -> None:
        gone = [row for row in of(rows, revisions, **labels) if row["metric"]["pod"].endswith(pod)]
        rows[:] = [row for row in rows if row not in gone]

    return spoil


def without_edges(rows: list[Row]) -> None:
    for row in rows:
        row["metric"] = {name: it for name, it in row["metric"].items() if name != "le"}


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(
            without_buckets(*CANDIDATES, *STABLES, le="+Inf"), 'lacks le="+Inf"', id="+Inf of both"
        ),
        pytest.param(without_buckets(*CANDIDATES, le="+Inf"), 'lacks le="+Inf"', id="of one"),
        pytest.param(without_buckets(*STABLES, le="+Inf"), 'lacks le="+Inf"', id="of stable"),
        pytest.param(without_edges, "has no label le", id="the label"),
        pytest.param(
            without_buckets(*CANDIDATES, le="0.1"), "0.25, 0.5, 1, 2.5", id="one that is not needed"
        ),
    ],
)
def test_what_a_histogram_lacks_is_named(spoil: Spoil, named: str) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=150, every=15)

        if "lacks" not in named and "has no" not in named:
            assert all(one.reason != "IncompatibleBuckets" for one in states)
            return
        assert states[-1].verdict is Verdict.HOLD
        assert [one.reason for one in states[-1].results] == ["IncompatibleBuckets"]
        assert named in states[-1].message
        assert "relabeling" in states[-1].message

    run(scenario, bench_of(spoil, metric=SLOW))


def test_harm_of_another_metric_is_found_while_a_histogram_lacks_buckets() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=180, every=15)

        assert Verdict.ROLL_BACK in {one.verdict for one in states}

    bench = Bench(COMPARED, SLOW, candidate=flow(0.1), stable_error_share=0.002)

    def spoil(rows: list[Row], _: object) -> None:
        without_buckets(*CANDIDATES, le="+Inf")(rows)

    bench.tsdb.spoil = spoil
    run(scenario, bench)
