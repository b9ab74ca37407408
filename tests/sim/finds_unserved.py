"""Plays of a cluster that lacks the kind by which a plane routes: from the start, or from some day on."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import ends_well, serve, waits_for
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, walk_to

from tidegate import ports

REASON = "KindNotServed"
# Only Gateway API has routes of the user.
OTHERS = (
    ports.HTTP_PROXY,
    ports.VIRTUAL_SERVICE,
    ports.TRAEFIK_SERVICE,
    ports.VIRTUAL_SERVER,
)
MODES = {"Managed": "GatewayAPI", "Existing": "Existing"}


async def _told(run: Run, kind: ports.Kind) -> None:
    def is_told() -> bool:
        found = facts.condition(run.body, "TrafficProgrammed")
        return found.get("reason") == REASON

    assert await run.until(is_told, limit=90.0), facts.status(run.body).get("conditions")
    message = facts.condition(run.body, "TrafficProgrammed")["message"]
    for part in (
        kind.kind,
        f"{kind.plural}.{kind.group}/{kind.version}",
        "install",
        "own chart",
    ):
        assert part in message


async def missing_at_first(run: Run, mode: str, kind: ports.Kind) -> None:
    """The very first version waits for the kind, says so, and serves once it is there."""
    run.cluster.unserve(kind)
    body = manifest("v1", provider=MODES[mode], steps=((50, 5),), progressDeadline="60s")
    run.people.create_without_route(body)
    await _told(run, kind)
    await asyncio.sleep(120.0)
    assert not facts.rejected(run.body), "a missing kind is nobody's fault"
    run.cluster.serve(kind)
    if mode == "Existing":
        run.people.create_user_route(watched=True)
    assert await run.until(lambda: run.phase() == "Healthy", limit=90.0), run.phase()


async def removed_in_a_step(run: Run, mode: str, kind: ports.Kind) -> None:
    """Nothing goes forward, nobody is blamed, and it goes on where it was."""
    await serve(run, provider=MODES[mode], replicas=2, steps=((20, 30), (50, 5)))
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.cluster.unserve(kind)
    await _told(run, kind)
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=30.0), facts.rollout(
        run.body
    )
    await asyncio.sleep(60.0)
    assert not facts.rejected(run.body)
    assert run.cluster.get(ports.SERVICE, NAMESPACE, NAME) is not None
    run.cluster.serve(kind)
    if mode == "Existing":
        run.people.create_user_route(watched=True)
    await ends_well(run)


def _plays() -> dict[str, Scenario]:
    found = {}
    for script in (missing_at_first, removed_in_a_step):
        for mode in MODES:
            for kind in (ports.HTTP_ROUTE, ports.GRPC_ROUTE, *OTHERS):
                if mode == "Existing" and kind in OTHERS:
                    continue
                name = f"{script.__name__} {mode} {kind.kind}"
                found[name] = Scenario(
                    name=name,
                    script=partial(script, mode=mode, kind=kind),
                    truths={"bad": BAD},
                    route_kind=kind,
                )
    return found


PLAYS = _plays()
