"""Tracked ConfigMaps: looked at beside the pass, copied with a revision, deleted with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import beside
import port_fakes
import pytest
from rollout_world import World

from tidegate import model, ports
from tidegate.api import config_maps as tracking
from tidegate.api.config_maps import Held
from tidegate.controller.background import Background
from tidegate.controller.config_maps import LOOK_SECONDS, ConfigMaps
from tidegate.controller.workqueue import Key
from tidegate.revisions.config_maps import copy_name

KEY = Key("ml", "iris")
SECRET_TEXT = "do not repeat me"
FORBIDDEN = ports.Fatal(reason="Forbidden", message="not allowed")


def source(text: str = SECRET_TEXT, name: str = "settings") -> ports.Object:
    return {"metadata": {"name": name, "namespace": "ml"}, "data": {"k": text}}


class Api:
    """ConfigMaps by name; with `failure` it answers nothing else, and it `refuses` some verbs."""

    def __init__(self, *bodies: ports.Object) -> None:
        self.bodies = {it["metadata"]["name"]: it for it in bodies}
        self.failure: ports.Failure | None = None
        self.refuses: set[str] = set()
        self.reads = 0

    async def get(self, kind: ports.Kind, *, namespace: str, name: str) -> Any:
        assert (kind, namespace) == (ports.CONFIG_MAP, "ml")
        self.reads += 1
        if "get" in self.refuses:
            return FORBIDDEN
        return self.failure or ports.Ok(self.bodies.get(name))

    async def create(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        assert (kind, namespace) == (ports.CONFIG_MAP, "ml")
        if "create" in self.refuses:
            return FORBIDDEN
        if self.failure is None:
            body["metadata"]["uid"] = body["metadata"]["name"]
            self.bodies[body["metadata"]["name"]] = body
        return self.failure or ports.Ok(body)

    async def delete(self, kind: ports.Kind, *, namespace: str, name: str, uid: str) -> Any:
        assert (kind, namespace, uid) == (ports.CONFIG_MAP, "ml", name)
        del self.bodies[name]
        return ports.Ok(None)


class Scene:
    def __init__(self, *bodies: ports.Object) -> None:
        self.api = Api(*bodies)
        self.clock = port_fakes.ManualClock()
        self.background = Background(recorder=port_fakes.MemoryRecorder())
        self.leads = True
        self.maps = ConfigMaps(
            api=cast("ports.KubeApi", self.api),
            clock=self.clock,
            background=self.background,
            leading=lambda: self.leads,
        )
        self.seen = World().observe()
        self.made = model.FrozenRevision(
            revision=model.Revision(hash="0123456789", digest="d", model_version="2"),
            model=model.Model(name="iris", version="2"),
            server=model.Server(preset="MLServer", port=1, metrics_port=1, metrics_path="/"),
            port=model.PodPort(number=1),
            config_maps={"settings": tracking.digest_of(source()), "extra": tracking.ABSENT},
        )

    async def held(self, **wanted: bool) -> dict[str, Held]:
        return dict(await self.maps.held(KEY, wanted))

    def copy(self) -> ports.Failure | None:
        return asyncio.run(self.maps.copy(self.made, self.seen))

    def delete(self) -> ports.Failure | None:
        return asyncio.run(self.maps.delete(self.made, self.seen.meta))


def play(scenario: Callable[[Scene], Awaitable[None]], *bodies: ports.Object) -> None:
    beside.play(scenario, Scene(*bodies))


# --- looking -------------------------------------------------------------------------------------


def test_only_the_first_look_is_waited_for_and_a_change_asks_for_a_pass() -> None:
    async def scenario(scene: Scene) -> None:
        woken = _woken(scene)
        first = await scene.held(settings=True, extra=False)
        assert first == {"settings": _held(), "extra": Held()}
        assert await scene.held(settings=True, extra=False) == first
        assert scene.api.reads == 2
        await scene.clock.advance(LOOK_SECONDS)
        assert woken == []
        scene.api.bodies["settings"] = source("other")
        await scene.clock.advance(LOOK_SECONDS)
        assert woken == [KEY]
        assert (await scene.held(settings=True, extra=False))["settings"] == _held("other")
        assert await scene.held(settings=True) == {"settings": _held("other")}

    play(scenario, source())


def test_nobody_looks_once_nothing_is_tracked() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.held(settings=True)
        assert await scene.held() == {}
        reads = scene.api.reads
        await scene.clock.advance(3 * LOOK_SECONDS)
        assert scene.api.reads == reads

    play(scenario, source())


def test_more_than_can_be_kept_are_not_even_read() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.held(**{f"a{it}": True for it in range(tracking.MOST + 1)}) == {}
        assert scene.api.reads == 0

    play(scenario)


@pytest.mark.parametrize("failure", [FORBIDDEN, ports.Retryable(message="timed out")])
def test_what_was_read_last_holds_while_there_is_no_answer(failure: ports.Failure) -> None:
    async def scenario(scene: Scene) -> None:
        before = await scene.held(settings=True, extra=False)
        scene.api.failure = failure
        await scene.clock.advance(LOOK_SECONDS)
        assert await scene.held(settings=True, extra=False) == before

    play(scenario, source())


def test_what_was_never_read_says_why_and_heals() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.failure = FORBIDDEN
        found = (await scene.held(settings=True))["settings"]
        assert "not allowed" in found.failure
        assert "rbac.configMaps" in found.failure
        scene.api.failure = None
        await scene.clock.advance(LOOK_SECONDS)
        assert await scene.held(settings=True) == {"settings": _held()}

    play(scenario, source())


# --- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 200, 253])
def test_each_model_deployment_has_a_name_of_its_own_for_its_copy(length: int) -> None:
    names = {
        copy_name(name, owner=owner, revision="0123456789")
        for name in ("a" * length, "a" * (length - 1) + "b")
        for owner in ("iris", "iris-eu")
    }
    assert len(names) == 4
    assert all(len(it) <= 253 for it in names)


def test_a_name_that_is_cut_is_still_one() -> None:
    name = "a" * 220 + "-.-" * 8 + "b"
    copied = copy_name(name, owner="iris", revision="0123456789")
    assert copied.startswith("iris-0123456789-" + "a" * 220)
    assert ".-" not in copied[240:]


def test_a_copy_is_made_once_of_what_is_there() -> None:
    scene = Scene(source())
    assert scene.copy() is None
    copied = scene.api.bodies["iris-0123456789-settings"]
    assert copied["data"] == {"k": SECRET_TEXT}
    assert "extra-0123456789" not in scene.api.bodies
    scene.api.bodies["settings"] = source("other")
    assert scene.copy() is None
    assert scene.api.bodies["iris-0123456789-settings"] is copied


def test_a_source_that_changed_meanwhile_is_another_revision() -> None:
    scene = Scene(source("other"))
    scene.seen = replace(scene.seen, desired=scene.made.revision)
    assert isinstance(scene.copy(), ports.Conflict)
    assert set(scene.api.bodies) == {"settings"}


@pytest.mark.parametrize("now", [source("other"), None])
def test_the_lost_copy_of_another_revision_is_told(now: ports.Object | None) -> None:
    scene = Scene(*([now] if now else []))
    failure = scene.copy()
    assert isinstance(failure, ports.Fatal)
    assert (failure.reason, "settings" in failure.message) == ("ConfigMapLost", True)


def test_the_next_pass_knows_what_the_copy_has_found() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.held(settings=True)
        for now in (source("other"), None):
            scene.api.bodies = {"settings": now} if now else {}
            assert await scene.maps.copy(scene.made, scene.seen) is not None
            expected = _held("other") if now else Held()
            assert await scene.held(settings=True) == {"settings": expected}

    play(scenario, source())


def test_a_copy_of_somebody_else_is_a_conflict_of_names_and_stays() -> None:
    theirs = source(name="iris-0123456789-settings")
    scene = Scene(source(), theirs)
    failure = scene.copy()
    assert isinstance(failure, ports.Fatal)
    assert failure.reason == "NameConflict"
    assert scene.delete() is None
    assert scene.api.bodies["iris-0123456789-settings"] is theirs


@pytest.mark.parametrize("refused", ["get", "create"])
def test_what_is_refused_names_the_right(refused: str) -> None:
    scene = Scene(source())
    scene.api.refuses = {refused}
    failure = scene.copy()
    assert isinstance(failure, ports.Fatal)
    assert "rbac.configMaps" in failure.message


def test_who_does_not_lead_writes_nothing() -> None:
    scene = Scene(source())
    assert scene.copy() is None
    held = dict(scene.api.bodies)
    scene.leads = False
    assert scene.delete() is not None
    del scene.api.bodies["iris-0123456789-settings"]
    assert scene.copy() is not None
    assert scene.api.bodies.keys() == held.keys() - {"iris-0123456789-settings"}


def test_a_source_that_cannot_be_read_is_waited_for() -> None:
    scene = Scene(source())
    scene.api.failure = ports.Retryable(message="timed out")
    assert scene.copy() == scene.api.failure
    assert scene.delete() == scene.api.failure


def test_copies_go_with_their_revision_and_a_lost_right_holds_nothing_up() -> None:
    scene = Scene(source())
    assert scene.copy() is None
    scene.api.failure = FORBIDDEN
    assert scene.delete() is None
    scene.api.failure = None
    assert set(scene.api.bodies) == {"settings", "iris-0123456789-settings"}
    assert scene.delete() is None
    assert set(scene.api.bodies) == {"settings"}
    assert asyncio.run(scene.maps.delete(None, scene.seen.meta)) is None


def test_no_content_is_told() -> None:
    """Neither what is kept nor any message has a word of it."""

    async def scenario(scene: Scene) -> None:
        found = await scene.held(settings=True)
        assert SECRET_TEXT not in repr(found)
        scene.api.bodies["settings"] = source(f"{SECRET_TEXT} again")
        assert SECRET_TEXT not in repr(await scene.maps.copy(scene.made, scene.seen))

    play(scenario, source())


def _held(text: str = SECRET_TEXT) -> Held:
    return Held(digest=tracking.digest_of(source(text)))


def _woken(scene: Scene) -> list[Key]:
    woken: list[Key] = []

    def note(key: Key, *, priority: bool = False) -> None:
        assert not priority
        woken.append(key)

    scene.background.wake = note  # type: ignore[method-assign]
    return woken
