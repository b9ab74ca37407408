"""Plays of a circuit breaker: many go back, the others wait, and go on by themselves."""

from __future__ import annotations

from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ends_well, waits_for
from tests.sim.finds_queue import FIRST, LAST, all_serve, body_of, deploy, pods_of
from tests.sim.people import NAME
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports

CLUSTER = ports.CLUSTER_ROLLOUT_POLICY
WITHIN_SECONDS = 180.0


def _breaker(run: Run) -> None:
    body = {"apiVersion": CLUSTER.api_version, "kind": CLUSTER.kind, "metadata": {"name": "fuse"}}
    spec = {"circuitBreaker": {"rollbacks": 2, "within": f"{WITHIN_SECONDS:.0f}s"}}
    run.people.create_of(CLUSTER, body | {"spec": spec})


def _went_back(run: Run, name: str) -> bool:
    return bool(facts.status(body_of(run, name)).get("phase") == "RolledBack")


async def _go_back(run: Run) -> None:
    for name in (FIRST, LAST):
        deploy(run, name, "bad")
    for name in (FIRST, LAST):
        assert await run.until(partial(_went_back, run, name), limit=120.0), name


async def holds_the_next(run: Run, provider: str) -> None:
    """Two went back: a third waits without pods, and goes on once that is long enough ago."""
    await all_serve(run, provider)
    _breaker(run)
    await _go_back(run)
    since = run.loop.time()
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Frozen", limit=20.0), run.phase()
    assert pods_of(run, NAME) == 0
    assert await run.until(lambda: facts.intent(body_of(run, NAME)) > 0, limit=WITHIN_SECONDS)
    assert run.loop.time() - since > WITHIN_SECONDS / 2
    await ends_well(run)


async def holds_what_has_begun(run: Run, provider: str) -> None:
    """A rollout with users goes no step further, also by another process, while bad ones go back."""
    steps = ((50, 20), (75, 20))
    await all_serve(run, provider, steps=steps)
    _breaker(run)
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(body_of(run, NAME)) == 50, limit=30.0)
    run.people.ask("pause")
    assert await run.until(lambda: waits_for(run) == "Request", limit=20.0)
    await _go_back(run)
    run.people.ask("resume")
    assert await run.until(lambda: run.phase() == "Frozen", limit=60.0), run.phase()
    process = run.replicas[0].process
    assert process is not None
    process.die()
    went_on = await run.until(lambda: facts.intent(body_of(run, NAME)) > 50, limit=60.0)
    assert not went_on
    await ends_well(run)


SCRIPTS = (holds_the_next, holds_what_has_begun)


def _plays() -> dict[str, Scenario]:
    return {
        name: Scenario(name=name, script=partial(script, provider=provider), truths={"bad": BAD})
        for script in SCRIPTS
        for provider in PROVIDERS
        for name in (f"breaker_{script.__name__}_{provider.lower()}",)
    }


PLAYS = _plays()
