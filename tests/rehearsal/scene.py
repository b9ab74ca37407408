"""The story's scene without a cluster: the real controller on the simulation's virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator

from tests.demo import manifests, users, view, weighing
from tests.demo.watching import LOOK_SECONDS, NAME, NAMESPACE
from tests.rehearsal.users import UsersWorld
from tests.sim.cluster import Cluster
from tests.sim.environment import Environment
from tests.sim.replica import Replica
from tests.sim.simloop import SimLoop

from tidegate import ports
from tidegate.adapters import kube_http as http
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
        self._views: list[view.View] = []
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

    @property
    def latest(self) -> view.View | None:
        return self._views[-1] if self._views else None

    @property
    def views(self) -> tuple[view.View, ...]:
        return tuple(self._views)

    @property
    def weighed(self) -> tuple[weighing.Weighed, ...]:
        versions = {it.candidate_revision: it.candidate for it in self._views if it.candidate}
        log = map(json.dumps, self._environment.recorder.evidence_documents)
        return tuple(weighing.read(log, versions=versions))

    def now(self) -> float:
        return self._environment.wall().timestamp()

    def sleep(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def apply(self, version: str) -> None:
        document = manifests.model_deployment(version, gateway=GATEWAY)
        path = http.path(ports.MODEL_DEPLOYMENT, namespace=NAMESPACE, name=NAME)
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

    def start_users(self) -> None:
        self._tasks.append(self._loop.create_task(self._world.send_requests()))

    def users(self, *, since: float = 0.0) -> users.Users:
        return users.read_users(self._world.tally.document(now=self.now(), since=since))

    def pods(self, *, version: str) -> list[str]:
        pods = (pod for pods in self._world.pods.values() for pod in pods)
        return [pod.name for pod in pods if pod.version == version]

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
            body = self._environment.cluster.get(ports.MODEL_DEPLOYMENT, NAMESPACE, NAME)
            if body is not None:
                self._views.append(view.read_view(body, at=self.now()))
            await asyncio.sleep(LOOK_SECONDS)


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
