"""Looks beside the passes: when, how many, for whom, and what they bring about."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from port_fakes import MemoryRecorder

from tidegate import model, ports
from tidegate.controller import preflight
from tidegate.controller.background import Background
from tidegate.controller.preflight import Preflight, Subject
from tidegate.controller.workqueue import Key
from tidegate.evidence.queries import presets
from tidegate.model import PreflightReason
from tidegate.settings import MetricSourceSettings

SOURCES = {"prometheus": MetricSourceSettings(name="prometheus", url="http://prometheus:9090")}
SCRAPE = 15.0


class World:
    """A clock that moves when told to, a source, and the keys that were woken."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked: list[str] = []
        self.has_series = True
        self.failure: ports.Failure | None = None
        self.answer: Callable[[str], ports.RawAnswer] | None = None
        self.woken: list[Key] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.recorder = MemoryRecorder()
        self.background = Background(recorder=self.recorder)
        self.preflight = Preflight(
            source=self, clock=self, sources=SOURCES, background=self.background
        )

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, future))
        await future

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> ports.Result[ports.RawAnswer]:
        assert source == "prometheus"
        assert not namespace  # this source is not told
        assert at == self.now()
        self.asked.append(promql)
        if self.failure is not None:
            return self.failure
        if self.answer is not None:
            return ports.Ok(self.answer(promql))
        if not promql.endswith("]"):
            return ports.Ok(ports.RawAnswer(result_type="vector", result=[]))
        values = [[self.seconds + SCRAPE * n, "5"] for n in range(6)]
        rows = [{"metric": {"pod": "a"}, "values": values}] if self.has_series else []
        return ports.Ok(ports.RawAnswer(result_type="matrix", result=rows))

    async def pass_time(self, seconds: float) -> None:
        ends_at = self.seconds + seconds
        while self.seconds < ends_at:
            self.seconds += preflight.TICK_SECONDS
            due = [one for one in self._sleepers if one[0] <= self.seconds]
            self._sleepers = [one for one in self._sleepers if one[0] > self.seconds]
            for _, future in due:
                future.set_result(None)
            for _ in range(200):
                await asyncio.sleep(0)


def subject(name: str = "iris", *, namespace: str = "ml", urgent: bool = False) -> Subject:
    template = replace(presets.TEMPLATES["MLServer", "error-ratio"], source="prometheus")
    return Subject(
        namespace=namespace,
        name=name,
        uid=f"uid-{namespace}-{name}",
        revision="6d9f7c01ab",
        metrics=(model.Metric(name="errors", preset="error-ratio"),),
        templates={"errors": template},
        server="MLServer",
        data_plane="",
        source="prometheus",
        urgent=urgent,
    )


def newest(world: World, wanted: Subject) -> tuple[model.Preflight, ...] | None:
    return world.preflight.newest(Key(wanted.namespace, wanted.name), wanted)


def played(play: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()

        def woken(key: Key, *, priority: bool = False) -> None:
            assert not priority
            world.woken.append(key)

        beside = asyncio.create_task(world.background.run(woken))
        await asyncio.sleep(0)
        await play(world)
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)

    asyncio.run(main())


def test_a_result_wakes_the_object_once_and_costs_one_query_in_ten_minutes() -> None:
    async def play(world: World) -> None:
        assert newest(world, subject()) is None
        await world.pass_time(60)
        rows = newest(world, subject())
        assert rows is not None
        assert [row.reason for row in rows] == [PreflightReason.SERIES_FOUND]
        assert world.woken == [Key("ml", "iris")]
        await world.pass_time(3600)
        assert len(world.asked) <= 1 + 3600 / preflight.RARELY_SECONDS
        assert len(world.asked) >= 5
        assert len(world.woken) == 1

    played(play)


def test_what_is_missing_is_looked_for_soon_then_ever_more_rarely() -> None:
    async def play(world: World) -> None:
        world.has_series = False
        newest(world, subject())
        await world.pass_time(100)
        rows = newest(world, subject())
        assert rows is not None
        assert rows[0].reason is PreflightReason.NOT_SCRAPED
        await world.pass_time(3600)
        looks = sum("path" in text and "revision=~" in text for text in world.asked)
        assert 5 <= looks <= 10
        world.has_series = True
        await world.pass_time(2 * preflight.RARELY_SECONDS)
        found = newest(world, subject())
        assert found is not None
        assert found[0].ready
        assert len(world.woken) == 2

    played(play)


def test_a_rollout_is_not_kept_waiting() -> None:
    """It begins with a fresh look, and what it waits for is looked for soon, again and again."""

    async def play(world: World) -> None:
        world.has_series = False
        newest(world, subject())
        await world.pass_time(3600)
        before = len(world.asked)
        newest(world, subject(urgent=True))
        await world.pass_time(preflight.TICK_SECONDS)
        assert len(world.asked) > before
        world.has_series = True
        await world.pass_time(2 * preflight.SOON_SCRAPES * SCRAPE)
        found = newest(world, subject(urgent=True))
        assert found is not None
        assert found[0].ready

    played(play)


