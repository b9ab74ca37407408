"""The ConfigMaps that a pod template names, and the template that names others in their place.

Source: api.md, 2.3 and 2.6 (`workload.trackConfigMaps`); core/v1 PodSpec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tidegate.model import objects
from tidegate.model.document import Document, Json

_CONTAINERS: Final = ("containers", "initContainers")
_PATHS: Final = (
    ("volumes", "configMap"),
    ("volumes", "projected", "sources", "configMap"),
    *((one, "envFrom", "configMapRef") for one in _CONTAINERS),
    *((one, "env", "valueFrom", "configMapKeyRef") for one in _CONTAINERS),
)


def named(pod: Document) -> dict[str, bool]:
    """Each ConfigMap that a pod spec names, and whether its pods cannot start without it."""
    found: dict[str, bool] = {}

    def note(reference: Document) -> Document:
        name = objects.text(reference.get("name"))
        if name:
            found[name] = found.get(name, False) or reference.get("optional") is not True
        return reference

    _changed(pod, note)
    return found


def renamed(pod: Document, names: Mapping[str, str]) -> Document:
    """The pod spec with other names for these ConfigMaps; nothing else of it changes."""

    def rename(reference: Document) -> Document:
        name = objects.text(reference.get("name"))
        return {**reference, "name": names[name]} if name in names else reference

    return _changed(pod, rename) if names else pod


def _changed(pod: Document, change: Callable[[Document], Document]) -> Document:
    for path in _PATHS:
        pod = objects.mapping(_at(pod, path, change))
    return pod


def _at(value: Json, path: Sequence[str], change: Callable[[Document], Document]) -> Json:
    """What stands at the end of the path changed, in every entry of the lists on the way."""
    if isinstance(value, Mapping):
        if not path:
            return change(value)
        head, rest = path[0], path[1:]
        return {**value, head: _at(value[head], rest, change)} if head in value else value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_at(it, path, change) for it in value]
    return value
