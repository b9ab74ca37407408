"""Plays of managed routes once more with Contour in place of a Gateway, and what only it has."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sim import (
    cluster_side,
    facts,
    finds_blue_green,
    finds_preview_routes,
    finds_testers,
    isolating,
    proxies,
    shadowing,
)
from tests.sim.cluster_side import ends_well, serve, serve_and_walk, waits_for
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, ROUTE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, BY_NAME, OVER
from tests.sim.shadowing import asked, copies, shadow

from tidegate import ports

AGAIN = (
    BY_NAME
    | finds_testers.PLAYS
    | shadowing.PLAYS
    | finds_blue_green.PLAYS
    | finds_preview_routes.PLAYS
)
AGAIN |= cluster_side.CLUSTER_SIDE | isolating.PLAYS
ROOT = {"virtualhost": {"fqdn": proxies.HOST}, "includes": [{"name": NAME}]}


def _proxy(run: Run) -> Object:
    found = run.cluster.get(ports.HTTP_PROXY, NAMESPACE, NAME)
    assert found is not None
    spec: Object = found["spec"]
    return spec


def _contour(**members: Any) -> Object:
    return {"provider": "Contour", "contour": members, "verify": {"timeout": "30s"}}


async def part_of_a_root(run: Run) -> None:
    """Nobody includes it at first: told with what to do, and it serves once somebody does."""
    body = asked(strategy={"canary": shadowing.CANARY})
    traffic = _contour(includedBy={"name": ROUTE})
    run.people.create_without_route({**body, "spec": {**body["spec"], "traffic": traffic}})

    def is_told() -> bool:
        message = facts.condition(run.body, "TrafficProgrammed").get("message", "")
        return str(message).startswith("Orphaned: ")

    assert await run.until(is_told, limit=60.0), facts.status(run.body).get("conditions")
    message = facts.condition(run.body, "TrafficProgrammed")["message"]
    assert f"HTTPProxy {ROUTE} must include it" in message
    await asyncio.sleep(40.0)
    assert not facts.rejected(run.body), "an orphan is nobody's fault"
    run.people.route_spec = ROOT
    run.people.create_user_route()
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()
    run.people.deploy("v2")
    await ends_well(run)


async def root_goes_in_a_step(run: Run) -> None:
    """Somebody takes the include away: nothing goes forward, nobody is blamed, and it goes on."""
    run.people.route_spec = ROOT
    run.people.create_user_route()
    steps = ((20, 30), (50, 5))
    await serve(run, traffic=_contour(includedBy={"name": ROUTE}), replicas=2, steps=steps)
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) == 20), run.phase()
    run.people.delete(ports.HTTP_PROXY, ROUTE)
    run.world.report_routes()
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=60.0)
    assert not facts.rejected(run.body)
    run.people.create_user_route()
    await ends_well(run)


async def host_and_timeouts_edited(run: Run) -> None:
    """In the middle of a step: the HTTPProxy follows within seconds, the weights stay."""
    _, candidate = await serve_and_walk(run, replicas=2, steps=((50, 30),))
    run.people.edit_part("traffic", contour={"fqdn": "a.example.com"})
    assert await run.until(lambda: _proxy(run)["virtualhost"] == {"fqdn": "a.example.com"}, limit=9)
    limits = {"response": "2m", "idle": "1h"}
    run.people.edit_part("traffic", contour={"fqdn": "a.example.com", "timeouts": limits})
    assert await run.until(lambda: "timeoutPolicy" in _proxy(run)["routes"][0], limit=9)
    assert [it["timeoutPolicy"] for it in _proxy(run)["routes"]] == [limits]
    assert cluster_side.shares(run)[candidate] == 50
    run.people.edit_part("traffic", contour={"fqdn": "a.example.com"})
    assert await run.until(lambda: "timeoutPolicy" not in _proxy(run)["routes"][0], limit=9)
    await ends_well(run)


async def half_a_percent(run: Run) -> None:
    """Contour copies whole percents: refused with the field before anything is made; it heals."""
    run.people.create(asked(strategy=shadow("Promote", mirrorPercent=0.5)))
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    told = facts.condition(run.body, "Stalled")
    assert told["reason"] == "UnsupportedByProvider", told
    assert "spec.strategy.shadow.mirrorPercent" in told["message"], told
    assert "set mirrorPercent to 1" in told["message"], told
    assert not list(run.cluster.all(ports.DEPLOYMENT))
    strategy = shadow("Promote", mirrorPercent=20)
    run.people.edit_spec({"strategy": {**strategy, "scaleDownDelay": "3s"}})
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def weight_of_the_mirror_taken_away(run: Run) -> None:
    """A mirror without a weight copies everything there: the stage waits until it is as it was."""
    run.people.create(asked(strategy=shadow("Hold", duration="5m")))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    assert await run.until(lambda: list(copies(run).values()) == [20.0]), run.phase()
    wanted = copies(run)
    routes = [
        {**route, "services": [_without_share(it) for it in route["services"]]}
        for route in _proxy(run)["routes"]
    ]
    edit = [{"op": "replace", "path": "/spec/routes", "value": routes}]
    run.people.patch(ports.HTTP_PROXY, NAME, edit)
    assert list(copies(run).values()) == [100.0]
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=30.0)
    run.people.delete(ports.HTTP_PROXY, NAME)  # so that the fields are ours again
    assert await run.until(lambda: copies(run) == wanted, limit=30.0), copies(run)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def _without_share(service: Object) -> Object:
    return {key: it for key, it in service.items() if key != "weight" or "mirror" not in service}


def _own(play: Any, **options: Any) -> Scenario:
    return Scenario(
        name=play.__name__,
        script=play,
        truths={"bad": BAD},
        route_kind=ports.HTTP_PROXY,
        **options,
    )


PLAYS = {
    one.name: one
    for one in (
        *(
            AGAIN[name].routed_by(ports.HTTP_PROXY)
            for name in (
                "isolated_then_canary",
                "promotion",
                "rollback",
                "superseded",
                "aborted",
                "testers_first",
                "bad_for_testers",
                "shadow_then_canary",
                "shadow_of_a_bad_one_promote",
                "shown_and_switched_gatewayapi",
                "bad_after_the_switch_gatewayapi",
                "testers_until_the_switch",
                "abort_takes_testers",
                "shrinks_late",
                "evicted_gatewayapi",
            )
        ),
        _own(part_of_a_root),
        _own(root_goes_in_a_step),
        _own(host_and_timeouts_edited),
        _own(half_a_percent),
        _own(weight_of_the_mirror_taken_away, may_reject_good=True),
    )
}
