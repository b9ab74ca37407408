"""Plays of make before break: a slow Gateway, and what stands in its object meanwhile (ADR 0074)."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts, gateway
from tests.sim.cluster import Change
from tests.sim.cluster_side import deployment, ends_well, make_unready, serve, serve_and_walk
from tests.sim.finds_testers import strategy_of
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, walk_to

from tidegate import ports

SLOW_SECONDS = 12.0
STEPS = ((20, 20), (50, 5))
KINDS = {"HTTPRoute": ports.HTTP_ROUTE, "HTTPProxy": ports.HTTP_PROXY}


def _listed(run: Run) -> dict[str, int]:
    """Weights of the object, by revision."""
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)
    assert route is not None
    weights = gateway.plane_of(route).weights
    return {name.removeprefix(f"{NAME}-"): weight for name, weight in weights.items()}


def _told(run: Run) -> list[dict[str, int]]:
    """What the object says from now on, each time that this changes; it fills as the play goes on."""
    told = [_listed(run)]

    def look(change: Change) -> None:
        if change.kind is run.cluster.route_kind and (now := _listed(run)) != told[-1]:
            told.append(now)

    run.cluster.listeners.append(look)
    return told


async def _writes(run: Run, seconds: float) -> int:
    """How often the object is written in this time."""
    since = len(run.log)
    await asyncio.sleep(seconds)
    kind = run.cluster.route_kind
    return sum(1 for it in run.log[since:] if it.kind is kind and it.actor.startswith("op"))


async def listed_before_it_weighs(run: Run) -> None:
    """The Gateway takes its time: stable keeps everything until it knows the candidate."""
    stable = await serve(run, replicas=2, steps=STEPS)
    run.world.gateway_accepts = False
    run.people.deploy("v2")
    assert await run.until(lambda: len(_listed(run)) == 2, limit=60.0)
    candidate = str(facts.rollout(run.body)["revision"])
    assert await _writes(run, SLOW_SECONDS) == 0, "nothing more until it is in force"
    assert _listed(run) == {stable: 100, candidate: 0}
    run.world.gateway_accepts = True
    assert await run.until(lambda: _listed(run) == {stable: 80, candidate: 20}, limit=10.0)
    await ends_well(run)
    assert await run.until(lambda: _listed(run) == {candidate: 100}, limit=10.0)


async def leaves_when_it_weighs_nothing(run: Run) -> None:
    """An abort lowers in one write at once; the Service stays until the slow Gateway has that."""
    stable, candidate = await serve_and_walk(run, replicas=2, steps=STEPS)
    run.world.gateway_accepts = False
    run.people.ask("abort")
    assert await run.until(lambda: _listed(run)[candidate] == 0, limit=5.0)
    assert await _writes(run, SLOW_SECONDS) == 0, "one write, and it waits for nothing"
    assert _listed(run) == {stable: 100, candidate: 0}
    run.world.gateway_accepts = True
    assert await run.until(lambda: _listed(run) == {stable: 100}, limit=10.0)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert await _writes(run, 60.0) == 0


async def bad_one_leaves(run: Run) -> None:
    """Harm: weight 0 in one write, and in the end the object does not name the bad version."""
    stable, candidate = await serve_and_walk(run, "bad", replicas=2, steps=STEPS)
    told = _told(run)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    assert told[-2:] == [{stable: 100, candidate: 0}, {stable: 100}]
    assert len([it for it in told if it.get(candidate) == 0]) == 1


async def stood_in_for(run: Run) -> None:
    """What served before answers for stable, which keeps its place until it is back."""
    delays = {"scaleDownDelay": "10m"}
    before = await serve(run, replicas=2, steps=STEPS, strategy=delays)
    run.people.deploy("v2")
    await ends_well(run)
    stable = facts.stable(run.body)
    make_unready(run, stable)
    assert await run.until(lambda: _listed(run) == {before: 100, stable: 0}, limit=30.0)
    await asyncio.sleep(SLOW_SECONDS)
    assert _listed(run) == {before: 100, stable: 0}
    told = _told(run)
    for pod in run.world.pods[deployment(run, stable)["metadata"]["uid"]]:
        run.world.set_ready(deployment(run, stable)["metadata"]["uid"], pod, ready=True)
    assert await run.until(lambda: _listed(run) == {stable: 100}, limit=60.0)
    assert told[1:] == [{stable: 100, before: 0}, {stable: 100}]


async def testers_find_their_rule(run: Run) -> None:
    """Nobody takes the rule of the testers before the slow Gateway knows it, nor when it goes."""
    await serve(run, replicas=2, strategy=strategy_of())
    run.world.gateway_accepts = False
    run.people.deploy("v2")
    assert await run.until(lambda: _closed(run) == [True], limit=60.0)
    await asyncio.sleep(SLOW_SECONDS)
    assert _closed(run) == [True]
    run.world.gateway_accepts = True
    assert await run.until(lambda: _closed(run) == [False], limit=10.0)
    run.world.gateway_accepts = False
    run.people.ask("abort")
    assert await run.until(lambda: _closed(run) == [True], limit=5.0)
    await asyncio.sleep(SLOW_SECONDS)
    assert _closed(run) == [True]
    run.world.gateway_accepts = True
    assert await run.until(lambda: _closed(run) == [], limit=10.0)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def testers_come_later(run: Run) -> None:
    """The candidate has users before it has testers: their rule has its place first all the same."""
    strategy = strategy_of(((20, 5), (50, 5)))
    strategy["canary"]["routes"] = [it for it in strategy["canary"]["routes"] if "fromStep" in it]
    await serve(run, replicas=2, progressDeadline="5m", strategy=strategy)
    run.people.deploy("v2")
    await walk_to(run, 1)
    assert _closed(run) == [False]
    await ends_well(run)
    assert await run.until(lambda: _closed(run) == [], limit=10.0)


def _closed(run: Run) -> list[bool]:
    """Of each rule behind the one with the weights, whether it matches nobody."""
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)
    return [gateway.is_closed(rule) for rule in gateway.all_rules(route)[1:]]


PLAYS = {
    f"{script.__name__} {name}": Scenario(
        name=f"{script.__name__} {name}",
        script=partial(script),
        truths={"bad": BAD},
        route_kind=kind,
        may_reject_good=True,
    )
    for name, kind in KINDS.items()
    for script in (
        listed_before_it_weighs,
        leaves_when_it_weighs_nothing,
        bad_one_leaves,
        stood_in_for,
    )
}
PLAYS |= {
    script.__name__: Scenario(name=script.__name__, script=script, may_reject_good=True)
    for script in (testers_find_their_rule, testers_come_later)
}
