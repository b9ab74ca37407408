"""Plays of testers first: requests by header go to the candidate, with or without a share."""

from __future__ import annotations

import asyncio

from tests.sim import facts, gateway
from tests.sim.cluster_side import deployment, ends_well, make_unready, serve, waits_for
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, SHORT, promote_or, walk_to

from tidegate import ports

STEPS = ((0, 10), (20, 5), (50, 5))
TESTERS = [
    {"name": "staff", "headers": [{"name": "x-staff", "exact": "1"}]},
    {"name": "beta", "cookie": {"name": "beta", "value": "yes"}, "fromStep": "s1"},
]


def strategy_of(steps: tuple[tuple[float, int], ...] = STEPS) -> Object:
    return {
        "canary": {
            "steps": [
                {
                    "name": f"s{i}",
                    "weight": weight,
                    "hold": f"{hold}s",
                    "deadline": "75s",
                    "minRequests": 2000,
                }
                for i, (weight, hold) in enumerate(steps)
            ],
            "routes": TESTERS,
        }
    }


def _route(run: Run) -> Object | None:
    return run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)


def testers(run: Run) -> set[str]:
    return gateway.testers(_route(run), name=NAME)


def _matches(run: Run) -> int:
    return sum(len(rule["matches"]) for rule in gateway.rules(_route(run), by_header=True))


async def _tested(run: Run, version: str = "v2") -> tuple[str, str]:
    """Testers alone are answered by the second version; the revisions of stable and candidate."""
    stable = await serve(run, strategy=strategy_of(), progressDeadline="5m", replicas=2)
    assert not testers(run)
    run.people.deploy(version)
    await walk_to(run, 0)
    candidate = str(facts.rollout(run.body)["revision"])
    assert testers(run) == {candidate}
    assert _matches(run) == 1
    return stable, candidate


async def testers_first(run: Run) -> None:
    """Testers, then more testers and shares; after the promotion no rule is left."""
    stable, candidate = await _tested(run)
    assert facts.shares(_route(run), name=NAME) == {stable: 100.0, candidate: 0.0}
    await walk_to(run, 1)
    assert _matches(run) == 2
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert not testers(run)


async def bad_for_testers(run: Run) -> None:
    """What testers see is harm enough: no user ever gets it."""
    _, candidate = await _tested(run, "bad")
    most = 0.0

    def look(_: object) -> None:
        nonlocal most
        most = max(most, facts.shares(_route(run), name=NAME).get(candidate, 0.0))

    run.cluster.listeners.append(look)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    assert most == 0
    assert not testers(run)


async def testers_abort(run: Run) -> None:
    await _tested(run)
    run.people.ask("abort")
    assert await run.until(lambda: not testers(run), limit=5.0)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def testers_superseded(run: Run) -> None:
    """A third version while testers see the second; back in the end to what served."""
    stable, _ = await _tested(run)
    run.people.deploy("v3")
    await walk_to(run, 0)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert facts.stable(run.body) == stable
    assert not testers(run)


async def testers_and_deletion(run: Run) -> None:
    await _tested(run)
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)


async def rule_taken_away(run: Run) -> None:
    """Somebody takes the rule of the testers away and owns the rules: told, and back once he left."""
    _, candidate = await _tested(run)
    route = _route(run)
    assert route is not None
    weighted = route["spec"]["rules"][:1]
    run.people.patch(
        ports.HTTP_ROUTE, NAME, [{"op": "replace", "path": "/spec/rules", "value": weighted}]
    )
    assert not testers(run)
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=5.0)
    await asyncio.sleep(10.0)
    assert not facts.passed(run.body)[0], "a step passed without its testers"
    run.people.delete(run.cluster.route_kind, NAME)
    assert await run.until(lambda: testers(run) == {candidate}, limit=5.0)
    assert await run.until(lambda: run.phase() in {*OVER, "Paused"}), run.phase()
    if run.phase() == "Paused":
        await promote_or(run, "promote")


async def pods_of_testers_lost(run: Run) -> None:
    """Its only pod is evicted: testers go to stable until it is back."""
    _, candidate = await _tested(run)
    run.world.evict(deployment(run, candidate)["metadata"]["uid"])
    assert await run.until(lambda: not testers(run), limit=10.0)
    assert await run.until(lambda: testers(run) == {candidate}, limit=60.0)
    await ends_well(run)


async def stable_lost_while_tested(run: Run) -> None:
    """Stable has no ready pod: users are not given what only testers have seen."""
    stable, candidate = await _tested(run)
    make_unready(run, stable)
    await asyncio.sleep(10.0)
    assert facts.shares(_route(run), name=NAME).get(candidate, 0.0) == 0
    run.people.ask("abort")
    assert await run.until(lambda: not testers(run), limit=5.0)


async def tested_by_nobody(run: Run) -> None:
    """No tester comes: nothing is proven, so the step does not pass."""
    await serve(run, strategy=strategy_of(((0, 1), (50, 5))), steps=SHORT)
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.world.testers_share = 0.0
    assert await run.until(lambda: run.phase() == "Paused", limit=300.0), run.phase()
    assert not facts.passed(run.body)[0]
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


PLAYS = {
    play.__name__: Scenario(
        name=play.__name__,
        script=play,
        truths={"bad": BAD},
        may_reject_good=play in {testers_abort, stable_lost_while_tested, tested_by_nobody},
    )
    for play in (
        testers_first,
        bad_for_testers,
        testers_abort,
        testers_superseded,
        testers_and_deletion,
        rule_taken_away,
        pods_of_testers_lost,
        stable_lost_while_tested,
        tested_by_nobody,
    )
}
