"""Ready URLs: a few at a time, beside the pass, and nobody is asked again who said yes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import beside
import port_fakes
import pytest
from beside import play
from pod_lists import PodLists

from tidegate import ports
from tidegate.controller.permitted import Pod
from tidegate.controller.readiness import AT_ONCE, NOT_YET, ROUND_SECONDS, Readiness
from tidegate.controller.workqueue import Key

KEY = Key(namespace="ml", name="iris")
Answers = tuple[tuple[Pod, ports.ReadyAnswer], ...]


class Probe:
    """Pods that answer after a while."""

    def __init__(self, clock: port_fakes.ManualClock, *, seconds: float) -> None:
        self._clock = clock
        self.seconds = seconds
        self.says: Callable[[str], ports.ReadyAnswer] = lambda _: ports.Ready()
        self.asked: list[str] = []
        self.open = self.most_open = 0

    async def check(self, *, address: str, port: int, path: str) -> ports.ReadyAnswer:
        assert (port, path) == (8080, "/ready")
        self.asked.append(address)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._clock.sleep(self.seconds)
        finally:
            self.open -= 1
        return self.says(address)


class Scene:
    """Some pods of one revision."""

    def __init__(self, count: int, *, seconds: float = 0.5) -> None:
        self.clock = port_fakes.ManualClock()
        self.api = PodLists(lambda: self.pods)
        self.probe = Probe(self.clock, seconds=seconds)
        self.pods = [
            Pod(address=f"10.0.0.{index + 100}", uid=f"u{index}") for index in range(count)
        ]
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.readiness = Readiness(
            api=self.api,  # type: ignore[arg-type]
            probe=self.probe,
            clock=self.clock,
            background=self.background,
        )

    def read(self) -> Answers:
        return self.readiness.unready(KEY, revision="abc", pods=self.pods, port=8080, path="/ready")

    async def read_for(self, seconds: int) -> Answers:
        """What a pass reads that comes once a second."""
        for _ in range(seconds):
            self.read()
            await self.clock.advance(1.0)
        return self.read()


def test_a_pass_reads_at_once_and_some_pods_are_asked_at_a_time() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.read() == tuple((pod, NOT_YET) for pod in scene.pods)
        assert await scene.read_for(20) == ()
        assert scene.probe.most_open == AT_ONCE
        assert sorted(scene.probe.asked) == [pod.address for pod in scene.pods]

    play(scenario, Scene(20))


def test_whoever_said_yes_is_not_asked_again_but_a_new_pod_is() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.read_for(3)
        scene.probe.asked.clear()
        scene.pods[1] = Pod(address=scene.pods[1].address, uid="another")
        assert await scene.read_for(3) == ()
        assert scene.probe.asked == [scene.pods[1].address]

    play(scenario, Scene(3))


@pytest.mark.parametrize(
    "answer", [ports.NotReady("503"), ports.Unreachable("refused", refused=True)]
)
def test_what_a_pod_said_is_read_and_it_is_asked_again(answer: ports.ReadyAnswer) -> None:
    async def scenario(scene: Scene) -> None:
        bad = scene.pods[1]
        scene.probe.says = lambda it: answer if it == bad.address else ports.Ready()
        assert await scene.read_for(3) == ((bad, answer),)
        scene.probe.says = lambda _: ports.Ready()
        assert await scene.read_for(3) == ()

    play(scenario, Scene(3))


def test_a_new_answer_asks_for_a_pass() -> None:
    async def scenario(scene: Scene) -> None:
        woken: list[Key] = []

        def wake(key: Key, *, priority: bool = False) -> None:
            assert not priority
            woken.append(key)

        running = asyncio.create_task(scene.background.run(wake))
        await scene.read_for(5)
        assert woken == [KEY]
        running.cancel()

    play(scenario, Scene(3))


def test_another_port_is_another_question() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.read_for(3)
        found = scene.readiness.unready(
            KEY, revision="abc", pods=scene.pods, port=9090, path="/ready"
        )
        assert found == tuple((pod, NOT_YET) for pod in scene.pods)
        scene.readiness.forget(KEY)

    play(scenario, Scene(2))


def test_a_round_has_an_end_and_who_never_answers_holds_up_nobody() -> None:
    async def scenario(scene: Scene) -> None:
        silent = {pod.address for pod in scene.pods[:AT_ONCE]}

        async def check(*, address: str, port: int, path: str) -> ports.ReadyAnswer:
            del port, path
            if address in silent:
                await asyncio.Event().wait()
            return ports.Ready()

        scene.probe.check = check  # type: ignore[method-assign]
        scene.read()
        await scene.background.idle()
        await scene.clock.advance(2.0)
        scene.read()
        await scene.background.idle()

        assert {pod.address for pod, _ in scene.read()} == silent

    assert ROUND_SECONDS <= 3.0
    play(scenario, Scene(AT_ONCE + 4))


def test_pods_are_looked_at_once_before_they_are_asked() -> None:
    async def scenario(scene: Scene) -> None:
        scene.probe.says = lambda _: ports.NotReady("503")
        await scene.read_for(10)
        assert scene.api.lists == 1
        scene.pods.append(Pod(address="10.0.0.250", uid="new"))
        await scene.read_for(3)
        assert scene.api.lists == 2

    play(scenario, Scene(3))


def test_a_pod_in_the_network_of_its_node_is_not_asked() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.on_node = {scene.pods[0].uid}
        ((pod, answer),) = await scene.read_for(5)
        assert pod == scene.pods[0]
        assert isinstance(answer, ports.NotAsked)
        assert pod.address not in scene.probe.asked

    play(scenario, Scene(3))


def test_an_address_that_somebody_wrote_beside_that_of_a_pod_is_not_asked() -> None:
    async def scenario(scene: Scene) -> None:
        true = scene.pods[0]
        forged = Pod(address="10.9.9.9", uid=true.uid)
        for _ in range(3):
            scene.readiness.unready(
                KEY, revision="abc", pods=[true, forged], port=8080, path="/ready"
            )
            await scene.clock.advance(1.0)
        assert set(scene.probe.asked) == {true.address}

    play(scenario, Scene(1))


def test_while_pods_cannot_be_read_nobody_is_asked() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.fails = True
        assert await scene.read_for(3) == tuple((pod, NOT_YET) for pod in scene.pods)
        assert scene.probe.asked == []
        scene.api.fails = False
        assert await scene.read_for(3) == ()

    play(scenario, Scene(2))
