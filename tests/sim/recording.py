"""Plays of a bake that is judged by what was recorded of stable, below the absolute limits."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ends_well, serve
from tests.sim.finds_bake import share_of
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER
from tests.sim.truth import Truth

USUAL = Truth(error_ratio=0.005)
WORSE = Truth(error_ratio=0.045)  # the limit is 0.05
WORSE_HOUR = Truth(error_ratio=0.015)
BAKE = {"postPromotion": {"bake": "2m"}}


async def _bakes(run: Run, provider: str) -> str:
    """v2 is as good as v1, which is recorded; the revision of v1."""
    stable = await serve(
        run,
        provider=provider,
        replicas=4,
        steps=((50, 20),),
        strategy=BAKE,
        progressDeadline="5m",
    )
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Baking"), facts.status(run.body).get("message")
    assert await run.until(lambda: bool(_told(run)), limit=30.0)
    return stable


def _told(run: Run) -> str:
    return str((facts.rollout(run.body).get("step") or {}).get("estimate", ""))


def _bake(run: Run) -> dict[str, object]:
    found: dict[str, object] = facts.rollout(run.body)["plan"][-1]
    return found


async def worse_in_the_bake(run: Run, provider: str) -> None:
    """It gets worse once it is alone, and keeps its limit: what stable showed before tells it."""
    stable = await _bakes(run, provider)
    assert _bake(run)["control"] == "Recorded", _bake(run)
    assert "recorded of stable: errors" in _told(run), _told(run)
    run.world.truths["v2"] = WORSE
    assert await run.until(lambda: run.phase() in OVER, limit=100.0), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    assert share_of(run, stable) == 100
    why = facts.status(run.body)["lastRollout"]["reason"]
    assert "what the record of stable allows" in why, why


async def the_same_in_the_bake(run: Run, provider: str) -> None:
    """A new process knows what was recorded, and a worse hour of the whole world is no harm."""
    await _bakes(run, provider)
    known = _bake(run)["baseline"]
    process = run.replicas[0].process
    assert process is not None
    process.die()
    run.world.truths["v2"] = WORSE_HOUR
    await asyncio.sleep(30.0)
    assert _bake(run)["baseline"] == known
    await ends_well(run)
    told = facts.status(run.body)["lastRollout"]["reason"]
    assert told == "all steps passed; nothing broke a limit in the bake", told


PLAYS = {
    f"{play.__name__}_{provider.lower()}": Scenario(
        name=f"{play.__name__}_{provider.lower()}",
        script=partial(play, provider=provider),
        truths={"v1": USUAL, "v2": USUAL},
        may_reject_good=play is worse_in_the_bake,
    )
    for provider in PROVIDERS
    for play in (worse_in_the_bake, the_same_in_the_bake)
}
