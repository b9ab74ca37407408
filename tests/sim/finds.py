"""Plays of what the simulation found in seeds: the shortest way to each, kept for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.nemesis import Calm
from tests.sim.people import NAME, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, BY_NAME, OVER, promote_or, serve_first, walk_to
from tests.sim.world import Truth

from tidegate import ports

if TYPE_CHECKING:
    from tests.sim.replica import Process

SLOW = Truth(startup_seconds=25.0)
SLOWER = Truth(startup_seconds=45.0)


async def slow_batches(run: Run) -> None:
    """Pods come one after the other; together they take longer than the progress deadline."""
    await serve_first(run, provider="ReplicaRatio", replicas=4)
    run.people.deploy("slower")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def fewer_replicas(run: Run) -> None:
    """Fewer pods than the plan was made for; its weights cannot be had any more."""
    run.people.create(manifest("v1", provider="ReplicaRatio", replicas=3, steps=((25, 5), (75, 5))))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("slow")
    await asyncio.sleep(3.0)
    body = run.body
    assert body is not None
    run.people.edit_spec({"workload": {**body["spec"]["workload"], "replicas": 1}})
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def data_stay_away(run: Run) -> None:
    """No data for longer than noDataTimeout and the step's deadline; then a person decides."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.nemesis.frozen_at = run.loop.time()
    await asyncio.sleep(120.0)
    run.nemesis.frozen_at = None
    await promote_or(run, "promote")


async def paused_at_hundred(run: Run) -> None:
    """A pause while the last step already has all traffic, and a request to promote."""
    run.people.create(manifest("v1", steps=((100, 5),)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.edit_spec({"paused": True})
    await asyncio.sleep(3.0)
    run.people.ask("promote-full")
    await asyncio.sleep(20.0)
    run.people.edit_spec({"paused": False})
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def paused_for_long(run: Run) -> None:
    """A pause before any traffic that lasts longer than the progress deadline."""
    await serve_first(run)
    run.people.deploy("slow")
    await asyncio.sleep(3.0)
    run.people.edit_spec({"paused": True})
    await asyncio.sleep(120.0)
    run.people.edit_spec({"paused": False})
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def clock_back(run: Run) -> None:
    """While a bad version gets traffic the operator's clock is an hour back for some seconds."""
    await serve_first(run)
    run.people.deploy("bad")
    await walk_to(run, 0)
    process = run.replicas[0].process
    assert process is not None
    process.wall_offset_seconds = -3600.0
    await asyncio.sleep(8.0)
    process.wall_offset_seconds = 0.0
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()


class BackAnHour(Calm):
    """Nothing goes wrong but the clock."""

    clock_skew_seconds = 7300.0


async def abort_forgotten(run: Run) -> None:
    """An abort before any traffic; as soon as the target is marked somebody asks for a pause."""
    await serve_first(run)
    run.people.deploy("slow")
    await asyncio.sleep(3.0)
    run.people.ask("abort")
    marked = await run.until(
        lambda: bool(facts.marker(run.cluster.get(ports.HTTP_ROUTE, "models", NAME)))
    )
    assert marked
    run.people.ask("pause")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def first_replaced_slowly(run: Run) -> None:
    """The first revision serves on, long after its delay, since its successor takes a while."""
    run.world.gateway_accepts = False
    run.people.create(manifest("v1"))
    assert await run.until(lambda: bool(list(run.cluster.all(ports.HTTP_ROUTE))))
    await asyncio.sleep(5.0)
    run.people.deploy("slow")
    await asyncio.sleep(10.0)
    run.world.gateway_accepts = True
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def there_and_back(run: Run) -> None:
    """A candidate is replaced by another one, and that one by the first again."""
    await serve_first(run)
    run.people.deploy("v2")
    await asyncio.sleep(0.5)
    run.people.deploy("v3")
    await asyncio.sleep(0.5)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


class LosesFirstEvents(Calm):
    """A process that is replaced learns nothing of the changes of its first seconds."""

    view_lag_seconds = float("inf")
    may_reject_good = True

    def on_start(self, process: Process) -> None:
        self._deaf_until = process.run.loop.time() + 10.0 if process.name.endswith(".2") else 0.0

    def on_event(self, process: Process, change: Change) -> str:
        deaf = process.run.loop.time() < self._deaf_until and change.kind is ports.DEPLOYMENT
        return "drop" if deaf else ""

    def list_seconds(self, kind: ports.Kind) -> float:
        """The other kinds take a while, so that the loss comes before the first passes."""
        return 3.0 if self._deaf_until and kind is ports.SERVICE else 0.0


async def lost_at_start(run: Run) -> None:
    """A Deployment changes while a new process lists, and the event is lost."""
    await serve_first(run)
    process = run.replicas[0].process
    assert process is not None
    process.die()
    await run.until(lambda: run.replicas[0].process is not process)
    await asyncio.sleep(0.02)
    stable = facts.stable(run.body)
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 5}]
    run.people.patch(ports.DEPLOYMENT, f"{NAME}-{stable}", patch)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def _found(play: Any, **options: Any) -> Scenario:
    return Scenario(
        name=play.__name__,
        script=play,
        truths={"slow": SLOW, "slower": SLOWER, "bad": BAD},
        **options,
    )


PLAYS = BY_NAME | {
    scenario.name: scenario
    for scenario in (
        _found(slow_batches),
        _found(fewer_replicas),
        _found(data_stay_away),
        _found(paused_at_hundred),
        _found(paused_for_long),
        _found(clock_back, make_nemesis=BackAnHour),
        _found(abort_forgotten, may_reject_good=True),
        _found(there_and_back),
        _found(first_replaced_slowly),
        _found(lost_at_start, make_nemesis=LosesFirstEvents),
    )
}
