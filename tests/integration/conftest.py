"""One API server with our kinds per test session (or xdist worker)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import ApiClient
from patience import REQUEST_SECONDS
from tests.cluster.api import ControlPlane, control_plane

from tidegate.adapters import kube

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(autouse=True)
def patient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of the API server may take its time, also to what is urgent in production."""
    monkeypatch.setattr(kube, "TIMEOUT_SECONDS", REQUEST_SECONDS)
    monkeypatch.setattr(kube, "URGENT_TIMEOUT_SECONDS", REQUEST_SECONDS)


@pytest.fixture(scope="session")
def tidegate_plane() -> Iterator[ControlPlane]:
    """An API server without controllers that serves our kinds."""
    if shutil.which("go") is None:
        reason = "no Go toolchain to build an API server with: install Go 1.26 or newer"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with control_plane(with_controllers=False) as plane:
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        yield plane


@pytest.fixture(scope="session")
def kube_client(tidegate_plane: ControlPlane) -> Iterator[ApiClient]:
    """Plain requests to that API server, with full rights."""
    client = ApiClient(tidegate_plane)
    yield client
    client.close()
