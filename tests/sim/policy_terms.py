"""Plays of what policies say besides rules: exemptions that end, rollbacks that have to be tried first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ends_well, serve, waits_for
from tests.sim.fields import Object
from tests.sim.people import NAME as MODEL
from tests.sim.people import NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, walk_to

from tidegate import ports

POLICY = ports.CLUSTER_ROLLOUT_POLICY
NAME = "terms"
STEPS = ((25, 20), (50, 5))


async def _serve(run: Run, provider: str) -> None:
    await serve(run, provider=provider, replicas=4, steps=STEPS, progressDeadline="60s")


def _write(run: Run, spec: Object) -> None:
    body = {"apiVersion": POLICY.api_version, "kind": POLICY.kind, "metadata": {"name": NAME}}
    run.people.create_of(POLICY, body | {"spec": spec})


def _exempting(run: Run, rule: str, seconds: float) -> Object:
    until = run.wall() + timedelta(seconds=seconds)
    one = {
        "name": "soon-over",
        "namespace": NAMESPACE,
        "modelDeployment": MODEL,
        "rules": [rule],
        "until": until.isoformat(),
        "reason": "is moved until then",
    }
    return {"exemptions": [one]}


def _said(run: Run) -> str:
    return str(facts.rollout(run.body)["waitingFor"]["message"])


def _compliant(run: Run) -> Object:
    conditions: list[Object] = facts.status(run.body)["conditions"]
    return next((it for it in conditions if it["type"] == "PolicyCompliant"), {})


def _strategy(run: Run) -> object:
    """As it stands in the object."""
    assert run.body is not None
    return run.body["spec"]["strategy"]


async def _waits(run: Run, reason: str) -> None:
    assert await run.until(lambda: waits_for(run) == reason, limit=120.0), facts.rollout(run.body)


async def _stays(run: Run, seconds: float = 65.0) -> None:
    before = facts.intent(run.body)
    await asyncio.sleep(seconds)
    assert facts.intent(run.body) == before
    assert not facts.rejected(run.body)


async def exemption_ends(run: Run, provider: str) -> None:
    """It goes by an exemption until that ends in a step: the step is judged, the next one waits."""
    await _serve(run, provider)
    _write(run, {"constraints": {"minBake": "1h"}} | _exempting(run, "minBake", 45.0))
    run.people.deploy("v2")
    await walk_to(run, 0)
    assert _compliant(run)["reason"] == "Exempt", _compliant(run)
    assert "is moved until then" in _compliant(run)["message"]
    await _waits(run, "Policy")
    assert "(exemption soon-over ended " in _said(run), _said(run)
    assert _compliant(run)["reason"] == "ExemptionEnded", _compliant(run)
    await _stays(run)
    run.people.delete(POLICY, NAME)
    await ends_well(run)


async def exemption_ends_and_it_is_bad(run: Run, provider: str) -> None:
    """Whom the end of an exemption holds is watched, and goes back as ever."""
    await _serve(run, provider)
    _write(run, {"stopPolicy": "Hold"} | _exempting(run, "stopPolicy", 45.0))
    run.people.deploy("v2")
    await _waits(run, "Policy")
    run.world.truths["v2"] = BAD
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()


async def rehearsed(run: Run, provider: str) -> None:
    """Nothing is promoted whose way back was not tried: it waits, is aborted, and comes through."""
    await _serve(run, provider)
    _write(run, {"constraints": {"requireRehearsedRollback": {"within": "24h"}}})
    run.people.deploy("v2")
    await _waits(run, "Policy")
    assert facts.intent(run.body) == 50
    assert "no version of it was taken back within 24h (none is known)" in _said(run), _said(run)
    await _stays(run)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=90.0), run.phase()
    process = run.replicas[0].process
    assert process is not None
    process.die()  # another one knows it from the record
    run.people.ask("retry")
    assert await run.until(lambda: run.phase() == "Healthy", limit=240.0), facts.rollout(run.body)
    assert facts.status(run.body)["rollout"]["attempt"] == 2


async def pinned_defaults(run: Run, provider: str) -> None:
    """Whoever says nothing gets them; a rollout keeps those that it began with, spec stays as it is."""
    await _serve(run, provider)
    said = _strategy(run)
    _write(run, {"defaults": {"strategy": {"postPromotion": {"bake": "20s"}}}})
    assert await run.until(lambda: "defaults" in (facts.status(run.body).get("policy") or {}))
    run.people.deploy("v2")
    await walk_to(run, 0)
    path = "/spec/defaults/strategy/postPromotion/bake"
    run.people.patch_cluster(POLICY, NAME, [{"op": "add", "path": path, "value": "720h"}])
    process = run.replicas[0].process
    assert process is not None
    process.die()
    await ends_well(run)
    rollout = facts.status(run.body)["rollout"]
    assert rollout["defaults"] == [
        {
            "field": "strategy.postPromotion.bake",
            "value": "20s",
            "policy": f"ClusterRolloutPolicy/{NAME}",
        }
    ]
    assert rollout["plan"][-1]["hold"] == "20s", rollout["plan"][-1]
    assert _strategy(run) == said


SCRIPTS: tuple[Callable[..., Coroutine[Any, Any, None]], ...] = (
    exemption_ends,
    exemption_ends_and_it_is_bad,
    rehearsed,
    pinned_defaults,
)


def _plays() -> dict[str, Scenario]:
    return {
        name: Scenario(name=name, script=partial(script, provider=provider))
        for script in SCRIPTS
        for provider in PROVIDERS
        for name in (f"policy_{script.__name__}_{provider.lower()}",)
    }


PLAYS = _plays()
