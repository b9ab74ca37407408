"""The objects of planes that are no Gateway, as they are written, on an API server with their own CRDs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from port_fakes import MemoryRecorder
from tests.cluster.api import ControlPlane, control_plane
from traffic_examples import (
    CANDIDATE,
    CONTOUR_SPEC,
    ISTIO_SPEC,
    META,
    NGINX_SPEC,
    PROXY,
    SERVER,
    STABLE,
    TRAEFIK_SPEC,
    target,
)

from tidegate import model, ports
from tidegate.adapters import kube
from tidegate.controller.documents import plain
from tidegate.controller.plane_kinds import KINDS
from tidegate.traffic.plane import Mirror, WantedDocument, is_current, plane_of

pytestmark = pytest.mark.apiserver

CRDS = Path(__file__).parents[2] / "support" / "crds"
STAFF = model.Header(name="x-staff", value="1")
BETA = model.Header(
    name="cookie", value="^(.*; )?beta=yes(;.*)?$", match=model.HeaderMatch.REGULAR_EXPRESSION
)
ROUTES = (
    model.HeaderRoute(name="staff", headers=(STAFF,)),
    model.HeaderRoute(name="beta", headers=(BETA,)),
)
PROXIES = {
    "root": PROXY,
    "all settings": model.ContourProxy(
        fqdn="*.example.com",
        tls_secret="iris-tls",
        ingress_class="edge",
        path_prefixes=("/v2", "/metrics"),
        response_timeout="1h30m",
        idle_timeout="infinity",
    ),
    "part": model.ContourProxy(included_by=model.ProxyRef(name="edge")),
}
VIRTUAL_SERVICES = {
    "mesh": model.VirtualService(),
    "gateways": model.VirtualService(
        hosts=("*.example.com", "iris.example.org"),
        gateways=(model.IstioGateway(name="public", namespace="edge"),),
        path_prefixes=("/v2", "/metrics"),
        timeout="1h30m",
    ),
}
VIRTUAL_SERVERS = {
    "host": SERVER,
    "all settings": model.VirtualServer(
        host="*.example.com",
        tls_secret="iris-tls",
        ingress_class="edge",
        path_prefixes=("/v2", "/metrics"),
        read_timeout="1h30m",
    ),
}

EXPOSURES = (
    model.Exposure(live_percent=0.0),
    model.Exposure(live_percent=0.0, mirror_percent=20.0),
    model.Exposure(live_percent=0.0, mirror_percent=100.0),
    model.Exposure(live_percent=0.0, routes=ROUTES),
    model.Exposure(live_percent=12.5, routes=ROUTES, mirror_percent=1.0),
    model.Exposure(live_percent=12.0, routes=ROUTES),
    model.Exposure(live_percent=99.9999),
    model.Exposure(live_percent=100.0),
)


def _can(spec: model.Spec, asked: model.Exposure) -> bool:
    """What the plane cannot give is never asked of it."""
    able = plane_of(spec.traffic).capabilities
    if asked.mirror_percent > 0 and able.mirror is Mirror.NONE:
        return False
    if asked.live_percent % 1 and spec.traffic.nginx is not None:
        return False
    beside = asked.mirror_percent > 0 and asked.live_percent > 0
    return (able.headers or not asked.routes) and (able.mirror_beside_share or not beside)


def _of(spec: model.Spec, **settings: Any) -> model.Spec:
    return replace(spec, traffic=replace(spec.traffic, **settings))


SPECS = {
    **{f"Contour {name}": _of(CONTOUR_SPEC, contour=it) for name, it in PROXIES.items()},
    **{f"Istio {name}": _of(ISTIO_SPEC, istio=it) for name, it in VIRTUAL_SERVICES.items()},
    "Traefik": TRAEFIK_SPEC,
    **{f"NGINX {name}": _of(NGINX_SPEC, nginx=it) for name, it in VIRTUAL_SERVERS.items()},
}


@pytest.fixture(scope="module")
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001
    """An API server of its own: others count on there being no such kind."""
    with control_plane(with_controllers=False) as plane:
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        plane.kubectl("create", "namespace", "ml")
        yield plane


async def written(
    api: kube.Kube, spec: model.Spec, exposure: model.Exposure
) -> tuple[ports.Object, WantedDocument]:
    """The object as the API server gives it back, which is current, and as it was asked for."""
    wanted = replace(target(spec), exposure=exposure)
    proxy = plane_of(spec.traffic).documents(wanted)[0]
    kind = KINDS[proxy.reference.kind]
    applied = await api.apply(kind, namespace="ml", body=plain(proxy.body))
    assert isinstance(applied, ports.Ok), applied
    read = await api.get(kind, namespace="ml", name="iris")
    assert isinstance(read, ports.Ok), read
    assert read.value is not None
    assert is_current(read.value, proxy)
    return read.value, proxy


@pytest.mark.parametrize("name", SPECS)
def test_what_is_written_is_taken_and_read_back(plane: ControlPlane, name: str) -> None:
    """Every weight, copies and testers after another, as a rollout writes them."""
    spec = SPECS[name]
    exposures = [it for it in EXPOSURES if _can(spec, it)]

    async def play() -> None:
        api = await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))
        try:
            for exposure in exposures:
                live, proxy = await written(api, spec, exposure)
                state = _read(spec, live, proxy)
                assert state.weights.get(CANDIDATE, 0.0) == exposure.live_percent
                assert sum(state.weights.values()) == 100.0
                assert set(state.weights) <= {STABLE, CANDIDATE}
                assert state.mirrors.get(CANDIDATE, 0.0) == exposure.mirror_percent
                sent = tuple(it.headers for it in exposure.routes)
                assert state.by_header.get(CANDIDATE, ()) == sent
        finally:
            await api.close()

    asyncio.run(play())


def _read(spec: model.Spec, live: ports.Object, proxy: WantedDocument) -> model.TrafficState:
    return plane_of(spec.traffic).read({proxy.reference: live}, meta=META, spec=spec, ready_pods={})


def test_what_contour_answers_is_read_for_its_generation(plane: ControlPlane) -> None:
    """Its status is a subresource of the CRD; an older generation says nothing of a newer one."""
    answer = (
        '{"status": {"conditions": [{"type": "Valid", "status": "True", "reason": "Valid", '
        '"message": "Valid HTTPProxy", "lastTransitionTime": "2026-01-01T00:00:00Z", '
        '"observedGeneration": %d}]}}'
    )

    async def play() -> None:
        api = await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))
        try:
            for percent in (10.0, 20.0):
                exposure = model.Exposure(live_percent=percent)
                live, proxy = await written(api, CONTOUR_SPEC, exposure)
                assert not _read(CONTOUR_SPEC, live, proxy).accepted
                patch = answer % live["metadata"]["generation"]
                of = ("httpproxy", "iris", "-n", "ml", "--subresource=status")
                plane.kubectl("patch", *of, "--type=merge", "-p", patch)
                live, proxy = await written(api, CONTOUR_SPEC, exposure)
                assert _read(CONTOUR_SPEC, live, proxy).accepted
        finally:
            await api.close()

    asyncio.run(play())


def test_what_nginx_answers_is_read_and_what_people_add_stays(plane: ControlPlane) -> None:
    """Its status is a subresource of the CRD; a policy beside our fields outlives our writes."""
    of = ("virtualserver", "iris", "-n", "ml", "--type=merge")
    answers = {
        '{"status": {"state": "Warning", "reason": "Rejected", "message": "Host is taken"}}': False,
        '{"status": {"state": "Valid", "reason": "AddedOrUpdated", "message": "added"}}': True,
    }

    async def play() -> None:
        api = await kube.connect(recorder=MemoryRecorder(), kubeconfig=str(plane.kubeconfig))
        try:
            live, server = await written(api, NGINX_SPEC, model.Exposure(live_percent=10.0))
            plane.kubectl("patch", *of, "-p", '{"spec": {"policies": [{"name": "limit"}]}}')
            for patch, accepted in answers.items():
                plane.kubectl("patch", *of, "--subresource=status", "-p", patch)
                live, server = await written(api, NGINX_SPEC, model.Exposure(live_percent=20.0))
                assert _read(NGINX_SPEC, live, server).accepted is accepted
            assert live["spec"]["policies"] == [{"name": "limit"}]
        finally:
            await api.close()

    asyncio.run(play())
