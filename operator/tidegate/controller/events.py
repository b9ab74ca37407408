"""Kubernetes Events of a decision, as `events.k8s.io/v1` objects."""

from __future__ import annotations

import hashlib
from datetime import datetime

from tidegate import model, ports
from tidegate.model import actions

CONTROLLER = "tidegate.dev/controller"
LONGEST_NOTE = 1024


def render(
    event: actions.Event, *, meta: model.ObjectMeta, now: datetime, instance: str
) -> ports.Object:
    """The Event as an API object; its name derives from what it says, never from chance."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = f"{meta.uid} {event.reason} {event.message} {stamp}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return {
        "apiVersion": ports.EVENT.api_version,
        "kind": ports.EVENT.kind,
        "metadata": {"name": f"{meta.name}.{digest}", "namespace": meta.namespace},
        "eventTime": stamp,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "action": event.reason,
        "reason": event.reason,
        "type": str(event.type),
        "note": event.message[:LONGEST_NOTE],
        "regarding": {
            "apiVersion": ports.MODEL_DEPLOYMENT.api_version,
            "kind": ports.MODEL_DEPLOYMENT.kind,
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
        },
    }
