"""One API server with our kinds, the operator and Argo CD for all tests; a namespace for each."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import route_crds
import yaml
from cluster_client import NAMESPACE, Client, proxy
from tests.argocd import server
from tests.argocd.application import Application
from tests.argocd.played import played
from tests.argocd.repository import Repository
from tests.argocd.stage import Stage
from tests.cluster.api import ControlPlane, control_plane
from tests.cluster.ports import free_port

from tidegate import ports

CRDS = Path(__file__).parents[2] / "crds"
_OPERATOR = "import sys; from tidegate.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """An API server with the controllers of Kubernetes, our kinds and those of Argo CD."""
    with control_plane() as plane:
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("apply", "-f", "-", input=json.dumps(_routes()))
        server.install(plane)
        yield plane


def _routes() -> dict[str, Any]:
    """HTTPRoutes with any fields, and a status of their own as the real ones have it."""
    manifest = route_crds.manifest(ports.HTTP_ROUTE)
    manifest["spec"]["versions"][0]["subresources"] = {"status": {}}
    return manifest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs, and what Argo CD writes."""
    return tmp_path_factory.mktemp("argocd")


@pytest.fixture(scope="session")
def argo_cd(plane: ControlPlane, folder: Path) -> Iterator[None]:
    """Argo CD, running."""
    with server.running(plane, folder):
        yield


@pytest.fixture(scope="session")
def operator(plane: ControlPlane, folder: Path) -> Iterator[None]:
    """The operator as a process, for all namespaces.

    Nobody answers as its metric source: a step ends when a person says so, and by nothing else.
    """
    nobody = {"name": "default", "url": f"http://127.0.0.1:{free_port()}"}
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump({"metricSources": [nobody]}))
    arguments = ["controller", "--kubeconfig", str(plane.kubeconfig), "--settings", str(settings)]
    arguments += ["--lease-namespace", "default", "--http-port", str(free_port())]
    with (folder / "operator.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _OPERATOR, *arguments], stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def client(plane: ControlPlane) -> Iterator[Client]:
    """Plain requests to that API server, with full rights."""
    with proxy(plane) as url, contextlib.closing(Client(url)) as client:
        yield client


@pytest.fixture
def stage(client: Client, argo_cd: None, operator: None, tmp_path: Path) -> Iterator[Stage]:  # noqa: ARG001
    """A namespace with pods that become ready, a repository, and an Application not made yet."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    client.apply(NAMESPACE, {"metadata": {"name": name}})
    application = Application(
        client=client, name=name, namespace=name, repository=Repository(tmp_path / "git")
    )
    with played(client, namespace=name):
        yield Stage(client=client, application=application)
        application.delete()
