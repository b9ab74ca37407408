"""One query for all rollouts that want the same, and no rollout in another's way."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_source import FakeSource, Row
from port_fakes import ManualClock

from tidegate.controller import desk as desks
from tidegate.controller.desk import Desk
from tidegate.evidence.model import LOOKBACK_SCRAPES, Identity, Problem, Reason, Series
from tidegate.evidence.queries import Wanted
from tidegate.ports import Failure, Fatal, Retryable
from tidegate.settings import MetricSourceSettings

SOURCES = {"default": MetricSourceSettings(name="default", url="http://prometheus")}
TICK = 30.0
START = 6000.0
UNTIL = 12_000.0

Found = tuple[Series, ...] | Problem


def _identity(index: int) -> Identity:
    """Names that are prefixes of each other, in two namespaces."""
    return Identity(
        namespace="ml" if index % 2 else "ml-prod",
        name=f"iris{'-x' * (index // 2)}",
        candidate=f"c{index:09}",
        stable=f"s{index // 4:09}",
    )


def _wanted(identity: Identity, **changes: Any) -> Wanted:
    plain = Wanted(source="default", metric="m_total", matchers=(), identity=identity)
    return dataclasses.replace(plain, **changes)


class World:
    """A desk, and rollouts whose pods count."""

    def __init__(self, count: int) -> None:
        self.source = FakeSource()
        self.clock = ManualClock()
        self.wanted = [_wanted(_identity(index)) for index in range(count)]
        for one in self.wanted:
            self.source.grows(one.identity, until=UNTIL)
        self.restart()

    def restart(self) -> None:
        self.desk = Desk(source=self.source, clock=self.clock, sources=SOURCES)

    def sent(self) -> list[str]:
        """The queries since the last time."""
        sent = [promql for promql, _ in self.source.queries]
        self.source.queries.clear()
        return sent

    async def stand(self) -> None:
        """Let all have asked at the tick before, so that the desk knows them."""
        await self.at_once(START - TICK)
        self.sent()

    async def one_by_one(self, at: float, *, since: float | None = None) -> list[Found]:
        since = at - TICK if since is None else since
        return [await self.desk.series(one, since=since, at=at) for one in self.wanted]

    async def at_once(self, at: float) -> list[Found]:
        asks = (self.desk.series(one, since=at - TICK, at=at) for one in self.wanted)
        return await asyncio.gather(*asks)

    def complete(self, found: Sequence[Found]) -> list[bool]:
        """Of each rollout whether it got its own pods of both revisions, and nothing else."""
        return [_is_own(one, found=it) for one, it in zip(self.wanted, found, strict=True)]


def _is_own(wanted: Wanted, *, found: Found) -> bool:
    if isinstance(found, Problem):
        return False
    who = wanted.identity
    pods = {(who.namespace, who.name, one.labels["revision"], one.labels["pod"]) for one in found}
    return len(found) == 4 and pods == {
        (who.namespace, who.name, revision, f"{who.name}-{revision}-{pod}")
        for revision in (who.candidate, who.stable)
        for pod in "ab"
    }


def _run(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 20))  # type: ignore[arg-type]


# --- how many queries ----------------------------------------------------------------------------


def test_a_hundred_rollouts_cost_one_query_per_interval() -> None:
    async def play() -> None:
        world = World(100)
        assert all(world.complete(await world.one_by_one(START)))
        world.sent()
        for tick in range(1, 6):
            assert all(world.complete(await world.one_by_one(START + tick * TICK)))
            assert len(world.sent()) == 1

    _run(play)


def test_a_hundred_rollouts_that_ask_at_once_share_from_the_first_interval() -> None:
    async def play() -> None:
        world = World(100)
        counts = []
        for tick in range(3):
            assert all(world.complete(await world.at_once(START + tick * TICK)))
            counts.append(len(world.sent()))
        assert counts == [2, 1, 1]  # at first one goes ahead, and all others are next

    _run(play)


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

    _run(play)


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

    _run(play)


def test_a_newcomer_is_asked_once_alone_and_then_stands() -> None:
    async def play() -> None:
        world = World(4)
        newcomer = world.wanted.pop()
        await world.at_once(START)
        world.sent()
        assert _is_own(newcomer, found=await world.desk.series(newcomer, since=START, at=START))
        assert len(world.sent()) == 1
        world.wanted.append(newcomer)
        assert all(world.complete(await world.one_by_one(START + TICK)))
        assert len(world.sent()) == 1

    _run(play)


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

    _run(play)


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

    _run(play)


def test_whoever_asks_for_a_long_range_once_is_not_taken_along() -> None:
    """As every rollout does when it begins: each at its own time, and never again."""

    async def play() -> None:
        world = World(10)
        for index, one in enumerate(world.wanted):
            at = START + 7.0 * index
            await world.desk.series(one, since=at - 1800, at=at)
        assert [_names(text) for text in world.sent()] == [1] * 10

    _run(play)


def test_rollouts_that_look_once_an_hour_share_as_soon_as_that_shows() -> None:
    async def play() -> None:
        world = World(10)
        counts = []
        for tick in range(4):
            await world.one_by_one(START + 3600.0 * tick, since=START + 3600.0 * (tick - 1))
            counts.append(len(world.sent()))
        assert counts == [10, 10, 1, 1]

    _run(play)


def test_an_asker_that_comes_late_still_finds_the_tick_before() -> None:
    async def play() -> None:
        world = World(3)
        for tick in (0, 1):
            await world.at_once(START + tick * TICK)
        world.sent()
        assert all(world.complete(await world.one_by_one(START)))
        assert world.sent() == []

    _run(play)


def test_metrics_that_differ_are_different_queries() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        wanted = [
            _wanted(who),
            _wanted(_identity(1)),
            _wanted(who, metric="n_total"),
            _wanted(who, matchers=('code=~"5.."',)),
        ]
        for at in (START, START + TICK):
            world.sent()
            await asyncio.gather(*(world.desk.series(one, since=at, at=at) for one in wanted))
        assert len(world.sent()) == 3

    _run(play)


# --- whose rows ----------------------------------------------------------------------------------


def test_names_are_text_and_never_patterns() -> None:
    async def play() -> None:
        world = World(0)
        names = ("a", "a-b", "a.b", "a+", "a|b", ".*", "(", "[a]", "a$", '"', "\\", "aXb")
        world.wanted = [
            _wanted(Identity(namespace="ml", name=name, candidate="c", stable="s."))
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

    _run(play)


def test_combinations_that_nobody_asked_for_are_dropped() -> None:
    async def play() -> None:
        world = World(2)
        first, second = (one.identity for one in world.wanted)
        mixed = dataclasses.replace(first, candidate=second.candidate, stable="")
        world.source.grows(mixed, until=UNTIL)
        elsewhere = dataclasses.replace(first, namespace=second.namespace, name=first.name)
        world.source.grows(dataclasses.replace(elsewhere, name="other"), until=UNTIL)
        assert all(world.complete(await world.at_once(START)))

    _run(play)


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

    _run(play)


def test_samples_reach_from_the_look_back_to_the_instant() -> None:
    async def play() -> None:
        world = World(1)
        found = await world.desk.series(world.wanted[0], since=START - TICK, at=START)
        assert not isinstance(found, Problem)
        times = [at for at, _ in found[0].samples]
        assert (times[0], times[-1]) == (START - TICK - LOOKBACK_SCRAPES * 15 + 15, START)

    _run(play)


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

    _run(play)


# --- bad rows ------------------------------------------------------------------------------------


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


BAD_POD = f"{_identity(7).name}-{_identity(7).candidate}-a"
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
        assert [_identity(7).candidate in text for text in texts].count(True) == 1
        assert len(texts) == 2
        world.source.spoil = lambda _rows, _promql: None
        assert all(world.complete(await world.one_by_one(START + 2 * TICK)))
        assert len(world.sent()) == 2
        assert all(world.complete(await world.one_by_one(START + 3 * TICK)))
        assert len(world.sent()) == 1

    _run(play)


def test_a_row_that_was_bad_only_in_the_group_is_used() -> None:
    async def play() -> None:
        world = World(10)
        await world.stand()
        spoil, _ = BAD_ROWS["scraped twice"]
        world.source.spoil = lambda rows, promql: spoil(rows, promql) if "|iris" in promql else None
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) == 2

    _run(play)


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

    _run(play)


def test_a_rollout_without_series_gets_none() -> None:
    async def play() -> None:
        world = World(1)
        world.source.series.clear()
        assert await world.at_once(START) == [()]

    _run(play)


# --- queries that fail ---------------------------------------------------------------------------


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

    _run(play)


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

    _run(play)


def test_a_row_without_an_owner_spoils_the_answer() -> None:
    async def play() -> None:
        world = World(2)
        world.source.spoil = lambda rows, _promql: rows.append({"values": []})
        for found in await world.at_once(START):
            assert found == Problem(reason=Reason.ERROR, message="malformed series")

    _run(play)


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

    _run(play)


def _names(promql: str) -> int:
    return promql.split('model_deployment=~"')[1].split('"', maxsplit=1)[0].count("|") + 1


@pytest.mark.parametrize("reason", ["TooLarge", "QueryTooLong", "Status414", "Status422"])
def test_a_group_that_is_too_large_is_halved(reason: str) -> None:
    async def play() -> None:
        world = World(100)
        await world.stand()
        world.source.fail = lambda promql: (
            Fatal(reason=reason, message="too large") if _names(promql) > 20 else None
        )
        assert all(world.complete(await world.at_once(START)))
        assert len(world.sent()) <= 7

    _run(play)


def test_a_rollout_that_is_too_large_by_itself_stands_alone() -> None:
    large = _identity(42)

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

    _run(play)


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

    _run(play)


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
            not isinstance(it, BaseException) and _is_own(one, found=it) for one, it in rest
        ] == [
            False,
            True,
            True,
        ]
        assert len(world.sent()) <= 3

    _run(play)


# --- numbers -------------------------------------------------------------------------------------


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
            who = _identity(index)
            scaled = number * (1.0 + index)
            assert found == {who.candidate: scaled, who.stable: scaled}
        assert len(world.sent()) == 2  # one goes ahead

    _run(play)


def test_a_revision_whose_number_is_none_is_left_out() -> None:
    async def play() -> None:
        world = World(1)
        who = world.wanted[0].identity
        world.source.spoil = lambda rows, _: rows[0].update(value=[START, "NaN"])
        found = await world.desk.numbers(_wanted(who, aggregate="Avg"), at=START)
        assert found == {who.stable: START}

    _run(play)


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

    _run(play)


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

    _run(play)


def test_an_unknown_source_is_a_named_problem() -> None:
    async def play() -> None:
        world = World(1)
        unknown = _wanted(_identity(0), source="elsewhere")
        for found in (
            await world.desk.series(unknown, since=START, at=START),
            await world.desk.numbers(unknown, at=START),
            await world.desk.number("elsewhere", promql="up", at=START),
        ):
            assert found == Problem(
                reason=Reason.ERROR, message="unknown metric source 'elsewhere'"
            )
        assert world.sent() == []

    _run(play)


# --- memory --------------------------------------------------------------------------------------


def test_groups_that_nobody_asks_for_are_forgotten() -> None:
    async def play() -> None:
        world = World(10)
        await world.at_once(START)
        world.sent()
        await world.clock.advance(desks.KEPT_SECONDS + 1)
        await world.desk.numbers(_wanted(_identity(0), aggregate="Avg"), at=START)
        world.sent()
        await world.one_by_one(START)
        assert len(world.sent()) == 10

    _run(play)


def test_members_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "MAX_MEMBERS", 5)

    async def play() -> None:
        world = World(8)
        await world.one_by_one(START)
        world.sent()
        await world.desk.series(world.wanted[-1], since=START, at=START + TICK)
        assert _names(world.sent()[0]) <= 5
        await world.desk.numbers(_wanted(_identity(0), aggregate="Avg"), at=START)
        world.sent()
        await world.desk.series(world.wanted[-1], since=START, at=START + 2 * TICK)
        assert _names(world.sent()[0]) == 1

    _run(play)


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

    _run(play)


def test_a_query_names_two_hundred_rollouts_at_most() -> None:
    async def play() -> None:
        world = World(450)
        await world.stand()
        for tick in range(2):
            assert all(world.complete(await world.at_once(START + tick * TICK)))
            sent = world.sent()
            assert len(sent) == 3
            assert max(map(_names, sent)) <= 200

    _run(play)


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

    _run(play)
