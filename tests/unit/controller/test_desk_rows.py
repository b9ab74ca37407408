"""Each rollout gets its own rows, and a bad row spoils nobody else's."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from desk_world import START, TICK, UNTIL, World, identity_of, run_play, wanted_of
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_source import Row

from tidegate.evidence.terms import LOOKBACK_SCRAPES, Identity, Problem, Reason


def test_names_are_text_and_never_patterns() -> None:
    async def play() -> None:
        world = World(0)
        names = ("a", "a-b", "a.b", "a+", "a|b", ".*", "(", "[a]", "a$", '"', "\\", "aXb")
        world.wanted = [
            wanted_of(Identity(namespace="ml", name=name, candidate="c", stable="s."))
            for name in names
        ]
        for one in world.wanted:
            world.source.grows(one.identity, until=UNTIL)
        world.source.grows(dataclasses.replace(world.wanted[0].identity, stable="sX"), until=UNTIL)
        world.source.series = [
            one for one in world.source.series if one.labels["pod"] not in {"a-c-a2", "a-c-b2"}
        ][:-4]
        await world.stand()
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) == 1

    run_play(play)


def test_combinations_that_nobody_asked_for_are_dropped() -> None:
    async def play() -> None:
        world = World(2)
        first, second = (one.identity for one in world.wanted)
        mixed = dataclasses.replace(first, candidate=second.candidate, stable="")
        world.source.grows(mixed, until=UNTIL)
        elsewhere = dataclasses.replace(first, namespace=second.namespace, name=first.name)
        world.source.grows(dataclasses.replace(elsewhere, name="other"), until=UNTIL)
        assert all(world.complete(await world.at_once(START)))

    run_play(play)


@settings(max_examples=30, deadline=None)
@given(
    asks=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([0.0, 30.0, 400.0, 3000.0])), min_size=1
    ),
    seed=st.randoms(use_true_random=False),
)
def test_an_answer_does_not_depend_on_who_else_asks(
    asks: list[tuple[int, float]], seed: Any
) -> None:
    async def play() -> None:
        world = World(6)
        shared = world.desk
        for tick in range(3):
            at = START + tick * TICK
            seed.shuffle(asks)
            wanted = [(world.wanted[who], at - behind) for who, behind in asks]
            together = await asyncio.gather(
                *(shared.series(one, since=since, at=at) for one, since in wanted)
            )
            for (one, since), found in zip(wanted, together, strict=True):
                world.restart()
                assert await world.desk.series(one, since=since, at=at) == found

    run_play(play)


def test_samples_reach_from_the_look_back_to_the_instant() -> None:
    async def play() -> None:
        world = World(1)
        found = await world.desk.series(world.wanted[0], since=START - TICK, at=START)
        assert not isinstance(found, Problem)
        times = [at for at, _ in found[0].samples]
        assert (times[0], times[-1]) == (START - TICK - LOOKBACK_SCRAPES * 15 + 15, START)

    run_play(play)


def test_a_longer_span_than_an_hour_of_scrapes_is_refused() -> None:
    async def play() -> None:
        world = World(1)
        longest = world.desk.max_span_seconds("default")
        wanted = world.wanted[0]
        assert longest == 3600
        assert not isinstance(
            await world.desk.series(wanted, since=START - longest, at=START), Problem
        )
        rounded = await world.desk.series(wanted, since=START - longest - 1e-6, at=START)
        assert not isinstance(rounded, Problem)
        found = await world.desk.series(wanted, since=START - longest - 1, at=START)
        assert isinstance(found, Problem)
        assert "too much for one query" in found.message
        assert all(f"[{3600 + LOOKBACK_SCRAPES * 15}s]" in promql for promql in world.sent())

    run_play(play)


def _spoiled(name: str, how: Callable[[Row], None]) -> Callable[[list[Row], str], None]:
    def spoil(rows: list[Row], _promql: str) -> None:
        for row in rows:
            if row["metric"]["pod"] == name:
                how(row)

    return spoil


def _twice(name: str) -> Callable[[list[Row], str], None]:
    def spoil(rows: list[Row], _promql: str) -> None:
        rows += [
            {**row, "metric": {**row["metric"], "prometheus_replica": "2"}}
            for row in rows
            if row["metric"]["pod"] == name
        ]

    return spoil


BAD_POD = f"{identity_of(7).name}-{identity_of(7).candidate}-a"
BAD_ROWS: dict[str, tuple[Callable[[list[Row], str], None], str]] = {
    "scraped twice": (_twice(BAD_POD), "scraped more than once"),
    "a native histogram": (_spoiled(BAD_POD, lambda row: row.pop("values")), "no plain samples"),
    "no pair": (_spoiled(BAD_POD, lambda row: row.update(values=[[1]])), "malformed sample"),
    "no number": (_spoiled(BAD_POD, lambda row: row.update(values=[[1, "x"]])), "malformed"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_retried_alone_and_spoils_nobody(case: str) -> None:
    spoil, message = BAD_ROWS[case]

    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.spoil = spoil
        found = await world.at_once(START)
        assert [index for index, own in enumerate(world.complete(found)) if not own] == [7]
        bad = found[7]
        assert isinstance(bad, Problem)
        assert bad.reason is Reason.ERROR
        assert message in bad.message
        assert len(world.sent()) == 2
        # From now on it is asked for by itself only, until it is clean.
        await world.one_by_one(START + TICK)
        texts = world.sent()
        assert [identity_of(7).candidate in text for text in texts].count(True) == 1
        assert len(texts) == 2
        world.source.spoil = lambda _rows, _promql: None
        assert all(world.complete(await world.one_by_one(START + 2 * TICK)))
        assert len(world.sent()) == 2
        assert all(world.complete(await world.one_by_one(START + 3 * TICK)))
        assert len(world.sent()) == 1

    run_play(play)


def test_a_row_that_was_bad_only_in_the_group_is_used() -> None:
    async def play() -> None:
        world = World(10)
        await world.stand()
        spoil, _ = BAD_ROWS["scraped twice"]
        world.source.spoil = lambda rows, promql: spoil(rows, promql) if "|iris" in promql else None
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) == 2

    run_play(play)


def test_samples_that_are_no_number_or_out_of_order_do_not_count() -> None:
    async def play() -> None:
        world = World(1)
        one = world.source.series[0]
        one.values = [
            (START, "7"),
            (START - 15, "NaN"),
            (START - 30, "+Inf"),
            (START - 45, "-3"),
            (START - 9999, "1"),
        ]
        found = await world.desk.series(world.wanted[0], since=START - TICK, at=START)
        assert not isinstance(found, Problem)
        by_pod = {it.labels["pod"]: it.samples for it in found}
        assert by_pod[one.labels["pod"]] == ((START - 45, -3.0), (START, 7.0))

    run_play(play)


def test_a_rollout_without_series_gets_none() -> None:
    async def play() -> None:
        world = World(1)
        world.source.series.clear()
        assert await world.at_once(START) == [()]

    run_play(play)
