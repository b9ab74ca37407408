"""Remembers what pure functions of an unchanged document said, so that a pass costs less.

Documents of the simulated cluster are immutable and shared, so identity means equality. Only the
translation of spec and status is remembered; nothing that reads a clock or the world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.api import convert, revision, status
from tidegate.controller import observer

_known: dict[tuple[str, int], tuple[Any, Any]] = {}


def clear() -> None:
    """Forget the documents of the run before."""
    _known.clear()


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


def install() -> None:
    """Put the memory in front of the functions, once per process."""
    convert.read_spec = _by_identity("spec", convert.read_spec, _spec)
    revision.revision_of = _by_identity("revision", revision.revision_of, _spec)
    status.write_status = _by_identity("document", status.write_status, _itself)
    observer.resolve_templates = _unless_referred(observer.resolve_templates)  # type: ignore[attr-defined]
    status.read_status = _by_identity("status", status.read_status, _itself)


install()
