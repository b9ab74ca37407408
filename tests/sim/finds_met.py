"""Plays of features that meet: gates, testers, edits of the plan, failover, routes of people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.sim import facts, gateway
from tests.sim.cluster_side import (
    PROVIDERS,
    deployment,
    ends_well,
    make_ready,
    make_unready,
    serve,
    waits_for,
)
from tests.sim.fields import Object
from tests.sim.finds_revisions import candidates_share, stable_has_everything
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, walk_to

from tidegate import ports

BOARD = {"name": "risk-board"}
STAFF = [{"name": "staff", "headers": [{"name": "x-staff", "exact": "1"}]}]


def _canary(*steps: Object, **more: Any) -> Mapping[str, Any]:
    usual = {"hold": "5s", "deadline": "75s"}
    return {"canary": {"steps": [usual | step for step in steps], **more}}


async def _serve(run: Run, provider: str, **spec: Any) -> str:
    return await serve(
        run, **{"provider": provider, "replicas": 4, "progressDeadline": "5m", **spec}
    )


def _step(run: Run) -> str:
    return str((facts.rollout(run.body).get("step") or {}).get("name", ""))


def _candidate(run: Run) -> str:
    return str(facts.rollout(run.body)["revision"])


async def _asked(run: Run) -> None:
    assert await run.until(lambda: run.phase() == "AwaitingApproval"), run.phase()


async def gate_behind_testers(run: Run) -> None:
    """While testers alone try it and a gate is closed, there are pods for the testers and no more."""
    steps = (
        {"name": "testers", "weight": 0, "minRequests": 1},
        {"name": "s1", "weight": 75, "approval": BOARD},
    )
    await _serve(run, "GatewayAPI", strategy=_canary(*steps, routes=STAFF))
    run.people.deploy("v2")
    await _asked(run)
    candidate = _candidate(run)
    await asyncio.sleep(120.0)
    assert deployment(run, candidate)["spec"]["replicas"] == 1, "pods for testers"
    route = run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    assert gateway.testers(route, name=NAME) == {candidate}
    run.people.ask("promote")
    await ends_well(run)


async def gate_between_equal_shares(run: Run) -> None:
    """Two pods cannot give 30 and 40 %: the second step is asked for all the same."""
    steps = ({"name": "s0", "weight": 30}, {"name": "s1", "weight": 40, "approval": BOARD})
    await _serve(run, "ReplicaRatio", strategy=_canary(*steps), replicas=2)
    run.people.deploy("v2")
    assert await run.until(lambda: _step(run) == "s1"), _step(run)
    await asyncio.sleep(60.0)
    assert (_step(run), run.phase()) == ("s1", "AwaitingApproval")
    run.people.ask("promote")
    await ends_well(run)


async def failover_at_a_gate(run: Run, provider: str) -> None:
    """Whoever stands in for stable while people are asked for the promotion is not promoted by that."""
    stable = await _serve(
        run, provider, strategy=_canary({"name": "s0", "weight": 50}), automation={"level": "Gated"}
    )
    run.people.deploy("v2")
    assert await run.until(lambda: waits_for(run) == "ManualStep"), waits_for(run)
    make_unready(run, stable)
    await asyncio.sleep(60.0)
    assert (_step(run), facts.stable(run.body)) == ("promotion", stable)
    make_ready(run, stable)
    await asyncio.sleep(60.0)
    assert (_step(run), waits_for(run)) == ("promotion", "ManualStep")
    run.people.ask("promote")
    await ends_well(run)


async def adopted_at_an_open_gate(run: Run, provider: str) -> None:
    """What people have opened differs from no spec, and stays open when an edit is adopted."""
    steps = (
        {"name": "s0", "weight": 25},
        {"name": "s1", "weight": 50, "hold": "10m", "deadline": "1h", "approval": BOARD},
    )
    await _serve(run, provider, strategy=_canary(*steps))
    run.people.deploy("v2")
    await _asked(run)
    run.people.ask("promote")
    await walk_to(run, 1)
    assert facts.condition(run.body, "PlanDiffers").get("status") != "True"
    run.people.edit_part("strategy", **_canary(steps[0], steps[1] | {"hold": "1m"}))
    assert await run.until(
        lambda: facts.condition(run.body, "PlanDiffers").get("status") == "True", limit=60.0
    )
    run.people.ask("repin")
    await ends_well(run)


async def sized_behind_a_gate(run: Run) -> None:
    """A step with a size of its own is asked for before that size is made, by an autoscaler, too."""
    steps = (
        {"name": "s0", "weight": 25},
        {"name": "s1", "weight": 50, "replicasPercent": 100, "approval": BOARD},
    )
    await _serve(run, "GatewayAPI", strategy=_canary(*steps))
    run.people.edit_part("workload", autoscaling={"minReplicas": 4, "maxReplicas": 8})
    run.people.deploy("v2")
    await _asked(run)
    candidate = _candidate(run)
    await asyncio.sleep(60.0)
    assert deployment(run, candidate)["spec"]["replicas"] == 1, "pods for a quarter"
    run.people.ask("promote")
    await walk_to(run, 1)
    assert deployment(run, candidate)["spec"]["replicas"] == 4
    await ends_well(run)


async def silent_at_a_gate(run: Run, provider: str) -> None:
    """Nothing is seen of a candidate any more while people think: stable has everything meanwhile."""
    steps = ({"name": "s0", "weight": 50}, {"name": "s1", "weight": 75, "approval": BOARD})
    await _serve(
        run,
        provider,
        strategy=_canary(*steps),
    )
    run.people.edit_part("traffic", verify={"share": "Report"})
    run.people.deploy("v2")
    await _asked(run)
    run.world.is_scraped = lambda pod: pod.version != "v2"
    await stable_has_everything(run, within=90.0)
    assert (_step(run), waits_for(run)) == ("s0", "Withdrawn")
    await asyncio.sleep(20.0)
    assert candidates_share(run) == 0
    assert not facts.rejected(run.body)
    run.world.is_scraped = lambda _: True
    run.people.ask("promote")
    await _asked(run)
    run.people.ask("promote")
    await ends_well(run)


async def testers_by_repin(run: Run) -> None:
    """Testers come to a step that runs, and go again; no gate is asked twice, and nothing is left."""
    step = {"name": "s0", "weight": 25, "hold": "10m", "deadline": "1h"}
    await _serve(run, "GatewayAPI", strategy=_canary(step), automation={"level": "Manual"})
    run.people.deploy("v2")
    assert await run.until(lambda: waits_for(run) == "ManualStep"), waits_for(run)
    run.people.ask("promote")
    await walk_to(run, 0)
    candidate = _candidate(run)

    def testers() -> set[str]:
        return gateway.testers(run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME), name=NAME)

    def answer(found: set[str]) -> bool:
        return testers() == found

    for strategy, found in ((_canary(step, routes=STAFF), {candidate}), (_canary(step), set())):
        run.people.edit_spec({"strategy": strategy})
        assert await run.until(
            lambda: facts.condition(run.body, "PlanDiffers").get("status") == "True", limit=60.0
        )
        run.people.ask("repin")
        assert await run.until(partial(answer, found), limit=60.0), testers()
        assert not waits_for(run), waits_for(run)
    run.people.ask("promote-full")
    await ends_well(run)


PLAYS = {
    f"{play.__name__}_{provider.lower()}": Scenario(
        name=f"{play.__name__}_{provider.lower()}",
        script=partial(play, provider=provider),
        truths={"bad": BAD},
    )
    for play, providers in (
        (silent_at_a_gate, PROVIDERS),
        (failover_at_a_gate, (*PROVIDERS, "Existing")),
        (adopted_at_an_open_gate, PROVIDERS),
    )
    for provider in providers
} | {
    play.__name__: Scenario(name=play.__name__, script=play, truths={"bad": BAD})
    for play in (
        gate_behind_testers,
        gate_between_equal_shares,
        sized_behind_a_gate,
        testers_by_repin,
    )
}
