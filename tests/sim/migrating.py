"""Plays of a Deployment and a Service that were there before: taken over, changed, and lost."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.sim import facts, oracle
from tests.sim.cluster import Change
from tests.sim.cluster_side import PROVIDERS, deployment, ends_well, nobody_is_rejected, ready
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD

from tidegate import ports
from tidegate.model import objects

SOURCE = "served-until-now"
OWN = {"app": "iris"}
OFFER = {objects.ANNOTATION_ADOPT: NAME}
PODS = 3


def source(image: str = "mlserver:1") -> Object:
    """What somebody has: a Deployment, whose pods have a label of their own and one of a team."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SOURCE, "namespace": NAMESPACE, "labels": dict(OWN)},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": dict(OWN)},
            "template": {
                "metadata": {"labels": {**OWN, "team": "risk"}},
                "spec": {"containers": [{"name": "server", "image": image}]},
            },
        },
    }


def service(**annotations: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": annotations},
        "spec": {
            "type": "ClusterIP",
            "selector": dict(OWN),
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}],
        },
    }


class Source:
    """The Deployment of somebody, and whether the operator ever wrote it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        run.cluster.listeners.append(self._look)
        run.people.create_of(ports.DEPLOYMENT, source())

    def _look(self, change: Change) -> None:
        if oracle.by_operator(change) and change.kind is ports.DEPLOYMENT:
            assert objects.object_name(change.body) != SOURCE, "the source is written"

    @property
    def body(self) -> Object:
        found = self._run.cluster.get(ports.DEPLOYMENT, NAMESPACE, SOURCE)
        assert found is not None
        return found

    @property
    def ready(self) -> int:
        pods = self._run.world.pods.get(self.body["metadata"]["uid"], [])
        return sum(pod.ready for pod in pods)

    def patch(self, path: str, value: Any) -> None:
        operation = {"op": "add", "path": path, "value": value}
        self._run.people.patch(ports.DEPLOYMENT, SOURCE, [operation])

    def set_image(self, image: str) -> None:
        self.patch("/spec/template/spec/containers/0/image", image)

    def delete(self) -> None:
        self._run.people.delete(ports.DEPLOYMENT, SOURCE)


def by_reference(provider: str, **spec: Any) -> Object:
    body = manifest("v1", provider=provider, replicas=PODS, progressDeadline="10m", **spec)
    body["spec"]["workload"] = {"replicas": PODS, "workloadRef": {"name": SOURCE}}
    return body


async def _before(run: Run, **annotations: str) -> Source:
    """Deployment and Service serve, and no request is lost any more."""
    found = Source(run)
    run.people.create_of(ports.SERVICE, service(**annotations))
    assert await run.until(lambda: found.ready == PODS, limit=30.0)
    await asyncio.sleep(5.0)
    return found


async def _migrated(run: Run, provider: str, **spec: Any) -> tuple[Source, str]:
    """All of it is one apply; the revision that serves then."""
    found = await _before(run, **OFFER)
    run.people.create(by_reference(provider, **spec))
    assert await run.until(lambda: run.phase() == "Healthy"), _message(run)
    return found, facts.stable(run.body)


def _message(run: Run) -> str:
    return str(facts.status(run.body).get("message"))


def _entry(run: Run) -> Object:
    found = run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
    assert found is not None
    return found


def _image(run: Run, revision: str) -> str:
    template = deployment(run, revision)["spec"]["template"]
    return str(template["spec"]["containers"][0]["image"])


async def migration(run: Run, provider: str) -> None:
    """One apply, no lost request, and the Deployment is as it was until its owner parks it."""
    found = await _before(run, **OFFER)
    before, address = copy.deepcopy(found.body["spec"]), _entry(run)["metadata"]["uid"]
    lost = run.world.user_errors
    run.people.create(by_reference(provider))
    assert await run.until(lambda: run.phase() == "Healthy"), _message(run)
    stable = facts.stable(run.body)
    entry = _entry(run)
    assert entry["metadata"]["uid"] == address
    assert facts.selected(entry) == stable
    assert found.body["spec"] == before
    labels = deployment(run, stable)["spec"]["template"]["metadata"]["labels"]
    assert labels["team"] == "risk"
    assert not OWN.items() & labels.items(), "its own Services would catch the candidate"
    await asyncio.sleep(20.0)
    found.patch("/spec/replicas", 0)
    await asyncio.sleep(60.0)
    assert run.world.user_errors == lost
    assert run.phase() == "Healthy", _message(run)
    assert ready(run, stable) == PODS


async def source_edited(run: Run, provider: str) -> None:
    """Another image in the source is a rollout; a restart, a label and a size of it are none."""
    found, first = await _migrated(run, provider)
    notes = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    found.patch("/spec/template/metadata/annotations", notes)
    found.patch("/spec/replicas", 1)
    found.patch("/metadata/labels/owner", "somebody")
    await asyncio.sleep(60.0)
    assert facts.stable(run.body) == first
    assert not facts.rollout(run.body)
    found.set_image("mlserver:2")
    assert await run.until(lambda: bool(facts.rollout(run.body)), limit=30.0), _message(run)
    await ends_well(run)
    second = facts.stable(run.body)
    assert second != first
    assert _image(run, second) == "mlserver:2"
    found.set_image("mlserver:1")
    assert await run.until(lambda: facts.stable(run.body) == first, limit=300.0), _message(run)


async def source_lost(run: Run, provider: str) -> None:
    """Without its source what serves goes on, and comes back; the source heals it."""
    found, stable = await _migrated(run, provider)
    await _without_source(run, found)
    for _ in range(2):
        await asyncio.sleep(60.0)
        assert facts.stable(run.body) == stable
        assert ready(run, stable) == PODS
        # Whoever deletes what serves meanwhile gets it again as it was frozen.
        run.people.delete(ports.DEPLOYMENT, f"{NAME}-{stable}")
    assert await run.until(lambda: _serves(run, stable), limit=60.0)
    assert _image(run, stable) == "mlserver:1"
    run.people.create_of(ports.DEPLOYMENT, source())
    assert await run.until(lambda: run.phase() == "Healthy", limit=30.0), _message(run)
    assert facts.stable(run.body) == stable


async def source_lost_in_a_step(run: Run, provider: str) -> None:
    """A candidate keeps its weight and its pods meanwhile, and the same attempt goes on."""
    found, stable = await _migrated(run, provider, steps=((25, 30), (50, 30)))
    found.set_image("mlserver:2")
    assert await run.until(lambda: facts.intent(run.body) >= 25, limit=120.0), _message(run)
    attempt = facts.rollout(run.body)["id"]
    await _without_source(run, found)
    await asyncio.sleep(120.0)
    rollout = facts.rollout(run.body)
    assert rollout["id"] == attempt
    assert facts.intent(run.body) == 25, "no forward move"
    assert facts.stable(run.body) == stable
    assert ready(run, rollout["revision"]) >= 1
    run.people.create_of(ports.DEPLOYMENT, source("mlserver:2"))
    await ends_well(run)
    assert facts.stable(run.body) == rollout["revision"]


async def harm_without_source(run: Run, provider: str) -> None:
    """A candidate that breaks while its source is gone is rolled back all the same."""
    found, stable = await _migrated(run, provider, steps=((50, 60),))
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) >= 50, limit=120.0), _message(run)
    candidate = facts.rollout(run.body)["revision"]
    await _without_source(run, found)
    run.world.truths["v2"] = BAD
    assert await run.until(lambda: candidate in facts.rejected(run.body), limit=120.0)
    assert await run.until(lambda: not facts.rollout(run.body), limit=120.0), _message(run)
    assert facts.stable(run.body) == stable
    run.people.create_of(ports.DEPLOYMENT, source())
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), _message(run)


async def not_offered(run: Run, provider: str) -> None:
    """A Service that nobody offers keeps its pods and its traffic; an offer heals it."""
    await _before(run)
    lost, before = run.world.user_errors, copy.deepcopy(_entry(run)["spec"])
    run.people.create(by_reference(provider))
    told = partial(_told, run, "NameConflict")
    assert await run.until(told, limit=60.0), _message(run)
    await asyncio.sleep(30.0)
    assert _entry(run)["spec"] == before
    if provider == "ReplicaRatio":
        assert run.world.user_errors == lost
    offer = [{"op": "add", "path": "/metadata/annotations", "value": OFFER}]
    run.people.patch(ports.SERVICE, NAME, offer)
    assert await run.until(lambda: run.phase() == "Healthy", limit=400.0), _message(run)


async def equal_template(run: Run, provider: str) -> None:
    """The same template written into the spec is no other revision, and neither is the way back."""
    _, stable = await _migrated(run, provider)
    own = source()["spec"]["template"]
    own["metadata"]["labels"].pop("app")
    for workload in ({"template": own}, {"workloadRef": {"name": SOURCE}}):
        run.people.edit_spec({"workload": {"replicas": PODS, **workload}})
        await asyncio.sleep(30.0)
        assert facts.stable(run.body) == stable
        assert not facts.rollout(run.body)
        assert run.phase() == "Healthy", _message(run)


async def _without_source(run: Run, found: Source) -> None:
    found.delete()
    assert await run.until(partial(_told, run, "SourceNotFound"), limit=30.0), _message(run)
    assert SOURCE in facts.condition(run.body, "InvalidSpec")["message"]
    nobody_is_rejected(run)


def _told(run: Run, reason: str) -> bool:
    conditions = facts.status(run.body).get("conditions") or []
    return any(one["reason"] == reason for one in conditions)


def _serves(run: Run, revision: str) -> bool:
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{revision}")
    return found is not None and ready(run, revision) == PODS


async def _played(play: Callable[..., Any], provider: str, run: Run) -> None:
    await play(run, provider)


PLAYS = (
    migration,
    source_edited,
    source_lost,
    source_lost_in_a_step,
    harm_without_source,
    not_offered,
    equal_template,
)
MIGRATING = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name=f"{play.__name__}_{provider.lower()}",
            script=partial(_played, play, provider),
        )
        for play in PLAYS
        for provider in PROVIDERS
    )
}
