"""The same client on two API servers: the simulator's and a real one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest
from port_fakes import MemoryRecorder
from tests.cluster.api import ControlPlane
from tests.sim.cluster import Cluster

from tidegate import ports
from tidegate.adapters import kube
from tidegate.adapters import kube_http as http

Connect = Callable[..., AbstractAsyncContextManager[kube.Kube]]


class DirectSession:
    """The simulator's server without delays and faults."""

    login_count = 1

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def log_in_again(self, *, after: int) -> ports.Failure | None:
        raise AssertionError(after)

    async def exchange(self, request: http.Request) -> http.Reply:
        return self._cluster.handle(request, actor="test")


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.apiserver)])
def server(request: pytest.FixtureRequest) -> Cluster | ControlPlane:
    """One of the two servers."""
    if request.param == "real":
        plane: ControlPlane = request.getfixturevalue("tidegate_plane")
        return plane
    return Cluster(now=lambda: datetime.now(UTC))


@pytest.fixture
def namespace(server: Cluster | ControlPlane) -> str:
    """A namespace of its own for each test."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    if isinstance(server, Cluster):
        server.namespaces.add(name)
    else:
        server.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def connect(server: Cluster | ControlPlane) -> Connect:
    """`async with connect(field_manager=...) as api`."""

    @asynccontextmanager
    async def opened(field_manager: str = "tidegate") -> AsyncIterator[kube.Kube]:
        recorder = MemoryRecorder()
        if isinstance(server, Cluster):
            session = DirectSession(server)
            yield kube.Kube(session, recorder=recorder, field_manager=field_manager)  # type: ignore[arg-type]
            return
        api = await kube.connect(
            recorder=recorder, kubeconfig=str(server.kubeconfig), field_manager=field_manager
        )
        try:
            yield api
        finally:
            await api.close()

    return opened
