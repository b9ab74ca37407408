"""Plays of what a rollout writes: no more than somebody needs, and the notes that go along."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import serve
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER, walk_to

from tidegate import ports

PLANES = ("GatewayAPI", "ReplicaRatio")
STEPS = ((5, 20), (10, 20), (25, 20), (50, 20), (75, 20))
BESIDE = frozenset({ports.LEASE, ports.EVENT})
# Why each of them is needed: docs/adr/0039.
MOST_WRITES = {"GatewayAPI": 44, "ReplicaRatio": 43}
IMAGE = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other:2"}


def writes(run: Run, *, since: int) -> Counter[str]:
    """What the operator has changed in the cluster, by kind, without Leases and Events."""
    own = (one for one in run.log[since:] if one.actor.startswith("op"))
    return Counter(one.kind.kind for one in own if one.kind not in BESIDE)


async def promoted_by_few_writes(run: Run, plane: str) -> None:
    """Ten pods by ten steps of the two sides; each step is seen by who watches the object."""
    strategy = {"scaleDownDelay": "30s"}
    await serve(run, provider=plane, replicas=10, steps=STEPS, strategy=strategy)
    await asyncio.sleep(130.0)
    since = len(run.log)
    run.people.deploy("v2")
    done = await run.until(lambda: run.phase() == "Healthy", limit=900.0)
    assert done, run.phase()
    assert await run.until(lambda: not facts.status(run.body).get("retiring"))
    await asyncio.sleep(60.0)
    found = writes(run, since=since)
    assert found.total() <= MOST_WRITES[plane], found
    told = [one.body for one in run.log[since:] if one.kind is ports.MODEL_DEPLOYMENT]
    rows = [body for body in told if facts.status(body).get("analysis")]
    assert facts.rollout(rows[0])["step"]["index"] == 0, (
        "its first step shows evidence while it lasts"
    )
    promoted = next(
        status for body in told if (status := facts.status(body))["stable"]["modelVersion"] == "v2"
    )
    assert promoted["retiring"], "whose pods go is told by the write that promotes"
    rollouts = [rollout for body in told if (rollout := facts.rollout(body))]
    seen = dict.fromkeys(one["step"]["name"] for one in rollouts)
    assert list(seen) == [stage["name"] for stage in rollouts[-1]["plan"]]
    shares = dict.fromkeys(one["traffic"]["candidate"] for one in rollouts)
    assert next(iter(shares)) == 0
    assert list(shares) == sorted(shares)
    assert len(shares) == 1 + len(seen)


async def changed_as_it_was_made(run: Run, plane: str) -> None:
    """Somebody sets another image on the candidate before anything of it was written a second time."""
    await serve(run, provider=plane, replicas=4, steps=((25, 60),))
    run.people.deploy("v2")
    await walk_to(run, 0)
    name = f"{NAME}-{facts.rollout(run.body)['revision']}"
    run.people.patch(ports.DEPLOYMENT, name, [IMAGE])

    def told() -> bool:
        return bool(facts.condition(run.body, "RevisionModified"))

    assert await run.until(told, limit=5.0)
    await asyncio.sleep(2.0)
    run.people.delete(ports.SERVICE, name)
    made_anew = partial(run.cluster.get, ports.SERVICE, NAMESPACE, name)
    assert await run.until(lambda: made_anew() is not None, limit=10.0)
    await asyncio.sleep(5.0)
    assert told(), "what somebody made of the pods is no original"
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def changed_when_made_again(run: Run, plane: str) -> None:
    """The Service speaks of a Deployment that is gone; the new one has its note itself."""
    stable = await serve(run, provider=plane, replicas=4, steps=((25, 60),))
    name = f"{NAME}-{stable}"
    await asyncio.sleep(5.0)
    run.people.delete(ports.DEPLOYMENT, name)

    def made_again() -> bool:
        body = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name)
        return body is not None and "tidegate.dev/template-hash" in body["metadata"]["annotations"]

    assert await run.until(made_again, limit=10.0)
    assert not facts.condition(run.body, "RevisionModified")
    run.people.patch(ports.DEPLOYMENT, name, [IMAGE])
    assert await run.until(lambda: bool(facts.condition(run.body, "RevisionModified")), limit=5.0)


PLAYS = {
    f"{script.__name__} {plane}": Scenario(
        name=f"{script.__name__} {plane}", script=partial(script, plane=plane), may_reject_good=True
    )
    for plane in PLANES
    for script in (promoted_by_few_writes, changed_as_it_was_made, changed_when_made_again)
}
