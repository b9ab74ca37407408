"""Plays of people who steer a rollout: steps that are skipped, plans that are edited, gates, levels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, deployment, ends_well, serve
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, walk_to
from tests.sim.truth import Truth

from tidegate import ports

LIMITED = Truth(error_ratio=0.045)  # within a loose limit, beyond the usual one
USUAL = Truth(error_ratio=0.015)
BY_LIMITS = {
    "name": "errors",
    "preset": "error-ratio",
    "threshold": {"max": 0.03},
    "compare": {"tolerance": 10, "margin": 10},
}
SHORT_STEPS = ((25, 5), (50, 5))


async def _serve(run: Run, provider: str, **spec: Any) -> str:
    return await serve(
        run, **{"provider": provider, "replicas": 4, "progressDeadline": "5m", **spec}
    )


def _step(run: Run) -> str:
    return str((facts.rollout(run.body).get("step") or {}).get("name", ""))


def _waits(run: Run) -> str:
    return str((facts.rollout(run.body).get("waitingFor") or {}).get("reason", ""))


def _share(run: Run, revision: str) -> float:
    """What the data plane gives a revision: by its route, or by the pods behind one Service."""
    route = run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    if route is not None:
        return facts.shares(route, name=NAME).get(revision, 0.0)
    chosen = facts.selected(run.cluster.get(ports.SERVICE, NAMESPACE, NAME))
    return 100.0 if chosen == revision else 50.0 if not chosen else 0.0


def _steps(*steps: Object) -> Mapping[str, Any]:
    usual = {"hold": "5s", "deadline": "75s"}
    return {"canary": {"steps": [usual | step for step in steps]}}


LONG_HOLD = _steps(
    {"name": "s0", "weight": 25, "hold": "10m", "deadline": "1h"}, {"name": "s1", "weight": 50}
)


async def _edit_steps(run: Run, *steps: Object) -> None:
    run.people.edit_part("strategy", **_steps(*steps))
    generation = (run.body or {})["metadata"]["generation"]
    assert await run.until(
        lambda: facts.status(run.body).get("observedGeneration") == generation, limit=60.0
    )


async def _answered(run: Run, request: str, *, said: str) -> None:
    """Ask, and wait until the operator answers in this way."""
    run.people.ask(request)
    asked = (run.body or {})["metadata"]["annotations"]["tidegate.dev/requested-at"]

    def last() -> Object:
        found: Object = facts.status(run.body).get("lastHandledRequest") or {}
        return found

    assert await run.until(lambda: last().get("requestedAt") == asked, limit=60.0), last()
    answer = f"{last()['outcome']} {last().get('reason', '')}".strip()
    assert answer == said, answer


# --- edits of the plan ---------------------------------------------------------------------------


async def step_skipped(run: Run, provider: str) -> None:
    """A person does not wait for the first step; the second is held and proven all the same."""
    await _serve(run, provider, strategy=LONG_HOLD)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await _answered(run, "skip-step", said="Accepted")
    await walk_to(run, 1)
    await ends_well(run)
    told = facts.status(run.body)["lastRollout"]["reason"]
    assert told == "all steps passed, of them by request: s0", told


async def bad_step_skipped(run: Run, provider: str) -> None:
    """What is skipped has proven nothing: a bad version is found out at the next step."""
    await _serve(run, provider, strategy=LONG_HOLD, analysis={"warmup": "30s"})
    run.people.deploy("bad")
    await walk_to(run, 0)
    run.people.ask("skip-step")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"


async def plan_adopted(run: Run, provider: str) -> None:
    """A hold of ten minutes is shortened in the midst of it, and one step more is asked for."""
    began = run.loop.time()
    await _serve(run, provider, strategy=LONG_HOLD)
    run.people.deploy("v2")
    await walk_to(run, 0)
    confirmed = facts.rollout(run.body)["step"]["confirmedAt"]
    await _edit_steps(
        run,
        {"name": "s0", "weight": 25},
        {"name": "s1", "weight": 50},
        {"name": "s2", "weight": 75},
    )
    differs = facts.condition(run.body, "PlanDiffers")
    assert "s2 is new" in differs["message"], differs
    await asyncio.sleep(20.0)
    assert _step(run) == "s0", "an edit alone moves nothing"
    await _answered(run, "repin", said="Accepted")
    assert facts.rollout(run.body)["plan"][0]["confirmedAt"] == confirmed
    await ends_well(run)
    assert run.loop.time() - began < 600
    plan = facts.status(run.body)["rollout"]["plan"]
    assert [one["name"] for one in plan] == ["s0", "s1", "s2", "promotion"], plan


async def plan_adopted_then_spoilt(run: Run, provider: str) -> None:
    """After that the spec cannot be read for a while: what was adopted stands in for it."""
    await _serve(run, provider, strategy=LONG_HOLD)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await _edit_steps(run, {"name": "s0", "weight": 25}, {"name": "s1", "weight": 60})
    await _answered(run, "repin", said="Accepted")
    kept = [body["data"].get("spec") or {} for body in run.cluster.all(ports.CONTROLLER_REVISION)]
    steps = [one["strategy"]["canary"]["steps"] for one in kept if one.get("strategy")]
    assert [step["weight"] for step in steps[-1]] == [25, 60], steps
    good = (run.body or {})["spec"]["strategy"]
    run.people.edit_spec({"strategy": "unreadable"})
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    await _answered(run, "repin", said="Refused InvalidSpec")
    run.people.edit_spec({"strategy": good})
    await ends_well(run)


# --- gates and levels ----------------------------------------------------------------------------

GATED = _steps(
    {"name": "s0", "weight": 25}, {"name": "s1", "weight": 50, "approval": {"name": "risk-board"}}
)


async def gate_opened(run: Run, provider: str) -> None:
    """No weight and no pod behind a gate before somebody opens it, however long that takes."""
    await _serve(run, provider, strategy=GATED)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "AwaitingApproval"), run.phase()
    candidate = str(facts.rollout(run.body)["revision"])
    before = _share(run, candidate)
    await asyncio.sleep(900.0)
    assert (run.phase(), _share(run, candidate)) == ("AwaitingApproval", before)
    assert deployment(run, candidate)["spec"]["replicas"] == 1, "pods for a quarter"
    await _answered(run, "skip-step", said="Refused GateOpen")
    await _answered(run, "promote", said="Accepted")
    await ends_well(run)


async def spoilt_at_a_gate(run: Run, provider: str) -> None:
    """A rollback waits for no gate."""
    stable = await _serve(run, provider, strategy=GATED)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "AwaitingApproval"), run.phase()
    run.world.truths["v2"] = BAD
    assert await run.until(lambda: run.phase() in OVER, limit=120.0), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)


def _waits_for_a_person(run: Run, step: str) -> bool:
    return (_step(run), _waits(run)) == (step, "ManualStep")


async def by_hand(run: Run, provider: str) -> None:
    """Every step and the promotion wait for a person, who is told what to think of it."""
    await _serve(run, provider, steps=SHORT_STEPS, automation={"level": "Advisory"})
    run.people.deploy("v2")
    for name in ("s0", "s1", "promotion"):
        assert await run.until(partial(_waits_for_a_person, run, name))
        await asyncio.sleep(30.0)
        assert (_step(run), _waits(run)) == (name, "ManualStep")
        assert facts.rollout(run.body)["recommendation"]["action"] == "Promote"
        candidate = str(facts.rollout(run.body)["revision"])
        assert deployment(run, candidate)["spec"]["replicas"] <= 2, "pods for a half"
        await _answered(run, "promote", said="Accepted")
    await ends_well(run)


async def bad_by_hand(run: Run, provider: str) -> None:
    """A rollback asks nobody, at whatever level."""
    await _serve(run, provider, steps=SHORT_STEPS, automation={"level": "Manual"})
    run.people.deploy("bad")
    assert await run.until(lambda: _waits(run) == "ManualStep"), _waits(run)
    run.people.ask("promote")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"


async def only_mirrored(run: Run, provider: str) -> None:
    """At level Shadow nobody is answered by the candidate; it goes on once the level is raised."""
    await _serve(run, provider, steps=SHORT_STEPS, automation={"level": "Shadow"})
    run.people.deploy("v2")
    assert await run.until(lambda: _waits(run) == "AutomationLevel"), _waits(run)
    await _answered(run, "promote", said="Refused NotWaiting")
    assert _share(run, str(facts.rollout(run.body)["revision"])) == 0
    run.people.edit_spec({"automation": {"level": "Full"}})
    await ends_well(run)


# --- terms of a step -----------------------------------------------------------------------------


async def tried_within_loose_limits(run: Run, provider: str) -> None:
    """What a step tolerates is held against the usual limit in the next one, where it is too much."""
    loose = {"name": "errors", "threshold": {"max": 0.3}}
    steps = _steps({"name": "s0", "weight": 25, "metrics": [loose]}, {"name": "s1", "weight": 50})
    await _serve(run, provider, strategy=steps, analysis={"metrics": [BY_LIMITS]})
    run.people.deploy("limited")
    await walk_to(run, 1)
    assert facts.rollout(run.body)["plan"][0]["state"] == "Passed"
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"


async def sized_apart(run: Run) -> None:
    """The first step has pods for half of the load at a twentieth of it, and a fraction before."""
    steps = _steps(
        {"name": "s0", "weight": 0.5, "replicas": 2},
        {"name": "s1", "weight": 5, "replicasPercent": 75},
    )
    await _serve(run, "GatewayAPI", strategy=steps)
    run.people.deploy("v2")
    for index, wanted in ((0, 2), (1, 3)):
        await walk_to(run, index)
        candidate = str(facts.rollout(run.body)["revision"])
        assert deployment(run, candidate)["spec"]["replicas"] == wanted
        assert _share(run, candidate) == (0.5, 5.0)[index]
    await ends_well(run)


# --- the rollback window -------------------------------------------------------------------------


async def returned_at_once(run: Run, provider: str) -> None:
    """What served lately returns without steps, gates and levels; capacity comes first all the same."""
    first = await _serve(run, provider, steps=((50, 5),))
    run.people.deploy("v2")
    await ends_well(run)
    strategy = _steps({"name": "s0", "weight": 25, "hold": "10m", "deadline": "1h"})
    run.people.edit_part("strategy", **strategy)
    run.people.edit_spec({"automation": {"level": "Manual"}})
    began = run.loop.time()
    run.people.deploy("v1")
    await ends_well(run)
    assert run.loop.time() - began < 120
    assert facts.stable(run.body) == first
    assert facts.status(run.body)["lastRollout"]["result"] == "FastPromoted"


async def walked_outside_the_window(run: Run, provider: str) -> None:
    """T32 of features.md, 6: outside of the window all steps are walked."""
    window = {"rollback": {"window": {"revisions": 0}}}
    await _serve(run, provider, steps=((50, 5),), **window)
    run.people.deploy("v2")
    await ends_well(run)
    run.people.deploy("v1")
    await walk_to(run, 0)
    await ends_well(run)
    assert facts.status(run.body)["lastRollout"]["result"] == "Promoted"


_BY_BOTH = (
    step_skipped,
    bad_step_skipped,
    plan_adopted,
    plan_adopted_then_spoilt,
    gate_opened,
    spoilt_at_a_gate,
    by_hand,
    bad_by_hand,
    only_mirrored,
    tried_within_loose_limits,
    returned_at_once,
    walked_outside_the_window,
)
_TRUTHS = {"bad": BAD, "limited": LIMITED}
_LIMITED_TRUTHS = {"v1": USUAL, "limited": LIMITED}

PLAYS = {
    f"{play.__name__}_{provider.lower()}": Scenario(
        name=f"{play.__name__}_{provider.lower()}",
        script=partial(play, provider=provider),
        truths=_LIMITED_TRUTHS if play is tried_within_loose_limits else _TRUTHS,
        may_reject_good=play in {spoilt_at_a_gate, tried_within_loose_limits},
    )
    for provider in PROVIDERS
    for play in _BY_BOTH
} | {
    "sized_apart": Scenario(name="sized_apart", script=sized_apart, truths=_TRUTHS),
}
