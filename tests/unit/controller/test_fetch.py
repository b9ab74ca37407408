"""Grouped queries of one tick: who shares, what is too large, and that nobody spoils another."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import fetch_world
import pytest
from fetch_world import START, TICK, World, identity_of, names_in, run_play, wanted_of
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_source import Row, pod_name

from tidegate.controller.analysis import fetch
from tidegate.controller.analysis.fetch import Ask
from tidegate.evidence.queries.promql import Free, pods_part
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Problem, Reason
from tidegate.ports import Failure, Fatal, Retryable

# --- sharing -------------------------------------------------------------------------------------


def test_a_hundred_rollouts_that_are_due_together_cost_one_query() -> None:
    async def play() -> None:
        world = World(100)
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) == 1

    run_play(play)


def test_metrics_that_want_the_same_are_asked_and_parsed_once() -> None:
    async def play() -> None:
        world = World(1)
        ask = Ask(wanted=world.wanted[0], since=START - TICK, at=START)
        first, second = await world.found([ask, dataclasses.replace(ask)])
        assert first is second
        assert len(world.sent()) == 1

    run_play(play)


def test_metrics_that_differ_are_different_queries() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        different = (
            world.wanted[0],
            wanted_of(who, metric="other_total"),
            wanted_of(who, matchers=('code=~"5.."',)),
            wanted_of(who, aggregate="Sum"),
        )
        await world.found(
            [
                Ask(wanted=one, at=START, since=None if one.aggregate else START - TICK)
                for one in different
            ]
        )
        assert len(world.sent()) == 4

    run_play(play)


def test_a_query_names_two_hundred_rollouts_at_most() -> None:
    async def play() -> None:
        world = World(450)
        assert all(world.complete(await world.at_once(START)))
        sent = world.sent()
        assert len(sent) == 3
        assert max(map(names_in, sent)) <= 200

    run_play(play)


@settings(max_examples=20, deadline=None)
@given(
    asks=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([15.0, 30.0, 120.0, 900.0])),
        min_size=1,
        max_size=8,
    )
)
def test_an_answer_does_not_depend_on_who_else_asks(asks: list[tuple[int, float]]) -> None:
    async def play() -> None:
        world = World(6)
        wanted = [
            Ask(wanted=world.wanted[who], since=START - behind, at=START) for who, behind in asks
        ]
        together = await world.found(wanted)
        for one, found in zip(wanted, together, strict=True):
            world.restart()
            assert await world.found([one]) == [found]

    run_play(play)


def test_samples_reach_from_the_look_back_to_the_instant() -> None:
    async def play() -> None:
        world = World(1)
        (found,) = await world.at_once(START)
        assert isinstance(found, tuple)
        times = [at for at, _ in found[0].samples]
        assert (times[0], times[-1]) == (START - TICK - LOOKBACK_SCRAPES * 15 + 15, START)

    run_play(play)


def test_a_longer_span_than_an_hour_of_scrapes_is_refused() -> None:
    async def play() -> None:
        world = World(1)
        wanted = world.wanted[0]
        assert world.fetcher.max_span_seconds("default") == 3600
        longest, rounded, longer = await world.found(
            [
                Ask(wanted=wanted, since=START - seconds, at=START)
                for seconds in (3600, 3600 + 1e-6, 3601)
            ]
        )
        assert isinstance(longest, tuple)
        assert isinstance(rounded, tuple)
        assert isinstance(longer, Problem)
        assert "too much for one query" in longer.message

    run_play(play)


def test_names_are_text_and_never_patterns() -> None:
    async def play() -> None:
        world = World(4)
        await world.at_once(START)
        (promql,) = world.sent()
        assert re.search(r'model_deployment=~"iris\|iris-x"', promql)

    run_play(play)


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (Retryable(message="down"), "default: down"),
        (Fatal(reason="Status400", message="bad"), "default: bad"),
    ],
)
def test_a_source_that_fails_is_asked_once_for_all(failure: Failure, says: str) -> None:
    async def play() -> None:
        world = World(100)
        world.source.fail = lambda _: failure
        problem = Problem(reason=Reason.METRICS_UNAVAILABLE, message=says)
        assert await world.at_once(START) == [problem] * 100
        assert len(world.sent()) == 1

    run_play(play)


def test_a_partial_answer_is_used_by_nobody() -> None:
    async def play() -> None:
        world = World(100)
        world.source.warnings = ("store gone",)
        for found in await world.at_once(START):
            assert isinstance(found, Problem)
            assert found.reason is Reason.METRICS_UNAVAILABLE
            assert "store gone" in found.message
        world.source.warnings = ()
        assert all(world.complete(await world.at_once(START + TICK)))

    run_play(play)


def test_a_row_without_an_owner_spoils_the_answer() -> None:
    async def play() -> None:
        world = World(2)
        world.source.spoil = lambda rows, _promql: rows.append({"values": []})
        for found in await world.at_once(START):
            assert found == Problem(reason=Reason.ERROR, message="malformed series")

    run_play(play)


def test_combinations_that_nobody_asked_for_are_dropped() -> None:
    async def play() -> None:
        world = World(3)
        crossed = dataclasses.replace(
            world.wanted[0].identity, candidate=world.wanted[1].identity.candidate, stable=""
        )
        world.source.grows(crossed, until=START)
        assert all(world.complete(await world.at_once(START)))

    run_play(play)


def test_a_source_that_hangs_holds_up_no_other_and_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = {"default": dataclasses.replace(fetch_world.SOURCES["default"], timeout_seconds=0.01)}
    monkeypatch.setattr(fetch_world, "SOURCES", slow)

    async def play() -> None:
        world = World(3)
        world.source.hangs = True
        found = await world.at_once(START)
        message = "metric source default did not answer in time"
        assert found == [Problem(reason=Reason.METRICS_UNAVAILABLE, message=message)] * 3

    run_play(play)


BAD_POD = pod_name(identity_of(7).name, identity_of(7).candidate, "a")


def _spoiled(how: Callable[[Row], None]) -> Callable[[list[Row], str], None]:
    def spoil(rows: list[Row], _promql: str) -> None:
        for row in rows:
            if row["metric"]["pod"] == BAD_POD:
                how(row)

    return spoil


def _summed(rows: list[Row], _promql: str) -> None:
    for row in rows:
        if row["metric"]["pod"] == BAD_POD:
            row["metric"] = {
                name: value
                for name, value in row["metric"].items()
                if name not in ("pod", "instance")
            }


BAD_ROWS: dict[str, tuple[Callable[[list[Row], str], None], str]] = {
    "a sum over pods": (_summed, "neither pod nor instance"),
    "a native histogram": (_spoiled(lambda row: row.pop("values")), "no plain samples"),
    "no pair": (_spoiled(lambda row: row.update(values=[[1]])), "malformed sample"),
    "no number": (_spoiled(lambda row: row.update(values=[[1, "x"]])), "malformed"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_spoils_nobody_else(case: str) -> None:
    spoil, message = BAD_ROWS[case]

    async def play() -> None:
        world = World(100)
        world.source.spoil = spoil
        found = await world.at_once(START)
        assert [index for index, own in enumerate(world.complete(found)) if not own] == [7]
        bad = found[7]
        assert isinstance(bad, Problem)
        assert bad.reason is Reason.ERROR
        assert message in bad.message

    run_play(play)


# --- what is too large ---------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["TooLarge", "QueryTooLong", "Status414", "Status422"])
def test_a_group_that_is_too_large_is_halved(reason: str) -> None:
    async def play() -> None:
        world = World(100)

        def fail(promql: str) -> Failure | None:
            large = promql.count("c0000") > 30
            return Fatal(reason=reason, message="too large") if large else None

        world.source.fail = fail
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) == 1 + 2 + 4

    run_play(play)


def _parts(promql: str) -> int:
    return promql.count("pod=~") + promql.count("pod!~")


@pytest.mark.parametrize("halvings", [1, 2, 4])
def test_a_rollout_that_is_too_large_by_itself_is_asked_for_in_parts_by_pod(halvings: int) -> None:
    async def play() -> None:
        pods = [f"{letter}{digit}" for letter in "abcdfz" for digit in "0123456789bcdfghjkl"]
        world = World(3, pods=pods)
        large = identity_of(1).candidate

        def fail(promql: str) -> Failure | None:
            is_large = large in promql and _parts(promql) < halvings
            return Fatal(reason="TooLarge", message="too large") if is_large else None

        world.source.fail = fail
        found = await world.at_once(START)
        for one, series in zip(world.wanted, found, strict=True):
            assert isinstance(series, tuple), series
            assert len(series) == 2 * len(pods)
            assert len({it.labels["pod"] for it in series}) == 2 * len(pods)
            assert {it.labels["model_deployment"] for it in series} == {one.identity.name}
        world.sent()
        await world.at_once(START + TICK)
        assert len(world.sent()) == 1 + 2**halvings  # known by now: nothing is tried in vain

    run_play(play)


def test_what_is_too_large_in_sixteen_parts_is_an_error_of_that_rollout() -> None:
    async def play() -> None:
        world = World(2)
        large = identity_of(1).candidate

        def fail(promql: str) -> Failure | None:
            return Fatal(reason="TooLarge", message="above 4 MiB") if large in promql else None

        world.source.fail = fail
        well, bad = await world.at_once(START)
        assert isinstance(well, tuple)
        assert bad == Problem(reason=Reason.ERROR, message="default: above 4 MiB")
        assert len(world.sent()) <= fetch.MAX_QUERIES

    run_play(play)


@given(name=st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", max_size=12))
def test_every_pod_is_in_exactly_one_part(name: str) -> None:
    def holds(matcher: str) -> bool:
        operator, pattern = re.findall(r'^pod(=~|!~)"(.*)"$', matcher)[0]
        return (re.fullmatch(pattern, name) is not None) == (operator == "=~")

    parts = [pods_part(number, halvings=3) for number in range(8)]
    assert sum(all(map(holds, part)) for part in parts) == 1


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregate", "number"), [("Avg", 25.0), ("Max", 40.0), ("Min", 10.0), ("Sum", 50.0)]
)
def test_numbers_are_one_query_for_all_and_scaled_for_each(aggregate: str, number: float) -> None:
    async def play() -> None:
        world = World(20)
        for one in world.source.series:
            one.values = [(START - 1, "40" if one.labels["pod"].endswith("a") else "10")]
        asks = [
            Ask(wanted=dataclasses.replace(one, aggregate=aggregate, scale=1.0 + index), at=START)
            for index, one in enumerate(world.wanted)
        ]
        for index, found in enumerate(await world.found(asks)):
            who = identity_of(index)
            scaled = number * (1.0 + index)
            assert found == {who.candidate: scaled, who.stable: scaled}
        assert len(world.sent()) == 1

    run_play(play)


def test_a_revision_whose_number_is_none_is_left_out() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        world.source.spoil = lambda rows, _: rows[0].update(value=[START, "NaN"])
        (found,) = await world.found([Ask(wanted=wanted_of(who, aggregate="Avg"), at=START)])
        assert found == {who.stable: START}

    run_play(play)


def test_an_unknown_source_is_a_named_problem() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        found = await world.found(
            [
                Ask(wanted=wanted_of(who, source="nowhere"), since=START - TICK, at=START),
                Ask(wanted=Free(source="nowhere", promql="1"), at=START),
            ]
        )
        problem = Problem(reason=Reason.ERROR, message="unknown metric source 'nowhere'")
        assert found == [problem, problem]
        assert world.sent() == []

    run_play(play)
