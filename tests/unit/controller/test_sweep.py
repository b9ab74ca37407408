from __future__ import annotations

import asyncio
from typing import Any

import pytest
from port_fakes import FixedRng, ManualClock, MemoryRecorder

from tidegate import ports
from tidegate.controller.store import Intake, Store
from tidegate.controller.sweep import RightGivenError, Sweeper, Watched
from tidegate.controller.workqueue import Key

KIND = ports.MODEL_DEPLOYMENT


def obj(name: str, *, version: int = 1, uid: str = "", namespace: str = "ns") -> ports.Object:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": metadata}


class ListApi:
    """What the API server would list; `fails` makes lists fail."""

    def __init__(self, kind: ports.Kind = KIND) -> None:
        self.kind = kind
        self.objects: list[ports.Object] = []
        self.fails: ports.Failure | None = None
        self.lists: list[tuple[str, str]] = []

    async def list_metadata(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        assert kind == self.kind
        self.lists.append((namespace, label_selector))
        if self.fails is not None:
            return self.fails
        return ports.Ok(
            [it for it in self.objects if namespace in {"", it["metadata"]["namespace"]}]
        )

    async def get(
        self, kind: ports.Kind, *, namespace: str, name: str
    ) -> ports.Result[ports.Object | None]:
        assert kind == self.kind
        found = [
            body
            for body in self.objects
            if (body["metadata"]["namespace"], body["metadata"]["name"]) == (namespace, name)
        ]
        return ports.Ok(found[0] if found else None)


class World:
    def __init__(self, kind: ports.Kind = KIND, **options: Any) -> None:
        self.api = ListApi(kind)
        self.store = Store()
        self.clock = ManualClock()
        self.recorder = MemoryRecorder()
        self.enqueued: list[Key] = []
        self.intake = Intake(self.store, enqueue=self.enqueued.append, recorder=self.recorder)
        self.sweeper = Sweeper(
            api=self.api,  # type: ignore[arg-type]  # the sweep uses the reading verbs only
            store=self.store,
            sink=self.intake,
            clock=self.clock,
            rng=FixedRng(0.5),
            recorder=self.recorder,
            watched=[Watched(kind=kind, label_selector="watch=true")],
            **options,
        )

    def feed(self, *bodies: ports.Object) -> None:
        for body in bodies:
            self.intake.changed(KIND, body)

    def names(self) -> list[str]:
        return sorted(ref.name for ref in self.store.entries(KIND))

    async def sweep(self) -> None:
        task = asyncio.create_task(self.sweeper.sweep())
        await self.clock.advance(60)
        await task

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.recorder.problems]


def test_kind_is_synced_when_a_list_is_contained_in_the_store() -> None:
    async def scenario() -> None:
        world = World()
        world.api.objects = [obj("a", version=3), obj("b")]
        syncing = asyncio.create_task(world.sweeper.sync())
        await world.clock.advance(1)
        assert world.sweeper.unsynced == ["ModelDeployment"]
        world.feed(obj("a", version=2), obj("b"))
        await world.clock.advance(2)
        assert world.sweeper.unsynced == ["ModelDeployment"], "a is not the listed version yet"
        world.feed(obj("a", version=4))
        await world.clock.advance(2)
        await syncing
        assert world.sweeper.unsynced == []

    asyncio.run(scenario())


def test_sync_waits_through_failing_lists_and_reports_each_failure_once() -> None:
    async def scenario() -> None:
        world = World()
        world.api.fails = ports.Fatal(reason="Forbidden", message="may not list")
        syncing = asyncio.create_task(world.sweeper.sync())
        await world.clock.advance(60)
        assert world.events == ["sweep_failed"]
        world.api.fails = None
        await world.clock.advance(2)
        await syncing

    asyncio.run(scenario())


FORBIDDEN = [ports.Fatal(reason=it, message="may not list") for it in ("Forbidden", "HTTP403")]
OWN, CLUSTER = ports.ROLLOUT_POLICY, ports.CLUSTER_ROLLOUT_POLICY


@pytest.mark.parametrize("answer", FORBIDDEN, ids=lambda it: it.reason)
@pytest.mark.parametrize("kind", [OWN, CLUSTER], ids=lambda it: it.kind)
def test_policies_that_may_not_be_listed_keep_nobody_waiting(
    kind: ports.Kind, answer: ports.Fatal
) -> None:
    async def scenario() -> None:
        world = World(kind)
        world.api.fails = answer
        syncing = asyncio.create_task(world.sweeper.sync())
        await world.clock.advance(9)
        assert world.sweeper.unsynced == [kind.kind], "the role may come a moment later"
        await world.clock.advance(5)
        await syncing
        assert world.sweeper.unsynced == []
        assert world.store.denied == {kind: "may not list"}
        assert world.events == ["sweep_failed"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (KIND, FORBIDDEN[0]),
        (ports.HTTP_ROUTE, FORBIDDEN[0]),
        (OWN, ports.Fatal(reason="BadRequest", message="no")),
        (OWN, ports.Retryable(message="no")),
    ],
)
def test_what_passes_depend_on_is_waited_for(kind: ports.Kind, answer: ports.Failure) -> None:
    async def scenario() -> None:
        world = World(kind)
        world.api.fails = answer
        syncing = asyncio.create_task(world.sweeper.sync())
        await world.clock.advance(120)
        assert world.sweeper.unsynced == [kind.kind]
        assert world.store.denied == {}
        syncing.cancel()
        await asyncio.gather(syncing, return_exceptions=True)

    asyncio.run(scenario())


