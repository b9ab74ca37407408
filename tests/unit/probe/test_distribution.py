"""The distribution stands alone: its wheel, what it needs, and the names that it exports."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import prometheus_client
import pytest
from probe_examples import fraud
from prometheus_client import CollectorRegistry

import tidegate_probe
from tidegate_probe import Monitor

ROOT = Path(__file__).parents[3]
PROBE = ROOT / "probe"
PACKAGE = PROBE / "tidegate_probe"
SERVED = """
import sys
sys.path[:0] = {places!r}
import tidegate_probe.asgi, tidegate_probe.mlserver, tidegate_probe.sklearn
from prometheus_client import REGISTRY
from tidegate_probe import Monitor, Profile
profile = Profile.fit({{"amount": list(range(200))}}, model="m", model_version="1")
monitor = Monitor(Profile.from_json(profile.to_json()))
monitor.observe({{"amount": 3}})
monitor.observe_batch({{"amount": [1, 2.5, None, "x"]}})
print(REGISTRY.get_sample_value("tidegate_probe_predictions_total"))
print(REGISTRY.get_sample_value("tidegate_probe_failures_total", {{"stage": "observe"}}))
print("numpy" in sys.modules, tidegate_probe.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no output lands in the source tree."""
    folder = tmp_path_factory.mktemp("probe")
    copy = folder / "probe"
    shutil.copytree(
        PROBE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    )
    build = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, folder], cwd=copy, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_needs_prometheus_client_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        told = message_from_bytes(archive.read(metadata))
    assert told["Name"] == "tidegate-probe"
    assert told["Version"] == tidegate_probe.__version__
    assert told["License-Expression"] == "Apache-2.0"
    assert [need for need in told.get_all("Requires-Dist") if "extra" not in need] == [
        "prometheus-client<1,>=0.20"
    ]
    assert {"tidegate_probe/py.typed", "tidegate_probe/profile.schema.json"} <= set(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tidegate_probe"}


def test_the_wheel_works_beside_prometheus_client_only(wheel: Path, tmp_path: Path) -> None:
    client = tmp_path / "client"
    shutil.copytree(Path(prometheus_client.__file__).parent, client / "prometheus_client")
    script = SERVED.format(places=[str(wheel), str(client)])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], check=True, capture_output=True, text=True
    )
    counted, failed, last = done.stdout.splitlines()
    assert (counted, failed) == ("5.0", "0.0")
    assert last.startswith(f"False {wheel}")


def test_it_imports_nothing_but_its_dependency_when_it_is_loaded() -> None:
    allowed = {"tidegate_probe", "prometheus_client", *sys.stdlib_module_names}
    for path in PACKAGE.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= allowed, path


def test_the_readme_names_what_is_exported() -> None:
    registry = CollectorRegistry()
    Monitor(fraud(), registry=registry).observe({}, {"score": 0.5}, prediction_id="a")
    exported = {
        (sample.name, ",".join(sample.labels))
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    rows = re.findall(r"^\| `(tidegate_probe_\w+)` \| ([^|]*)\|", _readme(), flags=re.MULTILINE)
    assert {(name, ",".join(re.findall(r"`(\w+)`", labels))) for name, labels in rows} == exported


def test_the_use_in_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fraud().write(tmp_path / "profile.json")
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", _readme(), flags=re.DOTALL)
    assert code
    names: dict[str, object] = {}
    exec(code[1], names)  # the README's own code
    monitor = names["monitor"]
    assert isinstance(monitor, Monitor)
    monitor.close()


def _readme() -> str:
    return (PROBE / "README.md").read_text()
