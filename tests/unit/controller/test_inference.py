"""Synthetic inferences: one pod at a time, beside the pass, until one has answered as expected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import beside
import port_fakes
import pytest
from beside import play
from pod_lists import PodLists

from tidegate import model, ports
from tidegate.controller.inference import REST_SECONDS, TRIED, Inference
from tidegate.controller.permitted import Pod
from tidegate.controller.workqueue import Key

KEY = Key(namespace="ml", name="iris")
PROBE = model.Probe(path="/infer", body="{}")
YES = ports.Ready()
NO = ports.NotReady("answered 500 where 2xx is expected")
AWAY = ports.Unreachable("no connection in time")
REFUSED = ports.Unreachable("connection refused", refused=True)
PROBED_POD = {"spec": {"containers": [{"readinessProbe": {"tcpSocket": {"port": 8080}}}]}}
CLOSED = ports.Unreachable("connection closed without an answer", closed=True)
BARE_POD: model.Json = {"spec": {"containers": [{"name": "server"}]}}


class Server:
    """`ports.InferenceProbe`: pods that answer after a while."""

    def __init__(self, clock: port_fakes.ManualClock) -> None:
        self._clock = clock
        self.says: Callable[[str], ports.ReadyAnswer] = lambda _: YES
        self.asked: list[str] = []
        self.open = self.most_open = 0

    async def infer(self, *, address: str, port: int, probe: model.Probe) -> ports.ReadyAnswer:
        assert port == 8080
        assert probe.path.startswith("/")
        self.asked.append(address)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._clock.sleep(0.5)
        finally:
            self.open -= 1
        return self.says(address)


class Scene:
    """Some pods of one revision."""

    def __init__(self, count: int, *, template: model.Json = PROBED_POD) -> None:
        self.clock = port_fakes.ManualClock()
        self.api = PodLists(lambda: self.pods)
        self.server = Server(self.clock)
        self.template = template
        self.probe = PROBE
        self.answers_others = False
        self.pods = [
            Pod(address=f"10.0.0.{100 + index}", uid=f"u{index}") for index in range(count)
        ]
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.inference = Inference(
            api=self.api,  # type: ignore[arg-type]
            probe=self.server,
            clock=self.clock,
            background=self.background,
        )

    def read(self) -> model.Probed:
        return self.inference.newest(
            KEY,
            revision="abc",
            pods=self.pods,
            port=8080,
            probe=self.probe,
            template=self.template,
            answers_others=self.answers_others,
        )

    async def read_for(self, seconds: int) -> model.Probed:
        """What a pass reads that comes once a second."""
        for _ in range(seconds):
            self.read()
            await self.clock.advance(1.0)
        return self.read()


def test_a_pass_reads_at_once_and_one_inference_is_enough() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.read().pending
        assert await scene.read_for(30) == model.Probed()
        assert scene.server.asked == [scene.pods[0].address]

    play(scenario, Scene(5))


def test_pods_are_asked_in_turn_with_a_rest_until_one_says_yes() -> None:
    async def scenario(scene: Scene) -> None:
        good = scene.pods[2].address
        scene.server.says = lambda address: YES if address == good else NO
        assert NO.message in (await scene.read_for(2)).wrong
        assert await scene.read_for(int(REST_SECONDS * 4)) == model.Probed()
        assert scene.server.asked == [pod.address for pod in scene.pods]
        assert scene.server.most_open == 1

    play(scenario, Scene(3))


def test_a_wrong_answer_is_asked_for_again_and_not_all_the_time() -> None:
    async def scenario(scene: Scene) -> None:
        scene.server.says = lambda _: NO
        found = await scene.read_for(60)
        assert found == model.Probed(wrong=f"POST /infer of pod 10.0.0.100: {NO.message}")
        assert 60 / (REST_SECONDS + 2) <= len(scene.server.asked) <= 60 / REST_SECONDS

    play(scenario, Scene(1))


def test_a_yes_lasts_as_long_as_its_pod() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.read_for(3) == model.Probed()
        scene.server.says = lambda _: NO
        scene.pods = scene.pods[1:]
        assert scene.read().pending
        assert (await scene.read_for(10)).wrong

    play(scenario, Scene(2))


@pytest.mark.parametrize("answer", [AWAY, REFUSED])
def test_that_no_pod_can_be_reached_is_said_after_some_of_them(answer: ports.ReadyAnswer) -> None:
    async def scenario(scene: Scene) -> None:
        scene.server.says = lambda _: answer
        assert (await scene.read_for(2)).pending
        found = await scene.read_for(int(REST_SECONDS) * TRIED + TRIED)
        assert "of pod 10.0.0.100 cannot be reached" in found.unreachable
        assert not found.wrong

    play(scenario, Scene(TRIED + 2))


def test_a_wrong_answer_counts_before_pods_that_cannot_be_reached() -> None:
    async def scenario(scene: Scene) -> None:
        bad = scene.pods[-1].address
        scene.server.says = lambda address: NO if address == bad else AWAY
        assert bad in (await scene.read_for(40)).wrong

    play(scenario, Scene(TRIED))


def test_where_kubelet_asks_nobody_a_server_that_does_not_listen_is_wrong() -> None:
    async def scenario(scene: Scene) -> None:
        scene.server.says = lambda _: REFUSED
        assert "no container has a readinessProbe" in (await scene.read_for(3)).wrong

    play(scenario, Scene(1, template=BARE_POD))


def test_a_pod_in_the_network_of_its_node_is_not_asked() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.on_node = {scene.pods[0].uid}
        assert "10.0.0.100 is not asked" in (await scene.read_for(3)).unreachable
        assert scene.server.asked == []

    play(scenario, Scene(1))


def test_while_pods_cannot_be_read_nobody_is_asked() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.fails = True
        assert (await scene.read_for(3)).pending
        assert scene.server.asked == []
        scene.api.fails = False
        assert await scene.read_for(int(REST_SECONDS) + 3) == model.Probed()

    play(scenario, Scene(1))


def test_another_probe_is_another_question() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.read_for(3) == model.Probed()
        scene.probe = model.Probe(path="/other")
        assert scene.read().pending
        scene.inference.forget(KEY)
        assert scene.read().pending

    play(scenario, Scene(1))


def test_a_new_answer_asks_for_a_pass() -> None:
    async def scenario(scene: Scene) -> None:
        woken: list[Key] = []

        def wake(key: Key, *, priority: bool = False) -> None:
            assert not priority
            woken.append(key)

        running = asyncio.create_task(scene.background.run(wake))
        scene.server.says = lambda _: NO
        await scene.read_for(20)
        assert woken == [KEY]  # the same answer again is no news
        running.cancel()

    play(scenario, Scene(1))


def test_without_pods_there_is_no_answer() -> None:
    async def scenario(scene: Scene) -> None:
        assert (await scene.read_for(3)).pending

    play(scenario, Scene(0))


@pytest.mark.parametrize("answers_others", [True, False])
def test_a_server_that_dies_of_the_inference_is_told_from_a_mesh(*, answers_others: bool) -> None:
    """A worker that dies under a master leaves the pod ready, and its ready URL is answered."""

    async def scenario(scene: Scene) -> None:
        scene.answers_others = answers_others
        scene.server.says = lambda _: CLOSED
        found = await scene.read_for(3)
        assert bool(found.wrong) is answers_others
        assert bool(found.unreachable) is not answers_others

    play(scenario, Scene(1))
