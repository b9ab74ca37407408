"""Pods as the API server lists them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.sim.fields import Object

if TYPE_CHECKING:
    from tests.sim.pod import Pod


def pod_document(pod: Pod, *, crashes: bool, start: float) -> Object:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "uid": f"uid-{pod.name}",
            "namespace": pod.namespace,
            "labels": pod.labels,
            "creationTimestamp": datetime.fromtimestamp(start + pod.created_at, UTC).isoformat(),
        },
        "status": {
            "podIP": pod.address,
            "hostIP": "10.255.0.1",
            "containerStatuses": [
                {
                    "name": "server",
                    "ready": pod.ready,
                    "restartCount": 3 if crashes and not pod.ready else 0,
                    "state": waiting if crashes and not pod.ready else {"running": {}},
                }
            ],
        },
    }


def pending_document(deployment: Object) -> Object:
    """A pod that finds no node."""
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-pending",
            "namespace": deployment["metadata"]["namespace"],
            "labels": deployment["spec"]["template"]["metadata"]["labels"],
        },
        "status": {"conditions": [{**unschedulable, "message": "no node has room"}]},
    }
