"""Plays of gates that policies ask for: they come and go while a rollout runs, and hold nothing back."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.approving import decide, hears, stays, waits
from tests.sim.cluster_side import PROVIDERS, ends_well, serve
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports

POLICY = ports.CLUSTER_ROLLOUT_POLICY
NAME = "asks"
STEPS = [
    {"name": name, "weight": weight, "hold": "5s", "deadline": "75s"}
    for name, weight in (("s0", 25), ("s1", 50), ("s2", 75))
]


async def _serve(run: Run, provider: str) -> None:
    await serve(
        run,
        provider=provider,
        replicas=4,
        progressDeadline="60s",
        strategy={"canary": {"steps": STEPS}},
    )


def _policy(run: Run, **terms: Any) -> None:
    gate = {"name": "board", "when": {"beforeWeight": 50}, "approverGroups": ["ml-risk"]} | terms
    body = {"apiVersion": POLICY.api_version, "kind": POLICY.kind, "metadata": {"name": NAME}}
    run.people.create_of(POLICY, body | {"spec": {"approvals": [gate]}})


def _intent(run: Run) -> float:
    return facts.intent(run.body)


async def asked_for_all(run: Run, provider: str) -> None:
    """A plan that names no gate is asked all the same, by another process too; a board opens it."""
    await _serve(run, provider)
    _policy(run, minApprovals=2)
    run.people.deploy("v2")
    await waits(run)
    assert _intent(run) == 25
    await hears(run, "gate board before step s1: 0 of 2 approvals")
    decide(run, "mallory", approver={"username": "mallory", "groups": ["ml-dev"]})
    run.people.ask("promote")
    await stays(run)
    process = run.replicas[0].process
    assert process is not None
    process.die()
    decide(run, "alice")
    await hears(run, "1 of 2 approvals (alice)")
    decide(run, "bob")
    await ends_well(run)
    (gate,) = facts.status(run.body)["rollout"]["plan"][1]["gates"]
    assert (gate["approvedBy"], gate["policies"]) == (
        ["alice", "bob"],
        [f"ClusterRolloutPolicy/{NAME}"],
    )


async def comes_and_goes(run: Run, provider: str) -> None:
    """It is asked before the next step of a rollout that runs, and no more once it is taken away."""
    await _serve(run, provider)
    run.people.deploy("v2")
    assert await run.until(lambda: _intent(run) == 50, limit=60.0)
    _policy(run)
    await waits(run)
    assert _intent(run) == 50
    await stays(run)
    run.people.delete(POLICY, NAME)
    await ends_well(run)


async def goes_back(run: Run, provider: str) -> None:
    """A bad version that waits for people is taken back without them."""
    await _serve(run, provider)
    _policy(run)
    run.people.deploy("v2")
    await waits(run)
    run.world.truths["v2"] = BAD
    assert await run.until(lambda: run.phase() == "RolledBack", limit=90.0), run.phase()


SCRIPTS = (asked_for_all, comes_and_goes, goes_back)


def _plays() -> dict[str, Scenario]:
    return {
        name: Scenario(name=name, script=partial(script, provider=provider))
        for script in SCRIPTS
        for provider in PROVIDERS
        for name in (f"policy_gate_{script.__name__}_{provider.lower()}",)
    }


PLAYS = _plays()
