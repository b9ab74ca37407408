"""Plain numbers: checks against a limit, one per scrape."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import port_fakes
from analyst_bench import Bench, metric, run

from tidegate import model
from tidegate.evidence.terms import Query, Template
from tidegate.model import Outcome, Verdict


def free(name: str, **more: object) -> model.Metric:
    fields: dict[str, object] = {"preset": "", "query": "load", "compare": None}
    limit = {"threshold": model.Threshold(max=0.5)}
    return metric(name, **{**fields, **limit, **more})


def test_a_plain_number_fails_at_three_of_five_checks_one_per_scrape() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.9"}
        states = await bench.states(seconds=150)

        first = [it.verdict for it in states].index(Verdict.ROLL_BACK)
        assert (first + 1) * 5 == 110  # checks at 75, 90.5 and 105.5 s
        (result,) = states[first].results
        assert (result.value, result.failures, result.reason) == (0.9, 3, "Limit")
        assert (result.evidence, result.proof) == (None, None)

    run(scenario, Bench(free("load")))


def test_one_failing_check_of_a_critical_number_is_enough() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.9"}
        states = await bench.states(seconds=75)

        assert states[-1].verdict is Verdict.ROLL_BACK

    run(scenario, Bench(free("load", critical=True)))


def test_a_kept_number_advances_after_five_checks_and_three_intervals() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.2"}
        (*_, early) = await bench.states(seconds=130)
        bench.tsdb.numbers = {"load": "0.4"}
        (*_, late) = await bench.states(seconds=60)

        assert early.verdict is Verdict.HOLD
        assert late.verdict is Verdict.ADVANCE
        assert late.requests > 100
        assert late.results[0].value == 0.4  # what is shown moves with the checks

    run(scenario, Bench(free("load")))


def test_a_number_that_is_none_holds() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "NaN"}
        (*_, state) = await bench.states(seconds=200)

        assert (state.verdict, state.reason) == (Verdict.HOLD, "NoData")
        assert state.without_data_since == port_fakes.EPOCH + timedelta(seconds=75)
        assert state.results[0].outcome is Outcome.NO_DATA

    run(scenario, Bench(free("load")))


def test_a_metric_that_cannot_be_asked_is_an_error() -> None:
    async def scenario(bench: Bench) -> None:
        known = bench.request.templates
        bench.edit(
            templates={
                **known,
                "broken": Template(name="x", measure=Query(promql="up{${name}}"), source="default"),
                "away": replace(known["away"], source="gone"),
            }
        )
        (*_, state) = await bench.states(seconds=200)

        results = {it.name: (it.outcome, it.message) for it in state.results}
        assert (state.verdict, state.reason) == (Verdict.HOLD, "Error")
        assert results["error-ratio"][0] is not Outcome.ERROR
        assert results["broken"][0] is Outcome.ERROR
        assert results["away"] == (Outcome.ERROR, "away: unknown metric source 'gone'")

    run(scenario, Bench(metric(), free("broken"), metric("away", preset="error-ratio")))
