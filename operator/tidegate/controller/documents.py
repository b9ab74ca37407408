"""What all writers of whole objects share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate import ports

# A version that no object has: an apply that is meant to create must not overwrite what another
# leader has created meanwhile. ("0" would mean: whatever is there.)
NEVER = "1"
NAME_CONFLICT = "NameConflict"


def plain(document: Any) -> Any:
    """A pure document as the mutable lists and dicts that clients want."""
    if isinstance(document, Mapping):
        return {key: plain(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [plain(value) for value in document]
    return document


def name_conflict(kind: ports.Kind, name: str) -> ports.Fatal:
    """An object of that name belongs to somebody else, and is not touched."""
    message = f"{kind.kind} {name} exists and belongs to somebody else; rename or delete it"
    return ports.Fatal(reason=NAME_CONFLICT, message=message)