def test_a_right_that_is_given_later_restarts_the_process_within_minutes() -> None:
    """Kopf has ended the watch of that kind, so a policy would be seen late."""

    async def scenario() -> None:
        world = World(OWN, interval_seconds=600.0)
        world.api.fails = FORBIDDEN[0]
        running = asyncio.create_task(world.sweeper.run())
        await world.clock.advance(600)
        assert world.store.denied == {OWN: "may not list"}, "the right was taken away meanwhile"
        world.api.fails = None
        await world.clock.advance(59)
        assert not running.done()
        await world.clock.advance(2)
        with pytest.raises(RightGivenError, match="rolloutpolicies may be listed now"):
            await running

    asyncio.run(scenario())


def test_sync_reads_live_what_a_watch_has_lost_for_a_minute() -> None:
    """Without it one lost event at the start keeps a leader idle for ever."""

    async def scenario() -> None:
        world = World()
        world.api.objects = [obj("a", version=3)]
        syncing = asyncio.create_task(world.sweeper.sync())
        await world.clock.advance(55)
        assert world.sweeper.unsynced == ["ModelDeployment"]
        assert world.events == [], "it may just be slow"
        await world.clock.advance(10)
        await syncing
        assert world.names() == ["a"]
        assert world.events == ["feeder_late"]

    asyncio.run(scenario())


def test_missed_deletion_is_found_by_uid_and_enqueued() -> None:
    async def scenario() -> None:
        world = World()
        world.feed(obj("gone"), obj("stays"), obj("recreated", uid="old"))
        world.enqueued.clear()
        world.api.objects = [obj("stays"), obj("recreated", uid="new", version=9)]
        await world.sweep()
        assert world.names() == ["recreated", "stays"]
        entry = world.store.get(KIND, namespace="ns", name="recreated")
        assert entry is not None
        assert entry["metadata"]["uid"] == "new"
        assert Key("ns", "gone") in world.enqueued
        assert world.events.count("deletion_missed") == 2

    asyncio.run(scenario())


def test_object_that_came_during_the_sweep_is_kept() -> None:
    async def scenario() -> None:
        world = World()
        listing = world.api.list_metadata

        async def list_then_create(*args: Any, **kwargs: Any) -> Any:
            listed = await listing(*args, **kwargs)
            world.feed(obj("newborn"))
            return listed

        world.api.list_metadata = list_then_create  # type: ignore[method-assign]
        await world.sweep()
        assert world.names() == ["newborn"]

    asyncio.run(scenario())


def test_undelivered_change_is_read_live_and_counted() -> None:
    async def scenario() -> None:
        world = World()
        world.feed(obj("a", version=1))
        world.enqueued.clear()
        world.api.objects = [obj("a", version=5), obj("unknown")]
        await world.sweep()
        assert world.names() == ["a", "unknown"]
        assert sorted(world.enqueued) == [Key("ns", "a"), Key("ns", "unknown")]
        assert world.events == ["feeder_late"] * 2
        assert world.sweeper.feeder_fresh, "once may be chance"

    asyncio.run(scenario())


def test_change_delivered_within_a_minute_is_not_late() -> None:
    async def scenario() -> None:
        world = World()
        world.api.objects = [obj("a", version=5)]
        task = asyncio.create_task(world.sweeper.sweep())
        await world.clock.advance(59)
        world.feed(obj("a", version=6))
        await world.clock.advance(1)
        await task
        assert world.events == []

    asyncio.run(scenario())


def test_object_deleted_within_the_minute_is_not_late() -> None:
    async def scenario() -> None:
        world = World()
        world.api.objects = [obj("a", version=5)]
        task = asyncio.create_task(world.sweeper.sweep())
        await world.clock.advance(59)
        world.api.objects = []
        await world.clock.advance(1)
        await task
        assert world.events == []

    asyncio.run(scenario())


def test_second_late_sweep_in_a_row_makes_the_feeder_stale_and_a_good_one_heals() -> None:
    async def scenario() -> None:
        world = World()
        for version in (5, 6):
            world.api.objects = [obj("a", version=version)]
            await world.sweep()
        assert not world.sweeper.feeder_fresh
        await world.sweep()
        assert world.sweeper.feeder_fresh

    asyncio.run(scenario())


def test_sweeps_come_at_their_interval_and_sooner_after_a_late_one() -> None:
    async def scenario() -> None:
        world = World(interval_seconds=600.0)
        running = asyncio.create_task(world.sweeper.run())
        await world.clock.advance(599)
        assert len(world.api.lists) == 0
        world.api.objects = [obj("a", version=5)]
        await world.clock.advance(1)
        assert len(world.api.lists) == 1
        await world.clock.advance(60)
        assert world.events == ["feeder_late"]
        await world.clock.advance(60)
        assert len(world.api.lists) == 2, "the next sweep comes after a minute"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_each_served_namespace_is_listed_with_the_feeders_selector() -> None:
    async def scenario() -> None:
        world = World(namespaces=("x", "y"))
        await world.sweeper.sync()
        assert world.api.lists == [("x", "watch=true"), ("y", "watch=true")]

    asyncio.run(scenario())
