"""NotificationProvider to `model.NotificationProvider`, and its status to a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tidegate import model
from tidegate.api import notification_types as types
from tidegate.api import violations
from tidegate.api.durations import seconds_of
from tidegate.api.policies import requirements
from tidegate.api.revision import canonical, mapping
from tidegate.api.shapes.reader import reader
from tidegate.api.shapes.shape import Form
from tidegate.api.shapes.writer import writer

_write = writer(model.NotificationStatus, Form.FULL)
_read = reader(model.NotificationStatus, Form.FULL)


def read_provider(
    body: Mapping[str, Any],
) -> tuple[model.NotificationProvider, tuple[model.Violation, ...]]:
    """The provider of an object, and all that is wrong with it; one that cannot be read has a `problem`.

    Errors: none raised, on any JSON.
    """
    content = mapping(canonical(body))
    named = _named(mapping(content.get("metadata")))
    spec = violations.parse(types.Spec, content.get("spec"), path="spec")
    if isinstance(spec, tuple):
        return replace(named, problem=violations.text(spec)), spec
    return replace(
        named,
        type=spec.type,
        to=model.Recipient(url=spec.url or "", receiver=spec.receiver or ""),
        events=frozenset(spec.events),
        min_severity=spec.min_severity,
        names=frozenset(spec.model_deployments),
        selector=requirements(spec.selector),
        template=spec.template,
        per_minute=spec.max_per_minute,
        timeout_seconds=seconds_of(spec.timeout),
        retries=spec.retries,
    ), ()


def write_status(status: model.NotificationStatus) -> dict[str, Any]:
    """The document for a server-side apply of the status."""
    document: dict[str, Any] = _write(status)
    return document


def read_status(document: object) -> model.NotificationStatus:
    """The status, as far as it makes sense. Errors: none raised, on any JSON."""
    status: model.NotificationStatus = _read(mapping(document), [])
    return status


def _named(metadata: Mapping[str, Any]) -> model.NotificationProvider:
    generation = metadata.get("generation")
    return model.NotificationProvider(
        name=str(metadata.get("name", "")),
        generation=generation if isinstance(generation, int) else 0,
    )
