"""Judges every change of the cluster, and the state at rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from tests.sim.cluster import Change
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE

if TYPE_CHECKING:
    from tests.sim.run import Run

TERMINAL = frozenset({"Healthy", "RolledBack", "Failed", "Invalid"})


class ViolatedError(AssertionError):
    """An invariant did not hold."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


class Judge:
    """Holds what the oracle remembers; the first violation ends the run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.covered: Counter[str] = Counter()
        self._violated: asyncio.Future[None] = run.loop.create_future()

    async def race(self, play: Awaitable[None]) -> None:
        """Wait for the play or for the first violation."""
        task = asyncio.ensure_future(play)
        await asyncio.wait([task, self._violated], return_when=asyncio.FIRST_COMPLETED)
        if self._violated.done():
            task.cancel()
            self._violated.result()
        await task

    def on_change(self, change: Change) -> None:
        """Look at one committed change."""

    def unfinished(self) -> str:
        """Why the cluster is not at rest yet, or empty."""
        phase = self._run.phase()
        if self._run.body is None or phase in TERMINAL:
            return ""
        return f"phase {phase}"

    def at_rest(self) -> None:
        """What must hold when nothing moves any more."""

    def final_state(self) -> Object:
        """What the cluster holds, without times and versions."""
        body = self._run.cluster.get(MD, NAMESPACE, NAME)
        return {"status": (body or {}).get("status")}
