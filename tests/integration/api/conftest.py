"""An API server on which the chart is installed, with its roles and admission policies."""

from __future__ import annotations

import json
from collections.abc import Iterator

import helm_chart
import pytest
import route_crds
from tests.cluster.api import ControlPlane, control_plane

from tidegate import ports

_ROUTES = (
    ports.HTTP_ROUTE,
    ports.GRPC_ROUTE,
    ports.HTTP_PROXY,
    ports.VIRTUAL_SERVICE,
    ports.TRAEFIK_SERVICE,
    ports.VIRTUAL_SERVER,
)
_WITHOUT = {"Deployment", "Job"}  # nothing runs here


@pytest.fixture(scope="session")
def chart_plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001 - skips
    """One of its own: the policies stand in the way of nobody else's tests."""
    objects = [it for it in helm_chart.render() if it["kind"] not in _WITHOUT]
    objects += [route_crds.manifest(it) for it in _ROUTES]
    bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
    with control_plane(with_controllers=False) as plane:
        plane.kubectl("create", "namespace", helm_chart.NAMESPACE)
        plane.kubectl("create", "namespace", "ml")
        plane.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(bundle))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        yield plane
