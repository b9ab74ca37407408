"""Plays of the bake: promoted and watched, with the revision before as the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, deployment, ends_well, ready, serve
from tests.sim.nemesis import Calm
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER
from tests.sim.truth import Truth

from tidegate import ports

SPOILT = Truth(error_ratio=0.5)
SMALL = {"postPromotion": {"bake": "60s", "keepPreviousPercent": 25}}


async def walk_into_bake(
    run: Run, provider: str, *, strategy: Mapping[str, object]
) -> tuple[str, str]:
    """v2 is promoted and watched; the revisions of stable and candidate."""
    stable = await serve(
        run,
        provider=provider,
        replicas=4,
        steps=((50, 5),),
        strategy=strategy,
        progressDeadline="5m",
    )
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Baking"), facts.status(run.body).get("message")
    assert facts.condition(run.body, "Promoted")["status"] == "True"
    assert facts.condition(run.body, "Ready")["reason"] == "Baking"
    assert facts.stable(run.body) == stable
    return stable, str(facts.rollout(run.body)["revision"])


def share_of(run: Run, revision: str) -> float:
    """What the data plane gives a revision, 100 where the entry Service selects it alone."""
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)
    if route is not None:
        return facts.shares(route, name=NAME).get(revision, 0.0)
    chosen = facts.selected(run.cluster.get(ports.SERVICE, NAMESPACE, NAME))
    return 100.0 if chosen == revision else 0.0


async def baked(run: Run, provider: str) -> None:
    """Nothing breaks a limit: after its time the roles change, and not before."""
    began = run.loop.time()
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    await asyncio.sleep(10.0)
    kept = deployment(run, stable)["spec"]["replicas"]
    assert kept == 1, kept
    assert share_of(run, candidate) == 100
    await ends_well(run)
    assert run.loop.time() - began > 60
    assert facts.stable(run.body) == candidate
    told = facts.status(run.body)["lastRollout"]["reason"]
    assert told == "all steps passed; nothing broke a limit in the bake", told


async def broken_in_the_bake(run: Run, provider: str) -> None:
    """It breaks a limit later: traffic goes back as fast as the pods that were kept can carry it."""
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: share_of(run, candidate) < 100, limit=60.0)
    share = 0.0
    while share < 100:  # the last part of it, too, comes only when all pods are there
        share = share_of(run, stable)
        carried = 100 * ready(run, stable) / 4 if provider == "GatewayAPI" else 100
        assert share <= carried + 0.01, (share, carried)
        await asyncio.sleep(0.5)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    assert candidate in facts.rejected(run.body)


async def aborted_in_the_bake(run: Run, provider: str) -> None:
    """A person gives up on it while it is watched; the revision before serves again."""
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert facts.stable(run.body) == stable
    assert share_of(run, candidate) == 0


async def hurried_in_the_bake(run: Run, provider: str) -> None:
    """promote-full ends the watch, and nothing else does."""
    _, candidate = await walk_into_bake(run, provider, strategy={"postPromotion": {"bake": "10m"}})
    began = run.loop.time()
    run.people.ask("promote-full")
    await ends_well(run)
    assert run.loop.time() - began < 60
    assert facts.stable(run.body) == candidate
    assert facts.status(run.body)["lastRollout"]["result"] == "FastPromoted"


async def replaced_in_the_bake(run: Run, provider: str) -> None:
    """The spec moves on: what was not proven to the end leaves first, and is not rejected."""
    await walk_into_bake(run, provider, strategy=SMALL)
    run.people.deploy("v3")
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == "v3"


async def withdrawn_in_the_bake(run: Run, provider: str) -> None:
    """The cluster takes all of its pods: stable helps out, and the bake is taken again."""
    _, candidate = await walk_into_bake(run, provider, strategy={"postPromotion": {"bake": "60s"}})
    uid = deployment(run, candidate)["metadata"]["uid"]
    for _ in range(deployment(run, candidate)["spec"]["replicas"]):
        run.world.evict(uid)
    await ends_well(run)
    assert facts.stable(run.body) == candidate


async def deleted_in_the_bake(run: Run, provider: str) -> None:
    """Nothing is left behind, and no finalizer holds the object."""
    await walk_into_bake(run, provider, strategy=SMALL)
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)


class WrongClock(Calm):
    """Nothing goes wrong but the clock."""

    clock_skew_seconds = 7300.0


async def watched_by_wrong_clock(run: Run, provider: str, ahead_seconds: float) -> None:
    """The operator's clock jumps by an hour and is set right: the version is watched for its whole time."""
    strategy = {"postPromotion": {"bake": "300s"}}
    began = run.loop.time()
    _, candidate = await walk_into_bake(run, provider, strategy=strategy)
    process = run.replicas[0].process
    assert process is not None
    process.wall_offset_seconds = ahead_seconds
    await asyncio.sleep(60.0)
    process.wall_offset_seconds = 0.0
    await asyncio.sleep(60.0)
    assert run.phase() == "Baking", run.phase()
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert 300 <= run.loop.time() - began < 450


PLAYS = {
    f"watched_by_a_clock_{name}_{provider.lower()}": Scenario(
        name=f"watched_by_a_clock_{name}_{provider.lower()}",
        script=partial(watched_by_wrong_clock, provider=provider, ahead_seconds=seconds),
        make_nemesis=WrongClock,
    )
    for provider in PROVIDERS
    for name, seconds in (("ahead", 3600.0), ("back", -3600.0))
} | {
    f"{play.__name__}_{provider.lower()}": Scenario(
        name=f"{play.__name__}_{provider.lower()}",
        script=partial(play, provider=provider),
        truths={"bad": BAD},
        may_reject_good=play is aborted_in_the_bake,
    )
    for provider in PROVIDERS
    for play in (
        baked,
        broken_in_the_bake,
        aborted_in_the_bake,
        hurried_in_the_bake,
        replaced_in_the_bake,
        withdrawn_in_the_bake,
        deleted_in_the_bake,
    )
}
