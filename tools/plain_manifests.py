"""Manifests for people without Helm: what the chart gives by default, as one file.

`make manifests` writes it. It needs helm, so it is not part of `make generate`; a test of the chart
compares.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from tests.cluster import gobuild, versions
from tests.cluster.progress import Progress

Object = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parent.parent
PATH: Final = Path("deploy/tidegate.yaml")
NAMESPACE: Final = "tidegate-system"
_HEAD: Final = """# Tidegate without Helm: what the chart gives by default, made by tools/plain_manifests.py.
#
#   kubectl apply --server-side -f crds/
#   kubectl apply -f deploy/tidegate.yaml
#
# Before: set the image of the Deployment, and your metric source in the ConfigMap. The pods read the
# ConfigMap at start: after a change of it, kubectl -n tidegate-system rollout restart deployment/tidegate.
"""


def text(rendered: str) -> str:
    """The file, from what `helm template` says; the release is called tidegate."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    objects = [it for it in yaml.safe_load_all(rendered) if it and not _is_a_hook(it)]
    documents = [_plain(it) for it in (namespace, *objects)]
    return _HEAD + "".join(f"---\n{yaml.safe_dump(it, sort_keys=False)}" for it in documents)


def arguments(*, chart: Path, kube_version: str) -> tuple[str, ...]:
    """What helm is asked."""
    return (
        *("template", "tidegate", str(chart), "--namespace", NAMESPACE),
        *("--kube-version", kube_version, "--set", "crds.enabled=false"),
    )


def _is_a_hook(body: Object) -> bool:
    return "helm.sh/hook" in body["metadata"].get("annotations", {})


def _plain(value: Any) -> Any:
    """The same without what only means something to Helm."""
    if isinstance(value, list):
        return [_plain(it) for it in value]
    if not isinstance(value, dict):
        return value
    left_out = {"helm.sh/chart", "checksum/settings"}
    kept = {key: _plain(it) for key, it in value.items() if key not in left_out}
    if "app.kubernetes.io/managed-by" in kept:
        kept["app.kubernetes.io/managed-by"] = "kubectl"
    return {key: it for key, it in kept.items() if not (key == "annotations" and it == {})}


def main() -> int:
    """Write the file; helm is that of the path, or built. Exit code 1 when it refuses."""
    asked = arguments(
        chart=ROOT / "charts" / "tidegate", kube_version=versions.KUBERNETES.removeprefix("v")
    )
    helm = shutil.which("helm") or str(gobuild.ensure_program(gobuild.HELM, Progress()))
    command = [helm, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    (ROOT / PATH).parent.mkdir(exist_ok=True)
    (ROOT / PATH).write_text(text(done.stdout))
    print(PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
