"""Plays of policies: windows that close in the midst of a step, rules that change, kinds that are missing."""

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

NAME = "production"
STEPS = ((25, 20), (50, 5))
FROZEN_SECONDS = 120.0
CLUSTER, OWN = ports.CLUSTER_ROLLOUT_POLICY, ports.ROLLOUT_POLICY
SELECTED = {"namespaceSelector": {"matchLabels": {"environment": "production"}}}


async def _serve(run: Run, provider: str) -> str:
    return await serve(run, provider=provider, replicas=4, steps=STEPS, progressDeadline="60s")


def _write(run: Run, spec: Object, *, kind: ports.Kind = CLUSTER) -> None:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": NAME}}
    run.people.create_of(kind, body | {"spec": spec})


def _policy(run: Run, kind: ports.Kind = CLUSTER) -> Object:
    found = run.cluster.get(kind, NAMESPACE if kind.namespaced else "", NAME)
    assert found is not None
    return found


def _closed(run: Run, seconds: float = FROZEN_SECONDS) -> Object:
    now = run.wall()
    until = now + timedelta(seconds=seconds)
    window = {"name": "now", "from": now.isoformat(), "to": until.isoformat()}
    return {"freezeWindows": [window]}


async def _waits(run: Run, reason: str) -> None:
    assert await run.until(lambda: waits_for(run) == reason, limit=120.0), facts.rollout(run.body)


def _said(run: Run) -> str:
    return str(facts.rollout(run.body)["waitingFor"]["message"])


async def _stays(run: Run, seconds: float = 65.0) -> None:
    """Nothing is given for longer than the deadline, and nobody is blamed."""
    before = facts.intent(run.body)
    await asyncio.sleep(seconds)
    assert facts.intent(run.body) == before
    assert not facts.rejected(run.body)


async def frozen_in_a_step(run: Run, provider: str) -> None:
    """A window closes while the first step is held: it is held and judged, and the second waits."""
    await _serve(run, provider)
    run.people.deploy("v2")
    await walk_to(run, 0)
    _write(run, _closed(run))
    await _waits(run, "Freeze")
    assert run.phase() == "Frozen"
    assert f"ClusterRolloutPolicy/{NAME} (now)" in _said(run)
    await _stays(run)
    await ends_well(run)


async def bad_in_a_freeze(run: Run, provider: str) -> None:
    """A bad version goes back at once, whatever is closed."""
    await _serve(run, provider)
    run.people.deploy("bad")
    await walk_to(run, 0)
    _write(run, _closed(run, 3600.0) | {"stopPolicy": "Hold"})
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()


async def frozen_before_it_is_confirmed(run: Run, provider: str) -> None:
    """The share is written and the window closes: what users get is confirmed and judged."""
    await _serve(run, provider)
    run.world.gateway_accepts = False
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) > 0)
    closed_at = run.loop.time()
    _write(run, _closed(run))
    await asyncio.sleep(3.0)
    run.world.gateway_accepts = True
    await walk_to(run, 0)
    assert run.loop.time() - closed_at < 30.0, "in the midst of the window"
    await ends_well(run)


async def tightened_and_taken_away(run: Run, provider: str) -> None:
    """A rule that the running plan does not keep is named; without the policy it goes on."""
    await _serve(run, provider)
    _write(run, {"constraints": {"minSteps": 2}}, kind=OWN)
    run.people.deploy("v2")
    await walk_to(run, 0)
    path = "/spec/constraints/minBake"
    run.people.patch(OWN, NAME, [{"op": "add", "path": path, "value": "1h"}])
    await _waits(run, "Policy")
    assert f"RolloutPolicy/{NAME}, minBake" in _said(run)
    assert run.phase() == "Paused"
    rollout, state = facts.rollout(run.body), facts.status(run.body)["policy"]
    assert rollout["policies"] == [f"RolloutPolicy/{NAME}@1"]
    assert state["sources"] == [f"RolloutPolicy/{NAME}@2"]
    assert state["violations"][0]["rule"] == "minBake"
    await _stays(run)
    assert _policy(run, OWN)["status"]["violatingModelDeployments"] == 1
    run.people.delete(OWN, NAME)
    await ends_well(run)


async def unreadable(run: Run, provider: str) -> None:
    """Nobody knows what it was to forbid: rollouts hold, the policy says why, and it is mended."""
    await _serve(run, provider)
    window = {"name": "w", "schedule": "0 0 31 2 *", "duration": "1h"}
    _write(run, {"freezeWindows": [window]}, kind=OWN)
    run.people.deploy("v2")
    await _waits(run, "Policy")
    assert run.phase() == "PolicyViolation"
    assert "freezeWindows[0].schedule: names a day that never comes" in _said(run)

    def told() -> bool:
        accepted = _accepted(_policy(run, OWN))
        return accepted.get("status") == "False" and "never comes" in accepted["message"]

    assert await run.until(told, limit=20.0), _policy(run, OWN)
    await _stays(run)
    path = "/spec/freezeWindows/0/schedule"
    run.people.patch(OWN, NAME, [{"op": "add", "path": path, "value": "0 0 29 2 *"}])
    await ends_well(run)
    assert await run.until(lambda: _accepted(_policy(run, OWN)).get("status") == "True", limit=20.0)


