"""Plays of managed routes once more with NGINX in place of a Gateway, and what only it has.

It refuses as a whole what it does not like, and says of no generation that it is in force.
"""

from __future__ import annotations

from tests.sim import (
    cluster_side,
    facts,
    finds_blue_green,
    finds_preview_routes,
    finds_testers,
    nginx,
    shadowing,
)
from tests.sim.cluster_side import ends_well, serve_and_walk, waits_for
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, ROUTE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, BY_NAME
from tests.sim.shadowing import asked, shadow

from tidegate import ports

AGAIN = BY_NAME | finds_testers.PLAYS | finds_blue_green.PLAYS | finds_preview_routes.PLAYS
AGAIN |= cluster_side.CLUSTER_SIDE


def _told(run: Run) -> Object:
    return facts.condition(run.body, "TrafficProgrammed")


def _says(run: Run, words: str) -> bool:
    return str(_told(run).get("message", "")).startswith(words)


def _server(run: Run) -> Object:
    found = run.cluster.get(ports.VIRTUAL_SERVER, NAMESPACE, NAME)
    assert found is not None
    return found


async def its_host_is_taken(run: Run) -> None:
    """Another VirtualServer has it: told in NGINX's words, and it serves once that one is gone."""
    kind = ports.VIRTUAL_SERVER
    spec = {
        "host": nginx.HOST,
        "upstreams": [{"name": "web", "service": "web"}],
        "routes": [{"path": "/", "action": {"pass": "web"}}],
    }
    metadata = {"name": ROUTE, "namespace": NAMESPACE}
    other = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
    run.people.create_of(kind, other)
    run.people.create(asked(strategy={"canary": shadowing.CANARY}))
    assert await run.until(lambda: _says(run, "Rejected: "), limit=60.0), _told(run)
    assert "Host is taken by another resource" in _told(run)["message"]
    assert run.phase() != "Healthy"
    run.people.delete(kind, ROUTE)
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()


async def nobody_has_it(run: Run) -> None:
    """Without a controller the first version does not serve, and is told what may be missing."""
    run.world.gateway_accepts = False
    run.people.create(asked(strategy={"canary": shadowing.CANARY}))
    assert await run.until(lambda: _says(run, "Pending: "), limit=60.0), _told(run)
    assert "has not answered: is there one" in _told(run)["message"]
    assert run.phase() != "Healthy"
    run.world.gateway_accepts = True
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()


async def weights_that_it_refuses(run: Run) -> None:
    """Somebody writes a sum of 90, which nobody is served by: told, and it goes on once it is mended."""
    _, candidate = await serve_and_walk(run, replicas=2, steps=((50, 30),))
    path = "/spec/routes/0/splits/0/weight"
    run.people.patch(ports.VIRTUAL_SERVER, NAME, [{"op": "replace", "path": path, "value": 40}])
    assert nginx.wrong(_server(run))
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=30.0), waits_for(run)
    run.people.delete(ports.VIRTUAL_SERVER, NAME)  # so that the fields are ours again
    assert await run.until(lambda: cluster_side.shares(run).get(candidate) == 50, limit=30.0)
    assert not nginx.wrong(_server(run))
    await ends_well(run)


async def copies_are_refused(run: Run) -> None:
    """It has none: told with the field before anything is made; it heals."""
    run.people.create(asked(strategy=shadow("Promote", mirrorPercent=20)))
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    told = facts.condition(run.body, "Stalled")
    assert told["reason"] == "UnsupportedByProvider", told
    assert "provider NGINX cannot copy requests" in told["message"], told
    assert not list(run.cluster.all(ports.DEPLOYMENT))
    run.people.edit_spec({"strategy": {"canary": shadowing.CANARY}})
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def to_another_path(run: Run) -> None:
    """In the middle of a step: the routes follow within seconds, the weights stay."""
    _, candidate = await serve_and_walk(run, replicas=2, steps=((50, 30),))
    paths = ["/v2", "/metrics"]
    run.people.edit_part("traffic", nginx={"host": nginx.HOST, "pathPrefixes": paths})

    def found() -> list[str]:
        return [it["path"] for it in _server(run)["spec"]["routes"]]

    assert await run.until(lambda: found() == paths, limit=9.0), found()
    assert cluster_side.shares(run)[candidate] == 50
    await ends_well(run)


PLAYS = {
    one.name: one
    for one in (
        *(
            AGAIN[name].routed_by(ports.VIRTUAL_SERVER)
            for name in (
                "promotion",
                "rollback",
                "superseded",
                "aborted",
                "testers_first",
                "bad_for_testers",
                "shown_and_switched_gatewayapi",
                "bad_after_the_switch_gatewayapi",
            )
        ),
        *(
            Scenario(
                name=script.__name__,
                script=script,
                truths={"bad": BAD},
                route_kind=ports.VIRTUAL_SERVER,
            )
            for script in (
                its_host_is_taken,
                nobody_has_it,
                weights_that_it_refuses,
                copies_are_refused,
                to_another_path,
            )
        ),
    )
}
