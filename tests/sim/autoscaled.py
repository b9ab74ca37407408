"""Plays of autoscalers: one for each revision, and those that somebody else has put on one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.sim import facts, oracle
from tests.sim.cluster import Change
from tests.sim.cluster_side import (
    PROVIDERS,
    deployment,
    ends_well,
    nobody_is_rejected,
    ready,
    serve,
)
from tests.sim.fields import Object
from tests.sim.other_writers import CONDITION, scale_to
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER

from tidegate import ports
from tidegate.model import objects

SYNC_SECONDS = 15.0
LIMITS: Object = {"minReplicas": 2, "maxReplicas": 12}
FEW_WRITES = 12


class Controller:
    """The controller of autoscalers: gives each the pods that the load of its own pods needs.

    `load` is what all users ask for, in pods that are as busy as they shall be.
    """

    def __init__(self, run: Run, *, load: float) -> None:
        self.load = load
        self.sizes_by_us = 0
        self._run = run
        run.cluster.listeners.append(self._count)
        self._task = asyncio.get_running_loop().call_later(SYNC_SECONDS, self._sync)

    def stop(self) -> None:
        self._task.cancel()

    def _sync(self) -> None:
        for autoscaler in list(self._run.cluster.all(ports.AUTOSCALER)):
            self._size(autoscaler)
        self._task = asyncio.get_running_loop().call_later(SYNC_SECONDS, self._sync)

    def _size(self, autoscaler: Object) -> None:
        spec = autoscaler["spec"]
        name = spec["scaleTargetRef"]["name"]
        target = self._run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name)
        if target is None or target["spec"]["replicas"] == 0:
            return  # at 0 an autoscaler rests
        revision = facts.revision_label(target)
        wanted = math.ceil(self.load * self._share(revision) - 1e-9)
        wanted = min(max(wanted, spec["minReplicas"]), spec["maxReplicas"])
        if wanted != target["spec"]["replicas"]:
            scale_to(self._run, revision, wanted)

    def _share(self, revision: str) -> float:
        """The part of all requests that its pods answer."""
        found = 0.0
        for selector, share in self._run.world.shares():
            pods = [pod for pod in self._run.world.selected(selector) if pod.ready]
            own = sum(pod.revision == revision for pod in pods)
            found += share * own / len(pods) if pods else 0.0
        return found

    def _count(self, change: Change) -> None:
        if change.kind is not ports.DEPLOYMENT or change.old is None or change.new is None:
            return
        sized = change.old["spec"]["replicas"] != change.new["spec"]["replicas"]
        self.sizes_by_us += bool(oracle.by_operator(change) and sized)


def size(run: Run, revision: str) -> int:
    return int(deployment(run, revision)["spec"]["replicas"])


def _has_size(run: Run, revision: str, wanted: int) -> bool:
    return size(run, revision) == wanted


def _has_sizes(run: Run, candidate: str, stable: str, wanted: tuple[int, int]) -> bool:
    return _sizes(run, candidate, stable) == wanted


def _counts(run: Run, pods: int) -> bool:
    return bool(facts.status(run.body)["replicas"] == pods)


def told(run: Run) -> str:
    """What the condition about other writers says; empty where there is none."""
    found = facts.status(run.body).get("conditions") or []
    return next((str(one["message"]) for one in found if one["type"] == CONDITION), "")


def limits(run: Run, revision: str) -> tuple[int, int] | None:
    """Fewest and most pods of the autoscaler that Tidegate has put on a revision."""
    found = run.cluster.get(ports.AUTOSCALER, NAMESPACE, f"{NAME}-{revision}")
    return (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) if found else None


async def _serve(run: Run, provider: str, *, load: float, **more: Any) -> tuple[str, Controller]:
    """v1 serves so much load, with as many pods as that needs."""
    duringRollout = more.pop("duringRollout", "Proportional")  # noqa: N806  (a member of the spec)
    stable = await serve(
        run,
        provider=provider,
        replicas=2,
        steps=((25, 60), (50, 60)),
        progressDeadline="10m",
        **more,
    )
    controller = Controller(run, load=load)
    autoscaling = {**LIMITS, "duringRollout": duringRollout}
    run.people.edit_part("workload", autoscaling=autoscaling)
    assert await run.until(lambda: size(run, stable) == math.ceil(load), limit=120.0)
    assert await run.until(lambda: ready(run, stable) == math.ceil(load), limit=60.0)
    return stable, controller


async def _until_weight(run: Run, weight: float) -> str:
    """v2 is rolled out up to this weight; its revision."""
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) >= weight, limit=300.0), run.phase()
    return str(facts.rollout(run.body)["revision"])


async def autoscaled_at_rest(run: Run, provider: str) -> None:
    """The load comes and goes: its autoscaler sizes stable, and nobody disputes that."""
    stable, controller = await _serve(run, provider, load=3)
    before = controller.sizes_by_us
    for load in (9, 4, 20, 1):
        controller.load = load
        wanted = min(max(load, 2), 12)
        assert await run.until(partial(_has_size, run, stable, wanted), limit=60.0), load
        await asyncio.sleep(40.0)
        assert size(run, stable) == wanted
        assert facts.replicas(run.body or {}) == wanted
    assert controller.sizes_by_us == before
    assert not told(run)
    assert limits(run, stable) == (2, 12)
    assert facts.condition(run.body, "Ready")["status"] == "True"
    run.people.edit_part("workload", autoscaling=None, replicas=3)
    assert await run.until(lambda: size(run, stable) == 3, limit=60.0)
    assert limits(run, stable) is None
    assert not told(run)
    controller.stop()


async def autoscaled_rollout(run: Run, provider: str) -> None:
    """The load doubles in a step: both sides follow, and the share stays what it is meant to be."""
    stable, controller = await _serve(run, provider, load=4)
    candidate = await _until_weight(run, 25)
    assert await run.until(lambda: ready(run, candidate) > 0, limit=60.0)
    controller.load = 8

    def together() -> int:
        return ready(run, stable) + ready(run, candidate)

    assert await run.until(lambda: together() >= 8, limit=120.0), together()
    assert await run.until(lambda: size(run, candidate) == 2, limit=60.0), size(run, candidate)
    if provider == "ReplicaRatio":
        share = size(run, candidate) / (size(run, stable) + size(run, candidate))
        assert share <= 0.26, share
    assert not told(run)
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert size(run, candidate) >= 8
    assert await run.until(lambda: limits(run, stable) is None, limit=60.0)
    assert limits(run, candidate) == (2, 12)
    assert controller.sizes_by_us <= FEW_WRITES, controller.sizes_by_us
    controller.stop()


async def frozen_rollout(run: Run, provider: str) -> None:
    """`Frozen`: the load doubles, and no number of pods follows before the rollout is over."""
    _, controller = await _serve(run, provider, load=4, duringRollout="Frozen")
    candidate = await _until_weight(run, 50)
    controller.load = 8
    sizes: set[int] = set()
    while run.phase() not in OVER:
        sizes.add(facts.replicas(run.body or {}))
        await asyncio.sleep(1.0)
    assert sizes == {4}, sizes
    await ends_well(run)
    assert await run.until(lambda: size(run, candidate) == 8, limit=60.0)
    controller.stop()


async def autoscaled_way_back(run: Run, provider: str) -> None:
    """A bad version is rolled back: stable has the pods of the whole load, and the other none."""
    stable, controller = await _serve(run, provider, load=6)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() in OVER, limit=300.0), run.phase()
    assert run.phase() == "RolledBack"
    (candidate,) = facts.rejected(run.body)
    assert await run.until(lambda: size(run, candidate) == 0, limit=60.0)
    await asyncio.sleep(60.0)
    assert limits(run, candidate) is None
    assert (size(run, candidate), size(run, stable)) == (0, 6)
    assert not told(run)
    controller.stop()


def scaled_object(run: Run, revision: str, *, most: int) -> Object:
    """The autoscaler that KEDA makes for a ScaledObject over a revision.

    That has no kind here, so the uid is that of the Deployment: what has no owner is collected.
    """
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "queue"}
    owner["uid"] = deployment(run, revision)["metadata"]["uid"]
    name = f"{NAME}-{revision}"
    return {
        "apiVersion": ports.AUTOSCALER.api_version,
        "kind": ports.AUTOSCALER.kind,
        "metadata": {"name": "keda-hpa-queue", "namespace": NAMESPACE, "ownerReferences": [owner]},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": most,
        },
    }


async def scaled_by_keda(run: Run, provider: str) -> None:
    """Somebody's ScaledObject sizes stable: it is named, and ours makes way for it."""
    stable, controller = await _serve(run, provider, load=4)
    run.people.create_of(ports.AUTOSCALER, scaled_object(run, stable, most=7))
    assert await run.until(lambda: "ScaledObject queue" in told(run), limit=30.0), told(run)
    assert await run.until(lambda: limits(run, stable) is None, limit=30.0)
    before, controller.load = controller.sizes_by_us, 9
    assert await run.until(lambda: size(run, stable) == 7, limit=60.0)
    await asyncio.sleep(60.0)
    assert size(run, stable) == 7
    assert controller.sizes_by_us == before
    assert facts.condition(run.body, "Ready")["status"] == "True"
    nobody_is_rejected(run)
    run.people.delete(ports.AUTOSCALER, "keda-hpa-queue")
    assert await run.until(lambda: limits(run, stable) == (2, 12), limit=60.0)
    assert await run.until(lambda: size(run, stable) == 9, limit=60.0)
    assert not told(run)
    controller.stop()


