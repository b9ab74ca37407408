"""Remembers what pure functions of an unchanged document said, so that a pass costs less.

Documents of the simulated cluster are immutable and shared, so identity means equality. Only the
reading and writing of documents is remembered; nothing that reads a clock or the world.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tidegate import model, ports
from tidegate.adapters import kube_http
from tidegate.api import convert, frozen, record, revision, status
from tidegate.controller import reading, store
from tidegate.revisions import state

_known: dict[tuple[Any, ...], tuple[Any, Any]] = {}
_written: deque[tuple[model.Status, dict[str, Any]]] = deque(maxlen=8)


def clear() -> None:
    """Forget the documents of the run before."""
    _known.clear()
    _written.clear()


def _by_identity(name: str, plain: Callable[..., Any], part: Callable[[Any], Any]) -> Any:
    def remembered(document: Any, **options: Any) -> Any:
        key_part = part(document)
        key = (name, id(key_part))
        found = _known.get(key)
        if found is None:
            found = _known[key] = (key_part, plain(document, **options))
        return found[1]

    return remembered


def _spec(body: Any) -> Any:
    return body.get("spec")


def _itself(document: Any) -> Any:
    return document


def _unless_referred(plain: Callable[..., Any]) -> Any:
    """Presets need no lookup; a reference to a template object does, and may change meaning."""
    cached = _by_identity("templates", plain, _itself)

    def resolved(spec: Any, **options: Any) -> Any:
        referred = any(metric.template is not None for metric in spec.analysis.metrics)
        return plain(spec, **options) if referred else cached(spec, **options)

    return resolved


def _unless_tracked(plain: Callable[..., Any]) -> Any:
    """What ConfigMaps hold is no part of the document."""
    cached = _by_identity("revision", plain, _spec)

    def found(body: Any, *, config_maps: Any = None) -> Any:
        return plain(body, config_maps=config_maps) if config_maps else cached(body)

    return found


def _by_value(plain: Callable[[model.Status], dict[str, Any]]) -> Any:
    """A status that was written is read back as an equal one soon, and often compared."""

    def remembered(status_: model.Status) -> dict[str, Any]:
        for known, document in _written:
            if known == status_:
                return document
        document = plain(status_)
        _written.appendleft((status_, document))
        return document

    return remembered


def _by_documents(plain: Callable[..., Any]) -> Any:
    """The state of a revision; every document that it is read from counts."""

    def remembered(
        deployment: Any,
        *,
        service: Any,
        endpoint_slices: list[Any],
        pods: list[Any],
        template_hash: str,
    ) -> Any:
        read = (deployment, service, *endpoint_slices, None, *pods)
        key = ("revision", *map(id, read))
        found = _known.get(key)
        if found is None:
            state = plain(
                deployment,
                service=service,
                endpoint_slices=endpoint_slices,
                pods=pods,
                template_hash=template_hash,
            )
            found = _known[key] = (read, state)
        return found[1]

    return remembered


def _by_body(plain: Callable[..., Any]) -> Any:
    """One snapshot of one document for all processes: what was read from it is known as well."""

    def remembered(kind: ports.Kind, body: Any, *, known: Any = None) -> Any:
        key = ("snapshot", id(body))
        found = _known.get(key)
        if found is None:
            found = _known[key] = (body, plain(kind, body, known=known))
        return found[1]

    return remembered


def install() -> None:
    """Put the memory in front of the functions, once per process."""
    store.slim = _by_body(store.slim)  # type: ignore[attr-defined]
    convert.read_spec = _by_identity("spec", convert.read_spec, _spec)
    revision.revision_of = _unless_tracked(revision.revision_of)
    status.write_status = _by_value(status.write_status)
    state.revision_state = _by_documents(state.revision_state)
    reading.resolve_templates = _unless_referred(reading.resolve_templates)  # type: ignore[attr-defined]
    status.read_with_losses = _by_identity("status", status.read_with_losses, _itself)
    kube_http.path = lru_cache(maxsize=4096)(kube_http.path)
    record.read_kept = _by_identity("record", record.read_kept, _itself)
    frozen.read_revision = _by_identity("frozen revision", frozen.read_revision, _itself)
    frozen.read_rollout = _by_identity("frozen rollout", frozen.read_rollout, _itself)


install()
