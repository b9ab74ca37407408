"""Routes as they are written, on an API server with the CRDs that Envoy Gateway's chart brings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from port_fakes import MemoryRecorder
from tests.cluster import addons
from tests.cluster.api import ControlPlane, control_plane
from traffic_examples import CANDIDATE, GATEWAY, GATEWAY_SPEC, STABLE, target

from tidegate import model, ports
from tidegate.adapters import kube
from tidegate.controller.documents import plain
from tidegate.controller.plane_kinds import KINDS
from tidegate.traffic.plane import Target, WantedDocument, is_current, patch_operations, plane_of
from tidegate.traffic.planes import mirror

pytestmark = pytest.mark.apiserver

TESTER = model.Header(name="x-tester", value="1", match=model.HeaderMatch.EXACT)
ROUTES = (model.HeaderRoute(name="testers", headers=(TESTER,)),)
FILTERS = (model.HeaderFilter(side=model.HeaderSide.REQUEST, remove=("x-debug",)),)


@pytest.fixture(scope="module")
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001
    """An API server of its own: others count on there being no routes."""
    chart = addons.ensure_chart()
    with control_plane(with_controllers=False) as plane:
        definitions = chart / "charts" / "crds" / "crds" / "gatewayapi-crds.yaml"
        plane.kubectl("apply", "--server-side", "-f", str(definitions))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        plane.kubectl("create", "namespace", "ml")
        yield plane


async def connected(plane: ControlPlane) -> kube.Kube:
    return await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))


def managed(kind: str) -> model.Spec:
    gateway = replace(GATEWAY, kind=kind, filters=FILTERS)
    return replace(GATEWAY_SPEC, traffic=replace(GATEWAY_SPEC.traffic, gateway=gateway))


async def written(
    api: kube.Kube, kind: str, *, spec: model.Spec, exposure: model.Exposure
) -> tuple[ports.Object, WantedDocument]:
    """The route as the API server gives it back, which is current, and as it was asked for."""
    wanted = replace(target(spec), exposure=exposure)
    route = plane_of(spec.traffic).documents(wanted)[0]
    applied = await api.apply(KINDS[kind], namespace="ml", body=plain(route.body))
    assert isinstance(applied, ports.Ok), applied
    read = await api.get(KINDS[kind], namespace="ml", name="iris")
    assert isinstance(read, ports.Ok), read
    assert read.value is not None
    assert is_current(read.value, route)
    return read.value, route


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
@pytest.mark.parametrize("routes", [(), ROUTES], ids=["weights", "testers"])
def test_route_of_ours_is_taken_and_read_back_as_it_was_written(
    plane: ControlPlane, kind: str, routes: tuple[model.HeaderRoute, ...]
) -> None:
    spec = managed(kind)

    async def play() -> None:
        api = await connected(plane)
        try:
            for percent in (0.0, 12.5, 100.0):
                exposure = model.Exposure(live_percent=percent, routes=routes)
                await written(api, kind, spec=spec, exposure=exposure)
        finally:
            await api.close()

    asyncio.run(play())


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_copies_of_requests_are_taken_and_read_back_as_they_were_written(
    plane: ControlPlane, kind: str
) -> None:
    """Every way to write a mirror: all requests, whole percents, a fraction; and gone again."""
    spec = managed(kind)

    async def play() -> None:
        api = await connected(plane)
        try:
            for percent in (100.0, 20.0, 0.5, 0.0):
                exposure = model.Exposure(live_percent=0.0, mirror_percent=percent)
                live, _ = await written(api, kind, spec=spec, exposure=exposure)
                seen = mirror.percents(live, name="iris")
                assert seen == ({CANDIDATE: percent} if percent else {})
        finally:
            await api.close()

    asyncio.run(play())


def owned_by_a_user(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "shop", "namespace": "ml", "labels": {"app": "shop"}},
        "spec": {
            "parentRefs": [{"name": "inference"}],
            "rules": [
                {
                    "filters": [
                        {
                            "type": "RequestHeaderModifier",
                            "requestHeaderModifier": {"remove": ["x"]},
                        }
                    ],
                    "backendRefs": [
                        {"name": name, "port": 80, "weight": weight}
                        for name, weight in (("iris", 100), ("iris-candidate", 0))
                    ],
                },
                {"backendRefs": [{"name": "web", "port": 80}]},
            ],
        },
    }


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_of_a_route_of_the_user_two_weights_change(plane: ControlPlane, kind: str) -> None:
    traffic = model.Traffic(
        provider=model.Provider.GATEWAY_API, routes=(model.RouteRef(kind=kind, name="shop"),)
    )
    spec = replace(GATEWAY_SPEC, traffic=traffic)

    async def play() -> None:
        api = await connected(plane)
        try:
            body = owned_by_a_user(kind)
            created = await api.create(KINDS[kind], namespace="ml", body=body)
            assert isinstance(created, ports.Ok), created
            live = created.value
            wanted = _weighted(spec, kind=kind, live=live)
            patched = await api.json_patch(
                KINDS[kind],
                namespace="ml",
                name="shop",
                operations=[plain(it) for it in patch_operations(live, wanted)],
            )
            assert isinstance(patched, ports.Ok), patched
            before, after = live["spec"]["rules"], patched.value["spec"]["rules"]
            assert [it["weight"] for it in after[0]["backendRefs"]] == [80, 20]
            assert after[1] == before[1]
            assert after[0]["filters"] == before[0]["filters"]
            assert patched.value["metadata"]["labels"] == {"app": "shop"}
            assert "annotations" not in patched.value["metadata"]
        finally:
            await api.close()

    asyncio.run(play())


def _weighted(spec: model.Spec, *, kind: str, live: model.Document) -> WantedDocument:
    """The route with 20 % for the candidate, where both Services select already."""
    chosen = plane_of(spec.traffic)
    wanted: Target = replace(
        target(spec, weight_percent=20.0), live={(kind, "shop"): live}, accepted=True
    )
    services: dict[tuple[str, str], model.Document] = {}
    for revision, document in zip((CANDIDATE, STABLE), chosen.documents(wanted)[:2], strict=True):
        selector = {**_selector(document.body), "tidegate.dev/revision": revision}
        body = {**document.body, "spec": {**_spec(document.body), "selector": selector}}
        services[document.reference.kind, document.reference.name] = body
    known = {(kind, "shop"): live, **services}
    return chosen.documents(replace(wanted, live=known))[2]


def _spec(body: model.Document) -> dict[str, Any]:
    return dict(plain(body)["spec"])


def _selector(body: model.Document) -> dict[str, Any]:
    return dict(_spec(body).get("selector") or {})