async def foreign_without_ours(run: Run, provider: str) -> None:
    """The same where the spec asks for no autoscaler, and with the number that we have, too."""
    stable = await serve(run, provider=provider, replicas=4)
    run.people.create_of(ports.AUTOSCALER, scaled_object(run, stable, most=4))
    assert await run.until(lambda: "ScaledObject queue" in told(run), limit=30.0)
    run.people.edit_part("workload", replicas=3)
    await asyncio.sleep(20.0)
    assert size(run, stable) == 4
    run.people.delete(ports.AUTOSCALER, "keda-hpa-queue")
    assert await run.until(lambda: size(run, stable) == 3, limit=30.0)
    assert await run.until(lambda: not told(run), limit=30.0)


async def scaled_in_a_step(run: Run, provider: str) -> None:
    """`kubectl scale` in the middle of a step, up and down: both sides follow, nothing starts anew."""
    stable = await serve(
        run, provider=provider, replicas=4, steps=((25, 70),), progressDeadline="10m"
    )
    candidate = await _until_weight(run, 25)
    attempt = facts.rollout(run.body)["id"]
    for replicas in (4, 8, 2, 4):
        run.people.edit_part("workload", replicas=replicas)
        least = 1 if replicas < 8 else 2
        # Where pods are the weight, 1 of 3 is as near to a quarter as two or three pods come.
        beside = {4: 3, 8: 6, 2: 2}[replicas] if provider == "ReplicaRatio" else replicas
        wanted = (least, beside)
        has_sizes = partial(_has_sizes, run, candidate, stable, wanted)
        assert await run.until(has_sizes, limit=30.0), (wanted, _sizes(run, candidate, stable))
        # An autoscaler looks every 15 s and sees pods by the selector; numbers may wait for 20.
        assert await run.until(partial(_counts, run, sum(wanted)), limit=25.0)
    assert facts.rollout(run.body)["id"] == attempt
    assert run.world.user_errors == 0
    await ends_well(run)
    assert facts.status(run.body)["selector"] == f"{objects.LABEL_MODEL_DEPLOYMENT}={NAME}"


def _sizes(run: Run, candidate: str, stable: str) -> tuple[int, int]:
    return size(run, candidate), size(run, stable)


async def _played(play: Callable[..., Any], provider: str, run: Run) -> None:
    await play(run, provider)


PLAYS = (
    scaled_in_a_step,
    autoscaled_at_rest,
    autoscaled_rollout,
    frozen_rollout,
    autoscaled_way_back,
    scaled_by_keda,
    foreign_without_ours,
)
AUTOSCALED = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name=f"{play.__name__}_{provider.lower()}",
            script=partial(_played, play, provider),
            truths={"bad": BAD},
        )
        for play in PLAYS
        for provider in PROVIDERS
    )
}
