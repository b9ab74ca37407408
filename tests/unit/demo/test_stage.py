"""What the demo applies is what the examples show, and what the API accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.cluster.api import Cluster
from tests.demo import manifests, stage
from tests.demo.manifests import Model
from tests.images.testkit import loadgen

from tidegate.api import convert

NOWHERE = Path("/nonexistent")
CLUSTER = Cluster(
    provider="existing",
    kubeconfig=NOWHERE,
    kubectl_bin=NOWHERE,
    find_helm=lambda: NOWHERE,
    image_builder=lambda **_: None,
)
GATEWAY = ("tidegate-gateway", "inference")


MODELS = pytest.mark.parametrize("model", manifests.MODELS, ids=lambda it: it.name)


@MODELS
@pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4", "v5"])
def test_every_version_is_a_valid_model_deployment(model: Model, version: str) -> None:
    document = manifests.model_deployment(model, version=version, gateway=GATEWAY)
    spec, violations = convert.read_spec(document)
    assert violations == ()
    assert spec is not None
    assert (spec.model.version, spec.model.uri) == (version, f"/models/{version}")


@MODELS
def test_versions_differ_in_their_revision_and_nothing_else(model: Model) -> None:
    one, other = (
        manifests.model_deployment(model, version=it, gateway=GATEWAY) for it in ("v1", "v2")
    )
    assert one["spec"].pop("model") != other["spec"].pop("model")
    assert one == other


def test_models_share_neither_name_nor_host_nor_what_they_log_as() -> None:
    for values in zip(*(_identity(model) for model in manifests.MODELS), strict=True):
        assert len(set(values)) == len(manifests.MODELS)


def _identity(model: Model) -> tuple[str, ...]:
    document = manifests.model_deployment(model, version="v1", gateway=GATEWAY)
    [server] = document["spec"]["workload"]["template"]["spec"]["containers"]
    [logs_as] = [it["value"] for it in server["env"] if it["name"] == "MODEL_DEPLOYMENT"]
    [host] = document["spec"]["traffic"]["gatewayAPI"]["hostnames"]
    return document["metadata"]["name"], host, logs_as


def test_the_gateway_of_the_cluster_is_used() -> None:
    document = manifests.model_deployment(
        manifests.CANARY, version="v1", gateway=("infra", "shared")
    )
    [parent] = document["spec"]["traffic"]["gatewayAPI"]["parentRefs"]
    assert parent == {"name": "shared", "namespace": "infra"}


def test_the_gateway_is_tuned_for_the_routes_of_all_models() -> None:
    tuned = yaml.safe_load((manifests.EXAMPLES / "connections.yaml").read_text())
    names = [it["name"] for it in tuned["spec"]["targetRefs"]]
    assert names == [model.name for model in manifests.MODELS]


@MODELS
def test_users_ask_the_gateway_for_their_own_model(model: Model) -> None:
    pod = stage.traffic_pod(CLUSTER, model)
    [container] = pod["spec"]["containers"]
    plan = loadgen.read_plan([it for it in container["args"][2:] if not it.startswith("--rows")])
    assert plan.url == f"{CLUSTER.gateway.url}/v2/models/digits/infer"
    assert (plan.host, plan.requests_per_second) == (model.host, model.requests_per_second)
    assert pod["metadata"]["name"] == stage.traffic_name(model)


def test_users_ask_for_rows_no_model_has_seen() -> None:
    rows = stage.rows_document()
    assert len(rows) == 360
    assert all(len(row["pixels"]) == 64 and 0 <= row["label"] <= 9 for row in rows)


def test_limits_come_from_the_example() -> None:
    assert manifests.limits() == {"error-ratio": 0.05, "latency-p95": 0.5}


def test_the_tag_changes_with_the_operator_only(tmp_path: Path) -> None:
    for name in ("Dockerfile", "pyproject.toml", "README.md"):
        (tmp_path / name).write_text(name)
    for folder in ("operator", "requirements"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text(folder)
    before = stage.operator_tag(tmp_path)
    (tmp_path / "README.md").write_text("changed")
    assert stage.operator_tag(tmp_path) == before
    (tmp_path / "operator" / "a.py").write_text("changed")
    assert stage.operator_tag(tmp_path) != before
