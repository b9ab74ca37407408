"""Plays of RolloutApprovals: given, withdrawn, refused, too late, and about something else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ends_well, serve, waits_for
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import walk_to

from tidegate import ports
from tidegate.api import convert

KIND = ports.ROLLOUT_APPROVAL
BOARD: Object = {
    "name": "board",
    "minApprovals": 2,
    "approverGroups": ["ml-risk"],
    "notAuthor": True,
    "expiresAfter": "10m",
}


async def _at_the_gate(run: Run, provider: str, **gate: Any) -> str:
    """A second version that is proven at its first weight and waits for the board."""
    usual = {"hold": "5s", "deadline": "75s"}
    steps = [
        usual | {"name": "s0", "weight": 25},
        usual | {"name": "s1", "weight": 50, "approval": BOARD | gate},
    ]
    strategy = {"canary": {"steps": steps}}
    stable = await serve(
        run, provider=provider, replicas=4, progressDeadline="60s", strategy=strategy
    )
    _signed(run, "carol")
    run.people.deploy("v2")
    await waits(run)
    return stable


def _signed(run: Run, author: str) -> None:
    name = convert.AUTHOR.replace("/", "~1")
    annotations = (run.body or {})["metadata"].get("annotations")
    whole = {"op": "add", "path": "/metadata/annotations", "value": {convert.AUTHOR: author}}
    one = {"op": "add", "path": f"/metadata/annotations/{name}", "value": author}
    run.people.patch(MD, NAME, [one if annotations else whole])


async def waits(run: Run) -> None:
    assert await run.until(lambda: waits_for(run) == "Approval", limit=120.0), facts.rollout(
        run.body
    )
    assert run.phase() == "AwaitingApproval"


def _said(run: Run) -> str:
    return str((facts.rollout(run.body).get("waitingFor") or {}).get("message", ""))


async def hears(run: Run, text: str) -> None:
    assert await run.until(lambda: text in _said(run), limit=60.0), _said(run)


def decide(run: Run, who: str, decision: str = "Approve", **changed: Any) -> None:
    rollout = facts.rollout(run.body)
    spec = {
        "modelDeployment": NAME,
        "revision": rollout["revision"],
        "attempt": rollout["attempt"],
        "gate": "board",
        "decision": decision,
        "approver": {"username": who, "groups": ["ml-risk"]},
        "comment": "as discussed",
    }
    body = {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": {"name": who}}
    run.people.create_of(KIND, body | {"spec": spec | changed})


def _verdict(run: Run, who: str) -> str:
    """What the operator says of a decision."""
    found = run.cluster.get(KIND, NAMESPACE, who) or {}
    conditions = (found.get("status") or {}).get("conditions") or [{}]
    return f"{conditions[0].get('status', '')} {conditions[0].get('reason', '')}".strip()


async def _ruled(run: Run, who: str, verdict: str) -> None:
    assert await run.until(lambda: _verdict(run, who) == verdict, limit=60.0), _verdict(run, who)


async def stays(run: Run, seconds: float = 65.0) -> None:
    """Nothing is given for longer than the progress deadline, and nobody is blamed."""
    before = facts.intent(run.body)
    await asyncio.sleep(seconds)
    assert facts.intent(run.body) == before
    assert not facts.rejected(run.body)


async def approved(run: Run, provider: str) -> None:
    """Two of the board open the gate; its author, others and a second word of one do not."""
    await _at_the_gate(run, provider)
    assert "0 of 2 approvals; kubectl tidegate approve" in _said(run)
    decide(run, "carol")
    decide(run, "mallory", approver={"username": "mallory", "groups": ["ml-dev"]})
    decide(run, "alice")
    decide(run, "alice-again", approver={"username": "alice", "groups": ["ml-risk"]})
    await hears(run, "1 of 2 approvals (alice)")
    await _ruled(run, "carol", "False IsAuthor")
    await _ruled(run, "mallory", "False NotInGroup")
    await _ruled(run, "alice", "True Counted")
    await _ruled(run, "alice-again", "False Duplicate")
    run.people.ask("promote")
    await stays(run)
    decide(run, "bob")
    await ends_well(run)
    (gate,) = facts.status(run.body)["rollout"]["plan"][1]["gates"]
    assert gate["approvedBy"] == ["alice", "bob"]
    await _ruled(run, "alice", "True Used")
    await _ruled(run, "carol", "False RolloutEnded")


async def rejected(run: Run, provider: str) -> None:
    """One of the board says no: all traffic goes back, and the revision is not tried again."""
    stable = await _at_the_gate(run, provider)
    decide(run, "alice")
    decide(run, "bob", "Reject", comment="drift")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    last = facts.status(run.body)["lastRollout"]
    assert (last["result"], last["by"]) == ("Aborted", "Approval")
    assert last["reason"] == "gate board: rejected by bob: drift"
    assert facts.stable(run.body) == stable
    assert len(facts.rejected(run.body)) == 1


async def rejected_before_it_is_asked(run: Run, provider: str) -> None:
    """A no counts at once: nobody gives users a version that the board will not have."""
    await _at_the_gate(run, provider, notAuthor=False)
    run.people.deploy("v3")
    await walk_to(run, 0)
    run.people.edit_spec({"paused": True})
    decide(run, "carol", "Reject")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()


async def withdrawn(run: Run, provider: str) -> None:
    """Whoever deletes his approval before the gate is open has withdrawn it."""
    await _at_the_gate(run, provider)
    decide(run, "alice")
    await hears(run, "1 of 2 approvals (alice)")
    run.people.delete(KIND, "alice")
    await hears(run, "0 of 2 approvals;")
    decide(run, "bob")
    await hears(run, "1 of 2 approvals (bob)")
    await stays(run)
    decide(run, "alice")
    await ends_well(run)


async def withdrawn_too_late(run: Run, provider: str) -> None:
    """What is open stays open."""
    await _at_the_gate(run, provider, minApprovals=1)
    decide(run, "alice")
    await walk_to(run, 1)
    run.people.delete(KIND, "alice")
    decide(run, "bob", "Reject")
    await _ruled(run, "bob", "False GateOpen")
    await ends_well(run)


async def expired(run: Run, provider: str) -> None:
    """An approval that is too old does not count, and neither does one with an end of its own."""
    await _at_the_gate(run, provider, expiresAfter="2m")
    decide(run, "alice")
    await hears(run, "1 of 2 approvals (alice)")
    await _hears_later(run, "0 of 2 approvals;", 121.0)
    await _ruled(run, "alice", "False Expired")
    decide(run, "bob")
    await hears(run, "1 of 2 approvals (bob)")
    decide(run, "dora")
    await ends_well(run)


async def _hears_later(run: Run, text: str, seconds: float) -> None:
    """By then, and not a minute after."""
    assert await run.until(lambda: text in _said(run), limit=seconds + 5.0), _said(run)


async def about_something_else(run: Run, provider: str) -> None:
    """Another revision, another attempt, another gate, another model, no rollout: each is told why."""
    await _at_the_gate(run, provider, minApprovals=1)
    decide(run, "revision", revision="0" * 10)
    decide(run, "attempt", attempt=7)
    decide(run, "gate", gate="council")
    decide(run, "model", modelDeployment="unknown")
    await _ruled(run, "revision", "False OtherRevision")
    await _ruled(run, "attempt", "False OtherAttempt")
    await _ruled(run, "gate", "False NoSuchGate")
    await _ruled(run, "model", "False NoModelDeployment")
    await stays(run)
    decide(run, "alice")
    await ends_well(run)


async def another_attempt(run: Run, provider: str) -> None:
    """What was said about the first attempt says nothing about the second."""
    await _at_the_gate(run, provider, minApprovals=1)
    decide(run, "bob", "Reject")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    await _ruled(run, "bob", "True Used")
    run.people.ask("retry")
    await waits(run)
    await _ruled(run, "bob", "False OtherAttempt")
    await stays(run)
    decide(run, "alice")
    await ends_well(run)


async def while_nobody_runs(run: Run, provider: str) -> None:
    """Approved while the operator is down: it goes on once it is back; withdrawn meanwhile, it does not."""
    await _at_the_gate(run, provider)
    decide(run, "alice")
    await hears(run, "1 of 2 approvals (alice)")
    run.kill()
    run.people.delete(KIND, "alice")
    decide(run, "bob")
    await hears(run, "1 of 2 approvals (bob)")
    run.kill()
    decide(run, "alice")
    await ends_well(run)


async def unknown_author(run: Run, provider: str) -> None:
    """Nobody knows who must not approve: the gate stays closed and says what is missing."""
    await _at_the_gate(run, provider, minApprovals=1)
    name = convert.AUTHOR.replace("/", "~1")
    run.people.patch(MD, NAME, [{"op": "remove", "path": f"/metadata/annotations/{name}"}])
    decide(run, "carol")
    await _ruled(run, "carol", "False IsAuthor")
    run.people.deploy("v3")
    assert await run.until(lambda: "have annotation tidegate.dev/author" in _said(run), limit=120.0)
    decide(run, "alice")
    await _ruled(run, "alice", "False AuthorUnknown")
    await stays(run)
    _signed(run, "carol")
    await ends_well(run)


_SCRIPTS = (
    approved,
    rejected,
    rejected_before_it_is_asked,
    withdrawn,
    withdrawn_too_late,
    expired,
    about_something_else,
    another_attempt,
    while_nobody_runs,
    unknown_author,
)

PLAYS = {
    name: Scenario(
        name=name,
        script=partial(script, provider=provider),
        may_reject_good=script in {rejected, rejected_before_it_is_asked},
    )
    for script in _SCRIPTS
    for provider in PROVIDERS
    if (name := f"approval_{script.__name__}_{provider.lower()}")
}
