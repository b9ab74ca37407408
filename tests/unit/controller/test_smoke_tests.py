"""Jobs of smoke tests: made once, looked at beside the pass, and never taken from others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import beside
import port_fakes
from traffic_examples import META
from under_way import frozen_of, rollout_in, seen_in

from tidegate import model, ports
from tidegate.controller.smoke_tests import REFUSED_SECONDS, SmokeTests
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.rollout.smoke_test import LOOK_SECONDS, job_name

S = model.SmokeTestState
KEY = Key(namespace=META.namespace, name=META.name)
POD = {"containers": [{"name": "ask", "image": "ask:1"}]}
SPEC = {
    "strategy": {
        "blueGreen": {"prePromotion": {"job": {"template": {"spec": POD}, "timeout": "90s"}}}
    }
}
STAGE = model.Stage(
    name="preview",
    kind=model.StageKind.PREVIEW,
    weight_percent=0.0,
    effective_weight_percent=0.0,
    smoke_test=True,
)
BEGUN = rollout_in(STAGE)
assert BEGUN.step is not None
ROLLOUT = replace(BEGUN, step=replace(BEGUN.step, confirmed_at=port_fakes.EPOCH))
NAME = job_name(ROLLOUT)
FROZEN = frozen_of(ROLLOUT, SPEC)
FORBIDDEN = ports.Fatal(reason="Forbidden", message="jobs.batch is forbidden")


def seen(rollout: model.Rollout | None = ROLLOUT, **changes: Any) -> model.Observation:
    return replace(seen_in(rollout, frozen=FROZEN), **changes)


class Api:
    """Jobs of one namespace. `answer` is what every request gets instead."""

    def __init__(self) -> None:
        self.jobs: dict[str, Any] = {}
        self.answer: Any = None
        self.gets = 0

    async def get(self, kind: ports.Kind, *, namespace: str, name: str) -> Any:
        assert (kind, namespace) == (ports.JOB, META.namespace)
        self.gets += 1
        return self.answer or ports.Ok(self.jobs.get(name))

    async def create(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        assert (kind, namespace) == (ports.JOB, META.namespace)
        name = body["metadata"]["name"]
        if self.answer:
            return self.answer
        if name in self.jobs:
            return ports.Conflict(message="it exists")
        self.jobs[name] = {**body, "metadata": {**body["metadata"], "uid": f"uid-{name}"}}
        return ports.Ok(self.jobs[name])

    async def delete(self, kind: ports.Kind, *, namespace: str, name: str, uid: str) -> Any:
        assert (kind, namespace) == (ports.JOB, META.namespace)
        if self.answer:
            return self.answer
        assert self.jobs[name]["metadata"]["uid"] == uid
        del self.jobs[name]
        return ports.Ok(None)

    def ends(self, kind: str, **said: str) -> None:
        condition = {"type": kind, "status": "True", **said}
        self.jobs[NAME]["status"] = {"conditions": [condition]}


class Scene:
    def __init__(self) -> None:
        self.clock = port_fakes.ManualClock()
        self.api = Api()
        self.leads = True
        self.background = beside.Background(recorder=port_fakes.MemoryRecorder())
        self.tests = SmokeTests(
            api=self.api,  # type: ignore[arg-type]
            clock=self.clock,
            background=self.background,
            leading=lambda: self.leads,
        )

    async def looked(self) -> model.SeenJob | None:
        """What a pass reads once there was time for a look."""
        self.tests.newest(KEY, seen())
        await self.clock.advance(LOOK_SECONDS)
        self.tests.newest(KEY, seen())
        await port_fakes.settle()
        return self.tests.newest(KEY, seen())


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    beside.play(scenario, Scene())


def test_a_job_is_made_once_and_says_how_it_ends() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.tests.newest(KEY, seen()) is None
        assert await scene.looked() == model.SeenJob()
        assert await scene.tests.create(NAME, seen()) is None
        made = scene.api.jobs[NAME]
        assert objects.is_controlled_by(made, uid=META.uid)
        assert made["spec"]["activeDeadlineSeconds"] == 90
        assert scene.tests.newest(KEY, seen()) == model.SeenJob(state=S.RUNNING)
        assert await scene.tests.create(NAME, seen()) is None, "as after a crash"
        assert scene.api.jobs[NAME] is made
        scene.api.ends("Failed", reason="DeadlineExceeded", message="too long")
        assert await scene.looked() == model.SeenJob(
            state=S.FAILED, message="DeadlineExceeded: too long"
        )
        scene.api.ends("Complete")
        assert await scene.looked() == model.SeenJob(state=S.PASSED)

    play(scenario)


def test_it_is_looked_at_every_few_seconds_and_only_while_it_is_due() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(20):
            scene.tests.newest(KEY, seen())
            await scene.clock.advance(1.0)
        assert scene.api.gets == 20 / LOOK_SECONDS
        for rollout in (None, replace(ROLLOUT, plan=(replace(STAGE, smoke_test=False),))):
            assert scene.tests.newest(KEY, seen(rollout)) is None
            await scene.clock.advance(LOOK_SECONDS)
        assert scene.api.gets == 20 / LOOK_SECONDS

    play(scenario)


def test_a_missing_right_is_named_with_its_fix() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.answer = FORBIDDEN
        read = await scene.looked()
        assert read is not None
        assert "cannot be read: jobs.batch is forbidden" in read.obstacle
        assert "rbac.smokeTests" in read.obstacle
        scene.api.answer = None
        await scene.looked()
        scene.api.answer = FORBIDDEN
        assert await scene.tests.create(NAME, seen()) is None
        made = scene.tests.newest(KEY, seen())
        assert made is not None
        assert "cannot be made: jobs.batch is forbidden" in made.obstacle

    play(scenario)


def test_a_job_that_is_refused_is_tried_again_after_a_while() -> None:
    """Only its creation is refused, by a quota say: that it is not there is no news."""

    async def scenario(scene: Scene) -> None:
        await scene.looked()
        scene.api.answer = FORBIDDEN
        await scene.tests.create(NAME, seen())
        scene.api.answer = None
        looks = [await scene.looked() for _ in range(int(REFUSED_SECONDS / LOOK_SECONDS) + 2)]
        told = [one is not None and bool(one.obstacle) for one in looks]
        assert told[0]
        assert not told[-1]
        assert told.count(True) >= REFUSED_SECONDS / LOOK_SECONDS - 2
        assert told == sorted(told, reverse=True), "one wait, and then one try"

    play(scenario)


def test_who_does_not_answer_changes_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.tests.create(NAME, seen())
        scene.api.answer = ports.Retryable(message="later")
        assert await scene.looked() == model.SeenJob(state=S.RUNNING)
        assert await scene.tests.create(NAME, seen()) == scene.api.answer
        assert await scene.tests.delete(NAME, META) == scene.api.answer

    play(scenario)


def test_a_job_of_somebody_else_is_neither_waited_for_nor_deleted() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.jobs[NAME] = {"metadata": {"name": NAME, "uid": "other"}}
        scene.api.ends("Complete")
        read = await scene.looked()
        assert read is not None
        assert "belongs to somebody else" in read.obstacle
        assert await scene.tests.delete(NAME, META) is None
        assert NAME in scene.api.jobs

    play(scenario)


def test_ours_is_deleted_by_its_uid() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.tests.create(NAME, seen())
        assert await scene.tests.delete(NAME, META) is None
        assert scene.api.jobs == {}
        assert await scene.tests.delete(NAME, META) is None, "as after a crash"

    play(scenario)


def test_what_a_deleted_one_said_is_not_said_of_the_next() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.tests.create(NAME, seen())
        scene.api.ends("Failed", reason="BackoffLimitExceeded")
        read = await scene.looked()
        assert read is not None
        assert read.state is S.FAILED
        await scene.clock.advance(LOOK_SECONDS)
        scene.tests.newest(KEY, seen())  # a look that is on its way
        assert await scene.tests.delete(NAME, META) is None
        assert scene.tests.newest(KEY, seen()) is None
        await port_fakes.settle()
        assert await scene.looked() == model.SeenJob()

    play(scenario)


def test_one_that_is_being_deleted_says_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.tests.create(NAME, seen())
        scene.api.ends("Failed", reason="BackoffLimitExceeded")
        scene.api.jobs[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        assert await scene.looked() == model.SeenJob()

    play(scenario)


def test_who_does_not_lead_writes_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        scene.leads = False
        assert isinstance(await scene.tests.create(NAME, seen()), ports.Retryable | ports.Conflict)
        scene.leads = True
        await scene.tests.create(NAME, seen())
        scene.leads = False
        assert await scene.tests.delete(NAME, META) is not None
        assert NAME in scene.api.jobs

    play(scenario)


def test_without_what_was_frozen_it_is_tried_again() -> None:
    async def scenario(scene: Scene) -> None:
        for unready in (seen(frozen_rollouts=()), seen(None)):
            assert isinstance(await scene.tests.create(NAME, unready), ports.Conflict)
        assert scene.api.jobs == {}

    play(scenario)
