"""Plays drawn from a seed: what people want and do, what goes wrong, and what the judge allows for."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from tests.sim import drawn_policies, drawn_watch
from tests.sim.drawn_acts import Script
from tests.sim.drawn_plan import PARK_ACT, RARE_ACTS, REVISION_ACTS, STYLES, VERSIONS, Plan, draw
from tests.sim.drawn_steering import tend
from tests.sim.run import REST_SECONDS, Run, Scenario
from tests.sim.storm import Storm


def scenario(seed: int, *, only: frozenset[str] | None = None, acts: int | None = None) -> Scenario:
    """The play of this seed; `only` and `acts` narrow faults and people, for shrinking."""
    dice = random.Random(f"{seed}/plan")
    plan = draw(seed, dice)
    if acts is not None:
        plan = replace(plan, acts=plan.acts[:acts])
    spoils = {"delete_entry", "edit_route", "delete_route"}
    spoils |= {act for act, _ in (*RARE_ACTS, *REVISION_ACTS, PARK_ACT)} | {"edit"}
    gentle = not spoils & {act for _, act, _ in plan.acts}

    watched = drawn_watch.is_watched(plan.spec)  # it has something to say for a whole window
    faults = tuple(Storm(random.Random(f"{seed}/nemesis"), only=only).windows)
    return Scenario(
        name=f"seed {seed}",
        style=random.Random(f"{seed}/labels").choice(STYLES),
        script=lambda run: Script(run, plan).play(),
        truths={"v1": VERSIONS[plan.first]},
        make_nemesis=lambda weather: Storm(weather, only=only),
        may_reject_good=not gentle or _may_go_back(plan) or _blames(plan, faults),
        replicas=2 if "deposed" in faults else dice.choice((1, 1, 2)),
        tend=_tend,
        acts=tuple(act for _, act, _ in plan.acts),
        faults=faults,
        words=_words(plan, faults),
        rest_seconds=75.0 if dice.random() < 0.2 else REST_SECONDS,
        idle_seconds=700.0 if dice.random() < 0.04 and not watched else 0.0,
    )


async def _tend(run: Run) -> None:
    """What helpful people do in the end, each where he is asked."""
    await tend(run)
    drawn_policies.tend(run)


def _blames(plan: Plan, faults: tuple[str, ...]) -> bool:
    """With all requests at the candidate nobody can say that an outage is not its fault."""
    everything = any(weight == 100 for weight, _ in plan.spec["steps"])
    bakes = "postPromotion" in plan.spec.get("strategy", {})
    return (everything or bakes) and "shared_outage" in faults


def _words(plan: Plan, faults: tuple[str, ...]) -> str:
    spec = plan.spec
    steps = ", ".join(f"{weight:g} % for {hold} s" for weight, hold in spec["steps"])
    lines = [f"{spec['provider']}, {spec['replicas']} replicas, steps {steps}"]
    if asked := spec.get("strategy", {}).get("blueGreen"):
        lines += [f"no steps but a switch: {asked}"]
    judged = ", ".join(_judged(metric) for metric in spec["analysis"]["metrics"])
    if drawn_watch.is_watched(spec):
        lines += [f"watched afterwards: {spec['monitoring']}"]
    if bake := spec.get("strategy", {}).get("postPromotion"):
        lines += [f"a bake of {bake['bake']} that keeps {bake['keepPreviousPercent']} % of stable"]
    lines += [f"the first version is {plan.first}, judged by {judged}"]
    lines += [f"{wait:.1f} s later: {act} {argument}".strip() for wait, act, argument in plan.acts]
    return "\n".join([*lines, f"faults: {', '.join(faults) or 'none'}"])


def _judged(metric: dict[str, Any]) -> str:
    limit = metric.get("threshold")
    return f"{metric['name']} {'up to ' + str(limit['max']) if limit else 'compared with stable'}"


def _may_go_back(plan: Plan) -> bool:
    if drawn_watch.is_watched(plan.spec):
        return True  # what served well and got worse goes back where that was asked for
    inconclusive = plan.spec["analysis"]["onInconclusive"] == "Rollback"
    nos = {"abort", drawn_policies.REJECT[1]}
    return inconclusive or any(argument in nos for _, _, argument in plan.acts)
