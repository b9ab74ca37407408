"""One query for the numbers of all rollouts, and free queries alone."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from desk_world import START, World, identity_of, run_play, wanted_of
from metric_source import Row

from tidegate.evidence.terms import Problem, Reason
from tidegate.ports import Fatal


@pytest.mark.parametrize(
    ("aggregate", "number"), [("Avg", 25.0), ("Max", 40.0), ("Min", 10.0), ("Sum", 50.0)]
)
def test_numbers_are_one_query_for_all_and_scaled_for_each(aggregate: str, number: float) -> None:
    async def play() -> None:
        world = World(20)
        for one in world.source.series:
            one.values = [(START - 1, "40" if one.labels["pod"].endswith("a") else "10")]
        asks = (
            world.desk.numbers(
                dataclasses.replace(one, aggregate=aggregate, scale=1.0 + index), at=START
            )
            for index, one in enumerate(world.wanted)
        )
        for index, found in enumerate(await asyncio.gather(*asks)):
            who = identity_of(index)
            scaled = number * (1.0 + index)
            assert found == {who.candidate: scaled, who.stable: scaled}
        assert len(world.sent()) == 2  # one goes ahead

    run_play(play)


def test_a_revision_whose_number_is_none_is_left_out() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        world.source.spoil = lambda rows, _: rows[0].update(value=[START, "NaN"])
        found = await world.desk.numbers(wanted_of(who, aggregate="Avg"), at=START)
        assert found == {who.stable: START}

    run_play(play)


def test_two_numbers_for_a_revision_are_an_error_of_that_rollout() -> None:
    async def play() -> None:
        world = World(2)
        first, second = world.wanted

        def spoil(rows: list[Row], _promql: str) -> None:
            rows += [it for it in rows if it["metric"]["revision"] == first.identity.candidate]

        world.source.spoil = spoil
        found = await asyncio.gather(
            *(
                world.desk.numbers(dataclasses.replace(one, aggregate="Avg"), at=START)
                for one in (first, second)
            )
        )
        assert isinstance(found[0], Problem)
        assert "more than one number" in found[0].message
        assert not isinstance(found[1], Problem)
        assert len(world.sent()) == 2

    run_play(play)


def test_a_free_query_runs_alone() -> None:
    async def play() -> None:
        world = World(2)
        world.source.series = world.source.series[:1]
        promql = "avg by (revision) (m_total{})"
        for _ in range(2):
            assert await world.desk.number("default", promql=promql, at=START) == START
        assert world.sent() == [promql] * 2
        world.source.fail = lambda _: Fatal(reason="Status400", message="parse error")
        failed = await world.desk.number("default", promql=promql, at=START)
        assert failed == Problem(reason=Reason.METRICS_UNAVAILABLE, message="default: parse error")

    run_play(play)


def test_an_unknown_source_is_a_named_problem() -> None:
    async def play() -> None:
        world = World(1)
        unknown = wanted_of(identity_of(0), source="elsewhere")
        for found in (
            await world.desk.series(unknown, since=START, at=START),
            await world.desk.numbers(unknown, at=START),
            await world.desk.number("elsewhere", promql="up", at=START),
        ):
            assert found == Problem(
                reason=Reason.ERROR, message="unknown metric source 'elsewhere'"
            )
        assert world.sent() == []

    run_play(play)
