"""Queries that fail, are too large or never answered, and who is told."""

from __future__ import annotations

import asyncio

import pytest
from desk_world import START, TICK, World, identity_of, is_own, names_in, run_play

from tidegate.controller import desk as desks
from tidegate.evidence.terms import Problem, Reason
from tidegate.ports import Failure, Fatal, Retryable


@pytest.mark.parametrize(
    ("failure", "reason", "says"),
    [
        (Retryable(message="answered 503"), Reason.METRICS_UNAVAILABLE, "default: answered 503"),
        (Fatal(reason="Status400", message="parse"), Reason.METRICS_UNAVAILABLE, "parse"),
    ],
)
def test_a_source_that_fails_is_asked_once_for_all(
    failure: Failure, reason: Reason, says: str
) -> None:
    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.fail = lambda _: failure
        for found in await world.at_once(START):
            assert isinstance(found, Problem)
            assert found.reason is reason
            assert says in found.message
        assert len(world.sent()) == 1

    run_play(play)


def test_a_partial_answer_is_used_by_nobody() -> None:
    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.warnings = ("store gone",)
        for found in await world.at_once(START):
            assert isinstance(found, Problem)
            assert found.reason is Reason.METRICS_UNAVAILABLE
            assert "store gone" in found.message
        assert len(world.sent()) == 1
        world.source.warnings = ()
        assert all(world.complete(await world.one_by_one(START + TICK)))
        assert len(world.sent()) == 1

    run_play(play)


def test_a_row_without_an_owner_spoils_the_answer() -> None:
    async def play() -> None:
        world = World(2)
        world.source.spoil = lambda rows, _promql: rows.append({"values": []})
        for found in await world.at_once(START):
            assert found == Problem(reason=Reason.ERROR, message="malformed series")

    run_play(play)


def test_a_source_that_does_not_answer_is_given_up_for_all_at_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desks, "DEADLINE_FACTOR", 0.002)

    async def play() -> None:
        world = World(10)
        world.source.gate = asyncio.Event()
        for found in await world.at_once(START):
            assert isinstance(found, Problem)
            assert "did not answer in time" in found.message
        assert isinstance(await world.desk.number("default", promql="up", at=START), Problem)

    run_play(play)


@pytest.mark.parametrize("reason", ["TooLarge", "QueryTooLong", "Status414", "Status422"])
def test_a_group_that_is_too_large_is_halved(reason: str) -> None:
    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.fail = lambda promql: (
            Fatal(reason=reason, message="too large") if names_in(promql) > 20 else None
        )
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) <= 7

    run_play(play)


def test_a_rollout_that_is_too_large_by_itself_stands_alone() -> None:
    large = identity_of(42)

    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.fail = lambda promql: (
            Fatal(reason="TooLarge", message="the answer is larger than 4 MiB")
            if large.candidate in promql
            else None
        )
        found = await world.at_once(START)
        assert [index for index, own in enumerate(world.complete(found)) if not own] == [42]
        assert found[42] == Problem(
            reason=Reason.ERROR, message="default: the answer is larger than 4 MiB"
        )
        assert len(world.sent()) <= 15
        await world.one_by_one(START + TICK)
        assert len(world.sent()) == 2

    run_play(play)


def test_halving_is_bounded() -> None:
    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.fail = lambda _: Fatal(reason="TooLarge", message="too large")
        found = await world.at_once(START)
        assert all(isinstance(it, Problem) for it in found)
        assert len(world.sent()) == desks.MAX_QUERIES_PER_BATCH
        assert {it.message for it in found if isinstance(it, Problem)} == {
            "default: too large",
            "default: too many queries for one tick",
        }

    run_play(play)


def test_when_the_sender_is_cancelled_another_asker_sends() -> None:
    async def play() -> None:
        world = World(3)
        await world.stand()
        world.source.gate = asyncio.Event()
        asks = [
            asyncio.ensure_future(world.desk.series(one, since=START - TICK, at=START))
            for one in world.wanted
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        asks[0].cancel()
        world.source.gate.set()
        found = await asyncio.gather(*asks, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        rest = zip(world.wanted, found, strict=True)
        assert [
            not isinstance(it, BaseException) and is_own(one, found=it) for one, it in rest
        ] == [
            False,
            True,
            True,
        ]
        assert len(world.sent()) <= 3

    run_play(play)
