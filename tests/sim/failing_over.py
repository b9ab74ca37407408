"""Plays of a stable revision without ready pods: whoever shares the traffic answers for it (R5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import (
    PROVIDERS,
    ends_well,
    make_ready,
    make_unready,
    nobody_is_rejected,
    serve_and_walk,
    shares,
)
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER
from tests.sim.truth import Truth

from tidegate import ports

BEGINS_SECONDS = 8.0  # a look, the delay before it, the Gateway and a scrape
LONG = "10m"


async def loses_nothing(run: Run, *, for_seconds: float = 20.0) -> None:
    """Once it has begun, every request meets a ready pod."""
    await asyncio.sleep(BEGINS_SECONDS)
    lost = run.world.user_errors
    await asyncio.sleep(for_seconds)
    assert run.world.user_errors == lost, f"{run.world.user_errors - lost:.0f} met no pod"


def failed_over(run: Run) -> bool:
    return facts.condition(run.body, "FailedOver").get("status") == "True"


async def stable_falls_over(run: Run, provider: str, phase: str) -> None:
    """Nobody acts, whatever state the rollout is in; afterwards it goes on where it stood."""
    stable, candidate = await serve_and_walk(
        run, provider=provider, replicas=4, steps=((25, 60), (50, 10)), progressDeadline=LONG
    )
    await asyncio.sleep(3.0)
    if phase == "paused":
        run.people.ask("pause")
    if phase == "invalid":
        run.people.edit_part("strategy", scaleDownDelay="soon")
    await asyncio.sleep(3.0)
    make_unready(run, stable)
    await loses_nothing(run)
    assert failed_over(run) or provider == "ReplicaRatio"
    assert facts.stable(run.body) == stable, "carrying the load proves nothing"
    make_ready(run, stable)

    def is_back() -> bool:
        return not failed_over(run) and shares(run).get(candidate, 25.0) == 25.0

    assert await run.until(is_back, limit=60.0), facts.status(run.body).get("message")
    nobody_is_rejected(run)
    if phase == "paused":
        run.people.ask("resume")
    if phase == "invalid":
        run.people.edit_part("strategy", scaleDownDelay="3s")
    await ends_well(run)


async def stable_flaps(run: Run, provider: str) -> None:
    """All pods of stable come and go every few seconds: the weights do not swing with them."""
    stable, _ = await serve_and_walk(
        run, provider=provider, replicas=2, steps=((50, 70),), progressDeadline=LONG
    )
    written = 0

    def count(change: Any) -> None:
        nonlocal written
        kinds = {ports.HTTP_ROUTE, ports.SERVICE}
        mine = change.kind in kinds and change.body["metadata"]["name"] == NAME
        written += mine and change.actor.startswith("op")

    run.cluster.listeners.append(count)
    for seconds in (1.0, 2.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0):
        make_unready(run, stable)
        await asyncio.sleep(seconds)
        make_ready(run, stable)
        await asyncio.sleep(seconds)
    assert written <= 1, f"{written} writes for eight outages"
    await asyncio.sleep(60.0)
    assert written <= 2, written
    run.cluster.listeners.remove(count)
    if run.phase() == "Paused":  # with so many gaps in its data a person has to say so
        run.people.ask("promote")
    await ends_well(run)


async def succeeded(run: Run, first: Object) -> tuple[str, str]:
    """The revisions of v1 and v2, once v2 serves and the pods of v1 are still warm."""
    first["spec"]["strategy"]["scaleDownDelay"] = "30s"
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    old = facts.stable(run.body)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy" and facts.stable(run.body) != old)
    return old, facts.stable(run.body)


async def successor_falls_over(run: Run, provider: str, act: str) -> None:
    """At rest: all pods of the new version fail, and those of the version before are still warm."""
    first = manifest("v1", provider=provider, replicas=4, steps=((50, 5),), progressDeadline=LONG)
    old, new = await succeeded(run, first)
    await asyncio.sleep(10.0)
    make_unready(run, new)
    if act == "invalid":
        run.people.edit_part("strategy", scaleDownDelay="soon")
    await loses_nothing(run, for_seconds=60.0)
    assert failed_over(run)
    assert facts.condition(run.body, "Ready")["status"] == "False"
    assert facts.stable(run.body) == new
    match act:
        case "deleted":
            run.people.delete(MD, NAME)
            await loses_nothing(run, for_seconds=0.0)
            assert run.body is None, "deletion waits for nobody's pods"
            return
        case "newer":
            lost = run.world.user_errors
            run.people.deploy("v3")
            if provider == "ReplicaRatio":  # one Service cannot keep three revisions apart
                assert await run.until(lambda: "deploy that version again" in _message(run))
                await loses_nothing(run)
                run.people.deploy("v1")
                assert await run.until(lambda: facts.stable(run.body) == old), run.phase()
                return
            assert await run.until(lambda: facts.intent(run.body) > 0), run.phase()
            await asyncio.sleep(5.0)
            assert run.world.user_errors == lost, "the next candidate takes over at once"
        case "back":
            run.people.deploy("v1")
            assert await run.until(lambda: facts.stable(run.body) == old, limit=60.0), run.phase()
            return
    make_ready(run, new)
    if act == "invalid":
        run.people.edit_part("strategy", scaleDownDelay="30s")
    assert await run.until(lambda: not failed_over(run), limit=60.0)
    await ends_well(run)
    goes = partial(_has_no_pods, run, old)
    assert await run.until(goes, limit=120.0), "what is not needed any more goes"


def _message(run: Run) -> str:
    return str(facts.status(run.body).get("message", ""))


def _has_no_pods(run: Run, revision: str) -> bool:
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{revision}")
    return found is None or found["spec"]["replicas"] == 0


async def what_answers_loses_its_pods(run: Run, provider: str, act: str) -> None:
    """What answers for stable has no pods either, and no room in the history: it stays all the same."""
    first = manifest("v1", provider=provider, replicas=2, steps=((50, 5),), revisionHistoryLimit=0)
    old, new = await succeeded(run, first)
    await asyncio.sleep(5.0)
    make_unready(run, new)
    assert await run.until(lambda: failed_over(run), limit=20.0)
    if act == "parked":  # with a spec that cannot be carried out otherwise
        run.people.edit_part("analysis", source="nowhere")
        run.people.edit_part("workload", replicas=0)
    path = "/spec/replicas"
    patch = [{"op": "replace", "path": path, "value": 0}]
    run.people.patch(ports.DEPLOYMENT, f"{NAME}-{old}", patch)
    await asyncio.sleep(20.0)
    if act == "parked":
        run.people.edit_part("workload", replicas=2)
        run.people.edit_part("analysis", source="prometheus")
    else:
        assert _has_no_pods(run, old)
        assert run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{old}") is not None
    await asyncio.sleep(5.0)
    make_ready(run, new)
    assert await run.until(lambda: not failed_over(run), limit=60.0)
    await ends_well(run)


async def both_fall_over(run: Run) -> None:
    """First stable, then the candidate that answers for it; whoever is back first serves."""
    stable, candidate = await serve_and_walk(
        run, replicas=2, steps=((50, 30),), progressDeadline=LONG
    )
    make_unready(run, stable)
    await loses_nothing(run, for_seconds=5.0)
    run.world.truths["v2"] = Truth(startup_seconds=60.0)
    make_unready(run, candidate)
    await asyncio.sleep(5.0)
    make_ready(run, stable)
    assert await run.until(lambda: not shares(run).get(candidate), limit=5.0), shares(run)
    assert not failed_over(run)
    make_ready(run, candidate)
    await ends_well(run)


async def promoted_while_it_answers(run: Run) -> None:
    """Stable is down for good; a person has seen enough."""
    stable, candidate = await serve_and_walk(
        run, replicas=4, steps=((25, 60),), progressDeadline=LONG
    )
    make_unready(run, stable)
    await loses_nothing(run, for_seconds=5.0)
    run.people.ask("promote-full")
    assert await run.until(lambda: facts.stable(run.body) == candidate, limit=60.0), run.phase()
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()
    assert not failed_over(run)


async def carrying_proves_nothing(run: Run) -> None:
    """Stable is down for longer than the step may take: nobody has to decide anything."""
    stable, _ = await serve_and_walk(run, steps=((25, 15), (50, 15)), progressDeadline=LONG)
    make_unready(run, stable)
    await asyncio.sleep(150.0)
    assert run.phase() == "Progressing", facts.status(run.body).get("message")
    assert not any(facts.passed(run.body)), "nothing was seen beside it"
    make_ready(run, stable)
    await ends_well(run)


async def clock_back_while_it_answers(run: Run) -> None:
    """The wall clock goes back by an hour: no step is dated by the share of a failover."""
    stable, _ = await serve_and_walk(run, replicas=2, steps=((25, 20),), progressDeadline=LONG)
    make_unready(run, stable)
    assert await run.until(lambda: failed_over(run), limit=20.0)
    process = run.replicas[0].process
    assert process is not None
    process.wall_offset_seconds = -3600.0
    await asyncio.sleep(15.0)
    process.wall_offset_seconds = 0.0
    make_ready(run, stable)
    await ends_well(run)


async def no_help_of_a_rejected_one(run: Run) -> None:
    """Stable falls over while a candidate that a person aborted is still on its way out."""
    first = manifest("v1", replicas=4, steps=((50, 60),), progressDeadline=LONG)
    first["spec"]["strategy"]["scaling"] = {"maxSurgePercent": 25}
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) == 50.0), run.phase()
    await asyncio.sleep(3.0)
    candidate = str(facts.rollout(run.body)["revision"])
    run.world.truths["v1"] = Truth(starts=False)
    run.people.ask("abort")
    await asyncio.sleep(0.5)
    make_unready(run, stable)
    await asyncio.sleep(0.5)
    left = shares(run)[candidate]
    await asyncio.sleep(30.0)
    assert 0 < shares(run)[candidate] <= left, shares(run)
    run.world.truths["v1"] = Truth()
    make_ready(run, stable)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def _of(play: Callable[..., Any], *arguments: str, **options: Any) -> Scenario:
    async def script(run: Run) -> None:
        await play(run, *arguments)

    name = "_".join([play.__name__, *(one.lower() for one in arguments)])
    return Scenario(name=name, script=script, truths={"bad": BAD}, **options)


PLAYS = {
    scenario.name: scenario
    for scenario in (
        *(
            _of(stable_falls_over, provider, phase)
            for provider in PROVIDERS
            for phase in ("walking", "paused", "invalid")
        ),
        *(_of(stable_flaps, provider) for provider in PROVIDERS),
        *(
            _of(successor_falls_over, provider, act)
            for provider in PROVIDERS
            for act in ("nothing", "invalid", "deleted", "newer", "back")
        ),
        *(
            _of(what_answers_loses_its_pods, provider, act)
            for provider in PROVIDERS
            for act in ("scaled", "parked")
        ),
        _of(both_fall_over),
        _of(promoted_while_it_answers),
        _of(carrying_proves_nothing),
        _of(clock_back_while_it_answers),
        _of(no_help_of_a_rejected_one, may_reject_good=True),
    )
}
