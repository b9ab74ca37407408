"""When the analyst looks, and what it asks for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from analyst_bench import START, Bench, run

from tidegate.model import Verdict


def test_nothing_is_asked_before_settle_warm_up_and_one_scrape_are_over() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=70)

        assert {(it.verdict, it.reason) for it in states} == {(Verdict.HOLD, "Warmup")}
        assert not any(it.judged or it.results for it in states)
        assert bench.tsdb.asked == []

        (state,) = await bench.states(seconds=5)
        assert state.judged
        assert state.reason == "Insufficient"
        assert len(bench.tsdb.asked) == 2  # stable's history, and the first look

    run(scenario)


def test_before_the_first_weight_only_the_history_is_asked_and_once() -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.analyst.outlook(bench.request)
        asked = len(bench.tsdb.asked)
        second = await bench.analyst.outlook(bench.request)
        await bench.states(seconds=75)

        assert not first.judged
        assert len(first.estimates) == len(bench.rollout.plan)
        assert second == first
        assert asked == 1
        assert len(bench.tsdb.asked) == 2

    run(scenario)


def test_later_steps_wait_only_for_the_traffic_to_settle() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=600)
        bench.next_step(20.0)
        states = await bench.states(seconds=45)

        assert [it.reason == "Warmup" for it in states] == [True] * 8 + [False]

    run(scenario)


def test_looks_are_at_whole_multiples_of_the_interval() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(1.3)
        await bench.states(seconds=200, every=2.3)

        instants = {at for promql, at in bench.tsdb.queries if "[375s]" not in promql}
        assert {at % 5.0 for at in instants if at > START} == {0.0}

    run(scenario)


def test_between_looks_the_last_judgement_is_returned_without_asking() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=80)
        asked = len(bench.tsdb.asked)
        before = await bench.state()
        await bench.clock.advance(4.9)

        assert await bench.state() == before
        assert len(bench.tsdb.asked) == asked
        await bench.clock.advance(0.1)
        await bench.state()
        assert len(bench.tsdb.asked) == asked + 1

    run(scenario)


def test_two_callers_cause_one_look() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(80)
        first, second = await asyncio.gather(bench.state(), bench.state())

        assert first == second
        assert len(bench.tsdb.asked) == 2

    run(scenario)


def test_a_hundred_rollouts_on_one_template_cost_one_query_per_interval() -> None:
    async def scenario(bench: Bench) -> None:
        names = [f"iris-{number}" for number in range(100)]
        requests = [replace(bench.request, name=name, uid=name) for name in names]
        for _ in range(4):
            await bench.clock.advance(75 if bench.clock.monotonic() == 0 else 5)
            asked = len(bench.tsdb.asked)
            for request in requests:
                await bench.analyst.state(request)

        assert len(bench.tsdb.asked) == asked + 1

    run(scenario)
