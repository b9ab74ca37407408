"""The manifests for people without Helm are what the chart gives, and an API server takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import helm_chart
import pytest
import yaml
from tests.chart.test_rendering import MATRIX
from tests.cluster.api import ControlPlane, control_plane
from tools import plain_manifests

Object = dict[str, Any]
FILE = plain_manifests.ROOT / plain_manifests.PATH
OF_OTHERS = "monitoring.coreos.com"  # its CRDs are not there


def test_they_are_what_the_chart_gives() -> None:
    asked = plain_manifests.arguments(chart=helm_chart.CHART, kube_version=helm_chart.KUBE_VERSION)
    done = helm_chart.run(*asked)
    assert done.returncode == 0, done.stderr
    made = plain_manifests.text(done.stdout)
    assert FILE.read_text() == made, "run make manifests"


def test_nothing_of_helm_is_left() -> None:
    text = FILE.read_text()
    documents = [it for it in yaml.safe_load_all(text) if it]
    assert "helm.sh" not in text
    assert {it["kind"] for it in documents} >= {
        *("Namespace", "Deployment", "ConfigMap", "ServiceAccount", "ClusterRole", "RoleBinding"),
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    }
    assert not {"Job", "Pod"} & {it["kind"] for it in documents}


@pytest.fixture(scope="module")
def server() -> Iterator[ControlPlane]:
    with control_plane(with_controllers=False) as running:
        yield running


def applied(server: ControlPlane, objects: list[Object], *, dry_run: bool) -> str:
    bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
    arguments = ("apply", "--server-side", "--force-conflicts", "--validate=strict")
    dry = ("--dry-run=server",) if dry_run else ()
    return server.kubectl(*arguments, *dry, "-f", "-", input=json.dumps(bundle))


@pytest.mark.apiserver
def test_an_api_server_takes_the_plain_manifests(server: ControlPlane) -> None:
    server.kubectl("apply", "--server-side", "-f", str(plain_manifests.ROOT / "crds"))
    said = server.kubectl("apply", "--validate=strict", "-f", str(FILE))
    assert "deployment.apps/tidegate created" in said


@pytest.mark.apiserver
def test_an_api_server_takes_what_any_values_give(server: ControlPlane) -> None:
    """Every distinct object of the matrix, with strict validation of its fields."""
    names = ("tidegate-system", "ml", "ml-prod")
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": it}} for it in names]
    applied(server, spaces, dry_run=False)
    rendered = [it for values in MATRIX for it in helm_chart.render(**values)]
    distinct = {json.dumps(it, sort_keys=True): it for it in rendered}
    ours = [it for it in distinct.values() if not it["apiVersion"].startswith(OF_OTHERS)]
    assert len(ours) > 60
    applied(server, ours, dry_run=True)
