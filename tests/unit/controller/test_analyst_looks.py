"""When the analyst looks, what it asks for, and that a pass never waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from analyst_bench import SCRAPE, START, Bench, flow, metric, run, two_sources

from tidegate.model import Verdict


def test_nothing_but_an_outage_is_judged_before_settle_warm_up_and_one_scrape_are_over() -> None:
    async def scenario(bench: Bench) -> None:
        before = await bench.states(seconds=10)
        assert len(bench.tsdb.asked) == 1  # stable's history
        states = [*before, *await bench.states(seconds=60)]

        assert {(it.verdict, it.reason) for it in states} == {(Verdict.HOLD, "Warmup")}
        assert not any(it.judged or it.results for it in states)

        (state,) = await bench.states(seconds=5)
        assert state.judged
        assert state.reason == "Insufficient"

    run(scenario)


def test_before_the_first_weight_only_the_history_is_asked_and_once() -> None:
    async def scenario(bench: Bench) -> None:
        confirmed = bench.rollout.plan
        planned = (replace(confirmed[0], confirmed_at=None),)
        bench.edit_rollout(plan=planned, evidence_since=None, first_traffic_at=None)
        first = await bench.state()
        await bench.states(seconds=60)
        second = await bench.state()

        assert not first.judged
        assert len(first.estimates) == len(bench.rollout.plan)
        assert second == first
        assert len(bench.tsdb.asked) == 1

    run(scenario)


def test_later_steps_wait_only_for_the_traffic_to_settle() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=600)
        bench.next_step(20.0)
        states = await bench.states(seconds=45)

        assert [it.reason == "Warmup" for it in states] == [True] * 8 + [False]

    run(scenario)


def _instants(bench: Bench) -> list[float]:
    """When running looks asked, in seconds since the start."""
    return [at - START for _, at in bench.tsdb.queries if at > START]


def test_a_look_comes_right_after_each_scrape_and_where_an_interval_closes() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=300, every=2.3)

        later = [at for at in _instants(bench) if at > 90]
        after_a_scrape = {at for at in later if at % SCRAPE == 0.5}
        closing = {at for at in later if at % 30 == 20}
        assert set(later) == after_a_scrape | closing
        assert len(after_a_scrape) == 14

    run(scenario)


def test_with_a_longer_interval_not_every_scrape_is_looked_at() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=1200, every=15.0)

        later = [at for at in _instants(bench) if 200 < at < 1100]
        assert len(later) <= 2 * 900 / 60
        assert {at % SCRAPE for at in later} <= {0.5, 5.0}

    run(scenario, Bench(metric(), analysis={"interval_seconds": 60.0}))


def test_a_scrape_that_is_late_is_looked_for_again_soon() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=150)
        bench.tsdb.late_seconds = 1.0
        await bench.states(seconds=20)

        assert {165.5, 166.5} <= set(_instants(bench))

    run(scenario)


def test_without_samples_a_look_comes_after_each_interval() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.pods = []
        await bench.states(seconds=100)

        assert sorted(set(_instants(bench))) == [15.0 + 5 * index for index in range(18)]

    run(scenario)


def test_between_looks_the_last_judgement_is_read_without_asking() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=100)
        asked = len(bench.tsdb.asked)
        before = await bench.state()
        await bench.clock.advance(5)

        assert await bench.state() == before
        assert len(bench.tsdb.asked) == asked

    run(scenario)


@pytest.mark.no_cover
def test_a_hundred_rollouts_on_one_template_cost_one_query_per_look() -> None:
    async def scenario(bench: Bench) -> None:
        names = [f"iris-{number}" for number in range(100)]
        subjects = [replace(bench.request, name=name, uid=name).subject for name in names]
        for subject in subjects:
            bench.analyst.judged(subject)
        await bench.look()
        histories = len(bench.tsdb.asked)
        for _ in range(13):
            await bench.clock.advance(15)
            await bench.look()

        looks = set(_instants(bench))
        assert len(bench.tsdb.asked) - histories == len(looks)

    run(scenario)


def test_a_new_judgement_asks_for_a_pass_and_harm_goes_first() -> None:
    async def scenario(bench: Bench) -> None:
        woken = bench.woken()
        await bench.states(seconds=90)
        calm = list(woken)
        await bench.states(seconds=300)

        assert calm
        assert not any(priority for _, priority in calm)
        assert {key.name for key, _ in woken} == {"iris"}
        assert woken[-1][1]

    run(scenario, Bench(metric(), candidate=flow(0.2)))


def test_only_the_leader_asks() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=100)
        bench.leading = False
        asked = len(bench.tsdb.asked)
        await bench.clock.advance(60)
        assert len(bench.tsdb.asked) == asked

        bench.leading = True
        await bench.states(seconds=20)
        assert len(bench.tsdb.asked) > asked

    run(scenario)


@pytest.mark.parametrize("source", ["default", "other"])
def test_a_source_that_hangs_holds_up_no_pass_and_is_named_after_three_intervals(
    source: str,
) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=200)
        bench.tsdb.hanging.add(source)
        reads = []
        for _ in range(18):
            await bench.clock.advance(5)
            reads.append(bench.analyst.judged(bench.request.subject))

        assert reads[0].reason != "MetricsUnavailable"
        assert reads[-1].reason == "MetricsUnavailable"
        assert reads[-1].verdict is Verdict.HOLD
        assert reads[-1].consecutive_errors >= 3
        assert reads[-1].without_data_since is not None
        assert reads[-1].results == reads[0].results

    run(scenario, two_sources())


def test_harm_that_was_seen_stays_while_the_source_hangs() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, seen) = await bench.states(seconds=200)
        assert seen.verdict is Verdict.ROLL_BACK
        bench.tsdb.hanging.add("default")
        await bench.clock.advance(300)

        assert bench.analyst.judged(bench.request.subject).verdict is Verdict.ROLL_BACK

    run(scenario, Bench(metric(), candidate=flow(0.2)))


def test_a_judgement_of_one_step_is_not_read_for_the_next() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, proven) = await bench.states(seconds=1500)
        assert proven.verdict is Verdict.ADVANCE
        bench.next_step(20.0)
        read = bench.analyst.judged(bench.request.subject)

        assert (read.verdict, read.reason) == (Verdict.HOLD, "Warmup")

    run(scenario)


def test_more_series_than_can_be_counted_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tidegate.controller.analysis.look.MAX_SERIES", 8)

    async def scenario(bench: Bench) -> None:
        (*_, state) = await bench.states(seconds=200)

        assert state.verdict is Verdict.HOLD
        assert state.reason == "Error"
        assert "15 series of all metrics, pods and buckets" in state.message
        assert state.consecutive_errors > 0

    run(scenario)
