"""Plays of what the simulation found about leadership."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.run import Run
from tests.sim.scenarios import OVER, serve_first

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process

FROZEN_SECONDS = 25.0  # another one leads by then, and the pass is not over its time yet


def _freeze(process: Process, *, start: float, end: float) -> None:
    """The process stands still between these seconds from now on."""
    process.run.loop.call_later(start, process.pause)
    process.run.loop.call_later(end, process.resume)


class FreezesInAnAction(Calm):
    """The leader is frozen before it has the answer to a creation, until another one leads."""

    armed = False

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if not self.armed or request.verb != "create":
            return WELL
        self.armed = False
        _freeze(process, start=0.1, end=FROZEN_SECONDS)
        return CallPlan(reply_seconds=1.0)


async def deposed_within_an_action(run: Run) -> None:
    """The answer about a new revision's Deployment wakes the frozen: its Service is not theirs."""
    await serve_first(run)
    assert isinstance(run.nemesis, FreezesInAnAction)
    run.nemesis.armed = True
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER, limit=120.0), run.phase()


class AnswersLate(Calm):
    """The first two replies about the Lease are slow; the lists are complete in between.

    The second one arrives when the deadline of the first renewal is over.
    """

    _renewals = 0

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if not process.name.endswith(".1") or request.verb != "put_lease":
            return WELL
        self._renewals += 1
        return CallPlan(reply_seconds=6.0) if self._renewals <= 2 else WELL

    def list_seconds(self, kind: ports.Kind) -> float:
        return 11.0 if kind is ports.MODEL_DEPLOYMENT else 0.0


async def renewed_too_late(run: Run) -> None:
    """Whoever looked while nobody led must not wait for ever."""
    await serve_first(run)


class FreezesAtAcquisition(Calm):
    """The first process stands still, from the first write of the Lease on, past its deadline."""

    _frozen = False

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if process.name.endswith(".1") and request.verb == "put_lease" and not self._frozen:
            self._frozen = True
            _freeze(process, start=0.002, end=12.0)
        return WELL


async def frozen_at_acquisition(run: Run) -> None:
    """Somebody must work in the end."""
    await serve_first(run)
