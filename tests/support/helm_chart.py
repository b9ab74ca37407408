"""The chart as helm renders it: values in, objects out."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml
from tests.cluster import gobuild
from tests.cluster.progress import Progress

Object = dict[str, Any]
CHART = Path(__file__).parents[2] / "charts" / "tidegate"
NAMESPACE = "tidegate-system"
KUBE_VERSION = "1.34.4"


def helm_bin() -> Path:
    """helm from PATH, else the one of the test cluster."""
    found = shutil.which("helm")
    return Path(found) if found else gobuild.ensure_program(gobuild.HELM, Progress())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What helm says to these arguments."""
    command = [str(helm_bin()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def template(values: Object) -> subprocess.CompletedProcess[str]:
    """`helm template` with these values."""
    return _template(json.dumps(values))


@functools.cache
def _template(values: str) -> subprocess.CompletedProcess[str]:
    """The same values are asked for by many tests, and helm takes a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(values)
        file.flush()
        return run(
            *("template", "tidegate", str(CHART), "--namespace", NAMESPACE),
            *("--kube-version", KUBE_VERSION, "--values", file.name),
        )


def render(**values: Any) -> list[Object]:
    """The objects that these values give. Errors: AssertionError with what helm said."""
    done = template(values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, Loader=_Strict) if document]


class _Strict(yaml.CSafeLoader):
    """Refuses a mapping that has a key twice: two documents without `---`, or a label given again.

    By libyaml: the CRDs alone keep the loader in Python busy for a second.
    """


def _mapping(loader: _Strict, node: yaml.MappingNode) -> Object:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    assert not twice, f"{node.start_mark}: twice: {twice}"
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
