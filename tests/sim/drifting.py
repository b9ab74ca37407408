"""Plays of drift: servers count what they see by bin, and a candidate may see it wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import ends, serve
from tests.sim.fields import Object
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER, walk_to
from tests.sim.truth import Truth

PROVIDERS = ("GatewayAPI", "ReplicaRatio")
METRICS: list[Object] = [
    {"name": "errors", "preset": "error-ratio", "threshold": {"max": 0.05}},
    {"name": "inputs", "preset": "feature-drift"},
]
HOLDS = [METRICS[0], METRICS[1] | {"onBreach": "Hold"}]
ROLLS_BACK = [METRICS[0], METRICS[1] | {"onBreach": "Rollback"}]
USUALLY = {"GatewayAPI": METRICS, "ReplicaRatio": ROLLS_BACK}  # the same is asked for in both
ALERTS = [METRICS[0], METRICS[1] | {"onBreach": "Alert"}]
USUAL: Mapping[str, Mapping[str, float]] = {
    "amount": {"10": 0.25, "20": 0.25, "50": 0.25, "+Inf": 0.25, "missing": 0.0, "other": 0.0},
    "country": {"DE": 0.6, "FR": 0.3, "missing": 0.01, "other": 0.09},
}
LATER: Mapping[str, Mapping[str, float]] = {
    "amount": {"10": 0.05, "20": 0.15, "50": 0.3, "+Inf": 0.5, "missing": 0.0, "other": 0.0},
    "country": {"DE": 0.2, "FR": 0.7, "missing": 0.01, "other": 0.09},
}
REFITTED = Truth(other_edges=True)
BROKEN = Truth(loses_feature="amount")


async def _serve(run: Run, provider: str, *, metrics: list[Object] = METRICS, **more: Any) -> str:
    run.world.mix = USUAL
    return await serve(
        run,
        provider=provider,
        replicas=4,
        analysis={"minRequests": 2_000, "metrics": metrics},
        **more,
    )


def result(run: Run) -> Object:
    return facts.analysed(run.body, "inputs")


async def broken_preprocessing(run: Run, provider: str) -> None:
    """It answers 200 and quickly, and sees no amounts: it goes back, and the record says why."""
    stable = await _serve(run, provider, metrics=USUALLY[provider])
    run.people.deploy("broken")
    await ends(run, "RolledBack")
    assert facts.stable(run.body) == stable
    reason = facts.status(run.body)["lastRollout"]["reason"]
    assert "amount PSI" in reason, reason
    assert "missing 0.0% -> 100.0%" in reason, reason


async def an_equal_version(run: Run, provider: str) -> None:
    """Users send what they always send: it is promoted."""
    await _serve(run, provider)
    run.people.deploy("v2")
    await ends(run, "Healthy")
    assert result(run)["outcome"] == "Pass", result(run)


async def a_world_that_drifts(run: Run, provider: str) -> None:
    """Users send something else in the midst of a step: both versions see it, and none is to blame."""
    await _serve(run, provider, steps=((20, 60), (50, 5)))
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(20.0)
    run.world.mix = LATER
    await ends(run, "Healthy")


async def a_metric_that_holds(run: Run, provider: str) -> None:
    """It stays where it is, for people to look at: with onBreach Hold, and by connection always."""
    asked = {"GatewayAPI": HOLDS, "ReplicaRatio": METRICS}
    stable = await _serve(run, provider, metrics=asked[provider])
    run.people.deploy("broken")
    assert await run.until(lambda: result(run).get("outcome") == "Fail"), facts.status(run.body)
    await asyncio.sleep(30.0)
    assert facts.rollout(run.body), "it was ended"
    assert facts.stable(run.body) == stable
    told = facts.condition(run.body, "MetricBreached")
    assert (told["status"], told["reason"]) == ("True", "Drift"), told
    assert "amount PSI" in result(run)["message"], result(run)
    run.people.ask("abort")
    await ends(run, "RolledBack")


async def a_metric_that_alerts(run: Run, provider: str) -> None:
    """With onBreach Alert it is told, and promoted."""
    await _serve(run, provider, metrics=ALERTS)
    run.people.deploy("broken")
    await ends(run, "Healthy")
    assert result(run)["outcome"] == "Fail", result(run)


async def other_bins(run: Run, provider: str) -> None:
    """Its profile has other edges: nothing can be said, so it is neither promoted nor rejected."""
    stable = await _serve(run, provider)
    run.people.deploy("refitted")
    assert await run.until(lambda: result(run).get("reason") == "IncompatibleBins")
    await asyncio.sleep(60.0)
    assert facts.stable(run.body) == stable
    assert run.phase() not in OVER, run.phase()
    assert "fit the new profile with the bins of the old one" in result(run)["message"]
    run.people.ask("abort")
    await ends(run, "RolledBack")


async def nobody_counts(run: Run, provider: str) -> None:
    """Without the probe nothing is known: neither a pass nor a rollback."""
    stable = await _serve(run, provider)
    run.world.mix = {}
    run.world.truths["v2"] = Truth()
    for pods in run.world.pods.values():
        for pod in pods:
            pod.counters.observed.clear()
            pod.counters.series.clear()
    run.people.deploy("v2")
    await asyncio.sleep(120.0)
    assert facts.stable(run.body) == stable
    assert run.phase() not in OVER, run.phase()
    run.people.ask("abort")
    await ends(run, "RolledBack")


_PLAYS = {
    "broken_preprocessing": broken_preprocessing,
    "drift_equal_version": an_equal_version,
    "drifting_world": a_world_that_drifts,
    "drift_holds": a_metric_that_holds,
    "drift_alerts": a_metric_that_alerts,
    "drift_other_bins": other_bins,
    "drift_uncounted": nobody_counts,
}
GOOD = (an_equal_version, a_world_that_drifts)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(act, provider=provider),
        truths={"broken": BROKEN, "refitted": REFITTED},
        may_reject_good=act not in GOOD,
    )
    for name, act in _PLAYS.items()
    for provider in PROVIDERS
}
