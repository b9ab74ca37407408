"""Stand-ins for the CRDs of Gateway API's routes: any fields, on a test API server."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.api import ControlPlane

from tidegate import ports


def install(plane: ControlPlane, kind: ports.Kind) -> None:
    """Return once the kind is served."""
    plane.kubectl("apply", "-f", "-", input=json.dumps(manifest(kind)))
    name = f"{kind.plural}.{kind.group}"
    plane.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=120s")


def remove(plane: ControlPlane, kind: ports.Kind) -> None:
    """Return once it is gone, and its objects with it."""
    plane.kubectl("delete", "crd", f"{kind.plural}.{kind.group}", "--ignore-not-found")


def manifest(kind: ports.Kind) -> dict[str, Any]:
    """The CRD, with a status beside the spec."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": kind.plural, "singular": kind.kind.lower(), "kind": kind.kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, stand-in for tests"},
        },
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }
