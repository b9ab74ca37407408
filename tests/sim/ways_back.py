"""Plays of the way back from a candidate: pods that stay for it, and what nobody may forget on it."""

from __future__ import annotations

import asyncio
import copy
from functools import partial
from typing import Any

from tests.sim import facts, user_route
from tests.sim.cluster import Change
from tests.sim.cluster_side import (
    deployment,
    ends,
    ends_well,
    make_ready,
    make_unready,
    ready,
    serve,
)
from tests.sim.failing_over import BEGINS_SECONDS, failed_over, succeeded
from tests.sim.finds_bake import SMALL, SPOILT, share_of, walk_into_bake
from tests.sim.people import NAMESPACE, OTHER_ROUTE, SECOND, manifest
from tests.sim.restoring import BY_ROUTE, by_provider
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER, walk_to

from tidegate import ports
from tidegate.model import objects


def _replicas(run: Run, revision: str) -> int:
    return int(deployment(run, revision)["spec"]["replicas"])


async def short_in_the_bake(run: Run, provider: str) -> None:
    """Most pods of the promoted version are unready: those of the version before stay until they are."""
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    had = _replicas(run, stable)
    assert had > 1
    make_unready(run, candidate, keep=1)
    await asyncio.sleep(20.0)
    assert _replicas(run, stable) == had, "it would be all that is left"
    make_ready(run, candidate)
    assert await run.until(lambda: _replicas(run, stable) == 1, limit=30.0)
    await ends_well(run)
    assert facts.stable(run.body) == candidate


async def killed_while_lowering(run: Run, provider: str) -> None:
    """It broke a limit in the bake, a part was taken from it, and the process that knew why is gone."""
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    assert await run.until(lambda: ready(run, stable) == 1, limit=30.0)
    process = run.replicas[0].process
    assert process is not None

    def dies(change: Change) -> None:
        if change.kind is run.cluster.route_kind and share_of(run, candidate) < 100:
            process.die()

    run.cluster.listeners.append(dies)
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: process.dead, limit=120.0), "nothing was lowered"
    run.cluster.listeners.remove(dies)
    assert candidate not in facts.rejected(run.body), "status knows it already"
    share = share_of(run, candidate)
    while run.phase() not in OVER:
        assert share_of(run, candidate) <= share, "what it had lost came back"
        share = share_of(run, candidate)
        assert run.loop.time() < 600
        await asyncio.sleep(0.25)
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    assert candidate in facts.rejected(run.body)


async def stand_in_is_deployed(run: Run, provider: str) -> None:
    """What answers for stable is asked for again, without `rollback.window`: nobody misses a pod."""
    first = manifest(
        "v1",
        provider=provider,
        replicas=4,
        steps=((50, 5),),
        progressDeadline="10m",
        rollback={"window": {"revisions": 0}},
    )
    old, new = await succeeded(run, first)
    await asyncio.sleep(10.0)
    had = ready(run, old)
    make_unready(run, new)
    await asyncio.sleep(BEGINS_SECONDS)
    lost = run.world.user_errors
    run.people.deploy("v1")
    await asyncio.sleep(30.0)
    assert facts.rollout(run.body)["modelVersion"] == "v1"
    assert run.world.user_errors == lost, f"{run.world.user_errors - lost:.0f} met no pod"
    assert ready(run, old) >= had
    assert failed_over(run), "it waits for a version that is down"
    make_ready(run, new)
    await ends_well(run)
    assert facts.stable(run.body) == old


async def parked_while_another_answers(run: Run, provider: str) -> None:
    """`replicas: 0` while the version before answers: its pods go, too, and nobody's come back."""
    old, new = await succeeded(run, manifest("v1", provider=provider, steps=((50, 5),)))
    await asyncio.sleep(5.0)
    make_unready(run, new)
    await asyncio.sleep(BEGINS_SECONDS)
    run.people.edit_part("workload", replicas=0)
    assert await run.until(lambda: _replicas(run, old) == _replicas(run, new) == 0, limit=90.0)
    run.people.edit_part("workload", replicas=2)
    assert await run.until(lambda: ready(run, new) == 2, limit=60.0)
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()
    assert _replicas(run, old) == 0


async def kept_until_waited_for(run: Run, provider: str) -> None:
    """Pods of a rejected version are kept for a look at them, but no fix waits for that."""
    await serve(run, provider=provider, steps=((50, 5),), rollback={"keepCandidateFor": "2h"})
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    (bad,) = facts.rejected(run.body)
    await asyncio.sleep(30.0)
    assert _replicas(run, bad) > 0
    run.people.deploy("v3")
    await ends(run, "Healthy")


async def route_is_dropped(run: Run, act: str) -> None:
    """In a step the spec stops to name one of two routes: its owner finds it as it was."""
    await serve(run, provider="Existing", replicas=2, steps=((20, 60), (50, 5)))
    run.people.create_user_route(OTHER_ROUTE)
    only = copy.deepcopy(run.people.body or {})["spec"]["traffic"]
    both = copy.deepcopy(only)
    both["gatewayAPI"]["routeRefs"].append(
        {**only["gatewayAPI"]["routeRefs"][0], "name": OTHER_ROUTE}
    )
    run.people.edit_spec({"traffic": both})
    run.people.deploy("v2")
    await walk_to(run, 0)
    assert user_route.weights(run, OTHER_ROUTE) == user_route.weights(run) == [80, 20]
    if act == "killed":
        run.kill()
    if act == "paused":
        run.people.ask("pause")
    run.people.edit_spec({"traffic": only})
    assert await run.until(lambda: user_route.weights(run, OTHER_ROUTE) == [100, 0], limit=60.0)
    assert user_route.weights(run) == [80, 20]
    run.people.delete(run.cluster.route_kind, OTHER_ROUTE)
    if act == "paused":
        run.people.ask("resume")
    await ends_well(run)
    assert await run.until(lambda: user_route.weights(run) == [100, 0], limit=20.0)
    assert await run.until(lambda: not _noted(run), limit=20.0), _noted(run)


def _noted(run: Run) -> str:
    """What the candidate's Service says of routes that have weights of ours."""
    second = run.cluster.get(ports.SERVICE, NAMESPACE, SECOND)
    return objects.annotation(second or {}, objects.ANNOTATION_SUMS)


_PLAYS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "short_in_the_bake": (short_in_the_bake, BY_ROUTE),
    "killed_while_lowering": (killed_while_lowering, BY_ROUTE),
    "parked_while_another_answers": (
        parked_while_another_answers,
        (*BY_ROUTE, "Existing", "ReplicaRatio"),
    ),
    "kept_until_waited_for": (kept_until_waited_for, ("ReplicaRatio",)),
    "stand_in_is_deployed": (stand_in_is_deployed, (*BY_ROUTE, "Existing")),
}
PLAYS = by_provider(_PLAYS) | {
    f"route_is_dropped_{act}": Scenario(
        name=f"route_is_dropped_{act}", script=partial(route_is_dropped, act=act)
    )
    for act in ("running", "killed", "paused")
}