def _accepted(body: Object) -> Object:
    conditions = (body.get("status") or {}).get("conditions") or [{}]
    found: Object = next(iter(conditions))
    return found


async def of_other_namespaces(run: Run, provider: str) -> None:
    """It selects namespaces by label; ours gets that label in the midst of a rollout."""
    await _serve(run, provider)
    _write(run, SELECTED | {"stopPolicy": "Hold"})
    run.people.create_of(ports.NAMESPACE, {"metadata": {"name": NAMESPACE, "labels": {"a": "b"}}})
    run.people.deploy("v2")
    await walk_to(run, 0)
    label = {"op": "add", "path": "/metadata/labels/environment", "value": "production"}
    run.people.patch_cluster(ports.NAMESPACE, NAMESPACE, [label])
    await _waits(run, "Policy")
    await _stays(run)
    run.people.delete(CLUSTER, NAME)
    await ends_well(run)


async def relabelled(run: Run, provider: str) -> None:
    """Whoever may edit the ModelDeployment takes away its label: what applied at the start still does."""
    await _serve(run, provider)
    path = "/metadata/labels"
    label = {"op": "add", "path": path, "value": {"tier": "gold"}}
    run.people.patch(ports.MODEL_DEPLOYMENT, MODEL, [label])
    _write(run, {"selector": {"matchLabels": {"tier": "gold"}}})
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.patch(ports.MODEL_DEPLOYMENT, MODEL, [{"op": "remove", "path": path}])
    stop = {"op": "add", "path": "/spec/stopPolicy", "value": "Hold"}
    run.people.patch_cluster(CLUSTER, NAME, [stop])
    await _waits(run, "Policy")
    await _stays(run)
    run.people.delete(CLUSTER, NAME)
    await ends_well(run)


async def without_its_kind(run: Run, provider: str) -> None:
    """Where nobody has installed the kinds there are no policies; once they are there, they hold."""
    run.cluster.unserve(CLUSTER)
    run.cluster.unserve(OWN)
    await _serve(run, provider)
    run.people.deploy("v2")
    await ends_well(run)
    run.cluster.serve(CLUSTER)
    run.cluster.serve(OWN)
    _write(run, {"stopPolicy": "Hold"})
    await asyncio.sleep(60.0)
    run.people.deploy("v3")
    await _waits(run, "Policy")
    await _stays(run)
    run.people.delete(CLUSTER, NAME)
    await ends_well(run)


async def may_not_be_listed(run: Run, provider: str) -> None:
    """Another process may not list them: what is bad goes back, what is good waits for the right."""
    await _serve(run, provider)
    run.people.deploy("bad")
    await walk_to(run, 0)
    run.cluster.denied = frozenset({CLUSTER, OWN})
    process = run.replicas[0].process
    assert process is not None
    process.die()
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()
    run.people.deploy("v2")
    await _waits(run, "Policy")
    assert "may not list rolloutpolicies.tidegate.dev" in _said(run)
    await asyncio.sleep(65.0)
    assert facts.intent(run.body) == 0
    run.cluster.denied = frozenset()
    _write(run, _closed(run, 3600.0))
    await _waits(run, "Freeze")
    run.people.delete(CLUSTER, NAME)
    assert await run.until(lambda: run.phase() == "Healthy", limit=120.0), run.phase()


async def people_are_asked_first(run: Run, provider: str) -> None:
    """People and a policy hold it, which keeps it without pods: nobody blames it for having none."""
    await _serve(run, provider)
    _write(run, {"stopPolicy": "Hold"})
    run.people.edit_spec({"automation": {"level": "Manual"}})
    run.people.deploy("v2")
    await _waits(run, "ManualStep")
    await _stays(run, 90.0)
    run.people.delete(CLUSTER, NAME)
    run.people.edit_spec({"automation": {"level": "Full"}})
    await ends_well(run)


async def in_parts(run: Run, provider: str) -> None:
    """A freeze meets the first part of a share: what is bad in it is found, and goes back."""
    await serve(
        run, provider=provider, replicas=10, steps=((30, 20),), scaling={"maxSurgePercent": 10}
    )
    run.people.deploy("bad")
    assert await run.until(lambda: facts.intent(run.body) > 0)
    _write(run, _closed(run, 3600.0))
    assert await run.until(lambda: run.phase() == "RolledBack", limit=300.0), run.phase()


SCRIPTS: tuple[Callable[..., Coroutine[Any, Any, None]], ...] = (
    frozen_in_a_step,
    bad_in_a_freeze,
    frozen_before_it_is_confirmed,
    tightened_and_taken_away,
    unreadable,
    of_other_namespaces,
    relabelled,
    without_its_kind,
    may_not_be_listed,
    people_are_asked_first,
    in_parts,
)


def _plays() -> dict[str, Scenario]:
    found = {}
    for script in SCRIPTS:
        for provider in PROVIDERS:
            name = f"policy_{script.__name__}_{provider.lower()}"
            found[name] = Scenario(
                name=name, script=partial(script, provider=provider), truths={"bad": BAD}
            )
    return found


PLAYS = _plays()
