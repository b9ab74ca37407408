"""Plays with a fixed script; the seeded ones draw theirs (`drawn.py`)."""

from __future__ import annotations

from tests.sim.people import manifest
from tests.sim.run import Run, Scenario
from tests.sim.world import Truth

BAD = Truth(error_ratio=0.5)


async def first_then(run: Run, version: str) -> None:
    """Serve v1, then ask for another version and wait for its result."""
    run.people.create(manifest("v1"))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy(version)
    assert await run.until(lambda: run.phase() in {"Healthy", "RolledBack"}), run.phase()


async def promotion(run: Run) -> None:
    await first_then(run, "v2")
    assert run.phase() == "Healthy"


async def rollback(run: Run) -> None:
    await first_then(run, "bad")
    assert run.phase() == "RolledBack"


FIXED = [
    Scenario(name="promotion", script=promotion),
    Scenario(name="rollback", script=rollback, truths={"bad": BAD}),
]
