"""Plays of what somebody deletes or empties while a rollout is under way: users must not notice.

Objects of the data plane come back in any phase, and a stable revision that was shrunk gets no more
than its pods carry.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import (
    deployment,
    ends_well,
    make_ready,
    make_unready,
    ready,
    serve_and_walk,
)
from tests.sim.finds_bake import SMALL, share_of, walk_into_bake
from tests.sim.finds_revisions import EMPTIED
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD
from tests.sim.shadowing import asked, shadow

from tidegate import ports

LONG = "10m"
SOON_SECONDS = 5.0
RECREATE = {"scaling": {"surgePolicy": "Recreate"}}
BY_ROUTE = ("GatewayAPI", "Contour")
KINDS = {"Contour": ports.HTTP_PROXY}


async def _comes_back(run: Run, kind: ports.Kind) -> None:
    run.people.delete(kind, NAME)
    assert run.cluster.get(kind, NAMESPACE, NAME) is None
    there = await run.until(
        lambda: run.cluster.get(kind, NAMESPACE, NAME) is not None, limit=SOON_SECONDS
    )
    assert there, f"{kind.kind} in phase {run.phase()}"


async def service_gone(run: Run, provider: str) -> None:
    """The entry Service goes in a held step and while the next one is paused."""
    await serve_and_walk(
        run, provider=provider, replicas=2, steps=((20, 30), (50, 5)), progressDeadline=LONG
    )
    await asyncio.sleep(3.0)
    await _comes_back(run, ports.SERVICE)
    run.people.ask("pause")
    await asyncio.sleep(40.0)
    await _comes_back(run, ports.SERVICE)
    run.people.ask("resume")
    await ends_well(run)


async def route_gone(run: Run, provider: str) -> None:
    """The route goes while the candidate answers for a stable revision without pods."""
    stable, candidate = await serve_and_walk(
        run, provider=provider, replicas=2, steps=((20, 30), (50, 5)), progressDeadline=LONG
    )
    make_unready(run, stable)
    assert await run.until(lambda: share_of(run, candidate) == 100, limit=30.0)
    await _comes_back(run, run.cluster.route_kind)
    assert share_of(run, candidate) == 100
    make_ready(run, stable)
    await ends_well(run)


async def gone_while_invalid(run: Run, provider: str) -> None:
    """The newest spec cannot be carried out: what serves is kept up all the same."""
    await serve_and_walk(
        run, provider=provider, replicas=2, steps=((20, 30), (50, 5)), progressDeadline=LONG
    )
    run.people.edit_part("strategy", scaleDownDelay="soon")
    assert await run.until(lambda: run.phase() == "Invalid", limit=10.0), run.phase()
    await _comes_back(run, ports.SERVICE)
    run.people.edit_part("strategy", scaleDownDelay="3s")
    await ends_well(run)


async def emptied_in_the_bake(run: Run, provider: str) -> None:
    """One pod of stable is left as the way back, and status says nothing any more."""
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    assert await run.until(lambda: ready(run, stable) == 1, limit=30.0)
    run.people.patch_status(EMPTIED)
    share = 0.0
    while share < 50:
        share, pods = share_of(run, stable), ready(run, stable)
        assert share <= 25 * pods or pods >= 3, (share, pods)
        assert run.loop.time() < 600
        await asyncio.sleep(0.5)
    await ends_well(run)
    assert facts.stable(run.body) == candidate


async def hurried_without_pods(run: Run, provider: str) -> None:
    """promote-full in a bake whose pods have gone: nobody is promoted before they are back."""
    stable, candidate = await walk_into_bake(
        run, provider, strategy={"postPromotion": {"bake": "60s"}}
    )
    await asyncio.sleep(5.0)
    make_unready(run, candidate)
    assert await run.until(lambda: share_of(run, candidate) == 0, limit=20.0)
    run.people.ask("promote-full")
    await asyncio.sleep(10.0)
    assert facts.stable(run.body) == stable
    assert share_of(run, candidate) == 0
    make_ready(run, candidate)
    await ends_well(run)
    assert facts.stable(run.body) == candidate


async def copies_of_the_only_pod(run: Run, provider: str) -> None:
    """Pods are taken away while a shadow has copies: the last one of stable stays where it is."""
    strategy = {**shadow("Promote", mirrorPercent=100, minRequests=100), **RECREATE}
    run.people.create(
        asked(strategy=strategy, replicas=2, provider=provider, progressDeadline=LONG)
    )
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    stable = facts.stable(run.body)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Shadowing"), run.phase()
    await asyncio.sleep(5.0)
    lost = run.world.user_errors
    run.people.edit_part("workload", replicas=1)
    await asyncio.sleep(30.0)
    assert deployment(run, stable)["spec"]["replicas"] == 1
    assert run.world.user_errors == lost
    run.people.edit_part("workload", replicas=2)
    await ends_well(run)


_PLAYS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "service_gone": (service_gone, (*BY_ROUTE, "Existing")),
    "route_gone": (route_gone, BY_ROUTE),
    "gone_while_invalid": (gone_while_invalid, ("GatewayAPI", "ReplicaRatio")),
    "emptied_in_the_bake": (emptied_in_the_bake, BY_ROUTE),
    "hurried_without_pods": (hurried_without_pods, ("GatewayAPI", "ReplicaRatio")),
    "copies_of_the_only_pod": (copies_of_the_only_pod, ("GatewayAPI",)),
}


def by_provider(acts: dict[str, tuple[Any, tuple[str, ...]]]) -> dict[str, Scenario]:
    """Each act as a play with each of its data planes."""
    return {
        f"{name}_{provider.lower()}": Scenario(
            name=f"{name}_{provider.lower()}",
            script=partial(act, provider="GatewayAPI" if provider in KINDS else provider),
            truths={"bad": BAD},
            route_kind=KINDS.get(provider, ports.HTTP_ROUTE),
        )
        for name, (act, providers) in acts.items()
        for provider in providers
    }


PLAYS = by_provider(_PLAYS)
