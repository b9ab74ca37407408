"""Quotas and nodes: read beside the pass, seldom, and only while a rollout is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import beside
import port_fakes
import pytest
from traffic_examples import META, SPEC

from tidegate import model, ports
from tidegate.controller.background import Background
from tidegate.controller.room import AGAIN_SECONDS, UNREAD_SECONDS, Rooms, read_room
from tidegate.controller.workqueue import Key

KEY = Key(namespace="ml", name="iris")
GPU = "nvidia.com/gpu"
WITH_GPU: model.Document = {
    "spec": {"containers": [{"name": "server", "resources": {"limits": {GPU: "1"}}}]}
}
NEW = model.Revision(hash="b" * 10, digest="d", model_version="2")


class Api:
    """Lists of two kinds; a refusal where a kind is among the `refused` ones."""

    def __init__(self) -> None:
        self.quotas: list[ports.Object] = [quota("a", {"pods": "4"}, {"pods": "1"})]
        self.nodes: list[ports.Object] = [node("n1", {GPU: "2", "cpu": "8"}, zone="a")]
        self.refused: set[ports.Kind] = set()
        self.asked: list[tuple[str, str]] = []

    async def list_objects(self, kind: ports.Kind, *, namespace: str, label_selector: str) -> Any:
        assert not label_selector
        self.asked.append((kind.kind, namespace))
        if kind in self.refused:
            return ports.Fatal(reason="Forbidden", message="no")
        return ports.Ok(self.quotas if kind is ports.RESOURCE_QUOTA else self.nodes)


def quota(name: str, hard: object, used: object, **spec: object) -> ports.Object:
    return {"metadata": {"name": name}, "spec": spec, "status": {"hard": hard, "used": used}}


def node(name: str, allocatable: object, *, cordoned: bool = False, **labels: str) -> ports.Object:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"allocatable": allocatable},
    }


def seen(*, attempt: int = 1, template: model.Document | None = None) -> model.Observation:
    now = port_fakes.ManualClock().now()
    rollout = model.Rollout(
        id=f"iris-{attempt}",
        revision=NEW,
        attempt=attempt,
        active=True,
        started_at=now,
        progress_at=now,
        plan=(),
    )
    return model.Observation(
        now=now,
        epoch=1,
        meta=META,
        status=model.Status(rollout=rollout),
        spec=replace(SPEC, template=template or {}),
    )


class Scene:
    """One ModelDeployment, its namespace, and who asked for a pass."""

    def __init__(self) -> None:
        self.api = Api()
        self.clock = port_fakes.ManualClock()
        background = Background(recorder=port_fakes.MemoryRecorder())
        self.woken: list[Key] = []
        background._wake = self._note  # what `run` sets while the process works
        self.rooms = Rooms(api=self.api, clock=self.clock, background=background)  # type: ignore[arg-type]

    def _note(self, key: Key, *, priority: bool = False) -> None:
        assert not priority
        self.woken.append(key)

    async def look(self, found: model.Observation) -> model.Room | None:
        """What a pass knows that comes a moment after the one that asked."""
        self.rooms.newest(KEY, found)
        await port_fakes.settle()
        return self.rooms.newest(KEY, found)


def play(scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    scene = Scene()
    beside.play(scenario, scene)
    return scene


def test_a_pass_never_waits_and_is_woken_once() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.rooms.newest(KEY, seen()) is None
        assert await scene.look(seen()) == model.Room(
            pods=0, quotas=(model.Quota(name="a", left={"pods": Decimal(3)}),)
        )
        await scene.clock.advance(AGAIN_SECONDS)
        await scene.look(seen())

    scene = play(scenario)
    assert scene.woken == [KEY], "the same answer wakes nobody"
    assert scene.api.asked == [("ResourceQuota", "ml")] * 2


def test_it_is_asked_again_after_a_while_and_anew_for_another_rollout() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(seen())
        await scene.look(seen())
        assert len(scene.api.asked) == 1
        assert scene.rooms.newest(KEY, seen(attempt=2)) is None
        await port_fakes.settle()
        assert len(scene.api.asked) == 2

    play(scenario)


def test_nodes_are_read_where_pods_ask_for_devices() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.nodes.append(node("n0", {GPU: "9"}, cordoned=True))
        found = await scene.look(seen(template=WITH_GPU))
        assert found is not None
        assert found.nodes == (model.Node(labels={"zone": "a"}, allocatable={GPU: Decimal(2)}),)

    assert play(scenario).api.asked == [("ResourceQuota", "ml"), ("Node", "")]


@pytest.mark.parametrize("kind", [ports.RESOURCE_QUOTA, ports.NODE])
def test_what_may_not_be_read_says_nothing_of_itself_alone(kind: ports.Kind) -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.refused = {kind}
        found = await scene.look(seen(template=WITH_GPU))
        assert found is not None
        assert bool(found.quotas) is (kind is ports.NODE)
        assert (found.nodes is None) is (kind is ports.NODE)

    play(scenario)


def test_without_any_right_it_is_asked_seldom() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.refused = {ports.RESOURCE_QUOTA}
        assert await scene.look(seen()) is None
        await scene.clock.advance(AGAIN_SECONDS)
        assert await scene.look(seen()) is None
        assert len(scene.api.asked) == 1
        await scene.clock.advance(UNREAD_SECONDS)
        await scene.look(seen())
        assert len(scene.api.asked) == 2

    assert not play(scenario).woken


def test_at_rest_nothing_is_asked() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(replace(seen(), status=model.Status()))
        await scene.look(replace(seen(), meta=replace(META, deleting=True)))
        await scene.look(replace(seen(), spec=None))

    assert play(scenario).api.asked == []


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({}, True),
        ({"scopes": ["NotTerminating"]}, True),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["Terminating"]}, False),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass"}]}}, False),
    ],
)
def test_a_quota_for_other_pods_is_left_out(spec: dict[str, object], *, counts: bool) -> None:
    api = Api()
    api.quotas = [quota("a", {"pods": "1", "odd": "?"}, {"pods": "3"}, **spec)]
    found = asyncio.run(read_room(api, namespace="ml", pods=2, with_nodes=False))  # type: ignore[arg-type]
    assert found is not None
    assert found.quotas == ((model.Quota(name="a", left={"pods": Decimal(0)}),) if counts else ())
