"""Plays beside the public cases R8, R10, R13, R22 and R23: the other provider, direction or field."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import (
    PROVIDERS,
    deployment,
    ends_well,
    nobody_is_rejected,
    serve,
    serve_and_walk,
    shares,
    stable_keeps_its_share,
    waits_for,
)
from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.replica import Process
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http

LONG = "10m"
BEGIN, END = 20.0, 170.0


# --- R8: writes of traffic are refused -----------------------------------------------------------


class RefusesTraffic(Calm):
    """An admission webhook denies each write of route and entry Service for a while."""

    def __init__(self, dice: random.Random, *, first_step: bool) -> None:
        super().__init__(dice)
        self._first_step = first_step

    def _begun(self, run: Run) -> bool:
        if self._first_step:
            return run.loop.time() >= BEGIN
        rollout = facts.status(run.body).get("rollout") or {}
        steps = rollout.get("plan") or []
        return any(step.get("confirmedAt") for step in steps)

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        writes = request.method in {"PATCH", "PUT", "POST"}
        moves = request.path.endswith((f"/services/{NAME}", f"/httproutes/{NAME}"))
        if not (writes and moves and process.run.loop.time() < END):
            return WELL
        run = process.run
        assert isinstance(run, Run)
        if not self._begun(run):
            return WELL
        refused = RefusedError(403, "Forbidden", "denied by policy: no changes today")
        return CallPlan(answer=refused.reply)


def _told(run: Run) -> bool:
    stalled = facts.condition(run.body, "Stalled")
    return stalled.get("status") == "True" and "no changes today" in stalled["message"]


async def refused_from_the_start(run: Run, provider: str) -> None:
    """The first weight is refused for longer than the deadline: a pause, and it goes on by itself."""
    await serve(run, provider=provider, replicas=2, steps=((50, 5),))
    await asyncio.sleep(max(BEGIN - run.loop.time(), 0.0))
    run.people.deploy("v2")
    assert await run.until(lambda: _told(run), limit=60.0), facts.status(run.body).get("message")
    assert await run.until(lambda: run.phase() == "Paused", limit=90.0), run.phase()
    nobody_is_rejected(run)
    await ends_well(run)


async def refused_on_the_way_back(run: Run, provider: str, act: str) -> None:
    """A lowering write is refused: status says what the data plane gives, and writes go on."""
    stable, candidate = await serve_and_walk(
        run, "bad" if act == "breach" else "v2", provider=provider, replicas=2, steps=((50, 40),)
    )
    if act == "abort":
        await asyncio.sleep(3.0)
        run.people.ask("abort")
    assert await run.until(lambda: _told(run), limit=60.0), facts.status(run.body).get("message")
    await asyncio.sleep(5.0)
    if provider == "GatewayAPI":
        assert shares(run)[candidate] == 50.0, "the data plane was not written"
    assert await run.until(lambda: run.phase() in OVER, limit=END), run.phase()
    assert run.loop.time() >= END
    assert candidate in facts.rejected(run.body)
    assert facts.stable(run.body) == stable


# --- R10: what a route's status holds ------------------------------------------------------------


def _left_over(*, parent: dict[str, Any], reason: str) -> dict[str, Any]:
    condition = {"status": "False", "reason": reason, "observedGeneration": 1}
    kinds = ("Accepted", "ResolvedRefs")
    return {
        "parentRef": parent,
        "controllerName": "example.com/before",
        "conditions": [{"type": kind, **condition} for kind in kinds],
    }


async def other_parents_left_behind(run: Run, field: str) -> None:
    """Entries for a parent that spec does not name, however near: no part of the answer."""
    await serve(run, steps=((50, 5),))
    parent: dict[str, Any] = {"name": "inference", "namespace": "gateways"}
    changed: dict[str, dict[str, Any]] = {
        "name": {"name": "removed"},
        "namespace": {"namespace": "elsewhere"},
        "section": {"sectionName": "https"},
        "port": {"port": 8443},
    }
    parent |= changed[field]
    run.world.leftover_answers = [_left_over(parent=parent, reason="NotAllowedByListeners")]
    run.world.report_routes()
    run.people.deploy("v2")
    await ends_well(run)


# --- R13: what returns ---------------------------------------------------------------------------


async def returns_without_its_pods(run: Run, provider: str) -> None:
    """The version before is asked for when its pods are gone: no steps, but capacity first."""
    stable = await serve(run, provider=provider, replicas=4, steps=((50, 30),))
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy" and facts.stable(run.body) != stable)
    gone = partial(_has_no_pods, run, stable)
    assert await run.until(gone, limit=60.0)
    began, lost = run.loop.time(), run.world.user_errors
    run.people.deploy("v1")
    assert await run.until(lambda: facts.stable(run.body) == stable, limit=60.0), run.phase()
    assert run.loop.time() - began < 30.0, "no step was taken"
    assert run.world.user_errors == lost
    await ends_well(run)


async def returns_from_outside_the_window(run: Run, provider: str) -> None:
    """With no window the way back is a rollout like any other."""
    first = manifest("v1", provider=provider, replicas=2, steps=((50, 30),))
    first["spec"]["rollback"] = {"window": {"revisions": 0}}
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy" and facts.stable(run.body) != stable)
    began = run.loop.time()
    run.people.deploy("v1")
    assert await run.until(lambda: facts.stable(run.body) == stable), run.phase()
    assert run.loop.time() - began >= 30.0, "its step was skipped"
    await ends_well(run)


def _has_no_pods(run: Run, revision: str) -> bool:
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{revision}")
    return found is None or found["spec"]["replicas"] == 0


# --- R22, R23: a Gateway that is slow ------------------------------------------------------------


async def slow_to_end(run: Run, act: str) -> None:
    """Abort, breach, promotion: pods go after the data plane has confirmed, never before."""
    version = "bad" if act == "breach" else "v2"
    stable, candidate = await serve_and_walk(
        run, version, replicas=2, steps=((50, 10),), progressDeadline=LONG
    )
    run.world.gateway_seconds = 20.0
    leaves = stable if act == "promotion" else candidate
    if act == "abort":
        run.people.ask("abort")
    lost = run.world.user_errors
    for _ in range(300):
        await asyncio.sleep(0.5)
        in_force = run.world.planes[(NAMESPACE, NAME)].weights.get(f"{NAME}-{leaves}", 0)
        asked = deployment(run, leaves)["spec"]["replicas"]
        assert asked > 0 or not in_force, f"{in_force} % of the requests meet no pods"
        if run.phase() in OVER and not asked:
            break
    run.world.gateway_seconds = 0.3
    assert run.world.user_errors == lost
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def slow_while_a_weight_shrinks_stable(run: Run, surge: int) -> None:
    """Two steps under a small surge: stable has the pods for what is in force, at each moment."""
    first = manifest("v1", replicas=4, steps=((25, 20), (75, 20)), progressDeadline=LONG)
    first["spec"]["strategy"]["scaling"] = {"maxSurgePercent": surge}
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    run.world.gateway_seconds = 12.0
    run.people.deploy("v2")
    await stable_keeps_its_share(run, stable, seconds=300.0)
    run.world.gateway_seconds = 0.3
    assert waits_for(run) in {"", "RouteNotReady"}
    await ends_well(run)


def _of(play: Callable[..., Any], *arguments: Any, **options: Any) -> Scenario:
    async def script(run: Run) -> None:
        await play(run, *arguments)

    name = "_".join([play.__name__, *(str(one).lower() for one in arguments)])
    return Scenario(name=name, script=script, truths={"bad": BAD}, **options)


PLAYS = {
    scenario.name: scenario
    for scenario in (
        *(
            _of(
                refused_from_the_start,
                provider,
                make_nemesis=partial(RefusesTraffic, first_step=True),
                liveness_seconds=300,
            )
            for provider in PROVIDERS
        ),
        *(
            _of(
                refused_on_the_way_back,
                provider,
                act,
                make_nemesis=partial(RefusesTraffic, first_step=False),
                may_reject_good=act == "abort",
                liveness_seconds=300,
            )
            for provider in PROVIDERS
            for act in ("abort", "breach")
        ),
        *(
            _of(other_parents_left_behind, field)
            for field in ("name", "namespace", "section", "port")
        ),
        *(
            _of(play, provider)
            for play in (returns_without_its_pods, returns_from_outside_the_window)
            for provider in PROVIDERS
        ),
        *(
            _of(slow_to_end, act, may_reject_good=act == "abort")
            for act in ("abort", "breach", "promotion")
        ),
        *(_of(slow_while_a_weight_shrinks_stable, surge) for surge in (25, 50)),
    )
}
