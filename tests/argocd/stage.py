"""A model in Git, and what came of it in the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import argocd_lua
import cluster_played
from cluster_client import Client, Object
from tests.argocd.application import WAIT_SECONDS, Application

from tidegate import ports

NAME = "iris"
FILE = f"{NAME}.yaml"
STEPS = (("p20", 20, "1h"), ("p60", 60, "1h"))


def container(*, image: str = "x:1", env: dict[str, str] | None = None, **more: Any) -> Object:
    """A model server."""
    variables = [{"name": key, "value": value} for key, value in (env or {}).items()]
    return {
        "name": "server",
        "image": image,
        "ports": [{"containerPort": 8080}],
        **({"env": variables} if variables else {}),
        **more,
    }


def model_deployment(
    server: Object, *, steps: tuple[tuple[str, int, str], ...] = STEPS, pod: Object | None = None
) -> Object:
    """A ModelDeployment as it stands in Git: without a namespace, the version does not change."""
    parents = [{"name": cluster_played.NAME}]
    named = [{"name": name, "weight": weight, "hold": hold} for name, weight, hold in steps]
    return {
        "apiVersion": ports.MODEL_DEPLOYMENT.api_version,
        "kind": ports.MODEL_DEPLOYMENT.kind,
        "metadata": {"name": NAME},
        "spec": {
            "model": {"version": "1"},
            "workload": {
                "replicas": 1,
                "template": {"spec": {"containers": [server], **(pod or {})}},
            },
            "traffic": {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": parents}},
            "strategy": {"canary": {"steps": named}, "scaleDownDelay": "2s"},
            "progressDeadline": "10m",
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The namespace of one test."""

    client: Client
    application: Application

    def model(self) -> Object:
        """The ModelDeployment in the cluster; empty when there is none."""
        namespace = self.application.namespace
        return self.client.get(ports.MODEL_DEPLOYMENT, namespace=namespace, name=NAME) or {}

    def server(self) -> Object:
        """The model server that the ModelDeployment in the cluster asks for."""
        return dict(self.model()["spec"]["workload"]["template"]["spec"]["containers"][0])

    def press(self, button: str) -> None:
        """What Argo CD writes when a person presses one of our buttons."""
        asked = argocd_lua.acted(button, self.model())
        notes = {
            key: value
            for key, value in asked["metadata"]["annotations"].items()
            if key.startswith("tidegate.dev/")
        }
        self.client.merge(
            ports.MODEL_DEPLOYMENT,
            namespace=self.application.namespace,
            name=NAME,
            body={"metadata": {"annotations": notes}},
        )

    def children(self, kind: ports.Kind) -> dict[str, str]:
        """Name and uid of what the operator made."""
        found = self.client.list(kind, namespace=self.application.namespace)
        return {it["metadata"]["name"]: it["metadata"]["uid"] for it in found}

    def wait_for(
        self, until: Callable[[Object], bool], *, what: str, seconds: float = WAIT_SECONDS
    ) -> Object:
        """The ModelDeployment once its status speaks of its newest spec and says this."""
        deadline = time.monotonic() + seconds
        while not (_is_current(body := self.model()) and until(body["status"])):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}; {body}"
            time.sleep(0.1)
        return body

    def wait_for_phase(self, phase: str) -> Object:
        """The ModelDeployment in this phase of its newest spec."""
        return self.wait_for(lambda status: status["phase"] == phase, what=f"is {phase}")

    def settle(self, server: Object, **options: Any) -> Object:
        """Commit, and wait until Argo CD says Synced and Healthy; what was committed."""
        body = model_deployment(server, **options)
        self.application.commit({FILE: body})
        if self.application.body() is None:
            self.application.create()
        self.wait_for_phase("Healthy")
        self.application.wait(
            lambda look: (look.sync, look.health) == ("Synced", "Healthy"), what="is settled"
        )
        return body


def _is_current(body: Object) -> bool:
    status = body.get("status") or {}
    return bool(body) and status.get("observedGeneration") == body["metadata"]["generation"]
