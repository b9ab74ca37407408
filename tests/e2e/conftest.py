"""The stage of the end-to-end tests.

Every test brings its own Tidegate, installed from the chart into the test's own namespace and
restricted to it. That costs a few seconds, and in return tests run side by side, may kill their
operator, and count its requests without anybody else's among them.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import cluster_contour
import cluster_trainer
import pytest
from cluster_client import Client, proxy
from cluster_others import pause, resume, serving_everything
from cluster_scene import Scene
from cluster_stage import staged
from cluster_tidegate import build_images, install_definitions
from tests.cluster.api import Cluster, ensure_cluster

# A net below the waits of a test, each of which ends as soon as it may.
LONGEST_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a process may have to wait for images: only the tests have a limit."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all test processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def cluster(shared_folder: Path) -> Cluster:
    """The cluster with images and CRDs; the first test process prepares it for all."""
    prepared = shared_folder / "cluster.prepared"
    with _locked(shared_folder):
        found = ensure_cluster()
        if not prepared.exists():
            build_images(found)
            install_definitions(found)
            prepared.touch()
    return found


@pytest.fixture(scope="session")
def client(cluster: Cluster, shared_folder: Path, worker_id: str) -> Iterator[Client]:
    """Full rights on the cluster, while no other Tidegate works on our objects."""
    users = shared_folder / "cluster.users"
    mine = users / worker_id
    with proxy(cluster) as url:
        client = Client(url)
        with _locked(shared_folder):
            users.mkdir(exist_ok=True)
            if not any(users.iterdir()):
                _pause_others(cluster, client)
            mine.touch()
        yield client
        with _locked(shared_folder):
            mine.unlink()
            if not any(users.iterdir()):
                resume(client)
        client.close()


@pytest.fixture(scope="session")
def contour(cluster: Cluster, shared_folder: Path) -> None:
    """Contour in the cluster, for the tests that ask for it."""
    with _locked(shared_folder):
        cluster_contour.install(cluster)


def _pause_others(cluster: Cluster, client: Client) -> None:
    others = serving_everything(client)
    if others and cluster.provider == "existing":
        pytest.fail(f"A Tidegate in namespace {others[0][0]} serves this cluster: remove it first.")
    pause(client)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "cluster.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def scene(request: pytest.FixtureRequest, cluster: Cluster, client: Client) -> Iterator[Scene]:
    """An empty namespace with a Tidegate in it.

    `@pytest.mark.replicas(n)` says how many copies, `@pytest.mark.sources(...)` names metric sources
    that the test brings, `@pytest.mark.hooks` lets the operator call `cluster_trainer`.
    """
    marker = request.node.get_closest_marker("replicas")
    replicas = marker.args[0] if marker else 1
    sources = request.node.get_closest_marker("sources")
    hooks = request.node.get_closest_marker("hooks")
    with staged(
        cluster,
        client,
        name=request.node.name.removeprefix("test_"),
        replicas=replicas,
        sources=dict.fromkeys(sources.args if sources else (), 1.0),
        values=cluster_trainer.operator_values if hooks else None,
    ) as scene:
        yield scene
