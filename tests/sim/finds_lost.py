"""Plays in which stable loses its pods and all that says how they were made: advice that is followed."""

from __future__ import annotations

from functools import partial

from tests.sim import facts
from tests.sim.finds_revisions import PLANES, at_first_step, serve
from tests.sim.people import NAME
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports

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


def _plays() -> dict[str, Scenario]:
    found = {}
    for plane in PLANES:
        found[f"stable_forgotten_at_rest {plane}"] = partial(stable_forgotten_at_rest, plane=plane)
        for version in ("v2", "bad"):
            found[f"stable_forgotten_in_a_rollout {version} {plane}"] = partial(
                stable_forgotten_in_a_rollout, plane=plane, version=version
            )
    return {
        name: Scenario(name=name, script=script, truths={"bad": BAD}, may_reject_good=True)
        for name, script in found.items()
    }


PLAYS = _plays()
