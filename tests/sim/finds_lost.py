"""Plays in which what says how things were made or meant is lost: advice that is followed, ways back."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.finds_revisions import PLANES, at_first_step, serve
from tests.sim.people import NAME
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports

METRICS = [{"name": "errors", "preset": "error-ratio", "threshold": {"max": 0.05}}]
UNKNOWN = "nothing says how it was made"


def lose_stable(run: Run) -> None:
    """Deployment and ControllerRevision go in one instant, so that neither makes the other again."""
    name = f"{NAME}-{facts.stable(run.body)}"
    for kind in (ports.DEPLOYMENT, ports.CONTROLLER_REVISION):
        run.people.delete(kind, name)


async def advised(run: Run) -> str:
    """What the condition says to do about it."""

    def message() -> str:
        found = facts.condition(run.body, "Available")
        return str(found["message"]) if found.get("reason") == "StableLost" else ""

    assert await run.until(lambda: UNKNOWN in message(), limit=5.0), message()
    return message().split(UNKNOWN)[1]


async def stable_forgotten_at_rest(run: Run, plane: str) -> None:
    """Nobody serves, and spec asks for what was rejected: another version may as well.

    There is nobody to compare it with, so a person promotes it.
    """
    await serve(run, plane)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    lose_stable(run)
    assert "or another one and promote it in full" in await advised(run)
    run.people.deploy("v2")
    assert await run.until(lambda: bool(facts.rollout(run.body)), limit=5.0)
    run.people.ask("promote-full")
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body)["message"]


async def stable_forgotten_in_a_rollout(run: Run, plane: str, version: str) -> None:
    """Another version would wait for a candidate that has nobody to give its traffic back to."""
    await at_first_step(run, plane, version=version)
    stable = facts.stable(run.body)
    lose_stable(run)
    said = await advised(run)
    assert "deploy its version again" in said
    assert "another" not in said
    run.people.deploy("v3")
    await run.until(lambda: facts.ends(run.body), limit=60.0)
    assert facts.ends(run.body)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body)["message"]
    assert facts.stable(run.body) == stable


async def _unreadable_and_forgotten(run: Run, plane: str) -> None:
    """Nobody can read how to judge any more, and what the rollout froze is gone as well."""
    await at_first_step(run, plane)
    run.people.edit_part("analysis", metrics="text")
    assert await run.until(lambda: run.phase() == "Invalid", limit=5.0), run.phase()
    for body in list(run.cluster.all(ports.CONTROLLER_REVISION)):
        run.people.delete(ports.CONTROLLER_REVISION, body["metadata"]["name"])
    await asyncio.sleep(3.0)


async def aborted_forgotten(run: Run, plane: str) -> None:
    """A person ends the rollout all the same."""
    await _unreadable_and_forgotten(run, plane)
    run.people.ask("abort")
    assert await run.until(lambda: not facts.rollout(run.body), limit=20.0), run.phase()
    run.people.edit_part("analysis", metrics=METRICS)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def deleted_forgotten(run: Run, plane: str) -> None:
    """The traffic is given back before the object goes."""
    await _unreadable_and_forgotten(run, plane)
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=20.0), "deletion hangs"


def _plays() -> dict[str, Scenario]:
    found = {}
    for plane in PLANES:
        found[f"stable_forgotten_at_rest {plane}"] = partial(stable_forgotten_at_rest, plane=plane)
        found[f"aborted_forgotten {plane}"] = partial(aborted_forgotten, plane=plane)
        found[f"deleted_forgotten {plane}"] = partial(deleted_forgotten, plane=plane)
        for version in ("v2", "bad"):
            found[f"stable_forgotten_in_a_rollout {version} {plane}"] = partial(
                stable_forgotten_in_a_rollout, plane=plane, version=version
            )
    return {
        name: Scenario(name=name, script=script, truths={"bad": BAD}, may_reject_good=True)
        for name, script in found.items()
    }


PLAYS = _plays()
