"""Plays with pods that declare no port: they listen where spec said when their revision was made."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.finds_revisions import LONG, PLANES, server
from tests.sim.people import NAME, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports


async def serve(run: Run, plane: str, *, port: int) -> None:
    run.people.create(manifest("v1", provider=plane, replicas=4, steps=LONG, server=server(port)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def undeclared_port_changed(run: Run, plane: str, version: str, outcome: str) -> None:
    """The next version listens elsewhere; both serve at the same time for a while."""
    await serve(run, plane, port=7000)
    run.people.edit_spec({"model": {"version": version}, "server": server(9000)})
    assert await run.until(lambda: run.phase() == outcome), facts.status(run.body)["message"]


async def undeclared_port_edited_alone(run: Run, plane: str) -> None:
    """The port in spec, and nothing that makes a revision; then the Services are made again."""
    await serve(run, plane, port=7000)
    run.people.edit_spec({"server": server(7001)})
    await asyncio.sleep(10.0)
    for name in (NAME, f"{NAME}-{facts.stable(run.body)}"):
        run.people.delete(ports.SERVICE, name)
    await asyncio.sleep(20.0)
    run.people.edit_spec({"server": server(7000)})


def _plays() -> dict[str, Scenario]:
    found = {}
    for plane in PLANES:
        for version, outcome in (("v2", "Healthy"), ("bad", "RolledBack")):
            found[f"undeclared_port {outcome} {plane}"] = partial(
                undeclared_port_changed, plane=plane, version=version, outcome=outcome
            )
        found[f"undeclared_port_edited_alone {plane}"] = partial(
            undeclared_port_edited_alone, plane=plane
        )
    return {
        name: Scenario(name=name, script=script, truths={"bad": BAD})
        for name, script in found.items()
    }


PLAYS = _plays()
