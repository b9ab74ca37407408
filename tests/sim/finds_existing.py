"""Plays of routes that belong to people: two weights in them are ours, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sim import facts, user_route
from tests.sim.cluster_side import deployment, ends_well, make_ready, make_unready, serve, waits_for
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, ROUTE, SECOND, manifest, user_route_spec
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, promote_or, walk_to

from tidegate import ports


async def _serve(run: Run, **spec: Any) -> str:
    return await serve(run, provider="Existing", replicas=2, **spec)


async def _walked(run: Run, version: str = "v2", **spec: Any) -> tuple[str, str]:
    stable = await _serve(run, **spec)
    run.people.deploy(version)
    await walk_to(run, 0)
    return stable, str(facts.rollout(run.body)["revision"])


def _route(run: Run) -> Object:
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, ROUTE)
    assert route is not None
    return route


def _give(run: Run, spec: Object) -> None:
    """What Git says of the route, applied again."""
    run.people.patch(
        run.cluster.route_kind, ROUTE, [{"op": "replace", "path": "/spec", "value": spec}]
    )


def _programmed(run: Run) -> Object:
    return facts.condition(run.body, "TrafficProgrammed")


async def existing_promotion(run: Run) -> None:
    stable, candidate = await _walked(run)
    assert user_route.weights(run) == [90, 10]
    assert user_route.shares(run) == {stable: 90.0, candidate: 10.0}
    await ends_well(run)
    assert await run.until(lambda: user_route.weights(run) == [100, 0], limit=20.0)
    assert _route(run)["metadata"]["labels"] == {"app": ROUTE}
    assert "annotations" not in _route(run)["metadata"]


async def existing_rollback(run: Run) -> None:
    """The candidate's Service selects stable in the end: nothing can lead to the bad revision."""
    stable, candidate = await _walked(run, "bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    second = run.cluster.get(ports.SERVICE, NAMESPACE, SECOND)
    assert await run.until(
        lambda: facts.selected(run.cluster.get(ports.SERVICE, NAMESPACE, SECOND)) == stable,
        limit=5.0,
    ), second
    assert candidate in facts.rejected(run.body)


async def existing_abort(run: Run) -> None:
    await _walked(run, steps=((50, 60),))
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def existing_superseded(run: Run) -> None:
    await _walked(run)
    run.people.deploy("v3")
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == "v3"


async def existing_deleted(run: Run) -> None:
    """In the middle: the route gets its weights back before the object goes."""
    await _walked(run, steps=((50, 60),))
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)
    assert _route(run)["spec"] == run.people.route_spec


async def existing_deleted_at_once(run: Run) -> None:
    """Right after the promotion, while the route still gives the other Service everything."""
    stable, _ = await _walked(run, steps=((50, 5),))
    assert await run.until(lambda: facts.stable(run.body) != stable), run.phase()
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)
    assert _route(run)["spec"] == run.people.route_spec


async def small_sums(run: Run) -> None:
    """Weights 1 and 0 cannot give 10 %: raised meanwhile, and as before in the end."""
    run.people.route_spec = user_route_spec(stable=1)
    stable, candidate = await _walked(run)
    assert user_route.shares(run) == {stable: 90.0, candidate: 10.0}
    await ends_well(run)
    assert await run.until(lambda: user_route.weights(run) == [1, 0], limit=20.0)


async def synced_from_git(run: Run) -> None:
    """Whoever keeps the route in Git writes its weights again in a step: they are put right."""
    _, candidate = await _walked(run, steps=((20, 60), (50, 5)))
    _give(run, run.people.route_spec)
    assert user_route.weights(run) == [100, 0]
    assert await run.until(lambda: user_route.shares(run).get(candidate) == 20.0, limit=15.0)
    if not await run.until(lambda: run.phase() in OVER):
        await promote_or(run, "promote")


async def route_comes_late(run: Run) -> None:
    """The route is made after everything else, and once more in the middle of a rollout."""
    await _serve(run)
    run.people.delete(run.cluster.route_kind, ROUTE)
    told = await run.until(lambda: _programmed(run)["reason"] == "RouteUnusable", limit=90.0)
    assert told, _programmed(run)
    assert f"{run.cluster.route_kind.kind} {ROUTE} does not exist" in _programmed(run)["message"]
    run.people.deploy("v2")
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=30.0)
    await asyncio.sleep(120.0)
    assert not facts.rejected(run.body)
    assert facts.intent(run.body) == 0
    run.people.create_user_route(watched=True)
    await ends_well(run)


async def route_without_us(run: Run) -> None:
    """Somebody takes our Service out of a step's route, and puts it back later."""
    _, candidate = await _walked(run, steps=((20, 30), (50, 5)))
    spec = run.people.route_spec
    rule = spec["rules"][0]
    _give(run, {**spec, "rules": [{**rule, "backendRefs": rule["backendRefs"][:1]}]})
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=90.0)
    message = facts.rollout(run.body)["waitingFor"]["message"]
    assert (
        f"no rule of {run.cluster.route_kind.kind} {ROUTE} names the Services {NAME} and {SECOND}"
        in message
    )
    _give(run, spec)
    assert await run.until(lambda: user_route.shares(run).get(candidate) == 20.0, limit=30.0)
    assert await run.until(lambda: not waits_for(run), limit=30.0), waits_for(run)
    if not await run.until(lambda: run.phase() in OVER):
        await promote_or(run, "promote")


async def first_without_route(run: Run) -> None:
    """The very first version waits for its route, and its Services are there before."""
    run.world.silent_gateways = {"inference"}
    run.people.route_spec = {**user_route_spec(), "rules": []}
    run.people.create(manifest("v1", provider="Existing", steps=((50, 5),)))
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=30.0), run.phase()
    for name in (NAME, SECOND):
        assert run.cluster.get(ports.SERVICE, NAMESPACE, name) is not None
    run.people.route_spec = user_route_spec()
    run.world.silent_gateways = set()
    _give(run, run.people.route_spec)
    assert await run.until(lambda: run.phase() == "Healthy", limit=90.0), run.phase()


async def existing_failover(run: Run) -> None:
    """Stable loses its pods right after a promotion: what served before answers, and gives it back."""
    old = await _serve(run, steps=((50, 5),), strategy={"scaleDownDelay": "60s"})
    run.people.deploy("v2")
    assert await run.until(lambda: facts.stable(run.body) != old), run.phase()
    stable = facts.stable(run.body)
    assert await run.until(lambda: user_route.weights(run) == [100, 0], limit=20.0)
    make_unready(run, stable)
    assert await run.until(lambda: user_route.shares(run).get(old) == 100.0, limit=20.0)
    make_ready(run, stable)
    assert await run.until(lambda: user_route.shares(run).get(stable) == 100.0, limit=60.0)
    assert deployment(run, stable)["spec"]["replicas"] == 2


PLAYS = {
    play.__name__: Scenario(
        name=play.__name__,
        script=play,
        truths={"bad": BAD},
        may_reject_good=play is existing_abort,
    )
    for play in (
        existing_promotion,
        existing_rollback,
        existing_abort,
        existing_superseded,
        existing_deleted,
        existing_deleted_at_once,
        small_sums,
        synced_from_git,
        route_comes_late,
        route_without_us,
        first_without_route,
        existing_failover,
    )
}
