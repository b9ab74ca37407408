"""Plays of training-serving skew: a candidate is held against the profile of its training data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import ends, serve
from tests.sim.drifting import BROKEN, LATER, METRICS, PROVIDERS, USUAL, result
from tests.sim.fields import Object
from tests.sim.finds_blue_green import ASKED as BLUE_GREEN
from tests.sim.people import NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER
from tests.sim.shadowing import asked, shadow

from tidegate import ports
from tidegate_probe.bins import CategoryBins, NumericBins
from tidegate_probe.fields import Field
from tidegate_probe.profile import Profile

ROWS = 100_000
BASELINE: Object = {"type": "TrainingReference", "reference": {"name": "training"}}
ROLLS_BACK = [METRICS[0], METRICS[1] | {"onBreach": "Rollback"}]
BINS: Mapping[str, NumericBins | CategoryBins] = {
    "amount": NumericBins((10, 20, 50)),
    "country": CategoryBins(("DE", "FR")),
}


def profile(version: str, mix: Mapping[str, Mapping[str, float]] = USUAL) -> str:
    """As the probe writes it."""
    features = {
        name: Field(bins, tuple(round(ROWS * mix[name][label]) for label in bins.labels))
        for name, bins in BINS.items()
    }
    return Profile(
        model="iris", model_version=version, rows=ROWS, features=features, outputs={}
    ).to_json()


def _analysis(metrics: list[Object]) -> Object:
    return {"minRequests": 2_000, "baseline": BASELINE, "metrics": metrics}


def _train(run: Run, version: str = "v2") -> None:
    """Whoever trained a version puts its profile there."""
    metadata = {"name": "training", "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    run.people.create_of(ports.CONFIG_MAP, {**body, "data": {"profile.json": profile(version)}})


def train_again(run: Run, version: str) -> None:
    """The profile of another version takes the place of the one that is there."""
    operation = {"op": "replace", "path": "/data/profile.json", "value": profile(version)}
    run.people.patch(ports.CONFIG_MAP, "training", [operation])


async def _serve(run: Run, provider: str, metrics: list[Object] = METRICS) -> str:
    run.world.mix = USUAL
    return await serve(run, provider=provider, replicas=4, analysis=_analysis(metrics))


async def _holds(run: Run, stable: str, reason: str) -> None:
    """It says so, and nothing passes or goes back meanwhile."""
    assert await run.until(lambda: result(run).get("reason") == reason), result(run)
    await asyncio.sleep(120.0)
    assert facts.stable(run.body) == stable
    assert run.phase() not in OVER, run.phase()
    assert result(run)["reason"] == reason, result(run)


async def as_it_was_trained(run: Run, provider: str) -> None:
    """Users send what the version was trained on: it is promoted."""
    await _serve(run, provider)
    _train(run)
    run.people.deploy("v2")
    await ends(run, "Healthy")
    assert result(run)["outcome"] == "Pass", result(run)


async def stable_is_skewed_alike(run: Run, provider: str) -> None:
    """The world is not what the candidate was trained on. Stable sees the same, and is no excuse."""
    stable = await _serve(run, provider, ROLLS_BACK)
    _train(run)
    run.world.mix = LATER
    run.people.deploy("v2")
    await ends(run, "RolledBack")
    assert facts.stable(run.body) == stable
    reason = facts.status(run.body)["lastRollout"]["reason"]
    assert "of training" in reason, reason
    assert "2 of 2 features above" in reason, reason


async def skew_holds(run: Run, provider: str) -> None:
    """Where nobody says what a breach does it is for people to decide."""
    stable = await _serve(run, provider)
    _train(run)
    run.world.mix = LATER
    run.people.deploy("v2")
    await _holds(run, stable, "Drift")
    assert facts.condition(run.body, "MetricBreached")["status"] == "True"
    run.people.ask("abort")
    await ends(run, "RolledBack")


async def another_versions_profile(run: Run, provider: str) -> None:
    """It says nothing of this one: the step holds, and goes on once the right one is there."""
    stable = await _serve(run, provider)
    _train(run, "v1")
    run.people.deploy("v2")
    await _holds(run, stable, "ProfileMismatch")
    train_again(run, "v2")
    await ends(run, "Healthy")


async def nobody_made_a_profile(run: Run, provider: str) -> None:
    """Nothing to hold it against is no pass and no breach; it heals by itself."""
    stable = await _serve(run, provider)
    run.people.deploy("v2")
    await _holds(run, stable, "NoBaseline")
    assert "ConfigMap training does not exist" in result(run)["message"], result(run)
    _train(run)
    await ends(run, "Healthy")


async def in_a_preview(run: Run, provider: str) -> None:
    """Broken preprocessing is seen before the switch."""
    run.world.mix = USUAL
    stable = await serve(
        run,
        provider=provider,
        replicas=4,
        strategy=BLUE_GREEN,
        analysis={**_analysis(ROLLS_BACK), "minRequests": 100},
    )
    _train(run, "broken")
    run.people.deploy("broken")
    await ends(run, "RolledBack")
    assert facts.stable(run.body) == stable
    assert "of training" in facts.status(run.body)["lastRollout"]["reason"]


async def in_a_shadow(run: Run, provider: str) -> None:
    """Copies are enough to tell that a version does not see what it was trained on."""
    run.world.mix = USUAL
    run.people.create(
        asked(strategy=shadow("Promote"), provider=provider, analysis=_analysis(ROLLS_BACK))
    )
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    _train(run, "broken")
    run.people.deploy("broken")
    await ends(run, "RolledBack")
    assert facts.stable(run.body) == stable
    assert "of training" in facts.status(run.body)["lastRollout"]["reason"]


_PLAYS = {
    "training_equal": as_it_was_trained,
    "training_skew": stable_is_skewed_alike,
    "training_holds": skew_holds,
    "training_mismatch": another_versions_profile,
    "training_missing": nobody_made_a_profile,
}
SKEWED = (stable_is_skewed_alike, skew_holds, in_a_preview, in_a_shadow)
_ONE = {"training_shadow_gatewayapi": in_a_shadow, "training_preview_gatewayapi": in_a_preview}
PLAYS = {
    name: Scenario(
        name=name,
        script=partial(act, provider=provider),
        truths={"broken": BROKEN},
        may_reject_good=act in SKEWED,
    )
    for name, act, provider in (
        *(
            (f"{name}_{provider.lower()}", act, provider)
            for name, act in _PLAYS.items()
            for provider in PROVIDERS
        ),
        *((name, act, "GatewayAPI") for name, act in _ONE.items()),
    )
}
