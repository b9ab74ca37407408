"""The real analyst where failed requests stand under labels that a scrape might add as well."""

from __future__ import annotations

from collections.abc import Callable

import evidence_build as build
import pytest
from analyst_bench import START, Bench, Pod, metric, run
from metric_source import Row

from tidegate import model

COMPARED = metric(threshold=model.NO_THRESHOLD)
Spoil = Callable[[list[Row], str], None]


def by_client(label: str, revision: str) -> Spoil:
    """What failed between two scrapes is of a client who is not seen again."""

    def spoil(rows: list[Row], _: str) -> None:
        found: list[Row] = []
        for row in rows:
            labels = row["metric"]
            if labels["revision"] != revision or labels.get("status_code") != "500":
                found.append(row)
                continue
            before = 0.0
            for index, (at, value) in enumerate(row["values"]):
                failed = float(value) - before if index else 0.0
                before = float(value)
                if failed > 0:
                    client = {**labels, label: f"client-{at - START:.0f}"}
                    values = [[later, f"{failed:.0f}"] for later, _ in row["values"][index:]]
                    found.append({"metric": client, "values": values})
        rows[:] = found

    return spoil


def bench_of(candidate: float, *, stable: float = 0.0, spoil: Spoil) -> Bench:
    pod = Pod(revision=build.CANDIDATE, bad_from=START - 300, error_share=candidate)
    bench = Bench(COMPARED, candidate=pod, stable_error_share=stable)
    bench.tsdb.spoil = spoil
    return bench


@pytest.mark.parametrize("label", ["user", "tenant", "instance"])
def test_failed_requests_are_counted_whatever_their_label_is_called(label: str) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=240, every=15)
        verdicts = [it.verdict for it in states]
        assert model.Verdict.ADVANCE not in verdicts
        assert verdicts[-1] is model.Verdict.ROLL_BACK, states[-1].message
        assert states[-1].reason == "Regression"

    run(scenario, bench_of(0.08, spoil=by_client(label, build.CANDIDATE)))


def test_so_they_are_for_stable_and_after_a_restart() -> None:
    """Both fail alike, so nobody is sent back, in the old process or in the new one."""

    async def scenario(bench: Bench) -> None:
        for name in ("a", "b"):
            bench.tsdb.pod(build.STABLE, name).bad_from = START - 120
        await bench.states(seconds=150, every=15)
        bench.restart()
        states = await bench.states(seconds=150, every=15)

        assert model.Verdict.ROLL_BACK not in [it.verdict for it in states]
        rows = [one["counts"] for one in bench.rows() if one["counts"]]
        found = [it["error-ratio"] for it in rows if "error-ratio" in it]
        assert found
        assert all(it["xS"][0] == pytest.approx(0.08 * it["nS"], rel=0.02) for it in found)

    run(scenario, bench_of(0.08, stable=0.08, spoil=by_client("region", build.STABLE)))
