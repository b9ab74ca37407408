"""The patch of the finalizer, which holds deletion back while traffic is owed."""

from __future__ import annotations

from tidegate import ports
from tidegate.rollout.duties import FINALIZER


def added(newest: ports.Object) -> list[ports.Object]:
    """Operations that put it there, guarded by the version; empty where it is there."""
    held = newest["metadata"].get("finalizers") or []
    if FINALIZER in held:
        return []
    return [
        _of_version(newest),
        {"op": "add", "path": "/metadata/finalizers", "value": [*held, FINALIZER]},
    ]


def removed(newest: ports.Object) -> list[ports.Object]:
    """Operations that take it away, guarded by the version; empty where it is not there.

    Without the version a late request would let go what a newer rollout has taken hold of.
    """
    held = newest["metadata"].get("finalizers") or []
    if FINALIZER not in held:
        return []
    path = f"/metadata/finalizers/{held.index(FINALIZER)}"
    return [
        _of_version(newest),
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]


def _of_version(newest: ports.Object) -> ports.Object:
    version = newest["metadata"]["resourceVersion"]
    return {"op": "test", "path": "/metadata/resourceVersion", "value": version}
