"""What a seed says about people who steer: levels, gates, terms of steps, edits of a running plan."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.sim import facts

if TYPE_CHECKING:
    from tests.sim.run import Run

Act = tuple[float, str, str]

SKIP = ("ask", "skip-step")
STEERING_ACTS = (
    SKIP,
    ("ask", "repin"),
    ("replan", "more"),
    ("replan", "shorter"),
    ("level", "Manual"),
    ("level", "Full"),
)
LEVELS = ("Manual", "Advisory", "Gated", "Shadow")
_SHARE = 0.15  # of all seeds


def draw_steering(dice: random.Random, spec: dict[str, Any], acts: list[Act]) -> None:
    """Sometimes a level of automation, steps with gates and sizes, and people who edit the plan."""
    if dice.random() >= _SHARE:
        return
    if dice.random() < 0.5:
        spec["automation"] = {"level": dice.choice(LEVELS)}
    if dice.random() < 0.5:
        steps = [_with_terms(dice, step, spec) for step in named_steps(spec["steps"])]
        spec.setdefault("strategy", {})["canary"] = {"steps": steps}
    # Where a bad version is let through, what is a little less bad would be an improvement.
    compared = any("threshold" not in metric for metric in spec["analysis"]["metrics"])
    fitting = [it for it in STEERING_ACTS if not (compared and it == SKIP)]
    for _ in range(dice.choice((1, 1, 2, 3))):
        act, argument = dice.choice(fitting)
        wait = dice.choice((0.5, 5.0, 20.0)) * dice.random()
        acts.insert(dice.randint(1, len(acts)), (wait, act, argument))


def named_steps(steps: tuple[tuple[float, int], ...]) -> list[dict[str, Any]]:
    """Steps as a manifest has them, from pairs of weight and hold in seconds."""
    return [
        {"name": f"s{i}", "weight": weight, "hold": f"{hold}s", "deadline": "75s"}
        for i, (weight, hold) in enumerate(steps)
    ]


def replanned(steps: list[dict[str, Any]], how: str) -> list[dict[str, Any]]:
    """An edited plan: one step more behind the last, or no hold in any."""
    if how == "shorter":
        return [{**step, "hold": "0s"} for step in steps]
    last = float(steps[-1]["weight"])
    more = {"name": f"more{len(steps)}", "weight": round((last + 100) / 2, 2), "hold": "5s"}
    return steps if last > 99 else [*steps, {**more, "deadline": "75s"}]


def _with_terms(dice: random.Random, step: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    gate = {"approval": {"name": "board"}} if dice.random() < 0.4 else {}
    size: dict[str, Any] = {}
    if spec["provider"] == "GatewayAPI" and dice.random() < 0.4:
        size = dice.choice(({"replicas": 2}, {"replicasPercent": 75}))
    return {**step, **gate, **size}


async def tend(run: Run) -> None:
    """What a helpful person does where something waits for people."""
    body = run.body
    waits = (facts.rollout(body).get("waitingFor") or {}).get("reason")
    if waits == "Request":
        run.people.ask("resume")
    elif waits == "AutomationLevel":
        run.people.edit_spec({"automation": {"level": "Full"}})
    elif waits in {"Inconclusive", "ManualStep", "Approval"}:
        version = str(facts.rollout(body).get("modelVersion"))
        run.people.ask("abort" if run.world.truth(version).wrong else "promote")
    available = facts.condition(body, "Available")
    if available.get("reason") == "StableLost" and "deploy its version" in available["message"]:
        run.people.deploy(str(facts.status(body)["stable"]["modelVersion"]))
