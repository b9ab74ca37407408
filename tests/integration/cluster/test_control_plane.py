"""The API server of tests itself: what happens when it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import ApiClient
from tests.cluster.api import ControlPlane, control_plane

pytestmark = pytest.mark.apiserver

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001 - says what is missing
    with control_plane(with_controllers=False) as plane:
        yield plane


def test_an_api_server_that_ended_by_itself_is_started_again(
    plane: ControlPlane, capfd: pytest.CaptureFixture[str]
) -> None:
    plane.kubectl("create", "namespace", "kept")
    first = plane.pid_of("kube-apiserver")
    os.kill(first, signal.SIGKILL)
    assert plane.kubectl("get", "namespace", "kept", "-o", "name").strip() == "namespace/kept"
    assert plane.pid_of("kube-apiserver") != first
    assert "kube-apiserver ended by itself" in capfd.readouterr().err


def test_a_plain_request_meets_it_again_too(plane: ControlPlane) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(CRDS))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    client = ApiClient(plane)
    os.kill(plane.pid_of("kube-apiserver"), signal.SIGKILL)
    body = {"kind": "ModelDeployment", "metadata": {"name": "absent"}}
    assert client.delete(body).code == 404
    client.close()


def test_nothing_is_started_where_nothing_ended(plane: ControlPlane) -> None:
    first = plane.pid_of("kube-apiserver")
    with pytest.raises(Exception, match="NotFound"):
        plane.kubectl("get", "namespace", "absent")
    assert plane.pid_of("kube-apiserver") == first
