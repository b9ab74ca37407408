"""Plays of others who set the number of pods: an autoscaler, or a person with kubectl scale."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts, oracle
from tests.sim.cluster import Change
from tests.sim.cluster_side import (
    PROVIDERS,
    deployment,
    ends_well,
    nobody_is_rejected,
    serve,
    serve_and_walk,
    shares,
    waits_for,
)
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports
from tidegate.model import objects

CONDITION = "ScaledByOthers"
MOST_WRITES = 3


class Autoscaler:
    """Wants its own number of pods, and writes it every 15 seconds, as an HPA does."""

    def __init__(self, run: Run, revision: str, *, replicas: int) -> None:
        self.written_by_us = 0
        self._run = run
        self._name = f"{NAME}-{revision}"
        self._replicas = replicas
        run.cluster.listeners.append(self._count)

    async def act(self, seconds: float) -> None:
        for _ in range(int(seconds / 15)):
            scale_to(self._run, self._name.removeprefix(f"{NAME}-"), self._replicas)
            await asyncio.sleep(15.0)

    def _count(self, change: Change) -> None:
        if change.kind is not ports.DEPLOYMENT or change.old is None or change.new is None:
            return
        sized = change.old["spec"]["replicas"] != change.new["spec"]["replicas"]
        if oracle.by_operator(change) and sized and objects.object_name(change.new) == self._name:
            self.written_by_us += 1


def scale_to(run: Run, revision: str, replicas: int) -> None:
    patch = [{"op": "replace", "path": "/spec/replicas", "value": replicas}]
    run.people.patch(ports.DEPLOYMENT, f"{NAME}-{revision}", patch)


def scale_back(run: Run, revision: str) -> None:
    """Somebody undoes it: the number that Tidegate asked for last."""
    asked = objects.annotation(deployment(run, revision), objects.ANNOTATION_REPLICAS)
    scale_to(run, revision, int(asked))


def told(run: Run) -> bool:
    conditions = facts.status(run.body).get("conditions") or []
    return any(one["type"] == CONDITION for one in conditions)


async def autoscaled(run: Run, provider: str) -> None:
    """An autoscaler wants 8 pods at rest: two writers of one number do not take turns."""
    stable = await serve(run, provider=provider, replicas=4)
    scaler = Autoscaler(run, stable, replicas=8)
    await scaler.act(300.0)
    assert scaler.written_by_us == 0, scaler.written_by_us
    assert deployment(run, stable)["spec"]["replicas"] == 8
    assert told(run)
    assert facts.condition(run.body, "Ready")["status"] == "True"
    scale_back(run, stable)
    assert await run.until(lambda: not told(run), limit=30.0)
    run.people.edit_part("workload", replicas=3)
    assert await run.until(lambda: deployment(run, stable)["spec"]["replicas"] == 3, limit=30.0)


async def autoscaled_candidate(run: Run, provider: str) -> None:
    """The candidate's size is somebody else's in a step, and nobody blames it for that."""
    _, candidate = await serve_and_walk(
        run, provider=provider, replicas=4, steps=((50, 30),), progressDeadline="2m"
    )
    scaler = Autoscaler(run, candidate, replicas=1)
    await scaler.act(400.0)
    assert scaler.written_by_us <= MOST_WRITES, scaler.written_by_us
    nobody_is_rejected(run)
    assert told(run)
    scale_back(run, candidate)
    await ends_well(run)


async def shrunk_candidate(run: Run, provider: str) -> None:
    """Before its first weight the candidate is given fewer pods than that needs, for longer than the deadline."""
    await serve(run, provider=provider, replicas=4, steps=((50, 5),), progressDeadline="1m")
    run.people.deploy("v2")
    assert await run.until(lambda: bool(facts.rollout(run.body).get("revision")), limit=10.0)
    candidate = str(facts.rollout(run.body)["revision"])
    assert await run.until(
        lambda: run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{candidate}") is not None
    )
    scale_to(run, candidate, 0)
    assert await run.until(lambda: run.phase() == "Paused", limit=200.0), run.phase()
    assert waits_for(run) == "Capacity"
    nobody_is_rejected(run)
    scale_back(run, candidate)
    await ends_well(run)


async def aborted_while_autoscaled(run: Run, provider: str) -> None:
    """Stable was cut to one pod by somebody else; the way back does not wait for pods that never come."""
    stable, candidate = await serve_and_walk(
        run, provider=provider, replicas=4, steps=((50, 60),), progressDeadline="10m"
    )
    scale_to(run, stable, 1)
    await asyncio.sleep(10.0)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    assert shares(run).get(candidate, 0.0) == 0 or provider == "ReplicaRatio"
    scale_back(run, stable)


async def _played(play: Any, provider: str, run: Run) -> None:
    await play(run, provider)


OTHER_WRITERS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name=f"{play.__name__}_{provider.lower()}",
            script=partial(_played, play, provider),
            truths={"bad": BAD},
            may_reject_good=play is aborted_while_autoscaled,
        )
        for play in (shrunk_candidate, autoscaled, autoscaled_candidate, aborted_while_autoscaled)
        for provider in PROVIDERS
    )
}
