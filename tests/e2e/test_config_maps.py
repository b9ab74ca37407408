"""A ConfigMap that pods read is a part of the version: its change is rolled out, and rolled back; ADR 0088."""

from __future__ import annotations

import time

import pytest
from cluster_client import CONFIG_MAP, Object
from cluster_scene import Scene, model_server
from cluster_users import start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

SETTINGS = "settings"


def _apply_settings(scene: Scene, **data: str) -> None:
    metadata = {"namespace": scene.namespace, "name": SETTINGS}
    scene.client.apply(CONFIG_MAP, {"metadata": metadata, "data": data})


def _workload() -> Object:
    template = model_server()
    [container] = template["spec"]["containers"]
    container["envFrom"] = [{"configMapRef": {"name": SETTINGS}}]
    return {"replicas": 1, "template": template, "trackConfigMaps": "Snapshot"}


def test_a_bad_edit_of_a_config_map_is_rolled_back_with_what_it_held(scene: Scene) -> None:
    _apply_settings(scene, FAIL_RATIO="0")
    model = scene.model(workload=_workload())
    first = model.wait_for_phase("Healthy", seconds=120, since=model.apply("1"))
    load = start_load(model)

    _apply_settings(scene, FAIL_RATIO="0.5")
    back = model.wait_for_phase("RolledBack", seconds=240, since=first.at)
    assert back.stable_revision == first.stable_revision
    assert back.rejected_versions == ["1"], "the same model with other settings"
    load.wait_until_well("1", since=back.at)
    assert load.books().failed > 0, "the bad edit was seen by some users"

    served = {"tidegate.dev/revision": first.stable_revision}
    [pod] = scene.client.list(ports.POD, namespace=scene.namespace, **served)
    scene.client.delete(ports.POD, namespace=scene.namespace, name=pod["metadata"]["name"])
    scene.history.wait_for(
        lambda: (
            scene.client.get(ports.POD, namespace=scene.namespace, name=pod["metadata"]["name"])
            is None
        ),
        seconds=120,
        explain=lambda: "the pod stays",
    )
    load.wait_until_well("1", since=time.time())
    [copy] = scene.client.list(CONFIG_MAP, namespace=scene.namespace, **served)
    assert (copy["data"], copy["immutable"]) == ({"FAIL_RATIO": "0"}, True)
