"""`model.Status` to its document in the cluster and back; `model.status` defines every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate import model
from tidegate.api.shapes.reader import Losses, reader
from tidegate.api.shapes.shape import Form
from tidegate.api.shapes.writer import writer

_write = writer(model.Status, Form.FULL)
_read = reader(model.Status, Form.FULL)


def write_status(status: model.Status) -> dict[str, Any]:
    """The document for a server-side apply of the status.

    No nulls. Texts and lists beyond the limits of the schema are cut, so that they never block the
    write; within the limits `read_status` gives back an equal status.
    """
    document: dict[str, Any] = _write(status)
    return document


def read_status(document: object) -> model.Status:
    """The status of an object, as far as it makes sense; see `read_with_losses`."""
    return read_with_losses(document)[0]


def read_with_losses(document: object) -> tuple[model.Status, tuple[str, ...]]:
    """The status of an object, and what could not be read of it, each as `path: what is wrong`.

    Errors: none raised, on any JSON. What is unknown or broken counts as absent. A broken member
        takes only itself away, a broken item of a list only that item, unless what is left would
        mean something else: a rollout without its plan is no rollout.
    """
    if document is None:
        return model.Status(), ()
    if not isinstance(document, Mapping):
        return model.Status(), ("status: must be an object",)
    losses: Losses = []
    status: model.Status = _read(document, losses)
    return status, tuple(f"status.{one}" for one in losses)
