"""Fifty models that are done: the operator neither writes nor asks Prometheus."""

from __future__ import annotations

import time

import pytest
from cluster_scene import Model, Scene

from tidegate import ports

pytestmark = pytest.mark.cluster

MODELS = 50
WITH_PODS = 4
WATCH_SECONDS = 60.0
OWN_KINDS = (ports.MODEL_DEPLOYMENT, ports.DEPLOYMENT, ports.SERVICE, ports.HTTP_ROUTE, ports.EVENT)


@pytest.mark.replicas(2)
def test_fifty_finished_models_cause_no_write_and_no_query(scene: Scene) -> None:
    """Half are behind the Gateway; a few have pods, the others ask for none."""
    models = [
        scene.model(f"m{n}", gateway=n % 2 == 0, replicas=int(n < WITH_PODS)) for n in range(MODELS)
    ]
    for model in models:
        model.apply("1")
    for model in models:
        model.wait_for_phase("Healthy", seconds=90)
        model.wait_for_rest()
    _wait_until_calm(scene, models)
    before, versions = _counted(scene), _versions(scene)
    time.sleep(WATCH_SECONDS)
    assert _counted(scene) == before
    assert _versions(scene) == versions


def _wait_until_calm(scene: Scene, models: list[Model]) -> None:
    """The last Event follows the last status; nothing is told for two seconds."""
    deadline = time.monotonic() + 30
    while max(model.looks()[-1].at for model in models) > time.time() - 2:
        assert time.monotonic() < deadline, f"never calm\n{scene.operator.logs()}"
        time.sleep(0.5)


def _counted(scene: Scene) -> dict[str, tuple[dict[str, float], float]]:
    """Writes by verb, without the Lease, and metric queries, of each replica."""
    names = [pod["metadata"]["name"] for pod in scene.operator.pods()]
    return {
        name: (scene.operator.writes(name), scene.operator.metric_queries(name)) for name in names
    }


def _versions(scene: Scene) -> dict[tuple[str, str], str]:
    """The version of every object that the operator may write, the Lease apart."""
    return {
        (kind.kind, body["metadata"]["name"]): body["metadata"]["resourceVersion"]
        for kind in OWN_KINDS
        for body in scene.client.list(kind, namespace=scene.namespace)
    }