def test_what_was_tried_as_a_candidate_is_looked_for_sooner() -> None:
    """Its pods have been scraped; what has nothing to do with a rollout has to wait for that."""
    waits = []
    for urgent in (True, False):

        async def play(world: World, *, tried: bool = urgent) -> None:
            newest(world, subject(urgent=tried))
            await world.pass_time(60)
            before, promoted = world.seconds, replace(subject(), revision="8c02ab39bc")
            while newest(world, promoted) is None:
                await world.pass_time(preflight.TICK_SECONDS)
            waits.append(world.seconds - before)

        played(play)
    assert waits[0] == preflight.PROMOTED_SCRAPES * SCRAPE
    assert waits[1] == preflight.FIRST_SCRAPES * SCRAPE


def test_one_namespace_starves_no_other_and_looks_are_bounded() -> None:
    async def play(world: World) -> None:
        for number in range(300):
            newest(world, subject(f"m{number:03d}", namespace="large"))
        newest(world, subject("only", namespace="small"))
        await world.pass_time(preflight.FIRST_SCRAPES * SCRAPE)
        assert len(world.asked) <= preflight.MAX_LOOKS
        assert newest(world, subject("only", namespace="small")) is not None
        await world.pass_time(300)
        assert len(world.asked) == 301, "everybody had a turn, once"

    played(play)


def test_a_look_that_breaks_is_reported_and_keeps_no_other_from_its_own() -> None:
    async def play(world: World) -> None:
        def answer(promql: str) -> ports.RawAnswer:
            if "odd" in promql:
                raise ArithmeticError("nobody thought of it")
            return ports.RawAnswer(result_type="matrix", result=[])

        world.answer = answer
        odd = [subject(f"odd-{number}") for number in range(2 * preflight.MAX_LOOKS)]
        for one in (*odd, subject("whole", namespace="of-others")):
            newest(world, one)
        await world.pass_time(60)
        assert newest(world, subject("whole", namespace="of-others")) is not None
        assert newest(world, odd[0]) is None
        known = len(world.asked)
        await world.pass_time(60)
        assert not [one for one in world.asked[known:] if "odd" in one]
        (event, told), *_ = world.recorder.problems
        assert event == "background_failed"
        assert "nobody thought of it" in told["error"]

    played(play)


def test_another_revision_forgets_what_was_found() -> None:
    async def play(world: World) -> None:
        newest(world, subject())
        await world.pass_time(60)
        assert newest(world, replace(subject(), revision="8b1c22e9d4")) is None

    played(play)


def test_an_unreachable_source_is_said_with_its_own_words() -> None:
    async def play(world: World) -> None:
        world.failure = ports.Fatal(reason="Status401", message="answered 401: no token")
        newest(world, subject())
        await world.pass_time(60)
        rows = newest(world, subject())
        assert rows is not None
        assert rows[0].reason is PreflightReason.SOURCE_UNREACHABLE
        assert rows[0].ready is None
        assert "answered 401: no token" in rows[0].message

    played(play)


def test_an_answer_that_is_too_large_is_asked_for_again_over_a_shorter_time() -> None:
    async def play(world: World) -> None:
        world.failure = ports.Fatal(reason="TooLarge", message="larger than 4 MiB")
        newest(world, subject())
        await world.pass_time(60)
        ranges = [
            int(found[1]) for text in world.asked if (found := re.search(r"\[(\d+)s\]", text))
        ]
        assert ranges[:2] == [300, 45]

    played(play)


def test_silence_of_what_is_judged_is_held_against_what_the_server_counts() -> None:
    async def play(world: World) -> None:
        latency = replace(presets.TEMPLATES["MLServer", "latency-p95"], source="prometheus")
        wanted = replace(subject(), templates={"errors": latency})

        def answer(promql: str) -> ports.RawAnswer:
            labels = {"namespace": "ml", "pod": "iris-6d9f7c01ab-5d4b9c6f5d-x2x4z"}
            if promql.startswith("up"):
                rows = [{"metric": labels, "value": [0, "1"]}]
                return ports.RawAnswer(result_type="vector", result=rows)
            counts = promql.startswith("rest_server_requests_total")
            values = [[0, "5"], [15, "9"]]
            rows = [{"metric": labels, "values": values}] if counts else []
            return ports.RawAnswer(result_type="matrix", result=rows)

        world.answer = answer
        newest(world, wanted)
        await world.pass_time(60)
        rows = newest(world, wanted)
        assert rows is not None
        assert rows[0].reason is PreflightReason.METRIC_MISSING

    played(play)
