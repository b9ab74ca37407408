"""Plays about pods of which nothing is seen: not scraped, or with no answer to anybody."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.finds_revisions import PLANES, candidates_share, stable_has_everything
from tests.sim.people import manifest
from tests.sim.pod import Pod
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER, walk_to
from tests.sim.truth import Truth

SEEN_SECONDS = 45.0  # half a minute to be found, the warm-up and what comes in between


async def _serve(run: Run, provider: str, *, hold: int = 5) -> None:
    body = manifest("v1", provider=provider, replicas=4, steps=((50, hold),))
    body["spec"]["traffic"]["verify"]["share"] = "Report"
    run.people.create(body)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


def _is_hidden(version: str, pod: Pod) -> bool:
    return pod.version == version


def _passing(run: Run) -> dict[str, Any]:
    return facts.condition(run.body, "AnalysisPassing")


async def _becomes_healthy(run: Run) -> None:
    assert await run.until(lambda: run.phase() in OVER), facts.status(run.body)["message"]
    assert run.phase() == "Healthy"


# --- some pods -----------------------------------------------------------------------------------


async def unscraped_pod(run: Run, provider: str) -> None:
    """One ready pod of the candidate is not scraped: nothing is promoted until it is."""
    await _serve(run, provider)
    hidden: set[str] = set()

    def is_scraped(pod: Pod) -> bool:
        if pod.version == "v2" and not hidden:
            hidden.add(pod.name)
        return pod.name not in hidden

    run.world.is_scraped = is_scraped
    run.people.deploy("v2")
    await walk_to(run, 0)
    incomplete = await run.until(lambda: _passing(run).get("reason") == "Incomplete", limit=60.0)
    assert incomplete, _passing(run)
    result = next(it for it in facts.status(run.body)["analysis"] if it["name"] == "errors")
    assert next(iter(hidden)) in result["message"], result
    await asyncio.sleep(20.0)
    assert facts.rollout(run.body)["step"]["index"] == 0
    run.world.is_scraped = lambda _: True
    await _becomes_healthy(run)


async def unscraped_pods_of_both(run: Run, provider: str) -> None:
    """Every second pod of either version is not scraped, so nothing is held."""
    await _serve(run, provider)
    run.world.is_scraped = lambda pod: int(pod.name[-1]) % 2 == 1
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER, limit=120.0), _passing(run)
    assert run.phase() == "Healthy"


# --- all pods ------------------------------------------------------------------------------------


async def black_hole(run: Run, provider: str) -> None:
    """Nothing of the candidate is seen: stable has everything soon, and the stage is taken again."""
    await _serve(run, provider)
    run.world.is_scraped = lambda pod: not _is_hidden("v2", pod)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await stable_has_everything(run, within=SEEN_SECONDS)
    waits = facts.rollout(run.body)["waitingFor"]
    assert waits["reason"] == "Withdrawn", waits
    assert "NoData" in waits["message"], waits
    await asyncio.sleep(30.0)
    assert candidates_share(run) == 0
    assert not facts.rejected(run.body)
    run.world.is_scraped = lambda _: True
    await _becomes_healthy(run)


async def falls_silent(run: Run, provider: str) -> None:
    """A candidate that was seen is seen no more."""
    await _serve(run, provider, hold=60)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(20.0)
    run.world.is_scraped = lambda pod: not _is_hidden("v2", pod)
    await stable_has_everything(run, within=SEEN_SECONDS)
    assert not facts.rejected(run.body)
    run.world.is_scraped = lambda _: True
    await _becomes_healthy(run)


async def hangs(run: Run, provider: str) -> None:
    """It is scraped, and finishes nothing: silent or harmful, nobody is left with it."""
    await _serve(run, provider)
    run.people.deploy("hung")
    await walk_to(run, 0)
    await stable_has_everything(run, within=SEEN_SECONDS)
    run.people.deploy("v1")
    await _becomes_healthy(run)


async def nobody_is_seen(run: Run, provider: str) -> None:
    """The source sees neither version: nothing is known, and nothing is moved."""
    await _serve(run, provider)
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.world.is_scraped = lambda _: False
    for _ in range(100):
        await asyncio.sleep(1.0)
        assert candidates_share(run) > 0, facts.status(run.body)["message"]
    run.world.is_scraped = lambda _: True
    run.people.ask("promote")
    await _becomes_healthy(run)


async def silent_for_good(run: Run, provider: str) -> None:
    """Four times is enough: then a person has to say that it is worth another try."""
    await _serve(run, provider)
    run.world.is_scraped = lambda pod: not _is_hidden("v2", pod)
    run.people.deploy("v2")

    def asks_for_a_person() -> bool:
        waits = facts.rollout(run.body).get("waitingFor") or {}
        return "4 times" in waits.get("message", "")

    assert await run.until(asks_for_a_person, limit=1200.0), facts.status(run.body)["message"]
    await asyncio.sleep(1200.0)
    assert candidates_share(run) == 0
    assert not facts.rejected(run.body)
    run.world.is_scraped = lambda _: True
    run.people.ask("promote")
    await _becomes_healthy(run)


def _plays() -> dict[str, Scenario]:
    found = {}
    scripts = (
        unscraped_pod,
        unscraped_pods_of_both,
        black_hole,
        falls_silent,
        hangs,
        nobody_is_seen,
        silent_for_good,
    )
    for script in scripts:
        for plane in PLANES:
            name = f"{script.__name__} {plane}"
            found[name] = Scenario(
                name=name,
                script=partial(script, provider=plane),
                truths={"hung": Truth(hangs=True)},
            )
    return found


PLAYS = _plays()
