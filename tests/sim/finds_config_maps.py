"""Plays of tracked ConfigMaps: each revision has what they held when it was made, and keeps it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import (
    deployment,
    ends_well,
    nobody_is_rejected,
    ready,
)
from tests.sim.fields import Object
from tests.sim.oracle import by_operator
from tests.sim.people import MD, NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports

OTHER = "iris-eu"
SETTINGS, MAPPING, EXTRA = "settings", "mapping", "extra"
LOOKED = 90.0  # three looks


class Configs:
    """ConfigMaps of somebody. Whoever is given pods has copies of what they name; sources stay alone."""

    def __init__(self, run: Run) -> None:
        self._run = run
        run.cluster.listeners.append(self._look)
        self.create(SETTINGS, {"threshold": "0.5"})
        self.create(MAPPING, {"map.json": "{}"})

    def create(self, name: str, data: dict[str, str]) -> None:
        metadata = {"name": name, "namespace": NAMESPACE}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        self._run.people.create_of(ports.CONFIG_MAP, body)

    def set(self, name: str, data: dict[str, str]) -> None:
        operation = {"op": "replace", "path": "/data", "value": data}
        self._run.people.patch(ports.CONFIG_MAP, name, [operation])

    def delete(self, name: str) -> None:
        self._run.people.delete(ports.CONFIG_MAP, name)

    def copy(self, name: str, revision: str) -> Object | None:
        """What the pods of a revision are given in its place."""
        return self._run.cluster.get(ports.CONFIG_MAP, NAMESPACE, f"{NAME}-{revision}-{name}")

    def holds(self, revision: str, threshold: str) -> bool:
        found = self.copy(SETTINGS, revision)
        return found is not None and found["data"] == {"threshold": threshold}

    def _look(self, change: Change) -> None:
        if not by_operator(change):
            return
        if change.kind is ports.CONFIG_MAP:
            name = change.body["metadata"]["name"]
            assert name not in {SETTINGS, MAPPING, EXTRA}, "the source is written"
            assert change.old is None or change.new is None, "a copy is changed"
        if change.kind is ports.DEPLOYMENT and change.old is None and change.new is not None:
            revision = facts.revision_label(change.new)
            for name in (SETTINGS, MAPPING):
                found = self.copy(name, revision)
                assert found is not None, f"{revision} has no {name}"
                assert found["immutable"] is True


def pod_spec() -> Object:
    """Names ConfigMaps in each way that there is, one of them only where it is there."""
    return {
        "containers": [
            {
                "name": "server",
                "image": "mlserver:1",
                "envFrom": [{"configMapRef": {"name": SETTINGS}}],
                "volumeMounts": [{"name": "map", "mountPath": "/map"}],
            }
        ],
        "volumes": [
            {"name": "map", "configMap": {"name": MAPPING}},
            {
                "name": "more",
                "projected": {"sources": [{"configMap": {"name": EXTRA, "optional": True}}]},
            },
        ],
    }


async def _serve(run: Run, provider: str, **spec: Any) -> tuple[Configs, str]:
    configs = Configs(run)
    body = manifest("v1", provider=provider, replicas=2, progressDeadline="10m", **spec)
    body["spec"]["workload"]["template"]["spec"] = pod_spec()
    body["spec"]["workload"]["trackConfigMaps"] = "Snapshot"
    run.people.create(body)
    assert await run.until(lambda: run.phase() == "Healthy"), _message(run)
    stable = facts.stable(run.body)
    assert configs.holds(stable, "0.5")
    return configs, stable


def _message(run: Run) -> str:
    return str(facts.status(run.body).get("message"))


def _named(run: Run, revision: str) -> tuple[str, str, str]:
    """What the template of a revision names."""
    pod = deployment(run, revision)["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    volume, more = pod["volumes"]
    return (
        server["envFrom"][0]["configMapRef"]["name"],
        volume["configMap"]["name"],
        more["projected"]["sources"][0]["configMap"]["name"],
    )


async def _next(run: Run) -> str:
    """Another revision begins; its hash."""
    assert await run.until(lambda: bool(facts.rollout(run.body)), limit=LOOKED), _message(run)
    return str(facts.rollout(run.body)["revision"])


async def config_changes(run: Run, provider: str) -> None:
    """Other content is a rollout with steps; the old content again is the old revision, at once."""
    configs, first = await _serve(run, provider)
    assert _named(run, first) == tuple(f"{NAME}-{first}-{it}" for it in (SETTINGS, MAPPING, EXTRA))
    configs.set(SETTINGS, {"threshold": "0.9"})
    second = await _next(run)
    await ends_well(run)
    assert (facts.stable(run.body), second != first) == (second, True)
    assert configs.holds(second, "0.9")
    assert configs.holds(first, "0.5"), "the way back has lost its content"
    configs.set(SETTINGS, {"threshold": "0.5"})
    assert await run.until(lambda: facts.stable(run.body) == first, limit=LOOKED), _message(run)


async def bad_with_other_config(run: Run, provider: str) -> None:
    """What goes back has what it had, whatever the source holds by now."""
    configs, stable = await _serve(run, provider)
    run.people.deploy("bad")
    await _next(run)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=200.0), _message(run)
    configs.set(SETTINGS, {"threshold": "0.1"})
    run.world.evict(deployment(run, stable)["metadata"]["uid"])
    assert await run.until(lambda: ready(run, stable) == 2, limit=60.0)
    assert configs.holds(stable, "0.5")


async def config_lost(run: Run, provider: str) -> None:
    """Without one that its pods need what serves goes on, and nothing else moves; it heals by itself."""
    configs, stable = await _serve(run, provider)
    configs.delete(SETTINGS)
    assert await run.until(partial(_told, run, "SourceNotFound"), limit=LOOKED), _message(run)
    assert f"ConfigMap {SETTINGS}" in facts.condition(run.body, "InvalidSpec")["message"]
    run.people.deploy("v2")
    await asyncio.sleep(LOOKED)
    assert not facts.rollout(run.body), "a revision without what it needs"
    # Whoever deletes what serves meanwhile gets it again, with its own copies.
    run.people.delete(ports.DEPLOYMENT, f"{NAME}-{stable}")
    assert await run.until(lambda: _serves(run, stable), limit=60.0)
    configs.create(SETTINGS, {"threshold": "0.5"})
    await _next(run)
    await ends_well(run)
    assert facts.stable(run.body) != stable


async def config_lost_in_a_step(run: Run, provider: str) -> None:
    """A candidate keeps its share and its pods meanwhile, and the same attempt goes on."""
    configs, stable = await _serve(run, provider, steps=((50, 30),))
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) >= 50, limit=120.0), _message(run)
    rollout = facts.rollout(run.body)
    configs.delete(MAPPING)
    assert await run.until(partial(_told, run, "SourceNotFound"), limit=LOOKED), _message(run)
    await asyncio.sleep(LOOKED)
    assert facts.rollout(run.body)["id"] == rollout["id"]
    assert (facts.intent(run.body), facts.stable(run.body)) == (50, stable)
    nobody_is_rejected(run)
    configs.create(MAPPING, {"map.json": "{}"})
    await ends_well(run)
    assert facts.stable(run.body) == rollout["revision"]


async def optional_config_comes(run: Run, provider: str) -> None:
    """One that pods can do without is not there; once it is, that is another revision."""
    configs, first = await _serve(run, provider)
    assert configs.copy(EXTRA, first) is None
    configs.create(EXTRA, {"more": "1"})
    second = await _next(run)
    await ends_well(run)
    found = configs.copy(EXTRA, second)
    assert found is not None
    assert found["data"] == {"more": "1"}
    assert configs.copy(EXTRA, first) is None, "pods of another revision would see it"


async def copies_go_with_their_revision(run: Run, provider: str) -> None:
    """Beyond the history limit no copy is left behind, and none goes before."""
    configs, first = await _serve(run, provider)
    for version in ("v2", "v3"):
        run.people.deploy(version)
        await _next(run)
        await ends_well(run)
    assert await run.until(lambda: configs.copy(SETTINGS, first) is None, limit=60.0)
    assert configs.copy(MAPPING, first) is None
    assert configs.holds(facts.stable(run.body), "0.5")
    assert run.cluster.get(ports.CONFIG_MAP, NAMESPACE, SETTINGS) is not None


async def config_changes_in_a_step(run: Run, provider: str) -> None:
    """The candidate is superseded by one with the newest content."""
    configs, stable = await _serve(run, provider, steps=((50, 60),))
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) >= 50, limit=120.0), _message(run)
    before = facts.rollout(run.body)["revision"]
    configs.set(SETTINGS, {"threshold": "0.7"})
    assert await run.until(
        lambda: facts.rollout(run.body).get("revision") not in {None, before}, limit=LOOKED
    ), _message(run)
    await ends_well(run)
    assert facts.stable(run.body) not in {stable, before}
    assert configs.holds(facts.stable(run.body), "0.7")


async def config_of_two(run: Run, provider: str) -> None:
    """Two ModelDeployments that are alike to the letter serve side by side, each from its own copy."""
    run.others.add(OTHER)
    _, stable = await _serve(run, provider)
    body = run.body
    assert body is not None
    alike = {"name": OTHER, "namespace": NAMESPACE}
    run.people.create(
        {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "metadata": alike,
            "spec": body["spec"],
        }
    )

    def serves() -> bool:
        found = run.cluster.get(MD, NAMESPACE, OTHER)
        return bool(facts.stable(found) == stable and facts.status(found)["phase"] == "Healthy")

    assert await run.until(serves, limit=60.0), facts.status(run.cluster.get(MD, NAMESPACE, OTHER))
    for name in (NAME, OTHER):
        assert run.cluster.get(ports.CONFIG_MAP, NAMESPACE, f"{name}-{stable}-{SETTINGS}")
    await ends_well(run)


def _told(run: Run, reason: str) -> bool:
    return facts.condition(run.body, "InvalidSpec").get("reason") == reason


def _serves(run: Run, stable: str) -> bool:
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{stable}")
    return found is not None and ready(run, stable) == 2


def _by(provider: str, *plays: Any) -> dict[str, Scenario]:
    scenarios = (
        Scenario(
            name=f"{play.__name__}_{provider.lower()}",
            script=partial(play, provider=provider),
            truths={"bad": BAD},
        )
        for play in plays
    )
    return {one.name: one for one in scenarios}


PLAYS = {
    **_by("ReplicaRatio", config_changes, config_lost, config_of_two),
    **_by(
        "GatewayAPI",
        config_changes,
        config_lost,
        config_lost_in_a_step,
        config_of_two,
        bad_with_other_config,
        optional_config_comes,
        copies_go_with_their_revision,
        config_changes_in_a_step,
    ),
}
