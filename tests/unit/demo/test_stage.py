"""What the demo applies is what the examples show, and what the API accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.demo import manifests, stage

from tidegate.api import convert

GATEWAY = ("tidegate-gateway", "inference")


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_every_version_is_a_valid_model_deployment(version: str) -> None:
    document = manifests.model_deployment(version, gateway=GATEWAY)
    spec, violations = convert.read_spec(document)
    assert violations == ()
    assert spec is not None
    assert (spec.model.version, spec.model.uri) == (version, f"/models/{version}")


def test_versions_differ_in_their_revision_and_nothing_else() -> None:
    one, other = (manifests.model_deployment(it, gateway=GATEWAY) for it in ("v1", "v2"))
    assert one["spec"].pop("model") != other["spec"].pop("model")
    assert one == other


def test_the_gateway_of_the_cluster_is_used() -> None:
    document = manifests.model_deployment("v1", gateway=("infra", "shared"))
    [parent] = document["spec"]["traffic"]["gatewayAPI"]["parentRefs"]
    assert parent == {"name": "shared", "namespace": "infra"}


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
