"""Plays of writes that the API server refuses: what is refused of one thing keeps nothing else back."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ends_well, make_ready, make_unready, serve
from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.people import NAME, NAMESPACE
from tests.sim.people import ROUTE as USER_ROUTE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, walk_to
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process

EVERYWHERE = ("GatewayAPI", "ReplicaRatio", "Existing")
SOON_SECONDS = 10.0
Refuses = Callable[[http.Request], RefusedError | None]


class Refusing(Calm):
    """Calm weather but for the writes that are refused whenever they come."""

    may_reject_good = False

    def __init__(self, dice: random.Random, *, refuses: Refuses) -> None:
        super().__init__(dice)
        self.refuses = refuses

    def on_request(self, process: Process, request: http.Request) -> CallPlan:  # noqa: ARG002
        refused = self.refuses(request)
        return WELL if refused is None else CallPlan(answer=refused.reply)


def _pods_of(version: str, request: http.Request) -> RefusedError | None:
    """As a policy engine does that wants images to be signed."""
    makes = request.method == "POST" and request.path.endswith("/deployments")
    if makes and f"s3://models/iris/{version}" in json.dumps(request.body):
        return RefusedError(403, "Forbidden", "image not signed")
    return None


def _shares(request: http.Request) -> RefusedError | None:
    """As a webhook does that has a code of its own, and gives no causes."""
    ends = (f"/services/{NAME}", f"/httproutes/{USER_ROUTE}")
    changes = request.method == "PATCH" and request.path.endswith(ends)
    text = 'admission webhook "no.example.com" denied the request: not today'
    return RefusedError(422, "Invalid", text) if changes else None


def _is_stalled(run: Run) -> bool:
    stalled = facts.condition(run.body, "Stalled")
    return stalled.get("status") == "True" and stalled.get("reason") in {"Forbidden", "Invalid"}


async def _is_restored(run: Run, kind: ports.Kind, name: str) -> None:
    def there() -> bool:
        return run.cluster.get(kind, NAMESPACE, name) is not None

    run.people.delete(kind, name)
    assert await run.until(there, limit=SOON_SECONDS), (kind.kind, facts.status(run.body))


async def keeps_users(run: Run, provider: str) -> None:
    """The next version cannot be made: what the users of the present one need is kept all the same."""
    await serve(run, provider=provider, progressDeadline="30m")
    run.people.deploy("v2")
    stalled = await run.until(lambda: _is_stalled(run), limit=30.0)
    assert stalled, facts.status(run.body)
    await _is_restored(run, ports.SERVICE, NAME)
    if provider == "GatewayAPI":
        await _is_restored(run, run.cluster.route_kind, NAME)
    run.people.edit_part("service", port=81)

    def has_port() -> bool:
        entry = run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
        return entry is not None and entry["spec"]["ports"][0]["port"] == 81

    assert await run.until(has_port, limit=SOON_SECONDS), facts.status(run.body)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()


async def keeps_time(run: Run, provider: str) -> None:
    """Meanwhile the clock goes on: pods that fail are stood in for as quickly as ever."""
    await serve(run, provider=provider, progressDeadline="30m", strategy={"scaleDownDelay": "60s"})
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy", limit=120.0), run.phase()
    stable = facts.stable(run.body)
    run.people.deploy("v3")
    assert await run.until(lambda: _is_stalled(run), limit=30.0)
    make_unready(run, stable)

    def moved() -> bool:
        return bool((facts.status(run.body).get("failover") or {}).get("movedAt"))

    assert await run.until(moved, limit=SOON_SECONDS), facts.status(run.body)
    make_ready(run, stable)
    _let(run, _nothing)
    await ends_well(run)


def _sizes(request: http.Request) -> RefusedError | None:
    """As an API server answers whose webhook for Deployments is down."""
    if request.method == "PATCH" and "/apis/apps/v1/" in request.path:
        return RefusedError(500, "InternalError", "failed calling webhook: connection refused")
    return None


async def keeps_time_in_an_outage(run: Run, provider: str) -> None:
    """A size that fails again and again, for minutes, makes nobody wait who has no pods."""
    strategy = {"scaleDownDelay": "20m"}
    await serve(run, provider=provider, progressDeadline="30m", strategy=strategy)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy", limit=120.0), run.phase()
    stable = facts.stable(run.body)
    _let(run, _sizes)
    run.people.edit_part("workload", replicas=3)
    await asyncio.sleep(400.0)
    make_unready(run, stable)

    def moved() -> bool:
        return bool(facts.failed_over_to(run.body))

    assert await run.until(moved, limit=SOON_SECONDS), facts.status(run.body)
    _let(run, _nothing)
    make_ready(run, stable)
    assert await run.until(lambda: not moved(), limit=300.0), facts.status(run.body)


def _entry_too(request: http.Request) -> RefusedError | None:
    """Beside that the API server does not get round to the entry Service."""
    makes = request.method == "POST" and request.path.endswith("/services")
    if makes and isinstance(request.body, dict) and request.body["metadata"]["name"] == NAME:
        return RefusedError(503, "ServiceUnavailable", "busy")
    return _pods_of("v2", request)


async def tries_again_soon(run: Run, provider: str) -> None:
    """What fails for a moment does not wait as long as what is refused beside it."""
    await serve(run, provider=provider, progressDeadline="30m")
    run.people.deploy("v2")
    assert await run.until(lambda: _is_stalled(run), limit=30.0), facts.status(run.body)
    _let(run, _entry_too)
    run.people.delete(ports.SERVICE, NAME)
    await asyncio.sleep(3.0)
    _let(run, partial(_pods_of, "v2"))

    def there() -> bool:
        return run.cluster.get(ports.SERVICE, NAMESPACE, NAME) is not None

    assert await run.until(there, limit=SOON_SECONDS), facts.status(run.body)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() == "Healthy", limit=60.0), run.phase()


async def says_so(run: Run, provider: str) -> None:
    """What brings users back is refused: status says it, and it is done once it may be."""
    await serve(run, provider=provider, replicas=4, steps=((50, 60),), progressDeadline="20m")
    run.people.deploy("bad")
    await walk_to(run, 0)
    _let(run, _shares)
    assert await run.until(lambda: _is_stalled(run), limit=60.0), facts.status(run.body)
    assert "not today" in facts.status(run.body)["message"]
    _let(run, _nothing)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()


def _shares_in_an_outage(request: http.Request) -> RefusedError | None:
    """The same, of whoever carries the shares."""
    ends = (f"/services/{NAME}", f"/httproutes/{NAME}", f"/httproutes/{USER_ROUTE}")
    if request.method == "PATCH" and request.path.endswith(ends):
        return RefusedError(500, "InternalError", "failed calling webhook: connection refused")
    return None


def _pods_in_an_outage(request: http.Request) -> RefusedError | None:
    makes = request.method == "POST" and request.path.endswith("/deployments")
    text = "failed calling webhook: connection refused"
    return RefusedError(500, "InternalError", text) if makes else None


def _is_told(run: Run) -> bool:
    """Status says which write fails, and why."""
    stalled = facts.condition(run.body, "Stalled")
    told = (stalled.get("status"), stalled.get("reason")) == ("True", "WriteFails")
    return told and "failed calling webhook" in facts.status(run.body)["message"]


async def says_what_fails(run: Run, provider: str) -> None:
    """What brings users back fails and fails: status says it, without a storm, and it is done at last."""
    await serve(run, provider=provider, replicas=4, steps=((50, 60),), progressDeadline="20m")
    run.people.deploy("bad")
    await walk_to(run, 0)
    _let(run, _shares_in_an_outage)
    assert await run.until(lambda: _is_told(run), limit=60.0), facts.status(run.body)
    assert run.phase() == "RollingBack"
    before = run.recorder.passes
    await asyncio.sleep(60.0)
    assert run.recorder.passes - before < 60, "looks"
    _let(run, _nothing)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=SOON_SECONDS), run.phase()
    assert not _is_told(run)


async def deletion_says_what_fails(run: Run, provider: str) -> None:
    """So it is with a deletion that has traffic to give back first."""
    await serve(run, provider=provider, replicas=4, steps=((50, 60),), progressDeadline="20m")
    run.people.deploy("v2")
    await walk_to(run, 0)
    _let(run, _shares_in_an_outage)
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: _is_told(run), limit=60.0), facts.status(run.body)
    assert "deletion waits" in facts.status(run.body)["message"]
    _let(run, _nothing)
    assert await run.until(lambda: run.body is None, limit=SOON_SECONDS), "deletion hangs"


async def start_says_what_fails(run: Run, provider: str) -> None:
    """A version whose pods cannot be made for now waits for that, and nobody blames it."""
    await serve(run, provider=provider, progressDeadline="1m")
    _let(run, _pods_in_an_outage)
    run.people.deploy("v2")
    assert await run.until(lambda: _is_told(run), limit=60.0), facts.status(run.body)
    await asyncio.sleep(90.0)
    _let(run, _nothing)
    await ends_well(run)
    assert await run.until(lambda: not _is_told(run), limit=SOON_SECONDS)


def _let(run: Run, refuses: Refuses) -> None:
    """From now on this is refused, and nothing else."""
    assert isinstance(run.nemesis, Refusing)
    run.nemesis.refuses = refuses


def _nothing(_request: http.Request) -> None:
    return None


def _plays() -> dict[str, Scenario]:
    scripts = (
        (keeps_users, EVERYWHERE, partial(_pods_of, "v2")),
        (tries_again_soon, PROVIDERS, partial(_pods_of, "v2")),
        (keeps_time, PROVIDERS, partial(_pods_of, "v3")),
        (keeps_time_in_an_outage, PROVIDERS, _nothing),
        (says_so, ("ReplicaRatio", "Existing"), _nothing),
        (says_what_fails, PROVIDERS, _nothing),
        (deletion_says_what_fails, EVERYWHERE, _nothing),
        (start_says_what_fails, PROVIDERS, _nothing),
    )
    return {
        name: Scenario(
            name=name,
            script=partial(script, provider=provider),
            truths={"bad": BAD},
            make_nemesis=partial(Refusing, refuses=refuses),
        )
        for script, providers, refuses in scripts
        for provider in providers
        for name in (f"refused_{script.__name__}_{provider.lower()}",)
    }


PLAYS = _plays()
