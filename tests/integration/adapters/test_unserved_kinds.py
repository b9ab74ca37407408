"""A cluster without the kind by which a plane routes, on a real API server.

The reconciler is that of production, without watches: what a watch would tell is read here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from api_examples import SMALLEST
from patience import PATIENT_ELECTION
from port_fakes import FixedRng, MemoryRecorder
from route_crds import install, remove
from tests.cluster.api import ControlPlane, control_plane

from tidegate import ports
from tidegate.adapters import clock, kube
from tidegate.controller import engine, store, sweep, unserved
from tidegate.controller.dependencies import Watched
from tidegate.controller.workqueue import Key
from tidegate.settings import Settings

pytestmark = pytest.mark.apiserver

CRDS = Path(__file__).parents[3] / "crds"
GATEWAY = {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "inference"}]}}
EXISTING = {
    "provider": "GatewayAPI",
    "gatewayAPI": {"mode": "Existing", "routeRefs": [{"name": "shop"}]},
}
CONTOUR = {"provider": "Contour", "contour": {"fqdn": "iris.example.com"}}
ISTIO = {"provider": "Istio", "istio": {}}
NGINX = {"provider": "NGINX", "nginx": {"host": "iris.example.com"}}
PLANES = pytest.mark.parametrize(
    ("traffic", "kind", "project"),
    [
        pytest.param(GATEWAY, ports.HTTP_ROUTE, "Gateway API 1.", id="Managed"),
        pytest.param(EXISTING, ports.HTTP_ROUTE, "Gateway API 1.", id="Existing"),
        pytest.param(CONTOUR, ports.HTTP_PROXY, "Contour 1.", id="Contour"),
        pytest.param(ISTIO, ports.VIRTUAL_SERVICE, "Istio 1.", id="Istio"),
        pytest.param({"provider": "Traefik"}, ports.TRAEFIK_SERVICE, "Traefik 3.", id="Traefik"),
        pytest.param(NGINX, ports.VIRTUAL_SERVER, "NGINX Ingress Controller 3.", id="NGINX"),
    ],
)

KINDS = (
    ports.HTTP_ROUTE,
    ports.HTTP_PROXY,
    ports.VIRTUAL_SERVICE,
    ports.TRAEFIK_SERVICE,
    ports.VIRTUAL_SERVER,
)


@pytest.fixture(scope="module")
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001
    """An API server of its own, since these tests add and remove kinds."""
    with control_plane(with_controllers=False) as plane:
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        yield plane


class Operator:
    """The reconciler that leads, without watches."""

    def __init__(self, api: kube.Kube, machine: engine.Machine) -> None:
        never: Any = None  # no pod becomes ready here, and no metric is asked for
        self._api = api
        self._machine = machine
        self._reconciler = engine.reconciler(machine, metrics=never, executor=never)
        self.sweeper = sweep.Sweeper(
            api=api,
            store=machine.store,
            sink=store.Intake(machine.store, enqueue=never, recorder=machine.recorder),
            clock=machine.clock,
            rng=machine.rng,
            recorder=machine.recorder,
            watched=[Watched(kind=it) for it in KINDS],
        )
        self.lookout = unserved.Lookout(api=api, store=machine.store, clock=machine.clock)

    async def create(self, name: str, **spec: Any) -> None:
        body = {
            **SMALLEST,
            "metadata": {"name": name, "namespace": "default"},
            "spec": {**SMALLEST["spec"], **spec},
        }
        created = await self._api.create(ports.MODEL_DEPLOYMENT, namespace="default", body=body)
        assert isinstance(created, ports.Ok), created
        self._machine.store.put(ports.MODEL_DEPLOYMENT, created.value)

    async def passes(self, name: str, count: int = 3) -> dict[str, dict[str, Any]]:
        """Some passes, which know their own writes; the conditions afterwards, by type."""
        for _ in range(count):
            await self._reconciler.reconcile(Key("default", name))
        kind = ports.MODEL_DEPLOYMENT
        found = await self._api.get(kind, namespace="default", name=name)
        assert isinstance(found, ports.Ok), found
        assert found.value is not None
        return {it["type"]: it for it in found.value["status"]["conditions"]}


@asynccontextmanager
async def operator(plane: ControlPlane) -> AsyncIterator[Operator]:
    api = await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))
    never: Any = None
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
    leads = asyncio.Event()
    elector = asyncio.create_task(machine.elector.run(on_acquired=leads.set))
    try:
        await asyncio.wait_for(leads.wait(), 120)
        yield Operator(api, machine)
    finally:
        elector.cancel()
        await asyncio.gather(elector, return_exceptions=True)
        await api.close()
        plane.kubectl("delete", "leases,modeldeployments,services", "--all", "-n", "default")
        plane.kubectl("delete", "deployments,controllerrevisions", "--all", "-n", "default")


@PLANES
def test_plane_without_its_kind_names_it_and_goes_on_when_it_comes(
    plane: ControlPlane, traffic: dict[str, Any], kind: ports.Kind, project: str
) -> None:
    async def play() -> None:
        async with operator(plane) as ours:
            await ours.create("mine", traffic=traffic)
            told = (await ours.passes("mine"))["TrafficProgrammed"]
            assert (told["status"], told["reason"]) == ("False", "KindNotServed")
            assert f"{kind.plural}.{kind.group}/v1" in told["message"]
            assert f"install {project}" in told["message"]
            await ours.create("other")
            by_pods = await ours.passes("other")
            assert by_pods["TrafficProgrammed"]["reason"] != "KindNotServed"
            assert by_pods["Stalled"]["status"] == "False", "nobody else is concerned"
            await ours.lookout.look()
            install(plane, kind)
            with pytest.raises(unserved.KindAppearedError):
                await ours.lookout.look()
        async with operator(plane) as restarted:
            await restarted.create("mine", traffic=traffic)
            after = (await restarted.passes("mine"))["TrafficProgrammed"]
            assert after["reason"] != "KindNotServed"

    try:
        asyncio.run(play())
    finally:
        remove(plane, kind)


@PLANES
def test_kind_that_is_removed_while_the_operator_works_is_told_the_same(
    plane: ControlPlane, traffic: dict[str, Any], kind: ports.Kind, project: str
) -> None:
    async def play() -> None:
        async with operator(plane) as ours:
            await ours.create("mine", traffic=traffic)
            before = (await ours.passes("mine"))["TrafficProgrammed"]
            assert before["reason"] != "KindNotServed"
            remove(plane, kind)
            if traffic is not EXISTING:  # a route of the user is read in every pass
                await ours.sweeper.sweep()
            after = (await ours.passes("mine"))["TrafficProgrammed"]
            assert after["reason"] == "KindNotServed"
            assert f"install {project}" in after["message"]

    install(plane, kind)
    try:
        asyncio.run(play())
    finally:
        remove(plane, kind)


def test_answers_tell_a_missing_object_from_a_missing_kind(plane: ControlPlane) -> None:
    async def play() -> None:
        api = await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))
        try:
            address: dict[str, Any] = {"namespace": "default", "name": "none"}
            route = {"apiVersion": ports.HTTP_ROUTE.api_version, "kind": "HTTPRoute"}
            body = {**route, "metadata": {"name": "none", "namespace": "default"}}
            answers = [
                await api.get(ports.HTTP_ROUTE, **address),
                await api.create(ports.HTTP_ROUTE, namespace="default", body=body),
                await api.apply(ports.HTTP_ROUTE, namespace="default", body=body),
                await api.json_patch(ports.HTTP_ROUTE, **address, operations=[]),
            ]
            for answer in answers:
                assert isinstance(answer, ports.Fatal), json.dumps(str(answer))
                assert answer.reason == ports.NOT_SERVED
            assert await api.get(ports.SERVICE, **address) == ports.Ok(None)
            assert await api.get(ports.MODEL_DEPLOYMENT, **address) == ports.Ok(None)
            assert await api.serves(ports.HTTP_ROUTE) == ports.Ok(value=False)
            assert await api.delete(ports.HTTP_ROUTE, **address, uid="x") == ports.Ok(None)
        finally:
            await api.close()

    asyncio.run(play())
