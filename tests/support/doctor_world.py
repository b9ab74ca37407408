"""A cluster that `tidegate doctor` looks at, and what it found there."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from datetime import datetime, timedelta
from typing import Any

import cli_world as world

from tidegate import model, ports
from tidegate.api import crdgen
from tidegate.cli import doctor
from tidegate.cli.kubectl import Console
from tidegate.controller.plane_kinds import PLANE_KINDS
from tidegate.model import PreflightReason

FOUND = model.Preflight(
    metric="error-ratio",
    source="prometheus",
    reason=PreflightReason.SERIES_FOUND,
    ready=True,
    message="prometheus has it",
)
SERVING = dataclasses.replace(world.HEALTHY, evidence=(FOUND,))
EXISTING = {"mode": "Existing", "routeRefs": [{"kind": "GRPCRoute", "name": "shop"}]}
GATEWAY = {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "edge"}]}}


# As the chart sets them on its Deployment, whatever it is called.
LABELS = {"app.kubernetes.io/part-of=tidegate", "app.kubernetes.io/component=controller"}
OF_CLUSTER = {kind for _, kind, _ in (*doctor.CLUSTER_RIGHTS, *doctor.GATEWAY_RIGHTS)}


def accepted(*kinds: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True"} for kind in kinds]}


class Cluster(world.MemoryApi):
    """Objects by kind and name, and an API server that knows who may what."""

    def __init__(self, *bodies: ports.Object) -> None:
        super().__init__(*bodies)
        self.objects: dict[tuple[ports.Kind, str], ports.Object] = {
            (ports.DEFINITION, f"{it.resource.plural}.{crdgen.GROUP}"): crdgen.manifest(it)
            for it in crdgen.DEFINITIONS
        }
        self.objects[ports.GATEWAY, "edge"] = {
            "spec": {"gatewayClassName": "envoy"},
            "status": accepted("Accepted", "Programmed"),
        }
        self.objects[ports.GATEWAY_CLASS, "envoy"] = {"status": accepted("Accepted")}
        self.lease: ports.Object | None = {
            "spec": {
                "holderIdentity": "op-1",
                "renewTime": (world.NOW - timedelta(seconds=2)).isoformat(),
                "leaseDurationSeconds": 15,
            }
        }
        self.time: ports.Result[datetime] = ports.Ok(world.NOW)
        self.denied: set[tuple[str, str]] = set()
        self.reviews: ports.Failure | None = None
        self.asked: list[str] = []
        self.release = "tidegate"
        self.room: dict[ports.Kind, ports.Result[list[ports.Object]]] = {
            ports.RESOURCE_QUOTA: ports.Ok([])
        }

    async def get(
        self, kind: ports.Kind, *, namespace: str, name: str
    ) -> ports.Result[ports.Object | None]:
        if kind is ports.MODEL_DEPLOYMENT:
            return await super().get(kind, namespace=namespace, name=name)
        return ports.Ok(copy.deepcopy(self.objects.get((kind, name))))

    async def list_objects(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        if kind in {ports.RESOURCE_QUOTA, ports.NODE}:
            assert namespace == ("ml" if kind.namespaced else "")
            return self.room.get(kind, ports.Fatal(reason="Forbidden", message="no"))
        if kind is ports.DEPLOYMENT:
            assert not set(label_selector.split(",")) - LABELS
        else:
            return await super().list_objects(
                kind, namespace=namespace, label_selector=label_selector
            )
        pod = {"spec": {"serviceAccountName": "tidegate"}}
        found = {"metadata": {"name": self.release}, "spec": {"template": pod}}
        return ports.Ok([found] if namespace == "tidegate-system" else [])

    async def serves(self, kind: ports.Kind) -> ports.Result[bool]:
        assert kind in {row.kind for row in PLANE_KINDS.values()}
        return ports.Ok(self.served)

    async def server_time(self) -> ports.Result[datetime]:
        return self.time

    async def get_lease(self, *, namespace: str, name: str) -> ports.Result[ports.Object | None]:
        assert name == f"{self.release}-controller"
        return ports.Ok(self.lease if namespace == "tidegate-system" else None)

    async def create(
        self, kind: ports.Kind, *, namespace: str, body: ports.Object, dry_run: bool = False
    ) -> ports.Result[ports.Object]:
        assert kind is ports.ACCESS_REVIEW
        assert not namespace
        assert not dry_run
        if self.reviews is not None:
            return self.reviews
        assert body["spec"]["user"] == "system:serviceaccount:tidegate-system:tidegate"
        wanted = body["spec"]["resourceAttributes"]
        assert wanted["namespace"] == ("" if wanted["resource"] in OF_CLUSTER else "ml")
        self.asked.append(f"{wanted['verb']} {wanted['resource']}")
        allowed = (wanted["verb"], wanted["resource"]) not in self.denied
        return ports.Ok({"status": {"allowed": allowed}})


def iris(status: model.Status | None = SERVING, *, traffic: object = None) -> ports.Object:
    body = world.document(status)
    body["spec"] |= {
        "model": {"name": "iris", "version": "1.5.0"},
        "server": {"preset": "MLServer"},
        "workload": {"template": {"spec": {"containers": [{"name": "server", "image": "x"}]}}},
    }
    return body | {"spec": body["spec"] | ({"traffic": traffic} if traffic else {})}


def examined(
    api: Cluster,
    *,
    name: str = "",
    output: str = "json",
    operator_namespace: str = "tidegate-system",
    metrics: ports.MetricSource | None = None,
) -> tuple[int, str]:
    lines: list[str] = []
    console = Console(api=api, clock=world.LeapingClock(), say=lines.append)  # type: ignore[arg-type]
    where = doctor.Where(namespace="ml", name=name, operator_namespace=operator_namespace)
    url = "http://prometheus:9090" if metrics else ""
    code = asyncio.run(doctor.examine(console, where, output=output, metrics=metrics, url=url))
    return code, "\n".join(lines)


def bad(text: str) -> list[tuple[str, str, str]]:
    found = json.loads(text)["findings"]
    return [(it["check"], it["of"], it["message"]) for it in found if it["result"] == "problem"]
