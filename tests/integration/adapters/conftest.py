"""An API server for the contract tests of the adapters, and objects to try things on."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from port_fakes import MemoryRecorder
from tests.cluster.api import ControlPlane
from widgets import WIDGET

from tidegate.adapters import kube

Connect = Callable[..., AbstractAsyncContextManager[kube.Kube]]

_WIDGET_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.test.tidegate.dev"},
    "spec": {
        "group": WIDGET.group,
        "scope": "Namespaced",
        "names": {"plural": WIDGET.plural, "singular": "widget", "kind": WIDGET.kind},
        "versions": [
            {
                "name": WIDGET.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "maximum": 10},
                                    "color": {"type": "string"},
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {"phase": {"type": "string"}},
                            },
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="session")
def apiserver(tidegate_plane: ControlPlane) -> ControlPlane:
    """An API server without controllers that serves our kinds and Widget."""
    tidegate_plane.kubectl("apply", "-f", "-", input=json.dumps(_WIDGET_CRD))
    tidegate_plane.kubectl(
        "wait", "--for=condition=Established", "crd/widgets.test.tidegate.dev", "--timeout=120s"
    )
    return tidegate_plane


@pytest.fixture
def namespace(apiserver: ControlPlane) -> str:
    """A namespace of its own for each test."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    apiserver.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def recorder() -> MemoryRecorder:
    """What the adapter told the recorder."""
    return MemoryRecorder()


@pytest.fixture
def connect(apiserver: ControlPlane, recorder: MemoryRecorder) -> Connect:
    """`async with connect() as api` on the API server."""

    @asynccontextmanager
    async def opened(**options: str) -> AsyncIterator[kube.Kube]:
        options.setdefault("kubeconfig", str(apiserver.kubeconfig))
        api = await kube.connect(recorder=recorder, **options)
        try:
            yield api
        finally:
            await api.close()

    return opened
