"""Plays of labels that come later: only they tell that a version answers 200, quickly, and wrong."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import ends, serve
from tests.sim.fields import Object
from tests.sim.labels import LabelWorld
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER, walk_to
from tests.sim.truth import Truth

PROVIDERS = ("GatewayAPI", "ReplicaRatio")
ERRORS: Object = {"name": "errors", "preset": "error-ratio", "threshold": {"max": 0.05}}
QUALITY: Object = {
    "name": "quality",
    "preset": "label-quality",
    "labelDelay": "1m",
    "labelCohort": "1m",
}
DRIFTED = Truth(mistakes=0.25)
LONGEST_SECONDS = 1800.0
PAST_SECONDS = 240.0  # so that cohorts of stable are final when the rollout begins


def _steps(hold: str) -> list[Object]:
    """Labels can come within the first step; the second one does not wait for any."""
    first = {"name": "s0", "weight": 20, "hold": hold, "deadline": "20m"}
    return [first, {"name": "s1", "weight": 50, "hold": "5s", "deadline": "75s"}]


async def _serve(run: Run, provider: str, *, quality: Object = QUALITY, hold: str = "60s") -> str:
    run.world.labels = LabelWorld()
    stable = await serve(
        run,
        provider=provider,
        replicas=4,
        analysis={"minRequests": 2_000, "metrics": [ERRORS, quality]},
        strategy={"canary": {"steps": _steps(hold)}},
    )
    await asyncio.sleep(PAST_SECONDS)
    return stable


def _result(run: Run) -> Object:
    return facts.analysed(run.body, "quality")


def _estimate(run: Run) -> str:
    """What the step can find out, as was said before it began."""
    return str((facts.rollout(run.body).get("step") or {}).get("estimate", ""))


async def concept_drift(run: Run, provider: str) -> None:
    """It answers as well as ever, and is wrong: the labels tell minutes later, and it goes back."""
    stable = await _serve(run, provider)
    run.people.deploy("drifted")
    await ends(run, "RolledBack", limit=LONGEST_SECONDS)
    assert facts.stable(run.body) == stable
    reason = facts.status(run.body)["lastRollout"]["reason"]
    assert "accuracy 75.0% of" in reason, reason
    assert "against 90.0% of" in reason, reason


async def as_right_as_ever(run: Run, provider: str) -> None:
    """Labels come late, and say that nothing has changed: it is promoted, and nobody is told of anything."""
    await _serve(run, provider)
    run.people.deploy("v2")
    await ends(run, "Healthy", limit=LONGEST_SECONDS)
    assert _result(run)["outcome"] == "Pass", _result(run)
    assert abs(_result(run)["value"] - 0.9) < 0.01, _result(run)
    assert facts.condition(run.body, "MetricBreached").get("status") != "True"


async def a_harder_world(run: Run, provider: str) -> None:
    """All models err more from now on: neither version is to blame."""
    await _serve(run, provider)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(90.0)
    assert run.world.labels is not None
    run.world.labels.harder = 0.2
    await ends(run, "Healthy", limit=LONGEST_SECONDS)


async def labels_of_one_side(run: Run, provider: str) -> None:
    """Nobody labels what the candidate predicts: neither a pass nor a rollback."""
    stable = await _serve(run, provider)
    assert run.world.labels is not None
    run.world.labels.lost_of = "v2"
    run.people.deploy("v2")
    assert await run.until(lambda: _result(run).get("reason") == "LabelsOneSided", limit=900.0)
    await asyncio.sleep(120.0)
    assert facts.stable(run.body) == stable
    assert run.phase() not in OVER, run.phase()
    run.people.ask("abort")
    await ends(run, "RolledBack", limit=LONGEST_SECONDS)


async def labels_that_alert(run: Run, provider: str) -> None:
    """With onBreach Alert it is told once labels have come, and acted upon by nobody."""
    await _serve(run, provider, quality=QUALITY | {"onBreach": "Alert"}, hold="4m")
    run.people.deploy("drifted")
    assert await run.until(lambda: _result(run).get("outcome") == "Fail", limit=900.0), _result(run)
    await ends(run, "Healthy", limit=LONGEST_SECONDS)


async def a_step_without_labels(run: Run, provider: str) -> None:
    """It holds for less time than labels take, and passes by what else is judged; the plan has said so."""
    late = QUALITY | {"labelDelay": "5m"}
    await _serve(run, provider, quality=late, hold="5s")
    run.people.deploy("v2")
    await walk_to(run, 0)
    began = run.loop.time()
    assert "does not wait for them" in _estimate(run)
    await ends(run, "Healthy", limit=LONGEST_SECONDS)
    assert run.loop.time() - began < 300.0, "it has waited for labels"


BOTH = PROVIDERS
_PLAYS = {
    "concept_drift": (concept_drift, BOTH),
    "labels_equal_version": (as_right_as_ever, BOTH),
    "labels_harder_world": (a_harder_world, PROVIDERS[:1]),
    "labels_one_sided": (labels_of_one_side, BOTH),
    "labels_alert": (labels_that_alert, PROVIDERS[1:]),
    "labels_short_step": (a_step_without_labels, PROVIDERS[:1]),
}
GOOD = (as_right_as_ever, a_harder_world, a_step_without_labels)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(act, provider=provider),
        truths={"drifted": DRIFTED},
        may_reject_good=act not in GOOD,
    )
    for name, (act, providers) in _PLAYS.items()
    for provider in providers
}
