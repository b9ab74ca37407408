"""Plays of a candidate that lacks what its stage gives it: the target lost it, and no write brings it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ends_well, nobody_is_rejected, waits_for
from tests.sim.fields import Object
from tests.sim.finds_bake import SMALL, share_of, walk_into_bake
from tests.sim.finds_copies import BESIDE, COMPARED
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD
from tests.sim.shadowing import asked, route, shadow
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http
from tidegate.model import objects

AWAY_SECONDS = 90.0
HALF: Object = {
    "canary": {"steps": [{"name": "half", "weight": 50, "hold": "20s", "deadline": "75s"}]}
}
STAGES: dict[str, Object] = {
    "shadow": shadow("Canary"),
    "beside": BESIDE,
    "preview": COMPARED,
    "live": HALF,
}


async def _walk(run: Run, strategy: Object, **more: Any) -> None:
    """v2 in the first stage of this strategy, which is confirmed."""
    run.people.create(asked(strategy=strategy, progressDeadline="5m", **more))
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    run.people.deploy("v2")
    assert await run.until(lambda: _is_confirmed(run)), facts.status(run.body).get("message")


def _is_confirmed(run: Run) -> bool:
    return bool((facts.rollout(run.body).get("step") or {}).get("confirmedAt"))


def _no_writes(*ends: str) -> Callable[[http.Request], RefusedError | None]:
    """As a policy engine does that allows no such object any more."""

    def refuses(request: http.Request) -> RefusedError | None:
        here = request.writes and request.path.endswith(ends)
        return RefusedError(403, "Forbidden", "no routes today") if here else None

    return refuses


async def _lacks_it(run: Run) -> None:
    """Nobody is blamed, nothing goes forward, and status says what is waited for."""
    before = facts.rollout(run.body)
    assert await run.until(lambda: waits_for(run) == "RouteNotReady", limit=60.0), before
    for _ in range(int(AWAY_SECONDS / 5)):
        await asyncio.sleep(5.0)
        nobody_is_rejected(run)
    after = facts.rollout(run.body)
    assert after.get("step", {}).get("index") == before["step"]["index"], facts.status(run.body)
    assert not _is_confirmed(run), "a clock runs although the target gives nothing"


async def route_refused(run: Run, strategy: Object) -> None:
    """Somebody deletes the route, and it may not be made again for a while."""
    await _walk(run, strategy)
    run.people.delete(ports.HTTP_ROUTE, NAME)
    run.cluster.refuse = _no_writes("/httproutes", f"/httproutes/{NAME}")
    await _lacks_it(run)
    run.cluster.refuse = lambda _: None
    await ends_well(run)


async def kind_gone(run: Run, strategy: Object) -> None:
    """The kind of the route goes and comes back."""
    await _walk(run, strategy)
    run.cluster.unserve(ports.HTTP_ROUTE)
    await _lacks_it(run)
    run.cluster.serve(ports.HTTP_ROUTE)
    await ends_well(run)


async def taken_by_another(run: Run, strategy: Object) -> None:
    """Another writer takes the rules as his own, without copies and shares; then he lets go of them."""
    await _walk(run, strategy)
    found, stable = route(run), f"{NAME}-{facts.stable(run.body)}"
    assert found is not None
    rules = [{k: v for k, v in it.items() if k != "filters"} for it in found["spec"]["rules"]]
    for rule in rules:
        rule["backendRefs"] = [
            {**it, "weight": 100 if it["name"] == stable else 0} for it in rule["backendRefs"]
        ]
    replaced = {"op": "replace", "path": "/spec/rules", "value": rules}
    run.people.patch(ports.HTTP_ROUTE, NAME, [replaced])
    await _lacks_it(run)
    run.people.delete(ports.HTTP_ROUTE, NAME)
    await ends_well(run)


async def refused_in_the_bake(run: Run, provider: str) -> None:
    """Users are with stable again, for longer than the bake: it is not over, and begins anew."""
    stable, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    if provider == "GatewayAPI":
        run.people.delete(ports.HTTP_ROUTE, NAME)
        run.cluster.refuse = _no_writes("/httproutes", f"/httproutes/{NAME}")
    else:
        path = f"/spec/selector/{objects.LABEL_REVISION.replace('/', '~1')}"
        chosen = {"op": "replace", "path": path, "value": stable}
        run.people.patch(ports.SERVICE, NAME, [chosen])
        run.cluster.refuse = _no_writes(f"/services/{NAME}")
    await _lacks_it(run)
    assert facts.stable(run.body) == stable
    run.cluster.refuse = lambda _: None
    back = run.loop.time()
    await ends_well(run)
    assert run.loop.time() - back > 60, "it was not watched for the whole bake"
    assert (facts.stable(run.body), share_of(run, candidate)) == (candidate, 100)


async def status_forgot_its_traffic(run: Run, provider: str) -> None:
    """Somebody removes the intent from status: what is watched has its users all the same."""
    _, candidate = await walk_into_bake(run, provider, strategy=SMALL)
    assert await run.until(lambda: _is_confirmed(run))
    began = run.loop.time()
    run.people.patch_status({"op": "remove", "path": "/status/rollout/traffic"})
    await ends_well(run)
    assert (facts.stable(run.body), share_of(run, candidate)) == (candidate, 100)
    assert run.loop.time() - began > 60, "it was not watched for the whole bake"


async def status_says_less(run: Run) -> None:
    """In a step, too: half of what was confirmed is no reason to go on with half."""
    await _walk(run, HALF)
    candidate = str(facts.rollout(run.body)["revision"])
    said = {"op": "replace", "path": "/status/rollout/traffic/candidate", "value": 25}
    run.people.patch_status(said)
    assert await run.until(lambda: share_of(run, candidate) == 50 and _is_confirmed(run))
    await ends_well(run)


async def deployment_deleted(run: Run, *, bakes: bool) -> None:
    """Its Service is there yet, so it stays listed until nobody is sent to it (S19)."""
    if bakes:
        await walk_into_bake(run, "GatewayAPI", strategy=SMALL)
    else:
        await _walk(run, HALF)
    candidate = str(facts.rollout(run.body)["revision"])
    run.people.delete(ports.DEPLOYMENT, f"{NAME}-{candidate}")
    assert await run.until(lambda: share_of(run, candidate) == 0, limit=10.0)
    await ends_well(run)
    assert run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{candidate}") is not None


def _plays() -> dict[str, Scenario]:
    scripts: dict[str, Callable[[Run], Coroutine[Any, Any, None]]] = {
        f"{play.__name__} {name}": partial(play, strategy=strategy)
        for play in (route_refused, kind_gone, taken_by_another)
        for name, strategy in STAGES.items()
    }
    scripts |= {
        f"{play.__name__}_{provider.lower()}": partial(play, provider=provider)
        for play in (refused_in_the_bake, status_forgot_its_traffic)
        for provider in PROVIDERS
    }
    scripts["status_says_less"] = status_says_less
    scripts |= {
        f"deployment_deleted {name}": partial(deployment_deleted, bakes=bakes)
        for name, bakes in {"live": False, "bake": True}.items()
    }
    return {
        name: Scenario(name=name, script=script, truths={"bad": BAD})
        for name, script in scripts.items()
    }


PLAYS = _plays()
