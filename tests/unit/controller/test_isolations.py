"""NetworkPolicies of shadows: made once, listed beside the pass, and never taken from others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import beside
import port_fakes
import pytest
from traffic_examples import CANDIDATE, META
from under_way import REVISION, frozen_of, rollout_in, seen_in

from tidegate import model, ports
from tidegate.controller.isolations import Isolations
from tidegate.controller.workqueue import Key
from tidegate.rollout.isolation import LOOK_SECONDS

KEY = Key(namespace=META.namespace, name=META.name)
SPEC = {"strategy": {"shadow": {"egress": {"allow": []}}}}
STAGE = model.Stage(
    name="shadow",
    kind=model.StageKind.SHADOW,
    weight_percent=0.0,
    effective_weight_percent=0.0,
    mirror_percent=20.0,
    isolated=True,
)
ROLLOUT = rollout_in(STAGE)
FROZEN = frozen_of(ROLLOUT, SPEC)
SEEN = seen_in(ROLLOUT, frozen=FROZEN)
FORBIDDEN = ports.Fatal(reason="Forbidden", message="networkpolicies is forbidden")
LATER = ports.Retryable(message="later")
THERE = frozenset({CANDIDATE})


class Api:
    """Policies of one namespace. `answers` are what a verb gets instead; `slow` holds a list up."""

    def __init__(self) -> None:
        self.policies: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.slow: asyncio.Event | None = None
        self.lists = 0

    async def list_objects(self, kind: ports.Kind, *, namespace: str, label_selector: str) -> Any:
        assert (kind, namespace) == (ports.NETWORK_POLICY, META.namespace)
        assert f"tidegate.dev/model-deployment={META.name}" in label_selector
        self.lists += 1
        found = list(self.policies.values())
        if self.slow is not None:
            await self.slow.wait()
        return self.answers.get("list") or ports.Ok(found)

    async def create(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        assert (kind, namespace) == (ports.NETWORK_POLICY, META.namespace)
        name = body["metadata"]["name"]
        if "create" in self.answers:
            return self.answers["create"]
        if name in self.policies:
            return ports.Conflict(message="it exists")
        self.policies[name] = {**body, "metadata": {**body["metadata"], "uid": f"uid-{name}"}}
        return ports.Ok(self.policies[name])

    async def delete(self, kind: ports.Kind, *, namespace: str, name: str, uid: str) -> Any:
        assert (kind, namespace) == (ports.NETWORK_POLICY, META.namespace)
        if "delete" in self.answers:
            return self.answers["delete"]
        assert self.policies.pop(name)["metadata"]["uid"] == uid
        return ports.Ok(None)


class Scene:
    def __init__(self) -> None:
        self.clock = port_fakes.ManualClock()
        self.api = Api()
        self.leads = True
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.isolations = Isolations(
            api=self.api,  # type: ignore[arg-type]
            clock=self.clock,
            background=self.background,
            leading=lambda: self.leads,
        )

    def newest(self) -> model.Isolation | None:
        return self.isolations.newest(KEY, SEEN)

    async def looked(self) -> model.Isolation:
        """What a pass reads once there was time for a look."""
        await self.clock.advance(LOOK_SECONDS)
        self.newest()
        await port_fakes.settle()
        found = self.newest()
        assert found is not None
        return found


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    beside.play(scenario, Scene())


def test_one_is_made_once_and_deleted_by_its_uid() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.newest() is None
        assert await scene.looked() == model.Isolation()
        assert await scene.isolations.create(REVISION, SEEN) is None
        assert scene.newest() == model.Isolation(revisions=THERE)
        assert await scene.isolations.create(REVISION, SEEN) is None, "as after a crash"
        assert await scene.looked() == model.Isolation(revisions=THERE)
        assert await scene.isolations.delete(CANDIDATE, META) is None
        assert not scene.api.policies
        assert scene.newest() == model.Isolation()
        assert await scene.isolations.delete(CANDIDATE, META) is None, "as after a crash"

    play(scenario)


def test_nobody_looks_where_none_is_wanted_or_may_be_there() -> None:
    async def scenario(scene: Scene) -> None:
        plain = replace(ROLLOUT, plan=(replace(STAGE, isolated=False),))
        idle = replace(SEEN, status=model.Status(rollout=plain))
        for _ in range(3):
            assert scene.isolations.newest(KEY, idle) is None
            await scene.clock.advance(LOOK_SECONDS)
        assert scene.api.lists == 0
        left = replace(SEEN, status=model.Status(rollout=plain, shadows_isolated=True))
        scene.isolations.newest(KEY, left)
        await port_fakes.settle()
        assert scene.isolations.newest(KEY, left) == model.Isolation()

    play(scenario)


def test_a_look_that_began_before_a_write_says_nothing_about_it() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.slow = asyncio.Event()
        scene.newest()
        await port_fakes.settle()
        await scene.isolations.create(REVISION, SEEN)
        scene.api.slow.set()
        await port_fakes.settle()
        assert scene.newest() == model.Isolation(revisions=THERE)

    play(scenario)


def test_what_refuses_is_named_with_its_fix_until_it_works() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.answers = {"create": FORBIDDEN, "delete": FORBIDDEN, "list": FORBIDDEN}
        read = await scene.looked()
        assert "cannot be read: networkpolicies is forbidden" in read.obstacle
        assert "rbac.shadowEgress" in read.obstacle
        del scene.api.answers["list"]
        assert await scene.looked() == model.Isolation()
        assert await scene.isolations.create(REVISION, SEEN) is None
        assert "cannot be made" in (await scene.looked()).refused, "that none is there is no news"
        del scene.api.answers["create"]
        await scene.isolations.create(REVISION, SEEN)
        assert scene.newest() == model.Isolation(revisions=THERE)
        assert await scene.isolations.delete(CANDIDATE, META) is None
        kept = await scene.looked()
        assert (kept.revisions, "cannot be deleted" in kept.obstacle) == (THERE, True)

    play(scenario)


def test_who_does_not_answer_changes_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.isolations.create(REVISION, SEEN)
        scene.api.answers = dict.fromkeys(("create", "delete", "list"), LATER)
        assert await scene.looked() == model.Isolation(revisions=THERE)
        assert await scene.isolations.create(REVISION, SEEN) == LATER

    play(scenario)


@pytest.mark.parametrize("asked", ["delete", "list"])
@pytest.mark.parametrize("answer", [LATER, ports.Conflict(message="another uid")])
def test_what_cannot_be_deleted_now_fails_no_pass_and_is_looked_at_at_once(
    asked: str, answer: ports.Failure
) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.isolations.create(REVISION, SEEN)
        await scene.looked()
        scene.api.answers[asked] = answer
        assert await scene.isolations.delete(CANDIDATE, META) is None
        assert scene.newest() == model.Isolation(revisions=THERE), "it is there yet"
        scene.api.answers.clear()
        scene.api.policies.clear()
        scene.newest()
        await port_fakes.settle()
        assert scene.newest() == model.Isolation()

    play(scenario)


def test_one_of_somebody_else_is_neither_counted_nor_deleted() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.isolations.create(REVISION, SEEN)
        [policy] = scene.api.policies.values()
        policy["metadata"]["ownerReferences"] = []
        assert await scene.looked() == model.Isolation()
        assert await scene.isolations.delete(CANDIDATE, META) is None
        assert scene.api.policies

    play(scenario)


def test_who_does_not_lead_or_knows_no_frozen_spec_writes_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        unready = replace(SEEN, frozen_rollouts=())
        assert isinstance(await scene.isolations.create(REVISION, unready), ports.Conflict)
        idle = replace(SEEN, status=model.Status())
        assert isinstance(await scene.isolations.create(REVISION, idle), ports.Conflict)
        scene.leads = False
        assert await scene.isolations.create(REVISION, SEEN) is not None
        assert await scene.isolations.delete(CANDIDATE, META) is not None
        assert not scene.api.policies

    play(scenario)
