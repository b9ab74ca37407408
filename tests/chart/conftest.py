"""Rendering the chart with helm, as values in and objects out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster import gobuild
from tests.cluster.progress import Progress

Object = dict[str, Any]
Render = Callable[..., list[Object]]
Helm = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tidegate"
KUBE_VERSION = "1.34.4"


@pytest.fixture(scope="session")
def chart() -> Path:
    return CHART


@pytest.fixture(scope="session")
def helm_bin() -> Path:
    """helm from PATH, else the one of the test cluster."""
    found = shutil.which("helm")
    return Path(found) if found else gobuild.ensure_program(gobuild.HELM, Progress())


@pytest.fixture(scope="session")
def helm(helm_bin: Path) -> Helm:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(helm_bin), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture(scope="session")
def template(
    helm: Helm, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Object], subprocess.CompletedProcess[str]]:
    """`helm template` with these values."""

    def run(values: Object) -> subprocess.CompletedProcess[str]:
        file = tmp_path_factory.mktemp("values") / "values.json"
        file.write_text(json.dumps(values))
        return helm(
            *("template", "tidegate", str(CHART), "--namespace", "tidegate-system"),
            *("--kube-version", KUBE_VERSION, "--values", str(file)),
        )

    return run


@pytest.fixture(scope="session")
def render(template: Callable[[Object], subprocess.CompletedProcess[str]]) -> Render:
    """The objects that these values give; fails the test when there are none."""

    def run(**values: Any) -> list[Object]:
        done = template(values)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return run
