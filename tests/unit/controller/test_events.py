"""Events: beside the passes, the same one once, no flood, and nothing hangs on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import beside
import port_fakes

from tidegate import model, ports
from tidegate.controller import events
from tidegate.model import actions


class Api:
    """Takes Events as slowly, and with such failures, as it is told."""

    def __init__(self, clock: port_fakes.ManualClock) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.failures: list[ports.Failure] = []
        self.created: list[ports.Object] = []
        self.series: dict[str, list[int]] = {}

    async def create_event(self, *, namespace: str, body: ports.Object) -> ports.Result[None]:
        assert namespace == body["metadata"]["namespace"]
        if failure := await self._failure():
            return failure
        self.created.append(body)
        return ports.Ok(None)

    async def repeat_event(
        self, *, namespace: str, name: str, series: ports.Object
    ) -> ports.Result[None]:
        assert namespace == "ml"
        if failure := await self._failure():
            return failure
        self.series.setdefault(name, []).append(series["count"])
        return ports.Ok(None)

    async def _failure(self) -> ports.Failure | None:
        await self._clock.sleep(self.seconds)
        return self.failures.pop(0) if self.failures else None


class Scene:
    def __init__(self) -> None:
        self.clock = port_fakes.ManualClock()
        self.api = Api(self.clock)
        self.recorder = port_fakes.MemoryRecorder()
        self.events = events.Events(
            api=self.api,  # type: ignore[arg-type]
            clock=self.clock,
            background=beside.Background(recorder=self.recorder),
            recorder=self.recorder,
            instance="pod_1",
        )

    def tell(self, message: str, *, of: str = "iris") -> None:
        event = actions.Event(type=actions.EventType.WARNING, reason="NoData", message=message)
        self.events.tell(event, meta=_meta(of))

    @property
    def notes(self) -> list[str]:
        return [body["note"] for body in self.api.created]

    @property
    def dropped(self) -> list[str]:
        return [fields["message"] for name, fields in self.recorder.problems if "dropped" in name]


def _meta(name: str) -> model.ObjectMeta:
    return model.ObjectMeta(
        namespace="ml", name=name, uid=f"uid-{name}", generation=1, resource_version="1"
    )


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(beside.PATIENCE_SECONDS):
            await scenario(Scene())

    asyncio.run(bounded())


def test_an_api_server_that_takes_its_time_holds_nobody_up_and_the_order_stays() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.seconds = 10.0
        for number in range(5):
            scene.tell(f"event {number}")  # returns at once, or the clock would have to move
        assert scene.notes == []
        await scene.clock.advance(60)
        assert scene.notes == [f"event {number}" for number in range(5)]

    play(scenario)


def test_the_same_news_is_one_event_that_counts() -> None:
    async def scenario(scene: Scene) -> None:
        scene.tell("no series")
        await scene.clock.advance(1)
        for _ in range(3):
            scene.tell("no series")
            await scene.clock.advance(100)
        assert scene.notes == ["no series"]
        assert list(scene.api.series.values()) == [[2, 3, 4]]

    play(scenario)


def test_news_that_come_again_while_the_first_is_on_its_way_are_counted_at_once() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.seconds = 5.0
        for _ in range(4):
            scene.tell("no series")
        await scene.clock.advance(60)
        assert scene.notes == ["no series"]
        assert list(scene.api.series.values()) == [[4]]

    play(scenario)


def test_the_same_news_much_later_or_of_another_object_is_another_event() -> None:
    async def scenario(scene: Scene) -> None:
        scene.tell("no series")
        scene.tell("no series", of="wine")
        await scene.clock.advance(events.SERIES_SECONDS)
        scene.tell("no series")
        await scene.clock.advance(1)
        assert scene.notes == ["no series"] * 3
        assert len({body["metadata"]["name"] for body in scene.api.created}) == 3
        assert scene.api.series == {}

    play(scenario)


def test_one_object_that_floods_is_limited_and_takes_nothing_from_others() -> None:
    async def scenario(scene: Scene) -> None:
        for number in range(events.BURST + 30):
            scene.tell(f"event {number}")
        scene.tell("heard", of="wine")
        await scene.clock.advance(events.REFILL_SECONDS)
        assert len(scene.notes) == events.BURST + 1
        assert "heard" in scene.notes
        assert len(scene.dropped) == 30, "what is left out is counted"
        scene.tell("one more")
        scene.tell("and no other")
        await scene.clock.advance(1)
        assert scene.notes[-1] == "one more"

    play(scenario)


def test_the_queue_ends_where_the_api_server_takes_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.seconds = 1e6
        for number in range(events.LONGEST_QUEUE + 40):
            scene.tell("news", of=f"md-{number}")
        await scene.clock.advance(1)
        assert len(scene.dropped) == 40

    play(scenario)


def test_a_failure_is_tried_again_and_a_lasting_one_takes_only_its_own_event() -> None:
    async def scenario(scene: Scene) -> None:
        later = ports.Retryable(message="too many requests", after_seconds=3.0)
        scene.api.failures = [later, later]
        scene.tell("told in the end")
        await scene.clock.advance(10)
        assert scene.notes == ["told in the end"]
        scene.api.failures = [later] * (events.RETRIES + 1)
        scene.tell("lost")
        scene.tell("next")
        await scene.clock.advance(30)
        assert scene.notes == ["told in the end", "next"]
        scene.api.failures = [ports.Fatal(reason="Forbidden", message="namespace is terminating")]
        scene.tell("refused")
        await scene.clock.advance(5)
        refusals = [fields["message"] for name, fields in scene.recorder.problems]
        assert refusals == ["too many requests", "namespace is terminating"]

    play(scenario)


def test_what_arrived_without_an_answer_is_not_told_twice() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.failures = [
            ports.Retryable(message="timeout", maybe_applied=True),
            ports.Conflict(message="exists"),
        ]
        scene.tell("news")
        await scene.clock.advance(10)
        assert scene.recorder.problems == []
        scene.tell("news")
        await scene.clock.advance(10)
        assert list(scene.api.series.values()) == [[2]]

    play(scenario)


def test_a_repetition_that_is_refused_is_left_out_and_not_tried_for_ever() -> None:
    async def scenario(scene: Scene) -> None:
        scene.tell("news")
        await scene.clock.advance(1)
        refusal = ports.Fatal(reason="Forbidden", message="no right to patch")
        scene.api.failures = [refusal] * 100
        scene.tell("news")
        await scene.clock.advance(100)
        assert len(scene.api.failures) == 99

    play(scenario)


def test_an_event_that_somebody_deleted_is_made_anew_the_next_time() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.clock.advance(1000)
        scene.tell("news")
        await scene.clock.advance(1)
        scene.api.failures = [ports.Conflict(message="gone")]
        scene.tell("news")
        await scene.clock.advance(1)
        scene.tell("news")
        await scene.clock.advance(1)
        assert scene.notes == ["news", "news"]
        assert scene.recorder.problems == []

    play(scenario)


def test_a_note_is_cut_at_bytes_and_never_within_a_letter() -> None:
    async def scenario(scene: Scene) -> None:
        scene.tell("a" + "\u6a21" * 1000)
        await scene.clock.advance(1)
        (note,) = scene.notes
        assert note == "a" + "\u6a21" * 341  # three bytes each

    play(scenario)
