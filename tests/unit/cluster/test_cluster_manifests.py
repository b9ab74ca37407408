from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from tests.cluster import addons, gobuild, kind, paths, rendering, versions
from tests.cluster.model import PROMETHEUS_URL, GatewayRef

LOCAL = rendering.Images(
    envoy_gateway="localhost/eg:1", envoy="localhost/envoy:1", prometheus="p:1", coredns="c:1"
)
MANIFESTS = sorted(file.name for file in paths.MANIFESTS.glob("*.yaml"))


def documents(name: str, *, kind_name: str) -> list[dict[str, Any]]:
    found = yaml.safe_load_all(rendering.render(name, LOCAL))
    return [document for document in found if document.get("kind") == kind_name]


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_image_is_filled_in(name: str) -> None:
    assert "IMAGE_" not in rendering.render(name, LOCAL)


def test_a_provider_that_brings_no_dns_cannot_render_it_by_accident() -> None:
    with pytest.raises(KeyError):
        rendering.render("coredns.yaml", kind.IMAGES)


def test_the_gateway_is_the_one_the_handle_names() -> None:
    gateway = documents("gateway.yaml", kind_name="Gateway")[0]
    reference = GatewayRef()
    assert gateway["metadata"] == {"name": reference.name, "namespace": reference.namespace}
    listener = gateway["spec"]["listeners"][0]
    assert listener["port"] == reference.port
    assert listener["allowedRoutes"]["namespaces"]["from"] == "All"
    proxy = documents("gateway.yaml", kind_name="EnvoyProxy")[0]["spec"]["provider"]["kubernetes"]
    assert proxy["envoyService"]["name"] == reference.service
    assert reference.address == "inference.envoy-gateway-system:80"


def test_prometheus_is_where_the_handle_says() -> None:
    service = documents("prometheus.yaml", kind_name="Service")[0]
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    port = service["spec"]["ports"][0]["port"]
    assert f"http://{name}.{namespace}:{port}" == PROMETHEUS_URL


def test_prometheus_labels_pods_by_revision() -> None:
    config = documents("prometheus.yaml", kind_name="ConfigMap")[0]["data"]["prometheus.yml"]
    parsed = yaml.safe_load(config)
    job = parsed["scrape_configs"][0]
    assert parsed["global"]["scrape_interval"] == "1s"
    assert job["honor_labels"] is False
    labels = {rule.get("target_label") for rule in job["relabel_configs"]}
    assert {"revision", "model_deployment", "namespace", "pod"} <= labels


def test_kind_has_the_address_ranges_of_the_local_cluster() -> None:
    config = yaml.safe_load((paths.MANIFESTS / "kind.yaml").read_text())
    assert config["apiVersion"] == "kind.x-k8s.io/v1alpha4"
    assert config["networking"]["podSubnet"] == "10.244.0.0/16"
    assert config["networking"]["serviceSubnet"] == "10.96.0.0/16"
    patch = yaml.safe_load(config["nodes"][0]["kubeadmConfigPatches"][0])
    assert patch["kind"] == "KubeletConfiguration"


def test_a_changed_image_is_applied() -> None:
    other = rendering.Images(envoy_gateway="x:2", envoy="localhost/envoy:1", prometheus="p:1")
    assert rendering.content_hash(LOCAL) != rendering.content_hash(other)
    assert rendering.content_hash(LOCAL) == rendering.content_hash(LOCAL)


@pytest.mark.parametrize(
    ("status", "available"),
    [
        ({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1}, True),
        ({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}, False),
        ({"observedGeneration": 2, "updatedReplicas": 1}, False),
        ({}, False),
    ],
)
def test_a_deployment_counts_when_its_newest_revision_is_available(
    *, status: dict[str, int], available: bool
) -> None:
    item: dict[str, object] = {
        "metadata": {"generation": 2},
        "spec": {"replicas": 1},
        "status": status,
    }
    assert addons.deployment_available(item) is available


def test_the_chart_values_are_yaml_after_filling_in() -> None:
    template = "image: ${GatewayImage}\npullPolicy: ${GatewayImagePullPolicy}\n"
    assert yaml.safe_load(addons.chart_values(template)) == {
        "image": "",
        "pullPolicy": "IfNotPresent",
    }


def test_kubernetes_is_required_from_outside_of_its_repository() -> None:
    source = """module k8s.io/kubernetes

require (
\tk8s.io/api v0.0.0
\tk8s.io/utils v0.0.0-20250604170112-4c0f3b243397
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
)
"""
    made = gobuild.kubernetes_go_mod(source)
    assert f"\tk8s.io/api {versions.KUBERNETES_STAGING}\n" in made
    assert f"k8s.io/api => k8s.io/api {versions.KUBERNETES_STAGING}" in made
    assert "k8s.io/utils v0.0.0-20250604170112-4c0f3b243397" in made  # no staging module
    assert f"require k8s.io/kubernetes {versions.KUBERNETES}" in made


def test_the_hash_of_versions_is_stable_and_short() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", versions.versions_hash())
    assert versions.versions_hash() == versions.versions_hash()


def test_manifests_are_plain_enough_for_json() -> None:
    for name in MANIFESTS:
        json.dumps(list(yaml.safe_load_all(rendering.render(name, LOCAL))))
