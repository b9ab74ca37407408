"""Plays with CRDs that become older than the operator while it works, as by a downgrade."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.finds_revisions import PLANES, at_first_step, stable_has_everything
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD


def downgrade(run: Run, field: str) -> None:
    run.cluster.undeclared = frozenset({field})


def upgrade(run: Run) -> None:
    run.cluster.undeclared = frozenset()


async def told(run: Run, field: str) -> None:
    def is_told() -> bool:
        stalled = facts.condition(run.body, "Stalled")
        return stalled.get("reason") == "OutdatedKinds" and f".{field}" in stalled["message"]

    # A refusal is noticed with the next write; the course of the evidence may wait a minute for one.
    assert await run.until(is_told, limit=90.0), facts.condition(run.body, "Stalled")


async def way_back(run: Run, plane: str, act: str) -> None:
    """Nothing can be written down, and still the candidate's traffic goes where it belongs.

    By pods an abort needs more of stable first, and those are only asked for once that is written.
    """
    await at_first_step(run, plane, version="bad" if act == "breach" else "v2")
    downgrade(run, "rejectedRevisions" if act == "breach" else "lastHandledRequest")
    if act == "abort":
        run.people.ask("abort")
    if act == "breach" or plane == "GatewayAPI":
        await stable_has_everything(run, within=120.0 if act == "breach" else 5.0)
    await told(run, "rejectedRevisions" if act == "breach" else "lastHandledRequest")
    upgrade(run)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def goes_on(run: Run, plane: str) -> None:
    """Nothing goes forward meanwhile, nobody is blamed, and it goes on by itself."""
    await at_first_step(run, plane)
    downgrade(run, "desired")
    await told(run, "desired")
    step = facts.rollout(run.body)["step"]["index"]
    await asyncio.sleep(120.0)
    assert facts.rollout(run.body)["step"]["index"] == step
    upgrade(run)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    assert not facts.rejected(run.body)
    assert facts.condition(run.body, "Stalled")["status"] == "False"


def _plays() -> dict[str, Scenario]:
    found = {}
    for plane in PLANES:
        for act in ("abort", "breach"):
            found[f"older_kinds {act} {plane}"] = partial(way_back, plane=plane, act=act)
        found[f"older_kinds_mended {plane}"] = partial(goes_on, plane=plane)
    return {
        name: Scenario(name=name, script=script, truths={"bad": BAD}, may_reject_good=True)
        for name, script in found.items()
    }


PLAYS = _plays()
