"""Somebody with a name and few rights, who decides by the command line."""

from __future__ import annotations

from pathlib import Path

import yaml
from cluster_scene import Model, Scene

from tidegate.cli import main, outcome

_RESOURCES = {
    "modeldeployments.tidegate.dev": "get,list",
    "rolloutapprovals.tidegate.dev": "get,list,create",
}


def group_of(scene: Scene) -> str:
    """The group of everybody whom `approver` makes."""
    return f"system:serviceaccounts:{scene.namespace}"


def approver(scene: Scene, name: str, *, folder: Path) -> Path:
    """Who may approve in the test's namespace, and no more: a kubeconfig with a token."""
    cluster, place = scene.operator.cluster, ("--namespace", scene.namespace)
    account = f"{scene.namespace}:{name}"
    cluster.kubectl("create", "serviceaccount", name, *place)
    for number, (resource, verbs) in enumerate(_RESOURCES.items()):
        role = f"{name}-{number}"
        cluster.kubectl("create", "role", role, f"--verb={verbs}", f"--resource={resource}", *place)
        subject = (f"--role={role}", f"--serviceaccount={account}")
        cluster.kubectl("create", "rolebinding", role, *subject, *place)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.kubectl("create", "token", name, *place).strip()
    config["users"] = [{"name": name, "user": {"token": token}}]
    for context in config["contexts"]:
        context["context"]["user"] = name
    path = folder / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def approve(model: Model, *, kubeconfig: Path) -> None:
    """`kubectl tidegate approve`, until the operator says that it counts."""
    place = ("--namespace", model.scene.namespace, "--kubeconfig", str(kubeconfig))
    assert main.main(["approve", model.name, *place, "--wait", "2m"]) == outcome.DONE
