"""Plays of a preview whose testers come by header, at the address of the users, until the switch."""

from __future__ import annotations

import asyncio

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import ends_well, waits_for
from tests.sim.fields import Object
from tests.sim.finds_bake import SPOILT, share_of
from tests.sim.finds_blue_green import ASKED, BY_HAND, previewed, previews
from tests.sim.finds_testers import testers
from tests.sim.people import NAME
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER

from tidegate import ports

GATEWAY = "GatewayAPI"
ROUTES = {"routes": [{"name": "staff", "headers": [{"name": "x-staff", "exact": "1"}]}]}


def _routed(strategy: Object) -> Object:
    return strategy | {"blueGreen": strategy["blueGreen"] | {"preview": ROUTES}}


class Sides:
    """Whether testers and users were ever with the candidate in one and the same write."""

    def __init__(self, run: Run, candidate: str) -> None:
        self._run, self._candidate = run, candidate
        self.both = False
        run.cluster.listeners.append(self._look)

    def _look(self, change: Change) -> None:
        if change.kind is self._run.cluster.route_kind:
            tested = self._candidate in testers(self._run)
            self.both = self.both or (tested and share_of(self._run, self._candidate) > 0)


async def _tested(
    run: Run, strategy: Object = ASKED, *, version: str = "v2"
) -> tuple[str, str, Sides]:
    stable, candidate, _ = await previews(run, GATEWAY, strategy=_routed(strategy), version=version)
    assert testers(run) == {candidate}
    assert facts.holds_finalizer(run.body)
    return stable, candidate, Sides(run, candidate)


async def testers_until_the_switch(run: Run) -> None:
    """The write that moves the users ends what testers have of their own; in the bake there is none."""
    _, candidate, sides = await _tested(run)
    assert await run.until(lambda: share_of(run, candidate) == 100), run.phase()
    assert not testers(run)
    await ends_well(run)
    assert not sides.both
    assert previewed(run) == candidate


async def testers_before_the_gate(run: Run) -> None:
    """While it waits for a person testers stay with it; what harms them then is seen."""
    stable, candidate, _ = await _tested(run, BY_HAND)
    assert await run.until(lambda: waits_for(run) == "ManualStep"), run.phase()
    await asyncio.sleep(100.0)
    assert testers(run) == {candidate}
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: not testers(run), limit=60.0)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    assert facts.stable(run.body) == stable


async def bad_for_testers_alone(run: Run) -> None:
    """Nobody knows the preview Service: what testers see by header rejects, and no user was asked."""
    run.world.preview_part = 0.0
    stable, candidate, sides = await _tested(run, version="bad")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    assert candidate in facts.rejected(run.body)
    assert (testers(run), sides.both) == (set(), False)
    assert share_of(run, stable) == 100


async def abort_takes_testers(run: Run) -> None:
    await _tested(run)
    run.people.ask("abort")
    assert await run.until(lambda: not testers(run), limit=5.0)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def way_back_without_testers(run: Run) -> None:
    """All users go back in the bake, and nobody is left behind by a header."""
    stable, candidate, sides = await _tested(run)
    assert await run.until(lambda: run.phase() == "Baking"), run.phase()
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: share_of(run, stable) == 100, limit=60.0)
    assert candidate not in testers(run)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    assert not sides.both


async def tested_and_deleted(run: Run) -> None:
    await _tested(run)
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)


PLAYS = {
    play.__name__: Scenario(
        name=play.__name__,
        script=play,
        truths={"bad": BAD},
        may_reject_good=play is abort_takes_testers,
    )
    for play in (
        testers_until_the_switch,
        testers_before_the_gate,
        bad_for_testers_alone,
        abort_takes_testers,
        way_back_without_testers,
        tested_and_deleted,
    )
}
