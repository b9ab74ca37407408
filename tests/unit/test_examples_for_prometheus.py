"""The files that the guide to Prometheus shows, and the copies of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tools import includes

ROOT = Path(__file__).parents[2]
ENVOY = ROOT / "examples" / "prometheus" / "envoy-clusters.yaml"
SHOWN = {
    "docs/how-to/prometheus.md": ("scrape-job.yaml", "envoy-clusters.yaml"),
    "tests/cluster/manifests/prometheus.yaml": ("scrape-job.yaml",),
}


@pytest.mark.parametrize(
    ("cluster", "found"),
    [
        ("service/ml/iris-5ab1e00001/80/http", ("ml", "iris", "5ab1e00001")),
        ("service/ml/iris-5ab1e00001/80/grpc", ("ml", "iris", "5ab1e00001")),
        ("service/ml-prod/a-b-c0ffee0001/8080/http2", ("ml-prod", "a-b", "c0ffee0001")),
        ("service/ml/iris-5ab1e00001/80", ("ml", "iris", "5ab1e00001")),
        ("ml_iris-5ab1e00001_80", ("ml", "iris", "5ab1e00001")),
        ("ml/iris-5ab1e00001/80/da39a3ee5e", ("ml", "iris", "5ab1e00001")),
        ("service/ml/iris/80/http", None),
        ("service/ml/iris-5ab1e0000/80/http", None),
        ("httproute/ml/iris/rule/0", None),
        ("httproute/ml/iris-5ab1e00001/rule/0", None),
        ("xds_cluster", None),
    ],
)
def test_cluster_names_of_a_gateway_become_labels(
    cluster: str, found: tuple[str, str, str] | None
) -> None:
    rules = yaml.safe_load(ENVOY.read_text())["metric_relabel_configs"]

    matches = {rule["target_label"]: re.fullmatch(rule["regex"], cluster) for rule in rules}

    if found is None:
        assert not any(matches.values())
        return
    labels = {
        label: match.expand(rule["replacement"].replace("$", "\\"))
        for rule in rules
        if (match := matches[label := rule["target_label"]]) is not None
    }
    assert labels == dict(zip(("namespace", "model_deployment", "revision"), found, strict=True))


@pytest.mark.parametrize(("shown_in", "files"), SHOWN.items())
def test_what_is_shown_is_the_tested_file(shown_in: str, files: tuple[str, ...]) -> None:
    text = (ROOT / shown_in).read_text()

    for name in files:
        lines = (ROOT / "examples" / "prometheus" / name).read_text().splitlines()
        assert [
            it.strip() for it in lines if it.strip() not in {i.strip() for i in text.splitlines()}
        ] == []


def test_a_copy_follows_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("one: 1\n")
    page = "<!-- include: a.yaml (made) -->\nold\n<!-- end include -->\nrest\n"
    config = "x:\n  # include: a.yaml\n  # end include\n"

    assert includes.filled(page, root=tmp_path) == (
        "<!-- include: a.yaml (made) -->\n```yaml\none: 1\n```\n<!-- end include -->\nrest\n"
    )
    once = includes.filled(config, root=tmp_path)
    assert once == "x:\n  # include: a.yaml\n  one: 1\n  # end include\n"
    assert includes.filled(once, root=tmp_path) == once
