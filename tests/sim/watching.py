"""Plays of the watch for what serves: it names drift, forgives nothing that is missing, and rests."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import serve
from tests.sim.drifting import BROKEN, LATER, METRICS, PROVIDERS, USUAL
from tests.sim.fields import Object
from tests.sim.people import NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.trained import BASELINE, profile

from tidegate import ports

REASONS = frozenset(
    {"DataDrift", "SkewSuspected", "DriftEnded", "ThresholdBreached", "BreachEnded", "ConceptDrift"}
)
WINDOW_SECONDS = 600.0
WATCH: Object = {"window": "10m"}
ANALYSIS: Object = {
    "baseline": {"reference": BASELINE["reference"]},
    "minRequests": 2_000,
    "metrics": [
        METRICS[0],
        {"name": "skew", "preset": "feature-drift", "compare": {"to": "TrainingReference"}},
    ],
}
TEMPLATE: Object = {
    "type": "Distribution",
    "distribution": {
        "series": {"metric": "tidegate_probe_feature_observations_total"},
        "dimensionLabel": "feature",
        "binLabel": "bin",
        "form": "Bins",
    },
}


def listen(run: Run) -> list[str]:
    """What Events say of drift from now on, each time."""
    told: list[str] = []

    def hear(change: Change) -> None:
        body = change.new or {}
        if change.kind is ports.EVENT and body.get("reason") in REASONS:
            told.append(body["reason"])

    run.cluster.listeners.append(hear)
    return told


async def serve_watched(run: Run, provider: str, **more: Any) -> str:
    """A first version that serves and has its profile; who serves is watched from then on."""
    run.world.mix = USUAL
    metadata = {"name": "training", "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    run.people.create_of(ports.CONFIG_MAP, {**body, "data": {"profile.json": profile("v1")}})
    return await serve(
        run,
        provider=provider,
        replicas=2,
        **{"analysis": ANALYSIS, "monitoring": WATCH, **more},
    )


def condition(run: Run, kind: str = "DataDrift") -> tuple[str, str]:
    found = facts.condition(run.body, kind)
    return found.get("status", ""), found.get("reason", "")


def row(run: Run, name: str = "skew") -> Object:
    watch = facts.status(run.body).get("monitoring") or {}
    return next((one for one in watch.get("metrics") or [] if one["name"] == name), {})


def _features(run: Run) -> set[str]:
    return {it["feature"] for it in row(run).get("shifts") or []}


async def condition_is(run: Run, status: str, *, limit: float = 4 * WINDOW_SECONDS) -> None:
    found = await run.until(lambda: condition(run)[0] == status, limit=limit)
    assert found, (condition(run), row(run))


async def is_skewed(run: Run) -> None:
    found = await run.until(
        lambda: condition(run, "SkewSuspected")[0] == "True", limit=2 * WINDOW_SECONDS
    )
    assert found, row(run)


async def another_kind_of_user(run: Run, provider: str) -> None:
    """Long after its promotion users send something else: named, with its features; nothing moves."""
    stable = await serve_watched(run, provider)
    await condition_is(run, "False")
    run.world.mix = LATER
    await condition_is(run, "True", limit=WINDOW_SECONDS)
    assert row(run)["outcome"] == "Fail", row(run)
    assert await run.until(lambda: _features(run) == {"amount", "country"}), row(run)
    assert not facts.condition(run.body, "SkewSuspected"), "it was sound before"
    assert facts.stable(run.body) == stable
    assert run.phase() == "Healthy", run.phase()


async def the_same_world(run: Run, provider: str) -> None:
    """Nothing moves: no drift is named, no Event told, and at rest nothing is written."""
    told = listen(run)
    await serve_watched(run, provider)
    await condition_is(run, "False")
    assert not told, told


async def fed_otherwise(run: Run, provider: str) -> None:
    """It never saw what it was trained on: that is no world that moved, and is named by its name."""
    told = listen(run)
    run.world.truths["v1"] = BROKEN
    stable = await serve_watched(run, provider)
    await is_skewed(run)
    assert _features(run) == {"amount"}, row(run)
    assert condition(run)[0] == "Unknown", condition(run)
    assert told == ["SkewSuspected"], told
    assert facts.stable(run.body) == stable


async def nothing_is_counted(run: Run, provider: str) -> None:
    """The probe goes silent: that is no drift and no sign of none, and it heals by itself."""
    told = listen(run)
    await serve_watched(run, provider)
    await condition_is(run, "False")
    run.world.mix = {}
    pods = [pod for some in run.world.pods.values() for pod in some]
    for pod in pods:
        pod.counters.observed.clear()
    await condition_is(run, "Unknown", limit=WINDOW_SECONDS)
    assert condition(run)[1] == "NoData", condition(run)
    await asyncio.sleep(WINDOW_SECONDS)
    assert not told, told
    run.world.mix = USUAL
    await condition_is(run, "False")


async def template_deleted(run: Run, provider: str) -> None:
    """Somebody deletes the template of a metric that drifts: nobody can look, and the drift lasts."""
    told = listen(run)
    body = {
        "apiVersion": ports.METRIC_TEMPLATE.api_version,
        "kind": "MetricTemplate",
        "metadata": {"name": "inputs", "namespace": NAMESPACE},
        "spec": TEMPLATE,
    }
    run.people.create_of(ports.METRIC_TEMPLATE, body)
    skew = {
        "name": "skew",
        "templateRef": {"kind": "MetricTemplate", "name": "inputs"},
        "compare": {"to": "TrainingReference"},
    }
    await serve_watched(run, provider, analysis=ANALYSIS | {"metrics": [METRICS[0], skew]})
    await condition_is(run, "False")
    run.world.mix = LATER
    await condition_is(run, "True", limit=WINDOW_SECONDS)
    run.people.delete(ports.METRIC_TEMPLATE, "inputs")
    assert await run.until(lambda: row(run).get("outcome") == "NoData", limit=WINDOW_SECONDS), row(
        run
    )
    await asyncio.sleep(WINDOW_SECONDS / 4)
    assert condition(run) == ("True", "Drift"), condition(run)
    run.people.create_of(ports.METRIC_TEMPLATE, body)
    assert await run.until(lambda: row(run).get("outcome") == "Fail", limit=2 * WINDOW_SECONDS), (
        row(run)
    )
    assert told == ["DataDrift"], told


async def killed_in_a_drift(run: Run, provider: str) -> None:
    """Another process finds the same drift: it goes on since when it was found, and is told once."""
    told = listen(run)
    await serve_watched(run, provider)
    await condition_is(run, "False")
    run.world.mix = LATER
    await condition_is(run, "True", limit=WINDOW_SECONDS)
    since = row(run)["failingSince"]
    run.kill()
    await asyncio.sleep(WINDOW_SECONDS)
    assert condition(run)[0] == "True", condition(run)
    assert row(run)["failingSince"] == since, row(run)
    assert told == ["DataDrift"], told
    run.world.mix = USUAL
    await condition_is(run, "False")
    assert told == ["DataDrift", "DriftEnded"], told


async def a_new_version(run: Run, provider: str) -> None:
    """It is trained on the world of today: the watch rests in its rollout, and begins anew with it."""
    told = listen(run)
    stable = await serve_watched(run, provider, steps=((50, 5),))
    await condition_is(run, "False")
    run.world.mix = LATER
    await condition_is(run, "True", limit=WINDOW_SECONDS)
    operation = {"op": "replace", "path": "/data/profile.json", "value": profile("v2", LATER)}
    run.people.patch(ports.CONFIG_MAP, "training", [operation])
    run.people.deploy("v2")
    assert await run.until(lambda: bool(facts.rollout(run.body).get("step")))
    assert facts.status(run.body)["monitoring"]["revision"] == stable
    assert await run.until(lambda: facts.stable(run.body) != stable)
    await condition_is(run, "False")
    assert facts.status(run.body)["monitoring"]["revision"] == facts.stable(run.body)
    assert told == ["DataDrift"], told


_PLAYS = {
    "watch_other_users": another_kind_of_user,
    "watch_same_world": the_same_world,
    "watch_fed_otherwise": fed_otherwise,
    "watch_uncounted": nothing_is_counted,
}
_BY_POD = {
    "watch_killed": killed_in_a_drift,
    "watch_new_version": a_new_version,
    "watch_template_deleted": template_deleted,
}
_ALL = (
    *((name, act, provider) for name, act in _PLAYS.items() for provider in PROVIDERS),
    *((name, act, "ReplicaRatio") for name, act in _BY_POD.items()),
)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(act, provider=provider),
        idle_seconds=2 * WINDOW_SECONDS if act is the_same_world else 0.0,
    )
    for name, act, provider in _ALL
}
