"""One query for all rollouts that want the same."""

from __future__ import annotations

import asyncio

from desk_world import START, TICK, World, identity_of, is_own, names_in, run_play, wanted_of


def test_a_hundred_rollouts_cost_one_query_per_interval() -> None:
    async def play() -> None:
        world = World(100)
        assert all(world.complete(await world.one_by_one(START)))
        world.sent()
        for tick in range(1, 6):
            assert all(world.complete(await world.one_by_one(START + tick * TICK)))
            assert len(world.sent()) == 1

    run_play(play)


def test_a_hundred_rollouts_that_ask_at_once_share_from_the_first_interval() -> None:
    async def play() -> None:
        world = World(100)
        counts = []
        for tick in range(3):
            assert all(world.complete(await world.at_once(START + tick * TICK)))
            counts.append(len(world.sent()))
        assert counts == [2, 1, 1]  # at first one goes ahead, and all others are next

    run_play(play)


def test_rollouts_that_catch_up_after_a_restart_share_their_chunks() -> None:
    async def play() -> None:
        world = World(100)
        await world.at_once(START)
        world.restart()
        world.sent()
        for end in (3600.0, 7200.0):  # each began at another time within the first chunk
            asks = (
                world.desk.series(one, since=end - 3600 + index, at=end)
                for index, one in enumerate(world.wanted)
            )
            assert all(world.complete(await asyncio.gather(*asks)))
            assert len(world.sent()) <= 2

    run_play(play)


def test_with_few_workers_newcomers_join_what_waits_for_the_source() -> None:
    """32 workers after a restart: the later a query is sent, the more rollouts stand in it."""

    async def play() -> None:
        world = World(100)
        left = list(world.wanted)

        async def work() -> None:
            while left:
                await world.desk.series(left.pop(), since=START - TICK, at=START)

        await asyncio.gather(*(work() for _ in range(32)))
        assert len(world.sent()) <= 10

    run_play(play)


def test_a_newcomer_is_asked_once_alone_and_then_stands() -> None:
    async def play() -> None:
        world = World(4)
        newcomer = world.wanted.pop()
        await world.at_once(START)
        world.sent()
        assert is_own(newcomer, found=await world.desk.series(newcomer, since=START, at=START))
        assert len(world.sent()) == 1
        world.wanted.append(newcomer)
        assert all(world.complete(await world.one_by_one(START + TICK)))
        assert len(world.sent()) == 1

    run_play(play)


def test_whoever_lets_two_answers_lie_falls_out() -> None:
    async def play() -> None:
        world = World(3)
        gone = world.wanted[-1].identity
        await world.at_once(START)
        world.wanted.pop()
        named = []
        for tick in range(1, 5):
            world.sent()
            await world.one_by_one(START + tick * TICK)
            named.append(gone.candidate in world.sent()[0])
        assert named == [True, True, False, False]

    run_play(play)


def test_rollouts_with_other_intervals_share_the_ticks_they_have_in_common() -> None:
    async def play() -> None:
        world = World(40)
        slow, fast = world.wanted[:20], world.wanted[20:]
        counts = []
        for tick in range(40):
            at = START + tick * TICK
            world.sent()
            for one in [*slow, *fast] if tick % 10 == 0 else fast:
                await world.desk.series(one, since=at - TICK, at=at)
            counts.append(len(world.sent()))
        assert counts[1:10] == [1] * 9
        assert counts[20:] == [1] * 20  # at the second of their ticks the slow ones are known

    run_play(play)


def test_whoever_asks_for_a_long_range_once_is_not_taken_along() -> None:
    """As every rollout does when it begins: each at its own time, and never again."""

    async def play() -> None:
        world = World(10)
        for index, one in enumerate(world.wanted):
            at = START + 7.0 * index
            await world.desk.series(one, since=at - 1800, at=at)
        assert [names_in(text) for text in world.sent()] == [1] * 10

    run_play(play)


def test_rollouts_that_look_once_an_hour_share_as_soon_as_that_shows() -> None:
    async def play() -> None:
        world = World(10)
        counts = []
        for tick in range(4):
            await world.one_by_one(START + 3600.0 * tick, since=START + 3600.0 * (tick - 1))
            counts.append(len(world.sent()))
        assert counts == [10, 10, 1, 1]

    run_play(play)


def test_an_asker_that_comes_late_still_finds_the_tick_before() -> None:
    async def play() -> None:
        world = World(3)
        for tick in (0, 1):
            await world.at_once(START + tick * TICK)
        world.sent()
        assert all(world.complete(await world.one_by_one(START)))
        assert world.sent() == []

    run_play(play)


def test_metrics_that_differ_are_different_queries() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        wanted = [
            wanted_of(who),
            wanted_of(identity_of(1)),
            wanted_of(who, metric="n_total"),
            wanted_of(who, matchers=('code=~"5.."',)),
        ]
        for at in (START, START + TICK):
            world.sent()
            await asyncio.gather(*(world.desk.series(one, since=at, at=at) for one in wanted))
        assert len(world.sent()) == 3

    run_play(play)
