"""JSON Patches (RFC 6902) of the labels and annotations that Tidegate keeps on its own objects."""

from __future__ import annotations

from tidegate import ports
from tidegate.model import objects

ROLE_PATH = "/metadata/labels/" + objects.LABEL_ROLE.replace("/", "~1")
WATCH_PATH = "/metadata/labels/" + objects.LABEL_WATCH.replace("/", "~1")
ANNOTATIONS_PATH = "/metadata/annotations"


def relabel(body: ports.Object, role: str) -> list[ports.Object]:
    """The role, if any, and the label by which the object is watched where somebody removed it."""
    labels = body["metadata"].get("labels") or {}
    old = labels.get(objects.LABEL_ROLE, "")
    watched = labels.get(objects.LABEL_WATCH) == "true"
    back = [] if watched else [{"op": "add", "path": WATCH_PATH, "value": "true"}]
    if old == role:
        return back
    if not old:
        return [*back, {"op": "add", "path": ROLE_PATH, "value": role}]
    seen = {"op": "test", "path": ROLE_PATH, "value": old}
    if not role:
        return [*back, seen, {"op": "remove", "path": ROLE_PATH}]
    return [*back, seen, {"op": "replace", "path": ROLE_PATH, "value": role}]


def annotate(body: ports.Object, name: str, value: str) -> list[ports.Object]:
    """Set one annotation and leave the others: late, the whole map would undo what was noted since."""
    metadata = body["metadata"]
    if metadata.get("annotations"):
        path = f"{ANNOTATIONS_PATH}/{name.replace('/', '~1')}"
        return [{"op": "add", "path": path, "value": value}]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": ANNOTATIONS_PATH, "value": {name: value}},
    ]
