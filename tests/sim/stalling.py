"""Plays of steps whose looks prove nothing for longer than `analysis.inconclusiveTimeout`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.finds_revisions import PLANES, stable_has_everything
from tests.sim.people import manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, SHARED, promote_or, walk_to
from tests.sim.truth import Truth

TIMEOUT_SECONDS = 60.0
TOO_MANY = {"minRequests": 10**9}  # no step ever has them
SEEN_SECONDS = 30.0


async def _serve(run: Run, provider: str, *, hold: int, **analysis: Any) -> None:
    """v1 serves; a step waits an hour for its proof, and a minute for a look that shows some."""
    body = manifest(
        "v1",
        provider=provider,
        replicas=4,
        steps=((50, hold),),
        analysis={"inconclusiveTimeout": "1m", **analysis},
    )
    body["spec"]["strategy"]["canary"]["steps"][0]["deadline"] = "1h"
    run.people.create(body)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


def _waits_for(run: Run) -> str:
    return str((facts.rollout(run.body).get("waitingFor") or {}).get("reason", ""))


async def _stalls(run: Run) -> None:
    within = TIMEOUT_SECONDS + SEEN_SECONDS
    assert await run.until(lambda: _waits_for(run) == "Stalled", limit=within), run.phase()
    assert run.phase() == "Paused"


async def nothing_is_proven(run: Run, provider: str) -> None:
    """A person is asked long before the deadline, and decides."""
    await _serve(run, provider, hold=5, **TOO_MANY)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(TIMEOUT_SECONDS / 2)
    assert run.phase() == "Progressing", run.phase()
    await _stalls(run)
    await promote_or(run, "promote")
    assert run.phase() == "Healthy"


async def goes_bad_while_stalled(run: Run, provider: str) -> None:
    """Nobody has answered yet, and the candidate begins to fail: its traffic goes back at once."""
    await _serve(run, provider, hold=5, **TOO_MANY)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await _stalls(run)
    run.world.truths["v2"] = BAD
    await stable_has_everything(run, within=SEEN_SECONDS)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"


async def asked_to_roll_back(run: Run, provider: str) -> None:
    """With onInconclusive: Rollback nobody is asked."""
    await _serve(run, provider, hold=5, onInconclusive="Rollback", **TOO_MANY)
    run.people.deploy("v2")
    await walk_to(run, 0)
    within = TIMEOUT_SECONDS + SEEN_SECONDS
    assert await run.until(lambda: run.phase() in OVER, limit=within), run.phase()
    assert facts.status(run.body)["rejectedRevisions"][0]["by"] == "Stalled"


async def evidence_dries_up(run: Run, provider: str) -> None:
    """What was proven for long in a long hold is drowned in an outage of both versions."""
    await _serve(run, provider, hold=600)
    run.people.deploy("v2")
    await walk_to(run, 0)

    def reason() -> str:
        return str(facts.condition(run.body, "AnalysisPassing")["reason"])

    assert await run.until(lambda: reason() == "AllPassing"), reason()
    await asyncio.sleep(TIMEOUT_SECONDS + 10.0)
    assert run.phase() == "Progressing", facts.status(run.body)["message"]
    run.world.outage_error_ratio = 0.3
    assert await run.until(lambda: reason() == SHARED), reason()
    await _stalls(run)
    run.world.outage_error_ratio = 0.0
    await promote_or(run, "promote")
    assert run.phase() == "Healthy"


def _plays() -> dict[str, Scenario]:
    scripts = (nothing_is_proven, goes_bad_while_stalled, asked_to_roll_back, evidence_dries_up)
    found = {}
    for script in scripts:
        for plane in PLANES:
            name = f"{script.__name__} {plane}"
            found[name] = Scenario(
                name=name,
                script=partial(script, provider=plane),
                truths={"v2": Truth()},
                may_reject_good=script is asked_to_roll_back,
            )
    return found


PLAYS = _plays()
