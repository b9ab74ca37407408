"""CRDs and reference pages: what they promise, and that the checked-in files are theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from tools import generate
from traffic_examples import target

from tidegate import ports
from tidegate.api import (
    analysis_types,
    convert,
    crdgen,
    documents,
    notifications,
    preset_reference,
    reference,
    types,
)
from tidegate.controller.documents import plain
from tidegate.evidence.queries import presets
from tidegate.traffic.plane import plane_of

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def test_checked_in_files_are_up_to_date() -> None:
    assert generate.stale(generate.wanted()) == []


def test_files_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    crdgen.write(tmp_path)
    reference.write(tmp_path)
    expected = {**crdgen.manifests(), **reference.reference_pages()}
    assert {it.name: it.read_text(encoding="utf-8") for it in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    "kind",
    [
        ports.MODEL_DEPLOYMENT,
        ports.METRIC_TEMPLATE,
        ports.CLUSTER_METRIC_TEMPLATE,
        ports.ROLLOUT_RECORD,
    ],
)
def test_manifest_is_of_the_kind_the_operator_asks_for(kind: ports.Kind) -> None:
    spec = documents.load(crdgen.manifests()[f"{kind.plural}.yaml"])["spec"]
    assert spec["group"] == kind.group
    assert spec["names"]["kind"] == kind.kind
    assert spec["names"]["categories"] == ["ml", "tidegate"]
    assert [it["name"] for it in spec["versions"]] == [kind.version]
    assert (spec["scope"] == "Namespaced") == kind.namespaced


def _nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from _nodes(member, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from _nodes(schema[key], f"{path}[]")


def _all_nodes() -> list[tuple[str, dict[str, Any]]]:
    return [
        node
        for definition in crdgen.DEFINITIONS
        for node in _nodes(crdgen.object_schema(definition), definition.kind)
    ]


def test_every_string_list_and_map_is_bounded() -> None:
    unbounded = [
        path
        for path, node in _all_nodes()
        if (node["type"] == "string" and "maxLength" not in node and "enum" not in node)
        or (node["type"] == "array" and "maxItems" not in node)
        or ("additionalProperties" in node and "maxProperties" not in node)
    ]
    assert [it for it in unbounded if not it.endswith((".apiVersion", ".kind"))] == []


def test_every_field_is_described() -> None:
    blank = [path for path, node in _all_nodes() if not node.get("description")]
    assert [it for it in blank if "[]" not in it and ".metadata" not in it] == []


def test_every_list_has_a_type_and_no_default_stands_in_the_schema_but_two() -> None:
    nodes = _all_nodes()
    lists = [
        path for path, it in nodes if it["type"] == "array" and not it.get("x-kubernetes-list-type")
    ]
    assert lists == []
    assert [path for path, it in nodes if "default" in it] == [
        "ModelDeployment.spec.workload.replicas",
        "ModelDeployment.spec.paused",
    ]


def test_unknown_fields_are_kept_in_pod_specs_only() -> None:
    kept = [path for path, it in _all_nodes() if crdgen.PRESERVE in it]
    pods = (
        "ModelDeployment.spec.workload.template.spec",
        "ModelDeployment.spec.strategy.blueGreen.prePromotion.job.template.spec",
    )
    assert sorted(kept) == sorted([*pods, *(f"{pod}.containers[]" for pod in pods)])


def test_lists_below_unknown_fields_are_one_value_for_server_side_apply() -> None:
    """Argo CD's server-side diff loses changes otherwise, as with 3.2.11; see ADR 0112."""
    nodes = list(_all_nodes())
    open_paths = [path for path, it in nodes if crdgen.PRESERVE in it]
    lists = [
        it["x-kubernetes-list-type"]
        for path, it in nodes
        if it["type"] == "array" and path.startswith(tuple(f"{one}." for one in open_paths))
    ]
    assert lists == ["atomic", "atomic"]


def test_every_rule_has_a_message_that_is_no_expression() -> None:
    rules = [rule for _, node in _all_nodes() for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) > 25
    for rule in rules:
        assert rule["message"]
        assert "self" not in rule["message"]


def test_reference_names_every_field_of_the_schema() -> None:
    page = reference.reference_pages()["modeldeployment.md"]
    paths = {path.removeprefix("ModelDeployment.") for path, _ in _all_nodes() if ".spec." in path}
    for path in paths:
        if path.startswith("spec.") and not path.endswith("[]"):
            assert f"`{path}`" in page, path


def test_reference_shows_defaults_and_limits() -> None:
    page = reference.reference_pages()["modeldeployment.md"]
    assert "| `spec.strategy.scaleDownDelay` | duration | 30s | from 0s to 168h |" in page
    assert "| `spec.model.version` | string, required |" in page
    assert "| `spec.server.preset` | enum | HTTP | one of `HTTP`, `Flask`, `MLServer`," in page
    assert "| MLServer: 8082; Triton: 8002; RayServe: 8080; else port |" in page


def test_the_choices_of_servers_and_metrics_are_those_of_the_presets() -> None:
    assert _choices(types.Server, "preset") == set(presets.SERVERS)
    assert _choices(analysis_types.Analysis, "data_plane") == set(presets.DATA_PLANES)
    assert _choices(analysis_types.Metric, "preset") == set(presets.METRICS)


def _choices(part: type[Any], field: str) -> set[str]:
    annotation = part.model_fields[field].annotation
    parts = (annotation, *get_args(annotation))
    return {text for one in parts for text in get_args(one) if isinstance(text, str)}


def test_the_presets_page_shows_what_is_read() -> None:
    page = preset_reference.page()
    assert "| KServe | `request_predict_seconds_count` | no |" in page
    assert "| Triton | 8000 | 8002`/metrics` | `/v2/health/ready` |" in page
    for metric in presets.METRICS:
        assert f"`{metric}`" in page


def test_the_route_beside_a_preview_names_the_service_that_the_operator_keeps() -> None:
    """So it never has to change (ADR 0101)."""
    path = ROOT / "examples" / "blue-green-hostname.yaml"
    ours, route = documents.load_all(path.read_text(encoding="utf-8"))
    spec, _ = convert.read_spec(ours)
    assert spec is not None
    wanted = target(spec, candidate="")
    kept = {
        it.reference.name: it.body
        for it in plane_of(spec.traffic).documents(wanted)
        if it.reference.kind == "Service"
    }
    assert spec.blue_green is not None
    preview = kept[spec.blue_green.preview_service]
    (rule,) = route["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    assert backend["name"] == spec.blue_green.preview_service
    assert backend["port"] in {it["port"] for it in plain(preview)["spec"]["ports"]}
    assert not set(route["spec"]["hostnames"]) & set(spec.traffic.gateway.hostnames)


READERS: Mapping[str, Callable[[Any], Any]] = {
    "ModelDeployment": convert.read_spec,
    "NotificationProvider": notifications.read_provider,
    "MetricTemplate": convert.read_template,
    "ClusterMetricTemplate": convert.read_template,
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    for body in documents.load_all(path.read_text(encoding="utf-8")):
        if not body["apiVersion"].startswith(f"{ports.TIDEGATE_GROUP}/"):
            continue  # a route of the user
        assert READERS[body["kind"]](body)[1] == ()
