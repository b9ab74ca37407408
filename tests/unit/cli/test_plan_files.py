"""Where `tidegate plan` finds ModelDeployments and their metric templates."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tidegate.cli import outcome
from tidegate.cli.main import main

POD = {"spec": {"containers": [{"name": "server", "image": "a:1"}]}}
LOOKUPS: dict[str, Any] = {
    "name": "lookups",
    "templateRef": {"kind": "MetricTemplate", "name": "lookups"},
    "compare": {"maxDelta": 0.05},
    "threshold": {"max": 0.1},
}
API = "tidegate.dev/v1alpha1"
IRIS: dict[str, Any] = {
    "apiVersion": API,
    "kind": "ModelDeployment",
    "metadata": {"name": "iris", "namespace": "ml"},
    "spec": {
        "model": {"version": "1"},
        "server": {"preset": "HTTP"},
        "workload": {"replicas": 4, "template": POD},
        "analysis": {"metrics": [LOOKUPS]},
    },
}


def template(**metadata: str) -> dict[str, Any]:
    bad = {"metric": "a_total", "matchLabels": {"x": "y"}}
    return {
        "apiVersion": API,
        "kind": "MetricTemplate",
        "metadata": {"name": "lookups", **metadata},
        "spec": {"type": "Ratio", "ratio": {"bad": bad, "total": {"metric": "a_total"}}},
    }


def plan(*names: str) -> int:
    named = [part for name in names for part in ("-f", name)]
    return main(["plan", *named, "--rate", "50"])


@pytest.mark.parametrize("as_list", [False, True])
def test_standard_input_gives_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, as_list: bool
) -> None:
    """It can be read once only; kubectl writes a List."""
    objects = [IRIS, template(namespace="ml")]
    bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
    text = json.dumps(bundle) if as_list else yaml.safe_dump_all(objects)
    given = SimpleNamespace(buffer=io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert plan("-") == outcome.DONE
    assert "lookups" in capsys.readouterr().out


@pytest.mark.parametrize("as_folder", [False, True])
def test_templates_may_stand_in_another_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, as_folder: bool
) -> None:
    iris, lookups = tmp_path / "iris.yaml", tmp_path / "lookups.json"
    iris.write_text(yaml.safe_dump(IRIS))
    lookups.write_text(json.dumps(template()))
    names = [str(tmp_path)] if as_folder else [str(iris), str(lookups)]
    assert plan(*names) == outcome.DONE
    assert "Not planned" not in capsys.readouterr().out


def test_a_template_of_another_namespace_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "both.yaml"
    path.write_text(yaml.safe_dump_all([IRIS, template(namespace="lab")]))
    assert plan(str(path)) == outcome.NEGATIVE
    assert "MetricTemplate 'lookups' does not exist" in capsys.readouterr().out


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("kind: [")
    assert plan(str(path)) == outcome.TROUBLE
    assert f"{path} is no valid YAML" in capsys.readouterr().err
