"""Profiles from ConfigMaps: read by name, again and again, and kept while nobody answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import beside
import port_fakes
import profiles_build
import pytest

from tidegate import model, ports
from tidegate.controller.training import REST_SECONDS, TrainingProfiles
from tidegate.controller.workqueue import Key
from tidegate.evidence.drift.profiles import Profile, parsed
from tidegate.evidence.terms import Problem, Reason

KEY = Key(namespace="ml", name="iris")
REF = model.ProfileRef(name="training", key="profile.json")


def config_map(version: int, **data: str) -> ports.Object:
    return {"metadata": {"resourceVersion": str(version)}, "data": data}


def of(model_version: str, *, at: int = 1) -> ports.Object:
    return config_map(at, **{"profile.json": profiles_build.written(model_version)})


class Api:
    """`ports.KubeApi`, as far as a ConfigMap is read."""

    def __init__(self, clock: port_fakes.ManualClock) -> None:
        self._clock = clock
        self.answer: ports.Result[Any] = ports.Ok(None)
        self.asked: list[str] = []

    async def get(self, kind: ports.Kind, *, namespace: str, name: str) -> ports.Result[Any]:
        assert (kind, namespace) == (ports.CONFIG_MAP, "ml")
        self.asked.append(name)
        await self._clock.sleep(0.2)
        return self.answer


class Scene:
    def __init__(self) -> None:
        self.clock = port_fakes.ManualClock()
        self.api = Api(self.clock)
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.woken: list[Key] = []
        self.background.wake = self._note  # type: ignore[method-assign]
        self.profiles = TrainingProfiles(
            api=self.api,  # type: ignore[arg-type]
            clock=self.clock,
            background=self.background,
        )

    def _note(self, key: Key, *, priority: bool = False) -> None:
        assert not priority
        self.woken.append(key)

    async def read(self, answer: ports.Result[Any]) -> Profile | Problem:
        """What a pass reads once the answer has come and the next one is due."""
        self.api.answer = answer
        await self.clock.advance(REST_SECONDS)
        self.profiles.newest(KEY, REF)
        await self.clock.advance(1.0)
        return self.profiles.newest(KEY, REF)


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    beside.play(scenario, Scene())


def test_a_pass_never_waits_and_is_told_of_what_came() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.answer = ports.Ok(of("v2"))
        before = scene.profiles.newest(KEY, REF)
        assert isinstance(before, Problem)
        assert "not read yet" in before.message
        await scene.clock.advance(1.0)
        assert scene.profiles.newest(KEY, REF) == parsed(profiles_build.written("v2"))
        assert scene.woken == [KEY]

    play(scenario)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ports.Ok(None), "ConfigMap training does not exist"),
        (ports.Ok(config_map(1)), "ConfigMap training has no key profile.json"),
        (ports.Ok({"metadata": {"resourceVersion": "1"}}), "has no key profile.json"),
        (ports.Ok(config_map(1, **{"profile.json": "{"})), "profile.json: it is no JSON"),
        (ports.Fatal(reason="Forbidden", message="no right to get"), "no right to get"),
        (ports.Retryable(message="timed out"), "could not be read: timed out"),
    ],
)
def test_what_cannot_be_read_is_no_baseline_and_says_why(
    answer: ports.Result[Any], says: str
) -> None:
    async def scenario(scene: Scene) -> None:
        found = await scene.read(answer)
        assert isinstance(found, Problem)
        assert found.reason is Reason.NO_BASELINE
        assert says in found.message
        assert isinstance(await scene.read(ports.Ok(of("v2", at=2))), Profile), "it heals"

    play(scenario)


def test_a_new_profile_counts_and_an_old_one_is_kept_while_nobody_answers() -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.read(ports.Ok(of("v1")))
        assert await scene.read(ports.Retryable(message="timed out")) == first
        second = await scene.read(ports.Ok(of("v2", at=2)))
        assert isinstance(second, Profile)
        assert second.version == "v2"
        assert isinstance(await scene.read(ports.Ok(None)), Problem), "it was deleted"
        assert await scene.read(ports.Ok(of("v2", at=2))) == second
        assert len(scene.woken) == 4

    play(scenario)


def test_it_is_asked_at_rest_and_only_while_somebody_wants_it() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(3 * int(REST_SECONDS)):
            scene.profiles.newest(KEY, REF)
            await scene.clock.advance(1.0)
        assert len(scene.api.asked) == 3
        other = model.ProfileRef(name="other", key="profile.json")
        assert isinstance(scene.profiles.newest(KEY, other), Problem)
        await scene.clock.advance(1.0)
        assert scene.api.asked[-1] == "other"
        scene.profiles.forget(KEY)
        await scene.clock.advance(10 * REST_SECONDS)
        assert len(scene.api.asked) == 4

    play(scenario)
