"""What a seed says of the time after a promotion: limits that are watched, and a version that wears out."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.sim import drawn_policies, facts
from tests.sim.drawn_steering import Act, tend
from tests.sim.drawn_strategies import ERRORS
from tests.sim.fields import Object

if TYPE_CHECKING:
    from tests.sim.run import Run

WEAR_ACT = ("wear", "")
WORN_SHARE = 0.2  # of its answers are errors, where the limit is 0.05
ONCE_WORN_SHARE = 0.001  # so that the judge can tell it from one that never failed
SETTLES_SECONDS = 400.0
WINDOW_SECONDS = 600.0  # the shortest that a watch may have
_SHARE = 0.015  # of all seeds: each lasts for a whole window


def draw_watch(dice: random.Random, spec: Object, acts: list[Act]) -> None:
    """Rarely what serves is watched, and gets worse when all else is over."""
    if dice.random() >= _SHARE:
        return
    if any("threshold" not in it or it.get("dryRun") for it in spec["analysis"]["metrics"]):
        spec["analysis"]["metrics"] = [ERRORS]
    spec["revisionHistoryLimit"] = 2  # so that there is something to go back to
    action = dice.choice(("Rollback", "Rollback", "Alert"))
    spec["monitoring"] = {"window": "10m", "onBreach": {"action": action}}
    if dice.random() < 0.6:
        acts.append((30.0 * dice.random(), "deploy", "good"))
    acts.append((30.0 * dice.random(), *WEAR_ACT))


def is_watched(spec: Object) -> bool:
    return "monitoring" in spec


async def wear(run: Run, *, passing: bool) -> None:
    """What serves answers with errors until that is found, and goes on to, or stops."""
    if not await _settled(run):
        return
    stable = facts.stable(run.body)
    version = str((facts.status(run.body).get("stable") or {}).get("modelVersion", ""))
    before = run.world.truth(version)
    run.world.truths[version] = replace(before, error_ratio=WORN_SHARE)

    def found() -> bool:
        told = facts.condition(run.body, "ThresholdBreached").get("status") == "True"
        return told or facts.stable(run.body) != stable

    await run.until(found, limit=WINDOW_SECONDS)
    if passing:
        slightly = max(before.error_ratio, ONCE_WORN_SHARE)
        run.world.truths[version] = replace(before, error_ratio=slightly)


async def _settled(run: Run) -> bool:
    """Nothing is rolled out any more, for which people do what they are asked."""
    deadline = run.loop.time() + SETTLES_SECONDS
    while run.phase() not in {"Healthy", "RolledBack"}:
        if run.loop.time() > deadline:
            return False
        await tend(run)
        drawn_policies.tend(run)
        await asyncio.sleep(2.5)
    return True
