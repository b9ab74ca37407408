"""A play about leadership that ends in the middle of an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.run import Run
from tests.sim.scenarios import OVER, serve_first

from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process

FROZEN_SECONDS = 25.0  # another one leads by then, and the pass is not over its time yet


class FreezesInAnAction(Calm):
    """The leader is frozen before it has the answer to a creation, until another one leads."""

    armed = False

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if not self.armed or request.verb != "create":
            return WELL
        self.armed = False
        process.run.loop.call_later(0.1, process.pause)
        process.run.loop.call_later(FROZEN_SECONDS, process.resume)
        return CallPlan(reply_seconds=1.0)


async def deposed_within_an_action(run: Run) -> None:
    """The answer about a new revision's Deployment wakes the frozen: its Service is not theirs."""
    await serve_first(run)
    assert isinstance(run.nemesis, FreezesInAnAction)
    run.nemesis.armed = True
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER, limit=120.0), run.phase()
