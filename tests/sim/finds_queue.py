"""Plays of policies that limit how many rollouts run at once: others wait, by age, and nothing goes back later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import PROVIDERS, ends_well, waits_for
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports

FIRST, LAST = "alpha", "zulu"  # by name before and after the one that is judged
STEPS = ((50, 15),)
CLUSTER, OWN = ports.CLUSTER_ROLLOUT_POLICY, ports.ROLLOUT_POLICY
SOON_SECONDS = 15.0  # far less than between two looks at what waits


class Counted:
    """How many rollouts had begun at once, over the whole run."""

    def __init__(self, run: Run) -> None:
        self.most = 0
        self._run = run
        run.cluster.listeners.append(self._seen)

    def _seen(self, change: Change) -> None:
        if change.kind is MD:
            begun = [it for it in self._run.cluster.all(MD) if facts.intent(it) > 0]
            self.most = max(self.most, len(begun))


def body_of(run: Run, name: str) -> Object:
    found = run.cluster.get(MD, NAMESPACE, name)
    assert found is not None, name
    return found


def _healthy(run: Run, name: str, version: str) -> bool:
    body = body_of(run, name)
    status = facts.status(body)
    current = status.get("observedGeneration") == body["metadata"]["generation"]
    served = (status.get("stable") or {}).get("modelVersion") == version
    return bool(current and served and status.get("phase") == "Healthy")


async def all_serve(
    run: Run, provider: str, *, steps: tuple[tuple[float, int], ...] = STEPS
) -> None:
    run.others.update({FIRST, LAST})
    for name in (FIRST, NAME, LAST):
        body = manifest("v1", provider=provider, steps=steps)
        run.people.create({**body, "metadata": {**body["metadata"], "name": name}})
    for name in (FIRST, NAME, LAST):
        assert await run.until(partial(_healthy, run, name, "v1")), name


def deploy(run: Run, name: str, version: str = "v2") -> None:
    value = {"version": version, "uri": f"s3://models/iris/{version}"}
    run.people.patch(MD, name, [{"op": "add", "path": "/spec/model", "value": value}])


def _limit(run: Run, kind: ports.Kind = OWN, **most: int) -> None:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "few"}}
    spec = {"constraints": {"maxConcurrentRollouts": most}}
    run.people.create_of(kind, body | {"spec": spec})


def _said(run: Run, name: str) -> str:
    waits = facts.rollout(body_of(run, name)).get("waitingFor") or {}
    return str(waits.get("message", "")) if waits.get("reason") == "ConcurrencyQuota" else ""


def pods_of(run: Run, name: str) -> int:
    """Of the candidate."""
    revision = facts.rollout(body_of(run, name)).get("revision", "")
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{name}-{revision}")
    return int(found["spec"]["replicas"]) if found is not None else 0


async def _says(run: Run, name: str, text: str) -> None:
    assert await run.until(lambda: text in _said(run, name), limit=80.0), (name, _said(run, name))


async def _begins(run: Run, name: str) -> None:
    def begins() -> bool:
        return facts.intent(body_of(run, name)) > 0

    assert await run.until(begins, limit=SOON_SECONDS), (name, facts.rollout(body_of(run, name)))


async def _over(run: Run, name: str, version: str = "v2") -> None:
    assert await run.until(partial(_healthy, run, name, version), limit=120.0), name


async def by_age(run: Run, provider: str) -> None:
    """One at once: the others wait without pods, the older one first, and begin by themselves."""
    await all_serve(run, provider)
    counted = Counted(run)
    _limit(run, perNamespace=1)
    deploy(run, LAST)
    await _begins(run, LAST)
    run.people.deploy("v2")
    await _says(run, NAME, "place 1 in the queue: the 1 rollout(s) of namespace models that")
    await asyncio.sleep(1.0)
    deploy(run, FIRST)  # its name comes first, and it began last
    await _says(run, FIRST, "place 2 in the queue")
    assert (run.phase(), pods_of(run, NAME), pods_of(run, FIRST)) == ("Pending", 0, 0)
    await _over(run, LAST)
    await _begins(run, NAME)
    assert facts.intent(body_of(run, FIRST)) == 0
    await _over(run, NAME)
    await _begins(run, FIRST)
    await _over(run, FIRST)
    assert counted.most == 1
    await ends_well(run)


async def goes_back(run: Run, provider: str) -> None:
    """Two run when the limit comes: both keep their place, and the bad one goes back at once."""
    await all_serve(run, provider)
    deploy(run, LAST)
    await _begins(run, LAST)
    run.people.deploy("bad")
    await _begins(run, NAME)
    _limit(run, CLUSTER, perCluster=1)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    await _over(run, LAST)


async def over_a_restart(run: Run, provider: str) -> None:
    """Another process finds the same order, and gives no place twice."""
    await all_serve(run, provider)
    counted = Counted(run)
    _limit(run, CLUSTER, perCluster=1)
    deploy(run, LAST)
    await _begins(run, LAST)
    run.people.deploy("v2")
    await _says(run, NAME, "place 1 in the queue")
    await asyncio.sleep(1.0)
    deploy(run, FIRST)
    await _says(run, FIRST, "place 2 in the queue")
    process = run.replicas[0].process
    assert process is not None
    process.die()
    for name in (LAST, NAME):
        await _over(run, name)
        assert facts.intent(body_of(run, FIRST)) == 0 or name == NAME
    await _over(run, FIRST)
    assert counted.most == 1
    await ends_well(run)


async def paused_in_the_queue(run: Run, provider: str) -> None:
    """Whoever is paused keeps nobody back; he begins once he goes on and there is a place."""
    await all_serve(run, provider)
    counted = Counted(run)
    _limit(run, perCluster=1)
    deploy(run, LAST)
    await _begins(run, LAST)
    run.people.deploy("v2")
    await _says(run, NAME, "place 1 in the queue")
    run.people.ask("pause")
    assert await run.until(lambda: waits_for(run) == "Request", limit=10.0)
    deploy(run, FIRST)
    await _over(run, LAST)
    await _begins(run, FIRST)
    await _over(run, FIRST)
    assert pods_of(run, NAME) == 0
    run.people.ask("resume")
    await _begins(run, NAME)
    await ends_well(run)
    assert counted.most == 1


async def first_and_paused(run: Run, provider: str) -> None:
    """A new object that is paused from the beginning keeps nobody back, and begins when it goes on."""
    run.others.add(FIRST)
    run.people.create(manifest("v1", provider=provider, steps=STEPS))
    assert await run.until(partial(_healthy, run, NAME, "v1"))
    _limit(run, perNamespace=1)
    body = manifest("v1", provider=provider, steps=STEPS)
    paused = body["spec"] | {"paused": True}
    run.people.create({**body, "metadata": {**body["metadata"], "name": FIRST}, "spec": paused})

    def waits() -> bool:
        reason = (facts.rollout(body_of(run, FIRST)).get("waitingFor") or {}).get("reason")
        return bool(reason == "SpecPaused")

    assert await run.until(waits, limit=20.0), facts.rollout(body_of(run, FIRST))
    deploy(run, NAME)
    await _begins(run, NAME)
    assert pods_of(run, FIRST) == 0
    await _over(run, NAME)
    run.people.patch(MD, FIRST, [{"op": "add", "path": "/spec/paused", "value": False}])
    await _over(run, FIRST, "v1")


async def deleted_while_it_runs(run: Run, provider: str) -> None:
    """Its place is free at once."""
    await all_serve(run, provider, steps=((50, 60),))
    _limit(run, perNamespace=1)
    deploy(run, LAST)
    await _begins(run, LAST)
    run.people.deploy("v2")
    await _says(run, NAME, "place 1 in the queue")
    run.people.delete(MD, LAST)
    await _begins(run, NAME)
    run.people.ask("promote-full")
    await ends_well(run)


SCRIPTS: tuple[Callable[..., Coroutine[Any, Any, None]], ...] = (
    by_age,
    goes_back,
    over_a_restart,
    paused_in_the_queue,
    deleted_while_it_runs,
    first_and_paused,
)


def _plays() -> dict[str, Scenario]:
    found = {}
    for script in SCRIPTS:
        for provider in PROVIDERS:
            name = f"queue_{script.__name__}_{provider.lower()}"
            found[name] = Scenario(
                name=name, script=partial(script, provider=provider), truths={"bad": BAD}
            )
    return found


PLAYS = _plays()
