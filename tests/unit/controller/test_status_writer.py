"""What of a decision is written at once, and what waits for the next write."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import port_fakes
import pytest
from rollout_world import START, V1, V2
from status_examples import FULL_STATUS

from tidegate import model, ports
from tidegate.api import status as wire
from tidegate.controller.pace import BETWEEN_SECONDS, LASTING_SECONDS
from tidegate.controller.status_writer import StatusWriter
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Reason
from tidegate.model import actions
from tidegate.rollout.worth import Worth

KEY = Key("ml", "iris")
META = model.ObjectMeta(
    namespace="ml", name="iris", uid="md-uid", generation=7, resource_version="5"
)
SEEN = model.Observation(now=START, epoch=1, meta=META, status=FULL_STATUS)
NEWS = replace(FULL_STATUS, message="serving 1.4.0; 2 of 5 pods ready")
TRAFFIC = actions.SetTraffic(stable=V1.hash, candidate="", exposure=model.NO_TRAFFIC)


class Api:
    """Takes every status, and what it refuses it says."""

    def __init__(self) -> None:
        self.statuses: list[ports.Object] = []
        self.refuses: ports.Failure | None = None

    async def apply_status(
        self, kind: ports.Kind, *, namespace: str, body: ports.Object
    ) -> ports.Result[ports.Object]:
        assert (kind, namespace) == (ports.MODEL_DEPLOYMENT, "ml")
        if self.refuses is not None:
            return self.refuses
        self.statuses.append(body["status"])
        metadata = {**body["metadata"], "uid": "md-uid", "resourceVersion": "6"}
        return ports.Ok({**body, "metadata": metadata})


class Scene:
    """A writer with its time."""

    def __init__(self) -> None:
        self.api, self.clock = Api(), port_fakes.ManualClock()
        self.writer = StatusWriter(
            api=self.api,  # type: ignore[arg-type]
            store=Store(),
            clock=self.clock,
            leading=lambda: True,
        )

    def write(self, status: model.Status = NEWS, **more: Any) -> ports.Failure | None:
        given = {"actions": (), "events": (), "requeue_after_seconds": 600.0} | more
        decision = actions.Decision(status=status, **given)
        return asyncio.run(self.writer.write(KEY, SEEN, decision))

    def after(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))

    @property
    def messages(self) -> list[str]:
        return [one["message"] for one in self.api.statuses]


def test_news_are_written_once_they_have_lasted() -> None:
    scene = Scene()
    assert scene.write() is None
    assert (scene.messages, scene.writer.seconds_left(KEY)) == ([], LASTING_SECONDS)
    scene.after(LASTING_SECONDS)
    scene.write()
    assert (scene.messages, scene.writer.seconds_left(KEY)) == ([NEWS.message], math.inf)


def test_what_somebody_waits_for_takes_the_news_along() -> None:
    scene = Scene()
    scene.write()
    scene.write(replace(NEWS, phase=model.Phase.PROMOTING))
    assert scene.messages == [NEWS.message]
    assert scene.api.statuses[0]["phase"] == "Promoting"
    scene.write(replace(NEWS, message="other news"))
    assert scene.writer.seconds_left(KEY) == BETWEEN_SECONDS[Worth.WORDS]


@pytest.mark.parametrize(("late", "waits"), [(-1.0, 5.0), (1.0, 20.0)])
def test_a_step_that_outlives_its_hold_is_told_of_as_seldom_as_any(
    late: float, waits: float
) -> None:
    scene, rollout = Scene(), FULL_STATUS.rollout
    assert rollout is not None
    assert rollout.step is not None
    stages = tuple(replace(stage, hold_seconds=20.0) for stage in rollout.plan)
    step = replace(rollout.step, hold_until=SEEN.now - timedelta(seconds=late))
    news = replace(NEWS, rollout=replace(rollout, plan=stages, step=step))
    scene.write(replace(news, phase=model.Phase.PROMOTING))
    known = replace(SEEN, status=replace(news, message="before"))
    decision = actions.Decision(status=news, actions=(), events=(), requeue_after_seconds=600.0)
    asyncio.run(scene.writer.write(KEY, known, decision))
    assert scene.writer.seconds_left(KEY) == waits


@pytest.mark.parametrize(
    ("late", "reason", "waits"),
    [
        (1.0, Reason.INCOMPLETE, 20.0),
        (-1.0, Reason.INCOMPLETE, 30.0),
        (1.0, Reason.UNDECIDED, 120.0),
    ],
    ids=["stays for pods", "holds still", "stays for requests"],
)
def test_pods_without_counts_that_keep_a_step_are_told_as_words(
    late: float, reason: Reason, waits: float
) -> None:
    scene, rollout = Scene(), FULL_STATUS.rollout
    assert rollout is not None
    assert rollout.step is not None
    stages = tuple(replace(stage, hold_seconds=30.0) for stage in rollout.plan)
    step = replace(rollout.step, hold_until=SEEN.now - timedelta(seconds=late))
    row = replace(FULL_STATUS.analysis[0], outcome=model.Outcome.INCONCLUSIVE, reason=reason)
    before = replace(row, reason=Reason.WARMUP)
    known = replace(NEWS, rollout=replace(rollout, plan=stages, step=step), analysis=(before,))
    scene.write(replace(known, phase=model.Phase.PROMOTING))
    news = replace(known, analysis=(row,))
    decision = actions.Decision(status=news, actions=(), events=(), requeue_after_seconds=600.0)
    asyncio.run(scene.writer.write(KEY, replace(SEEN, status=known), decision))
    assert scene.writer.seconds_left(KEY) == waits


def test_the_first_rows_of_a_rollout_are_told_halfway_through_its_step() -> None:
    scene, rollout = Scene(), FULL_STATUS.rollout
    assert rollout is not None
    assert rollout.step is not None
    stages = tuple(replace(stage, hold_seconds=30.0) for stage in rollout.plan)
    step = replace(rollout.step, hold_until=SEEN.now + timedelta(seconds=30.0))
    row = replace(
        FULL_STATUS.analysis[0], outcome=model.Outcome.INCONCLUSIVE, reason=Reason.UNDECIDED
    )
    known = replace(NEWS, rollout=replace(rollout, plan=stages, step=step), analysis=())
    scene.write(replace(known, phase=model.Phase.PROMOTING))
    news = replace(known, analysis=(row,))
    decision = actions.Decision(status=news, actions=(), events=(), requeue_after_seconds=600.0)
    asyncio.run(scene.writer.write(KEY, replace(SEEN, status=known), decision))
    assert scene.writer.seconds_left(KEY) == 15.0


@pytest.mark.parametrize(
    "more",
    [
        {"actions": (actions.Scale(revision=V2.hash, replicas=3, seen_replicas=1),)},
        {"actions": (TRAFFIC, actions.SetRole(revision=V1.hash, role=model.Role.STABLE))},
        {"actions": (actions.RemoveFinalizer(),)},
        {"events": (actions.Event(type=actions.EventType.NORMAL, reason="X", message="x"),)},
        {"rejections": ("Analysis",)},
    ],
    ids=["size", "role", "finalizer", "event", "rejection"],
)
def test_a_pass_that_acts_or_tells_writes_first(more: dict[str, Any]) -> None:
    scene = Scene()
    scene.write(**more)
    assert scene.messages == [NEWS.message]


def test_a_pass_that_acts_on_an_old_object_learns_it_from_its_news() -> None:
    scene = Scene()
    scene.api.refuses = ports.Conflict(message="the object has been modified")
    acts = (actions.Scale(revision=V2.hash, replicas=0, seen_replicas=3),)
    assert isinstance(scene.write(actions=acts), ports.Conflict)


def test_what_nobody_acts_upon_goes_along_and_not_before() -> None:
    scene = Scene()
    fewer = replace(FULL_STATUS, replicas=FULL_STATUS.replicas - 1)
    acts = (actions.Scale(revision=V1.hash, replicas=0, seen_replicas=3),)
    assert scene.write(fewer, actions=acts) is None
    assert scene.api.statuses == []
    assert scene.writer.seconds_left(KEY) == LASTING_SECONDS
    scene.write(replace(fewer, message="drained"), actions=acts)
    assert [one["replicas"] for one in scene.api.statuses] == [fewer.replicas]


def test_actions_with_a_guard_of_their_own_need_no_write() -> None:
    scene = Scene()
    note = actions.NoteTemplate(revision=V2.hash, template_hash="0f")
    lowering = replace(TRAFFIC, lowering=True)
    scene.write(actions=(TRAFFIC, note, lowering, actions.DeleteRecord(name="iris-1")))
    assert scene.messages == []


def test_nothing_new_wants_no_look() -> None:
    scene = Scene()
    scene.write()
    scene.write(FULL_STATUS)
    assert (scene.messages, scene.writer.seconds_left(KEY)) == ([], math.inf)


def test_what_is_cut_on_writing_differs_for_nobody() -> None:
    scene, text = Scene(), "x" * 1024
    seen = replace(SEEN, status=replace(FULL_STATUS, message=text))
    decision = actions.Decision(
        status=replace(seen.status, message=text + "y"),
        actions=(),
        events=(),
        requeue_after_seconds=600.0,
    )
    assert wire.write_status(decision.status) == wire.write_status(seen.status)
    for seconds in (0.0, LASTING_SECONDS):
        scene.after(seconds)
        assert asyncio.run(scene.writer.write(KEY, seen, decision)) is None
    assert (scene.messages, scene.writer.seconds_left(KEY)) == ([], math.inf)


def test_a_forgotten_object_wants_nothing() -> None:
    scene = Scene()
    scene.write()
    scene.writer.forget(KEY)
    assert scene.writer.seconds_left(KEY) == math.inf
