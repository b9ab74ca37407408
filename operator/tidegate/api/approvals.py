"""RolloutApproval to `model.Approval`, its status to a document, and gates of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tidegate import model
from tidegate.api import approval_types as types
from tidegate.api import violations
from tidegate.api.instants import instant_of
from tidegate.api.revision import canonical, mapping
from tidegate.api.shapes.reader import reader
from tidegate.api.shapes.shape import Form
from tidegate.api.shapes.writer import writer

_write = writer(model.ApprovalStatus, Form.FULL)
_read = reader(model.ApprovalStatus, Form.FULL)


def read_approval(
    body: Mapping[str, Any],
) -> tuple[model.Approval, tuple[model.Violation, ...]]:
    """The decision of an object, and all that is wrong with it; one that cannot be read has a `problem`.

    Errors: none raised, on any JSON.
    """
    content = mapping(canonical(body))
    named = _named(mapping(content.get("metadata")))
    spec = violations.parse(types.Spec, content.get("spec"), path="spec")
    if isinstance(spec, tuple):
        return replace(named, problem=violations.text(spec)), spec
    ends = instant_of(spec.expires_at).astimezone(UTC) if spec.expires_at else None
    return replace(
        named,
        revision=spec.revision,
        attempt=spec.attempt,
        gate=spec.gate,
        decision=spec.decision,
        username=spec.approver.username,
        groups=frozenset(spec.approver.groups),
        comment=spec.comment,
        expires_at=ends,
    ), ()


def model_deployment(body: Mapping[str, Any]) -> str:
    """The ModelDeployment that a RolloutApproval names; empty where it names none."""
    name = mapping(body.get("spec")).get("modelDeployment")
    return name if isinstance(name, str) else ""


def write_status(status: model.ApprovalStatus) -> dict[str, Any]:
    """The document for a server-side apply of the status."""
    document: dict[str, Any] = _write(status)
    return document


def read_status(document: object) -> model.ApprovalStatus:
    """The status, as far as it makes sense. Errors: none raised, on any JSON."""
    status: model.ApprovalStatus = _read(mapping(document), [])
    return status


def _named(metadata: Mapping[str, Any]) -> model.Approval:
    generation = metadata.get("generation")
    return model.Approval(
        name=str(metadata.get("name", "")),
        generation=generation if isinstance(generation, int) else 0,
        created_at=_instant(metadata.get("creationTimestamp")),
    )


def _instant(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
