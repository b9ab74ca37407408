"""From a Deployment and a Service of the user to a ModelDeployment; T60, T61."""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import Object
from cluster_scene import SERVER_PORT, Model, Scene, model_server
from cluster_users import Load, start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

REPLICAS = 2
OWN = {"app": "m"}
UNNAMED = "unknown"  # what users call pods that Tidegate did not make


def _apply_deployment(scene: Scene, *, replicas: int = REPLICAS, **env: str) -> Object:
    template = {"metadata": {"labels": OWN}, **model_server(**env)}
    spec = {"replicas": replicas, "selector": {"matchLabels": OWN}, "template": template}
    metadata = {"namespace": scene.namespace, "name": "m", "labels": {"team": "iris"}}
    return scene.client.apply(ports.DEPLOYMENT, {"metadata": metadata, "spec": spec})


def _apply_service(scene: Scene, **annotations: str) -> None:
    metadata = {"namespace": scene.namespace, "name": "m", "annotations": annotations}
    spec = {"selector": OWN, "ports": [{"port": 80, "targetPort": SERVER_PORT}]}
    scene.client.apply(ports.SERVICE, {"metadata": metadata, "spec": spec})


def _served_before(scene: Scene, model: Model) -> Load:
    """The user's own objects serve, with users."""
    _apply_deployment(scene)
    _apply_service(scene)
    scene.history.wait_for(
        lambda: _available(scene) == REPLICAS, seconds=180, explain=lambda: "no pods are ready"
    )
    return start_load(model)


def _available(scene: Scene) -> int:
    told = scene.history.of(ports.DEPLOYMENT, "m")
    return int(told[-1].body.get("status", {}).get("availableReplicas", 0)) if told else 0


def _of_the_user(body: Object) -> Object:
    """All that somebody writes; its controller counts and writes status."""
    kept = ("labels", "ownerReferences", "finalizers")
    return {
        "spec": body["spec"],
        **{key: value for key, value in body["metadata"].items() if key in kept},
    }


def test_a_deployment_and_its_service_move_over_without_a_lost_request(scene: Scene) -> None:
    model = scene.model(
        gateway=False,
        steps=[(50.0, "8s")],
        workload={"replicas": REPLICAS, "workloadRef": {"name": "m"}},
    )
    load = _served_before(scene, model)
    before = scene.history.of(ports.DEPLOYMENT, "m")[-1].body
    _apply_service(scene, **{"tidegate.dev/adopt": "m"})
    taken = model.wait_for_phase("Healthy", seconds=180, since=model.apply("1"))
    load.wait_until_only("1", since=taken.at)
    changed = [
        seen.body
        for seen in scene.history.of(ports.DEPLOYMENT, "m")
        if _of_the_user(seen.body) != _of_the_user(before)
    ]
    assert changed == [], "the user's Deployment is read only"

    _apply_deployment(scene, replicas=0)
    edited = _apply_deployment(scene, replicas=0, SLOW_RATIO="0")
    promoted = model.wait_for(
        lambda look: look.phase == "Healthy" and look.stable_revision != taken.stable_revision,
        seconds=240,
        since=taken.at,
        what="the edit of the Deployment is rolled out",
    )
    assert promoted.last_result == "Promoted"
    model.wait_for_rest(since=promoted.at)
    books = load.books()
    assert_nobody_failed(books)
    assert books.totals().keys() == {UNNAMED, "1"}
    told = scene.history.of(ports.DEPLOYMENT, "m")[-1].body
    assert _of_the_user(told) == _of_the_user(edited)
