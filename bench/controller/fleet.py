"""The whole controller on a fake API server with many objects, in virtual time.

API server, pods, Gateway and Prometheus are those of the simulation. Their time does not count:
what is measured is the operator's own. What it gets from a watch is read from JSON as in a cluster.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.sim.cluster import Change, Cluster
from tests.sim.environment import Environment
from tests.sim.fields import Object
from tests.sim.people import NAMESPACE, manifest
from tests.sim.pod import Pod
from tests.sim.replica import Replica
from tests.sim.simloop import SimLoop
from tests.sim.truth import Truth
from tests.sim.world import World

from bench.controller.meter import Meter
from tidegate import model, ports
from tidegate.adapters import kube_http as http
from tidegate.model import objects
from tidegate.revisions import state
from tidegate.settings import MetricSourceSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.replica import Process

T = TypeVar("T")
SCRAPE_SECONDS = 15.0
BAD = "bad"
STEPS = [
    {"name": f"p{weight}", "weight": weight, "hold": "1m", "deadline": "10m"}
    for weight in (5, 10, 25, 50, 75)
]
SETTINGS = Settings(
    metric_sources=(
        MetricSourceSettings(
            name="prometheus",
            url="http://prometheus:9090",
            scrape_interval_seconds=SCRAPE_SECONDS,
        ),
    ),
)
_UID = re.compile(r"\d{8}-0000-0000-0000-")
STRANGERS = frozenset({"World", "FleetWorld"})
ANALYSIS = {
    "interval": "15s",
    "warmup": "15s",
    "settle": "5s",
    "window": "1m",
    "minRequests": 1000,
    "noDataTimeout": "10m",
    "metrics": [
        {"name": "errors", "preset": "error-ratio"},
        {"name": "latency", "preset": "latency-p95"},
    ],
}


class FleetWorld(World):
    """A world that finds the pods of one ModelDeployment without looking at all others'."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(
            cluster, truths={BAD: Truth(error_ratio=0.5)}, scrape_seconds=SCRAPE_SECONDS
        )
        self.moving: set[str] = set()  # who has pods here; those of all others stand still
        self._uids: dict[str, set[str]] = {}

    def selected(self, selector: dict[str, str]) -> list[Pod]:
        """Pods with these labels."""
        uids = self._uids.get(selector.get(objects.LABEL_MODEL_DEPLOYMENT, ""), ())
        return [
            pod
            for uid in sorted(uids)
            for pod in self.pods.get(uid, ())
            if all(pod.labels.get(key) == value for key, value in selector.items())
        ]

    def _new_pod(self, uid: str, body: Object) -> Pod:
        pod = super()._new_pod(uid, body)
        self._uids.setdefault(pod.labels[objects.LABEL_MODEL_DEPLOYMENT], set()).add(uid)
        return pod

    def _slice(self, service: Object) -> None:
        if service["metadata"]["labels"][objects.LABEL_MODEL_DEPLOYMENT] in self.moving:
            super()._slice(service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of the operator. `at` is virtual, `cpu` the operator's time until then: seconds."""

    at: float
    cpu: float
    request: http.Request

    @property
    def about(self) -> str:
        """The plural of the kind, with the subresource."""
        parts = self.request.path.split("/")
        known = [part for part in parts if part in _PLURALS]
        return known[-1] + ("/status" if parts[-1] == "status" else "")


_PLURALS = frozenset(kind.plural for kind in vars(ports).values() if isinstance(kind, ports.Kind))


class Fleet(Environment):
    """ModelDeployments and one process of the operator. To be made inside of its loop."""

    def __init__(self, meter: Meter, *, copies: Iterable[tuple[ports.Kind, Object]] = ()) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.meter = meter
        self.sent: list[Sent] = []
        self.counting_seconds = 0.0
        self.harm: list[tuple[float, float]] = []  # virtual instant and CPU time of each verdict
        super().__init__(seed=1, loop=loop, settings=SETTINGS, make_world=self._made_world)
        self.cluster.handle = meter.aside(self.cluster.handle)  # type: ignore[method-assign]
        prometheus = self.world.prometheus
        prometheus.answer = meter.aside(prometheus.answer)  # type: ignore[method-assign]
        self.snapshot = meter.aside(self.snapshot)  # type: ignore[method-assign]
        self._note_harm()
        for kind, body in copies:
            self.cluster.restore(kind, body)
        self._replica = Replica(self, "op")
        self._task: asyncio.Task[None] | None = None

    def _made_world(self, cluster: Cluster) -> World:
        self.fleet_world = FleetWorld(cluster)
        return self.fleet_world

    def _note_harm(self) -> None:
        plain = self.recorder.evidence

        def noted(document: model.Document) -> None:
            judgement: Any = document.get("judgement") or {}
            if judgement.get("verdict") == model.Verdict.ROLL_BACK.value:
                self.harm.append((self.loop.time(), self.meter.total))
            plain(document)

        self.recorder.evidence = noted  # type: ignore[method-assign]

    def counted(self, work: Callable[[], T]) -> T:
        """What the thread for counting does; no callback of the loop waits for it."""
        began = time.thread_time()
        try:
            return self.meter.aside(work)()
        finally:
            self.counting_seconds += time.thread_time() - began

    # --- the operator ----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process."""
        self._task = self.loop.create_task(self._replica.supervise())

    async def stop(self) -> None:
        """End it as a node does that goes down."""
        self._replica.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def on_send(self, process: Process, request: http.Request) -> None:
        """Note it."""
        del process
        self.sent.append(Sent(at=self.loop.time(), cpu=self.meter.total, request=request))

    def snapshot(self, behind: int) -> tuple[list[tuple[ports.Kind, Object]], list[Change]]:
        """What a watch lists: documents of its own, as they come out of JSON."""
        found, missed = super().snapshot(behind)
        listed = [(kind, json.dumps(body)) for kind, body in found]
        return [(kind, http.with_shared_texts(json.loads(text))) for kind, text in listed], missed

    # --- people ----------------------------------------------------------------------------------

    def create(self, name: str, **spec: Any) -> None:
        """Make a ModelDeployment of version v1."""
        self.fleet_world.moving.add(name)
        strategy = {"canary": {"steps": STEPS}, "scaleDownDelay": "30s"}
        body = manifest("v1", analysis=dict(ANALYSIS), strategy=strategy, **spec)
        body["metadata"]["name"] = name
        body["spec"]["model"]["uri"] = "s3://models/v1"
        self._people("POST", "", body)

    def deploy(self, name: str, version: str) -> None:
        """Ask for another version."""
        value = {"version": version, "uri": f"s3://models/{version}"}
        self._people("PATCH", name, [{"op": "replace", "path": "/spec/model", "value": value}])

    def _people(self, method: str, name: str, body: Any) -> None:
        request = http.Request(
            verb=method.lower(),
            method=method,
            path=http.path(ports.MODEL_DEPLOYMENT, namespace=NAMESPACE, name=name),
            body=body,
            content_type=http.JSON_PATCH if method == "PATCH" else http.JSON,
            query=(("fieldManager", "people"),),
        )
        reply = self.cluster.handle(request, actor="people")
        assert reply.status in {200, 201}, reply

    def conditions(self, name: str) -> list[dict[str, str]]:
        """What its status says in conditions."""
        body = self.cluster.get(ports.MODEL_DEPLOYMENT, NAMESPACE, name)
        assert body is not None
        found: list[dict[str, str]] = body["status"]["conditions"]
        return found

    def phase(self, name: str) -> str:
        """The phase, if it speaks of the newest spec and no pods have to go any more."""
        body = self.cluster.get(ports.MODEL_DEPLOYMENT, NAMESPACE, name)
        assert body is not None
        status = body.get("status") or {}
        current = status.get("observedGeneration") == body["metadata"]["generation"]
        return str(status.get("phase", "")) if current and not status.get("retiring") else ""

    async def until(self, done: Callable[[], bool], *, limit: float = 3600.0) -> None:
        """Wait in virtual time. Errors: TimeoutError at the limit, in seconds."""
        deadline = self.loop.time() + limit
        while not done():
            if self.loop.time() > deadline:
                raise TimeoutError
            await asyncio.sleep(0.5)

    async def until_all(self, names: Iterable[str], phase: str) -> None:
        """Until all of them have this phase."""
        waiting = set(names)

        def done() -> bool:
            waiting.difference_update({one for one in waiting if self.phase(one) == phase})
            return not waiting

        try:
            await self.until(done)
        except TimeoutError as error:
            raise TimeoutError(f"{sorted(waiting)[:3]} are not {phase}") from error


def copied(fleet: Fleet, name: str, *, times: int) -> Iterator[tuple[ports.Kind, Object]]:
    """All objects of one ModelDeployment, as if there were so many of it: `NAME-1`, `NAME-2`."""
    documents = _documents(fleet, name)
    for number in range(1, times + 1):
        copy = f"{name}-{number}"
        hashes = dict(_hashes(documents, name, copy))
        for kind, text in documents:
            renamed = _replaced(text.replace(name, copy), hashes)
            yield kind, json.loads(_UID.sub(f"{number:08d}-0000-0000-0000-", renamed))


def _hashes(
    documents: Iterable[tuple[ports.Kind, str]], name: str, copy: str
) -> Iterator[tuple[str, str]]:
    """How the templates are noted, before and after: a copy that nobody changed must not look edited."""
    for kind, text in documents:
        if kind is ports.DEPLOYMENT:
            texts = (text, text.replace(name, copy))
            before, after = (state.template_hash(json.loads(one)) for one in texts)
            yield before, after


def _replaced(text: str, by: dict[str, str]) -> str:
    for old, new in by.items():
        text = text.replace(old, new)
    return text


def _documents(fleet: Fleet, name: str) -> list[tuple[ports.Kind, str]]:
    kept = {ports.LEASE, ports.EVENT, ports.POD, ports.NAMESPACE}
    return [
        (kind, json.dumps(body))
        for kind in fleet.cluster.kinds.values()
        if kind not in kept
        for body in fleet.cluster.all(kind)
        if body["metadata"]["name"].startswith(name)
    ]


def played(
    play: Callable[[Fleet], Any],
    meter: Meter,
    *,
    copies: Iterable[tuple[ports.Kind, Object]] = (),
    now: float = 0.0,
) -> Fleet:
    """Run a play to its end on a fleet of its own; it begins `now` seconds after the first one."""
    loop = SimLoop(now=now)

    async def run() -> Fleet:
        fleet = Fleet(meter, copies=copies)
        try:
            await play(fleet)
        finally:
            await fleet.stop()
        return fleet

    try:
        with meter.running():
            return loop.run_until_complete(run())
    finally:
        loop.close()
