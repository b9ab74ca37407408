"""The story's scene without a cluster: the real controller on the simulation's virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.demo import asking, manifests, users, view, weighing
from tests.demo.watching import LOOK_SECONDS, NAMESPACE
from tests.images.testkit.tally import Tally
from tests.rehearsal.users import UsersWorld
from tests.sim.cluster import Cluster
from tests.sim.environment import Environment
from tests.sim.replica import Replica
from tests.sim.simloop import SimLoop

from tidegate import ports
from tidegate.adapters import kube_http as http
from tidegate.model import objects
from tidegate.settings import MetricSourceSettings, Settings

GATEWAY = ("tidegate-gateway", "inference")
REPLICAS = 2  # as many as the chart starts
SETTINGS = Settings(
    namespaces=(NAMESPACE,),
    metric_sources=(
        MetricSourceSettings(
            name="default",
            url="http://prometheus:9090",
            scrape_interval_seconds=manifests.SCRAPE_INTERVAL_SECONDS,
        ),
    ),
)


class Rehearsal:
    """A `tests.demo.scene.Scene` whose clock jumps from one event to the next."""

    real = False

    def __init__(self, *, seed: int) -> None:
        """To be called inside of the loop that it is played on."""
        dice = random.Random(f"{seed}/users")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self._loop = loop
        self._views: dict[str, list[view.View]] = {}
        self._world: UsersWorld

        def make_world(cluster: Cluster) -> UsersWorld:
            self._world = UsersWorld(cluster, dice=dice)
            return self._world

        self._environment = Environment(
            seed=seed, loop=loop, settings=SETTINGS, make_world=make_world
        )
        self._environment.cluster.namespaces.add(NAMESPACE)
        self._replicas = [Replica(self._environment, f"op{it}") for it in range(REPLICAS)]
        self._tasks = [loop.create_task(replica.supervise()) for replica in self._replicas]
        self._tasks.append(loop.create_task(self._watch()))

    def now(self) -> float:
        return self._environment.wall().timestamp()

    def sleep(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def of(self, model: manifests.Model) -> RehearsedModel:
        return RehearsedModel(model, self)

    def views(self, model: manifests.Model) -> tuple[view.View, ...]:
        """All looks at a model so far."""
        return tuple(self._views.get(model.name, ()))

    def weighed(self, model: manifests.Model) -> tuple[weighing.Weighed, ...]:
        """All judgements of a model so far, oldest first."""
        journal = weighing.Journal()
        journal.take(map(json.dumps, self._environment.recorder.evidence_documents))
        return journal.of(model.name, versions=weighing.versions_of(self.views(model)))

    def apply(self, document: dict[str, Any]) -> None:
        """As `kubectl apply` does."""
        name = document["metadata"]["name"]
        path = http.path(ports.MODEL_DEPLOYMENT, namespace=NAMESPACE, name=name)
        request = http.Request(
            verb="apply",
            method="PATCH",
            path=path,
            body=document,
            content_type=http.APPLY,
            query=(("fieldManager", "kubectl"),),
        )
        reply = self._environment.cluster.handle(request, actor="people")
        assert reply.status in {200, 201}, reply

    def start_users(self, model: manifests.Model) -> None:
        """From now on users of this model send requests."""
        self._tasks.append(self._loop.create_task(self._world.send_requests(model)))

    def tally(self, model: manifests.Model) -> Tally | None:
        """The books of a model's users; None while there are none."""
        return self._world.tallies.get(model.name)

    def pods(self, model: manifests.Model, *, version: str) -> list[str]:
        """Names of a model's pods of a version that exist now."""
        pods = (pod for pods in self._world.pods.values() for pod in pods)
        return [
            pod.name
            for pod in pods
            if pod.version == version and pod.labels[objects.LABEL_MODEL_DEPLOYMENT] == model.name
        ]

    async def end(self) -> None:
        """Stop everything. Errors: whatever ended a part of the rehearsal by itself."""
        for replica in self._replicas:
            replica.stop()
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _watch(self) -> None:
        while True:
            for body in self._environment.cluster.all(ports.MODEL_DEPLOYMENT):
                looks = self._views.setdefault(body["metadata"]["name"], [])
                looks.append(view.read_view(body, at=self.now()))
            await asyncio.sleep(LOOK_SECONDS)


class RehearsedModel:
    """A `tests.demo.scene.ModelScene`."""

    def __init__(self, model: manifests.Model, scene: Rehearsal) -> None:
        self._model = model
        self._scene = scene
        self._document: dict[str, Any] = {}

    @property
    def latest(self) -> view.View | None:
        views = self.views
        return views[-1] if views else None

    @property
    def views(self) -> tuple[view.View, ...]:
        return self._scene.views(self._model)

    @property
    def weighed(self) -> tuple[weighing.Weighed, ...]:
        return self._scene.weighed(self._model)

    def apply(self, version: str) -> None:
        self._document = manifests.model_deployment(self._model, version=version, gateway=GATEWAY)
        self._scene.apply(self._document)

    def ask(self, request: str, *, revision: str) -> None:
        asked = asking.as_annotations(request, revision=revision, at=self._scene.now())
        metadata = {**self._document["metadata"], "annotations": asked}
        self._scene.apply({**self._document, "metadata": metadata})

    def start_users(self) -> None:
        self._scene.start_users(self._model)

    @property
    def has_users(self) -> bool:
        return self._scene.tally(self._model) is not None

    def users(self, *, since: float = 0.0) -> users.Users:
        tally = self._scene.tally(self._model)
        assert tally is not None, "nobody asked for users"
        return users.read_users(tally.document(now=self._scene.now(), since=since))

    def pods(self, *, version: str) -> list[str]:
        return self._scene.pods(self._model, version=version)


@contextlib.contextmanager
def rehearsal(*, seed: int) -> Iterator[Rehearsal]:
    """A scene for the time of the block, in which no other event loop may run."""
    loop = SimLoop()
    try:
        scene = loop.run_until_complete(_made(seed))
        try:
            yield scene
        finally:
            loop.run_until_complete(scene.end())
    finally:
        loop.close()


async def _made(seed: int) -> Rehearsal:
    return Rehearsal(seed=seed)
