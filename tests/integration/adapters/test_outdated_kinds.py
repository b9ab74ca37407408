"""CRDs that are older than the operator, on a real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from api_examples import SMALLEST
from patience import PATIENT_ELECTION
from port_fakes import FixedRng, MemoryRecorder
from shell_replica import Replica, until
from tests.cluster.api import ControlPlane, control_plane

from tidegate import model, ports
from tidegate.adapters import clock, kube
from tidegate.api import crdgen, served, status
from tidegate.controller import engine
from tidegate.controller.reconciler import Reconciler
from tidegate.controller.workqueue import Key
from tidegate.settings import Settings

pytestmark = pytest.mark.apiserver

DEFINITIONS = {it.resource: it for it in crdgen.DEFINITIONS}
KEY = Key("default", "mine")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001
    """An API server of its own, since these tests change our kinds."""
    with control_plane(with_controllers=False) as plane:
        install(plane)
        yield plane


def install(plane: ControlPlane, kind: ports.Kind | None = None, change: Change = id) -> None:
    """Our CRDs, one of them changed in its schema."""
    manifests = {it.resource: crdgen.manifest(it) for it in crdgen.DEFINITIONS}
    if kind is not None:
        version = manifests[kind]["spec"]["versions"][0]
        change(version["schema"]["openAPIV3Schema"]["properties"])
    listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests.values())}
    arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    plane.kubectl(*arguments, input=json.dumps(listed))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")


def without(part: str, *path: str) -> Change:
    def change(properties: dict[str, Any]) -> None:
        node = properties[part]
        for name in path[:-1]:
            node = node["properties"][name]
        node["properties"].pop(path[-1])

    return change


@asynccontextmanager
async def connected(plane: ControlPlane) -> AsyncIterator[kube.Kube]:
    api = await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))
    try:
        yield api
    finally:
        await api.close()


async def lacks(plane: ControlPlane, kind: ports.Kind) -> tuple[str, ...]:
    """What the cluster lacks of a kind as it is published now."""
    async with connected(plane) as api:
        answer = await api.served_schemas(group=crdgen.GROUP, version=crdgen.VERSION)
    assert isinstance(answer, ports.Ok), answer
    return served.lacking(DEFINITIONS[kind], answer.value.get(kind.kind, {}))


@pytest.mark.parametrize("kind", DEFINITIONS, ids=lambda it: it.kind)
def test_published_schema_of_this_release_lacks_nothing(
    plane: ControlPlane, kind: ports.Kind
) -> None:
    install(plane)

    until(lambda: asyncio.run(lacks(plane, kind)) == ())


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (ports.MODEL_DEPLOYMENT, ("status", "rollout", "waitingFor")),
        (ports.MODEL_DEPLOYMENT, ("spec", "analysis", "interval")),
        (ports.ROLLOUT_RECORD, ("spec", "by")),
    ],
    ids=lambda it: it.kind if isinstance(it, ports.Kind) else it[-1],
)
def test_process_ends_without_ever_leading_and_names_the_field(
    plane: ControlPlane, tmp_path: Path, kind: ports.Kind, path: tuple[str, ...]
) -> None:
    install(plane, kind, without(*path))
    replica = Replica(plane, tmp_path, patience_seconds=5)
    try:
        until(lambda: "kinds_do_not_suit" in replica.log.read_text())
        assert (replica.ready, replica.get("/livez")) == (False, "ok")
        assert not replica.leads
        assert replica.process.wait(120) == 1
    finally:
        replica.end()
    last = json.loads(replica.log.read_text().splitlines()[-1])
    assert last["event"] == "start_failed"
    assert f"{kind.plural}.{kind.group}" in last["error"]
    assert ".".join(path) in last["error"]
    assert plane.kubectl("get", "leases", "-n", "default", "-o", "name") == ""


def test_process_goes_on_when_they_are_replaced_while_it_waits(
    plane: ControlPlane, tmp_path: Path
) -> None:
    install(plane, ports.MODEL_DEPLOYMENT, without("status", "evidence"))
    replica = Replica(plane, tmp_path)
    try:
        until(lambda: "kinds_do_not_suit" in replica.log.read_text())
        install(plane)
        until(lambda: replica.ready and replica.leads)
    finally:
        replica.end()
        plane.kubectl("delete", "leases", "--all", "-n", "default")


def test_process_that_waits_for_them_ends_when_told_to(plane: ControlPlane, tmp_path: Path) -> None:
    install(plane, ports.MODEL_DEPLOYMENT, without("status", "evidence"))
    replica = Replica(plane, tmp_path)
    try:
        until(lambda: "kinds_do_not_suit" in replica.log.read_text())
        replica.process.terminate()
        assert replica.process.wait(120) == 0
    finally:
        replica.end()


# --- in service ----------------------------------------------------------------------------------


class Operator:
    """The reconciler that leads on a real API server, without watches."""

    def __init__(self, api: kube.Kube, reconciler: Reconciler, machine: engine.Machine) -> None:
        self._api = api
        self._reconciler = reconciler
        self._machine = machine

    async def body(self) -> ports.Object:
        found = await self._api.get(ports.MODEL_DEPLOYMENT, namespace=KEY.namespace, name=KEY.name)
        assert isinstance(found, ports.Ok), found
        assert found.value is not None
        return found.value

    async def sees(self) -> None:
        """What a watch does when somebody else has changed the object."""
        self._machine.store.put(ports.MODEL_DEPLOYMENT, await self.body())

    async def passes(self, count: int) -> ports.Object:
        """Some passes, which know their own writes; the object afterwards."""
        for _ in range(count):
            await self._reconciler.reconcile(KEY)
        return await self.body()


@asynccontextmanager
async def operator(plane: ControlPlane) -> AsyncIterator[Operator]:
    async with connected(plane) as api:
        created = await api.create(
            ports.MODEL_DEPLOYMENT,
            namespace=KEY.namespace,
            body={**SMALLEST, "metadata": {"name": KEY.name, "namespace": KEY.namespace}},
        )
        assert isinstance(created, ports.Ok), created
        never: Any = None  # no pod becomes ready here, and no metric is asked for
        machine = engine.machine(
            Settings(leader_election=PATIENT_ELECTION),
            api=api,
            clock=clock.SystemClock(),
            rng=FixedRng(),
            recorder=MemoryRecorder(),
            probe=never,
            inference=never,
            hooks=never,
            notifier=never,
            pod_name="test",
        )
        reconciler = engine.reconciler(machine, metrics=never, executor=never)
        leads = asyncio.Event()
        elector = asyncio.create_task(machine.elector.run(on_acquired=leads.set))
        try:
            await asyncio.wait_for(leads.wait(), 120)
            made = Operator(api, reconciler, machine)
            await made.sees()
            yield made
        finally:
            elector.cancel()
            await asyncio.gather(elector, return_exceptions=True)
            plane.kubectl(
                "delete", "leases,modeldeployments,services,deployments", "--all", "-n", "default"
            )
            plane.kubectl("delete", "controllerrevisions", "--all", "-n", "default")


def stalled(body: ports.Object) -> dict[str, Any]:
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((it for it in conditions if it["type"] == "Stalled"), {})


def test_status_that_is_refused_still_says_why_by_its_conditions(plane: ControlPlane) -> None:
    install(plane)

    async def play() -> None:
        async with operator(plane) as ours:
            before = await ours.passes(2)
            assert stalled(before)["status"] == "False"
            plane.kubectl(
                "patch",
                "modeldeployment",
                KEY.name,
                "--type=merge",
                "-p",
                '{"spec": {"workload": {"replicas": 2}}}',
            )
            await ours.sees()  # and nothing of what follows: a watch is silent about schemas
            install(plane, ports.MODEL_DEPLOYMENT, without("status", "desired"))
            after = await ours.passes(3)
            told = stalled(after)
            assert (told["status"], told["reason"]) == ("True", "OutdatedKinds")
            assert "lack status.desired:" in told["message"]
            assert "tidegate crd | kubectl apply" in told["message"]
            kept = {
                key: it
                for key, it in before["status"].items()
                if key not in {"conditions", "desired"}
            }
            assert {key: after["status"].get(key) for key in kept} == kept, "the rest stays"
            again = await ours.passes(2)
            assert again["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
            install(plane)
            mended = await ours.passes(3)
            assert stalled(mended)["status"] == "False"
            assert mended["status"]["observedGeneration"] == mended["metadata"]["generation"]
            assert "desired" in mended["status"]

    asyncio.run(play())


def test_new_object_is_told_too_and_gets_nothing_else(plane: ControlPlane) -> None:
    def shorter(properties: dict[str, Any]) -> None:
        properties["status"]["properties"]["message"]["maxLength"] = 3

    install(plane, ports.MODEL_DEPLOYMENT, shorter)

    async def play() -> None:
        async with operator(plane) as ours:
            after = await ours.passes(3)
            assert set(after["status"]) == {"conditions"}
            assert stalled(after)["status"] == "True"
            assert "status.message" in stalled(after)["message"]
            seen: model.Status = status.read_with_losses(after["status"])[0]
            assert seen.rollout is None

    try:
        asyncio.run(play())
    finally:
        install(plane)
