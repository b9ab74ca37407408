"""What is kept of the rows of a rollout, and that nothing is lost by what is not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from analyst_bench import OTHER, Bench, metric, run
from observing_pods import BROKEN, USUAL, bench, inputs

from tidegate import model
from tidegate.controller.analysis.counting import Counting
from tidegate.evidence.counts import binned
from tidegate.evidence.journal import replay
from tidegate.model import Verdict

ANSWERS = metric("answers", preset="", template=model.TemplateRef(kind="MetricTemplate", name="a"))
A_LITTLE_OTHER = {"1": 0.25, "5": 0.45, "+Inf": 0.2, "missing": 0.1, "other": 0.0}


def two_sources(**candidate: Any) -> Bench:
    """Errors of two sources, and inputs of the first one."""
    found = bench(metric(), ANSWERS, inputs(), templates={"a": OTHER}, **candidate)
    found.tsdb.pods += [replace(pod, prefix="other", mix={}) for pod in found.tsdb.pods]
    return found


def result(state: model.AnalysisState, name: str = "inputs") -> model.MetricResult:
    return next(it for it in state.results if it.name == name)


@pytest.mark.parametrize("mix", [A_LITTLE_OTHER, {"+Inf": 0.6, **USUAL}])
def test_inputs_are_judged_the_same_where_rows_of_others_came_late(mix: dict[str, float]) -> None:
    async def scenario(bench: Bench) -> None:
        calm = two_sources(mix={"amount": mix})
        for one in (calm, bench):
            await one.states(seconds=120, every=15.0)
            if one is bench:
                one.tsdb.down.add("other")
            await one.states(seconds=60, every=15.0)
            one.tsdb.down.clear()
        undisturbed, state = [
            (await one.states(seconds=60, every=15.0))[-1] for one in (calm, bench)
        ]

        assert result(undisturbed).shifts
        assert result(state) == result(undisturbed)
        assert result(state, "answers") == result(undisturbed, "answers")
        assert state.verdict is undisturbed.verdict
        first, *later = opened(bench)
        assert (opened(calm), first) == ([False], False)
        assert later
        assert all(later)
        assert replay.replay(bench.log()).difference == ""

    run(scenario, two_sources(mix={"amount": mix}))


def opened(bench: Bench) -> list[bool]:
    """Whether what was judged anew went on with what distributions had shown."""
    documents: list[Any] = list(bench.recorder.evidence_documents)
    return [one["continues"] for one in documents if one["event"] == "evidence-opened"]


def test_bins_that_were_counted_are_written_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.down.add("other")
        await bench.states(seconds=300, every=15.0)
        bench.tsdb.down.clear()
        await bench.states(seconds=60, every=15.0)

        documents: list[Any] = list(bench.recorder.evidence_documents)
        seen = [one["row"]["t0"] for one in documents if "inputs" in _counts(one)]
        assert len(seen) == len(set(seen)) > 5
        assert {"error-ratio", "answers"} <= bench.rows()[0]["counts"].keys()

    run(scenario, two_sources())


def _counts(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = document["row"]["counts"] if "row" in document else {}
    return found


def test_a_rollout_without_distributions_begins_from_its_rows() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.down.add("other")
        await bench.states(seconds=200, every=15.0)
        bench.tsdb.down.clear()
        await bench.states(seconds=60, every=15.0)

        assert opened(bench) == [False, False]

    found = bench(metric(), ANSWERS, templates={"a": OTHER})
    found.tsdb.pods += [replace(pod, prefix="other", mix={}) for pod in found.tsdb.pods]
    run(scenario, found)


def test_what_goes_beyond_the_limit_is_an_error_of_that_metric_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each distribution has 15 series: five bins of three pods."""
    monkeypatch.setattr(binned, "MAX_SERIES", 20)

    async def scenario(bench: Bench) -> None:
        (*_, state) = await bench.states(seconds=400, every=15.0)

        assert result(state, "inputs").reason == "NonInferior"
        assert result(state, "more").reason == "Error"
        assert "30 series" in result(state, "more").message
        assert result(state, "error-ratio").outcome is model.Outcome.PASS
        assert state.verdict is Verdict.HOLD

    run(scenario, bench(metric(), inputs(), inputs("more")))


def test_a_rollout_that_is_read_again_holds_one_part_of_its_bins_at_a_time() -> None:
    """Of four hours that are caught up, rows of one have bins at the most."""
    most: list[int] = []
    closed = Counting.closed

    def counted(self: Counting, *, until: float = math.inf) -> Any:
        most.append(sum(len(table.rows) for table in self.tables.values()))
        return closed(self, until=until)

    async def scenario(bench: Bench) -> None:
        spec = bench.request.spec
        bench.edit(spec=replace(spec, analysis=replace(spec.analysis, interval_seconds=300.0)))
        await bench.clock.advance(4 * 3600)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Counting, "closed", counted)
            state = await bench.state()

        assert state.results[0].intervals == 47
        assert len(most) >= 4
        assert max(most) <= 3 * 12
        assert opened(bench) == [False]
        assert replay.replay(bench.log()).difference == ""

    run(scenario, bench())


def test_broken_inputs_send_back_whatever_was_forgotten() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.down.add("other")
        await bench.states(seconds=90, every=15.0)
        bench.tsdb.down.clear()
        (*_, state) = await bench.states(seconds=120, every=15.0)

        assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, "Drift")
        assert replay.replay(bench.log()).difference == ""

    run(scenario, two_sources(mix={"amount": BROKEN}))
