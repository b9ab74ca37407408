"""A request to the operator as the annotations that carry it."""

from __future__ import annotations

import datetime as dt


def as_annotations(request: str, *, revision: str, at: float) -> dict[str, str]:
    """What `tidegate REQUEST` writes. Units: `at` in unix seconds."""
    asked_at = dt.datetime.fromtimestamp(at, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "tidegate.dev/request": request,
        "tidegate.dev/request-revision": revision,
        "tidegate.dev/requested-at": asked_at,
    }
