"""A short made-up run of the demo: looks at the operator and books of the load generator."""

from __future__ import annotations

from typing import Any

from tests.demo.users import Failure, Second, Sums, Users
from tests.demo.view import View

START = 1000


def look(at: float, **fields: Any) -> View:
    """A look at a ModelDeployment that serves v1 at rest, but for the given fields."""
    at_rest: dict[str, Any] = {
        "current": True,
        "phase": "Healthy",
        "message": "serving v1",
        "stable": "v1",
        "candidate": "",
        "candidate_revision": "",
        "step": "",
        "steps": (),
        "intended_percent": 0.0,
        "confirmed_at": None,
        "hold_until": None,
        "metrics": (),
        "last_result": "",
        "rejected": (),
    }
    return View(at=at, **{**at_rest, **fields})


def step(at: float, *, version: str, weight: float, **fields: Any) -> View:
    """A look during a step whose weight has been confirmed at START + 10."""
    known: dict[str, Any] = {
        "phase": "Progressing",
        "candidate": version,
        "step": f"p{weight:g}",
        "steps": ("p10", "p50"),
        "intended_percent": weight,
        "confirmed_at": START + 10.0,
        "hold_until": START + 40.0,
    }
    return look(at, **{**known, **fields})


def second(at: int, **versions: tuple[int, int]) -> Second:
    """(answered, failed) by version."""
    return Second(
        at=at,
        versions={
            name: Sums(answered=answered, failed=failed, latencies=(0.01,) * answered)
            for name, (answered, failed) in versions.items()
        },
    )


def users(*seconds: Second, **fields: Any) -> Users:
    """Books over these seconds; their totals add up."""
    books = [book for row in seconds for book in row.versions.values()]
    answered = sum(book.answered for book in books)
    failed = sum(book.failed for book in books)
    known = {"sent": answered, "answered": answered, "failed": failed}
    return Users(seconds=seconds, **{**known, **fields})


def failure(at: float, *, version: str) -> Failure:
    """A request that the proxy refused."""
    return Failure(at=at, version=version, said="status 503: no healthy upstream")
