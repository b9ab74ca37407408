"""The chart on a real API server: installed, upgraded, tested by its rights, removed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api import CommandError, ControlPlane, control_plane

pytestmark = pytest.mark.apiserver

ACCOUNT = "system:serviceaccount:tidegate-system:tidegate"
RELEASE = ("tidegate", "--namespace", "tidegate-system")
GOOD: dict[str, Any] = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "digits", "namespace": "default"},
    "spec": {
        "model": {"version": "1"},
        "workload": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "server", "image": "x", "ports": [{"containerPort": 8080}]}
                    ]
                }
            }
        },
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[ControlPlane]:
    with control_plane(with_controllers=False) as running:
        running.kubectl("create", "namespace", "tidegate-system")
        yield running


@pytest.fixture(scope="module")
def helm_here(server: ControlPlane, helm_bin: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(helm_bin), *arguments],
            env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def installed(server: ControlPlane, helm_here: Callable[..., str], chart: Path) -> ControlPlane:
    said = helm_here("install", *RELEASE, str(chart))
    assert "No metric source is set" in said
    crds = "crd/modeldeployments.tidegate.dev"
    server.kubectl("wait", "--for=condition=Established", "--timeout=280s", crds)
    return server


def allowed(server: ControlPlane, verb: str, resource: str, *, namespace: str = "default") -> bool:
    """Whether the API server lets the operator's account do that; `resource` is name.group."""
    path, _, group = resource.partition(".")
    name, _, subresource = path.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": ACCOUNT, "resourceAttributes": {**attributes, "namespace": namespace}},
    }
    answer = server.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review))
    return bool(json.loads(answer)["status"]["allowed"])


@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "expected"),
    [
        ("watch", "modeldeployments.tidegate.dev", "default", True),
        ("patch", "modeldeployments/status.tidegate.dev", "default", True),
        ("update", "modeldeployments.tidegate.dev", "default", False),
        ("delete", "modeldeployments.tidegate.dev", "default", False),
        ("create", "deployments.apps", "default", True),
        ("delete", "services", "default", True),
        ("create", "events.events.k8s.io", "default", True),
        ("create", "leases.coordination.k8s.io", "tidegate-system", True),
        ("create", "leases.coordination.k8s.io", "default", False),
        ("get", "secrets", "default", False),
        ("create", "pods/exec", "default", False),
        ("list", "nodes", "default", True),
        ("get", "nodes", "default", False),
        ("list", "configmaps", "default", False),
        ("get", "customresourcedefinitions.apiextensions.k8s.io", "default", False),
    ],
)
def test_the_operators_account_may(
    installed: ControlPlane, verb: str, resource: str, namespace: str, expected: object
) -> None:
    assert allowed(installed, verb, resource, namespace=namespace) == expected


def test_installed_crds_accept_the_good_and_refuse_the_bad(installed: ControlPlane) -> None:
    apply = ("apply", "--dry-run=server", "-f", "-")
    installed.kubectl(*apply, input=json.dumps(GOOD))
    bad = json.loads(json.dumps(GOOD))
    bad["spec"]["model"]["version"] = "not a label!"
    with pytest.raises(CommandError, match=r"spec\.model\.version"):
        installed.kubectl(*apply, input=json.dumps(bad))


def test_upgrade_to_named_namespaces_takes_rights_away(
    installed: ControlPlane, helm_here: Callable[..., str], chart: Path
) -> None:
    installed.kubectl("create", "namespace", "ml")
    helm_here("upgrade", *RELEASE, str(chart), "--set", "namespaces={ml}")
    assert allowed(installed, "create", "deployments.apps", namespace="ml")
    assert not allowed(installed, "create", "deployments.apps", namespace="default")
    assert not allowed(installed, "list", "services", namespace="default")
    helm_here("rollback", *RELEASE)
    assert allowed(installed, "create", "deployments.apps", namespace="default")


def test_uninstall_keeps_the_models(
    server: ControlPlane, helm_here: Callable[..., str], chart: Path, installed: ControlPlane
) -> None:
    installed.kubectl("apply", "-f", "-", input=json.dumps(GOOD))
    helm_here("uninstall", *RELEASE)
    assert "digits" in server.kubectl("get", "modeldeployments", "-o", "name")
    helm_here("install", *RELEASE, str(chart))
    assert "digits" in server.kubectl("get", "modeldeployments", "-o", "name")
