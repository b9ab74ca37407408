"""What the API server says of a pod that finds no node."""

from __future__ import annotations

from tests.sim.fields import Object


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
