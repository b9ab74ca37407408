"""Hooks of drifts: only what the cluster says is owed is sent, beside the pass, a bounded number of times."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import beside
import port_fakes
import pytest
from beside import play
from watch_world import DRIFTS, SOUND, TRAINED, watched
from watch_world import play as look

from tidegate import model, ports
from tidegate.controller.watch.hooks import DriftHooks, event_of
from tidegate.controller.workqueue import Key

KEY = Key(namespace="ml", name="iris")
HOOK = model.DriftHook(url="https://train.example.com/start", retries=2)
DOWN = ports.Retryable(message="answered 503")


class Receiver:
    """`ports.Hooks` with given answers; the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[ports.Result[None]] = [ports.Ok(None)]
        self.refused = ""
        self.taken: list[dict[str, Any]] = []

    def obstacle(self, url: str, *, namespace: str) -> str:
        assert (url, namespace) == (HOOK.url, KEY.namespace)
        return self.refused

    async def post(
        self, url: str, *, namespace: str, media_type: str, body: bytes, timeout_seconds: float
    ) -> ports.Result[None]:
        assert (url, namespace, timeout_seconds) == (HOOK.url, KEY.namespace, HOOK.timeout_seconds)
        assert media_type == "application/cloudevents+json"
        self.taken.append(json.loads(body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Api:
    """The one read of `ports.KubeApi`."""

    def __init__(self) -> None:
        self.body: ports.Object = {}
        self.failure: ports.Failure | None = None

    async def get(self, kind: ports.Kind, *, namespace: str, name: str) -> ports.Result[Any]:
        assert (kind, namespace, name) == (ports.MODEL_DEPLOYMENT, KEY.namespace, KEY.name)
        return self.failure or ports.Ok(self.body)


class Scene:
    """A drift whose hook status says is owed."""

    def __init__(self) -> None:
        self.clock = port_fakes.ManualClock()
        self.receiver, self.api = Receiver(), Api()
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.leads = True
        self.hooks = self.another_process()
        world = watched(TRAINED)
        assert world.spec is not None
        asked = model.Monitoring(on_drift=model.OnDrift.HOOK, hook=HOOK)
        world.spec = replace(world.spec, monitoring=asked)
        look(world, SOUND, DRIFTS)
        self.seen = world.observe()
        self.store()

    def another_process(self) -> DriftHooks:
        return DriftHooks(
            api=self.api,  # type: ignore[arg-type]
            hooks=self.receiver,
            clock=self.clock,
            background=self.background,
            leading=lambda: self.leads,
        )

    @property
    def call(self) -> model.HookCall:
        watch = self.seen.status.monitoring
        assert watch is not None
        assert watch.hook is not None
        return watch.hook

    def store(self, **changed: object) -> None:
        """What the cluster says of the hook."""
        hook = {"id": self.call.id, "state": "Pending", **changed}
        status = {"monitoring": {"hook": hook}}
        self.api.body = {"metadata": {"uid": self.seen.meta.uid}, "status": status}

    def read(self) -> model.SeenHook:
        return self.hooks.newest(KEY, self.seen)

    async def read_for(self, seconds: float) -> model.SeenHook:
        self.read()
        await self.clock.advance(seconds)
        return self.read()


def test_what_is_owed_is_sent_once_however_often_a_pass_asks() -> None:
    async def act(scene: Scene) -> None:
        assert scene.read() == model.SeenHook()
        await scene.read_for(1.0)
        assert await scene.read_for(100.0) == model.SeenHook(id=scene.call.id)
        (event,) = scene.receiver.taken
        assert (event["specversion"], event["id"]) == ("1.0", scene.call.id)
        assert event["source"] == (
            "/apis/tidegate.dev/v1alpha1/namespaces/ml/modeldeployments/iris"
        )
        (row,) = event["data"]["metrics"]
        assert (row["name"], row["condition"]) == ("skew", "DataDrift")
        assert row["shifts"][0]["feature"] == "amount"

    play(act, Scene())


def test_a_receiver_that_fails_is_tried_so_often_and_no_more() -> None:
    async def act(scene: Scene) -> None:
        scene.receiver.answers = [DOWN]
        assert await scene.read_for(1.0) == model.SeenHook()
        assert await scene.read_for(3600.0) == model.SeenHook(
            id=scene.call.id, failure="answered 503"
        )
        assert len(scene.receiver.taken) == 1 + HOOK.retries
        assert {it["id"] for it in scene.receiver.taken} == {scene.call.id}

    play(act, Scene())


def test_one_that_is_up_again_has_taken_it() -> None:
    async def act(scene: Scene) -> None:
        scene.receiver.answers = [DOWN, ports.Ok(None)]
        assert await scene.read_for(60.0) == model.SeenHook(id=scene.call.id)
        assert len(scene.receiver.taken) == 2

    play(act, Scene())


def test_what_another_try_cannot_help_is_not_tried_again() -> None:
    async def act(scene: Scene) -> None:
        scene.receiver.answers = [ports.Fatal(reason="Refused", message="answered 404")]
        assert (await scene.read_for(60.0)).failure == "answered 404"
        assert len(scene.receiver.taken) == 1

    play(act, Scene())


@pytest.mark.parametrize("stored", [{"state": "Delivered"}, {"id": "another"}])
def test_a_process_that_takes_over_sends_nothing_that_the_cluster_does_not_owe(
    stored: dict[str, str],
) -> None:
    async def act(scene: Scene) -> None:
        scene.store(**stored)
        await scene.read_for(60.0)
        assert not scene.receiver.taken

    play(act, Scene())


def test_one_that_does_not_lead_sends_nothing() -> None:
    async def act(scene: Scene) -> None:
        scene.leads = False
        await scene.read_for(60.0)
        assert not scene.receiver.taken

    play(act, Scene())


def test_a_new_object_of_that_name_owes_nothing() -> None:
    async def act(scene: Scene) -> None:
        scene.api.body["metadata"]["uid"] = "another"
        await scene.read_for(60.0)
        assert not scene.receiver.taken

    play(act, Scene())


def test_while_the_cluster_does_not_say_what_is_owed_nothing_is_sent() -> None:
    async def act(scene: Scene) -> None:
        scene.api.failure = ports.Retryable(message="no answer")
        found = await scene.read_for(60.0)
        assert "no answer" in found.failure
        assert not scene.receiver.taken

    play(act, Scene())


def test_an_obstacle_is_said_and_nothing_is_sent() -> None:
    async def act(scene: Scene) -> None:
        scene.receiver.refused = "host is not allowed"
        assert await scene.read_for(60.0) == model.SeenHook(obstacle="host is not allowed")
        assert not scene.receiver.taken

    play(act, Scene())


def test_who_is_being_deleted_owes_nothing_any_more() -> None:
    async def act(scene: Scene) -> None:
        scene.receiver.answers = [DOWN]
        await scene.read_for(0.5)
        scene.seen = replace(scene.seen, meta=replace(scene.seen.meta, deleting=True))
        await scene.read_for(60.0)
        assert len(scene.receiver.taken) == 1

    play(act, Scene())


def test_a_threshold_that_is_broken_at_the_same_time_is_no_drift_of_the_hook() -> None:
    scene = Scene()
    watch = scene.seen.status.monitoring
    assert watch is not None
    broken = replace(
        watch.metrics[0],
        name="errors",
        against=model.Against.THRESHOLD,
        failing_since=scene.call.at,
    )
    both = replace(watch, metrics=(broken, *watch.metrics))
    data = event_of(KEY, scene.seen, watch=both, call=scene.call)["data"]
    assert [one["name"] for one in data["metrics"]] == ["skew"]
