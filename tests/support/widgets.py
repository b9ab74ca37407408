"""A kind for trying things on an API server without meaning anything by it."""

from __future__ import annotations

from tidegate import ports

WIDGET = ports.Kind(group="test.tidegate.dev", version="v1", plural="widgets", kind="Widget")


def widget(namespace: str, name: str = "one", **spec: object) -> ports.Object:
    """A Widget; its schema has spec.size (at most 10), spec.color and status.phase."""
    return {
        "apiVersion": WIDGET.api_version,
        "kind": WIDGET.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec or {"size": 1},
    }
