"""What the desk remembers is bounded."""

from __future__ import annotations

import pytest
from desk_world import START, TICK, World, identity_of, names_in, run_play, wanted_of

from tidegate.controller import desk as desks
from tidegate.evidence.terms import Problem
from tidegate.ports import Retryable


def test_groups_that_nobody_asks_for_are_forgotten() -> None:
    async def play() -> None:
        world = World(10)
        await world.at_once(START)
        world.sent()
        await world.clock.advance(desks.KEPT_SECONDS + 1)
        await world.desk.numbers(wanted_of(identity_of(0), aggregate="Avg"), at=START)
        world.sent()
        await world.one_by_one(START)
        assert len(world.sent()) == 10

    run_play(play)


def test_members_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "MAX_MEMBERS", 5)

    async def play() -> None:
        world = World(8)
        await world.one_by_one(START)
        world.sent()
        await world.desk.series(world.wanted[-1], since=START, at=START + TICK)
        assert names_in(world.sent()[0]) <= 5
        await world.desk.numbers(wanted_of(identity_of(0), aggregate="Avg"), at=START)
        world.sent()
        await world.desk.series(world.wanted[-1], since=START, at=START + 2 * TICK)
        assert names_in(world.sent()[0]) == 1

    run_play(play)


def test_samples_are_bounded_and_can_be_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        world = World(8)
        await world.at_once(START)
        await world.one_by_one(START, since=START - 3000)
        await world.one_by_one(START)
        assert len(world.sent()) == 10  # everything is kept
        monkeypatch.setattr(desks, "MAX_SAMPLES", 1000)
        world.restart()
        await world.at_once(START)
        await world.one_by_one(START, since=START - 3000)
        world.sent()
        assert all(world.complete(await world.one_by_one(START)))
        assert len(world.sent()) == 8

    run_play(play)


def test_a_query_names_two_hundred_rollouts_at_most() -> None:
    async def play() -> None:
        world = World(450)
        await world.stand()
        for tick in range(2):
            assert all(world.complete(await world.at_once(START + tick * TICK)))
            sent = world.sent()
            assert len(sent) == 3
            assert max(map(names_in, sent)) <= 200

    run_play(play)


def test_an_instant_that_the_source_had_no_answer_for_is_asked_for_again_later() -> None:
    async def play() -> None:
        world = World(2)
        world.source.fail = lambda _: Retryable(message="refused")
        assert all(isinstance(one, Problem) for one in await world.one_by_one(START))
        world.sent()
        assert all(isinstance(one, Problem) for one in await world.one_by_one(START))
        assert world.sent() == []
        world.source.fail = lambda _: None
        await world.clock.advance(2.0)
        assert all(world.complete(await world.one_by_one(START)))

    run_play(play)
