"""A Deployment as template source, and a Service that is taken over, on a real API server."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import ApiClient
from api_examples import SMALLEST, place
from tests.cluster.api import ControlPlane
from traffic_examples import META, SPEC, STABLE, target

from tidegate.api import convert, workload_ref
from tidegate.api.revision import revision_of
from tidegate.controller import adoption
from tidegate.controller.documents import plain
from tidegate.model import objects
from tidegate.traffic.plane import is_current, plane_of

pytestmark = pytest.mark.apiserver

NAME = "iris"
REFERRING = place(SMALLEST, "spec.workload", {"replicas": 3, "workloadRef": {"name": NAME}})
OWN = {"app": "iris"}
SOURCE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": NAME, "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": OWN},
        "template": {
            "metadata": {"labels": {**OWN, "team": "risk"}},
            "spec": {"containers": [{"name": "server", "image": "images.example.com/iris:1"}]},
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": NAME,
        "namespace": "default",
        "annotations": {objects.ANNOTATION_ADOPT: NAME},
    },
    "spec": {"type": "NodePort", "selector": OWN, "ports": [{"port": 80, "targetPort": 8080}]},
}


def apply(plane: ControlPlane, body: dict[str, Any]) -> None:
    plane.kubectl("apply", "-f", "-", input=json.dumps(body))


def read(plane: ControlPlane, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        plane.kubectl("get", kind, NAME, "-n", "default", "-o", "json")
    )
    return found


@pytest.fixture
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:
    """An API server with a Deployment and a Service that were there before."""
    apply(tidegate_plane, SOURCE)
    apply(tidegate_plane, SERVICE)
    yield tidegate_plane
    tidegate_plane.kubectl("delete", "deployment,service", NAME, "-n", "default")


@pytest.mark.parametrize(
    "reference",
    [
        {"name": NAME, "namespace": "other"},
        {"name": NAME, "kind": "StatefulSet"},
        {"name": NAME, "apiVersion": "apps/v1beta1"},
        {"name": "Not A Name"},
        {},
    ],
)
def test_only_a_deployment_of_the_same_namespace_can_be_named(
    kube_client: ApiClient, reference: dict[str, str]
) -> None:
    answer = kube_client.create(place(REFERRING, "spec.workload.workloadRef", reference))
    assert answer.code in {400, 422}, answer
    assert "workloadRef" in answer.body["message"]


def test_the_template_as_the_server_stores_it_makes_a_revision(
    plane: ControlPlane, kube_client: ApiClient
) -> None:
    """With all defaults of the server; only a change of the pods is another one."""
    stored = read(plane, "deployment")
    assert "restartPolicy" in stored["spec"]["template"]["spec"]
    made = workload_ref.with_template(REFERRING, stored)
    assert isinstance(made, dict)
    spec, violations = convert.read_spec(made)
    assert spec is not None
    assert violations == ()
    assert kube_client.create(made).code == 201
    plane.kubectl("rollout", "restart", f"deployment/{NAME}", "-n", "default")
    plane.kubectl("scale", f"deployment/{NAME}", "--replicas=7", "-n", "default")
    same = workload_ref.with_template(REFERRING, read(plane, "deployment"))
    assert revision_of(same) == revision_of(made)  # type: ignore[arg-type]
    changed = copy.deepcopy(SOURCE)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "images.example.com/iris:2"
    apply(plane, changed)
    other = workload_ref.with_template(REFERRING, read(plane, "deployment"))
    assert revision_of(other) != revision_of(made)  # type: ignore[arg-type]


def test_the_takeover_keeps_address_and_ports_of_the_service(plane: ControlPlane) -> None:
    before = read(plane, "service")
    wanted = plane_of(SPEC.traffic).documents(target())[0]
    assert adoption.unlike(before, wanted) == ""
    operations = [plain(it) for it in adoption.operations(before, wanted, META)]
    patch = ("patch", "service", NAME, "-n", "default", "--type=json", "-p", json.dumps(operations))
    plane.kubectl(*patch)
    after = read(plane, "service")
    assert after["spec"]["selector"] == objects.revision_selector(META.name, revision=STABLE)
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["spec"]["ports"][0]["nodePort"] == before["spec"]["ports"][0]["nodePort"]
    assert objects.is_controlled_by(after, uid=META.uid)
    assert is_current(after, wanted)
    with pytest.raises(Exception, match=r"test|invalid"):
        plane.kubectl(*patch)
