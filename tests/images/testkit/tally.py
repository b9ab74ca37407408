"""The books of the load generator: every request is entered once, nothing is estimated."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"
NO_ANSWER = "no answer"
SECONDS_KEPT = 3600
FAILURES_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One finished request.

    `status` is 0 and `error` says why when no answer came. `said` is the beginning of the body of
    an answer that is no success. `correct` is None when the answer was not compared with a known
    label. Units: sent_at in unix seconds, latency in seconds.
    """

    sent_at: float
    latency_seconds: float
    status: int
    version: str
    error: str = ""
    said: str = ""
    correct: bool | None = None

    @property
    def ok(self) -> bool:
        """Whether the user got what was asked for."""
        return 200 <= self.status < 300 and not self.error


@dataclass(slots=True)
class Book:
    """Sums of a set of requests. Units: when the first and the last was sent in unix seconds."""

    first_at: float = math.inf
    last_at: float = -math.inf
    answered: int = 0
    failed: int = 0
    checked: int = 0
    correct: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def enter(self, request: Answered) -> None:
        """Count one request."""
        self.first_at = min(self.first_at, request.sent_at)
        self.last_at = max(self.last_at, request.sent_at)
        self.answered += 1
        self.failed += not request.ok
        self.statuses[str(request.status) if request.status else NO_ANSWER] += 1
        self.latencies.append(request.latency_seconds)
        if request.correct is not None:
            self.checked += 1
            self.correct += request.correct

    def document(self) -> dict[str, Any]:
        """The sums as JSON; quantiles in seconds, None without a request."""
        return {
            "answered": self.answered,
            "failed": self.failed,
            "checked": self.checked,
            "correct": self.correct,
            "statuses": dict(self.statuses),
            "p50Seconds": quantile(self.latencies, 0.5),
            "p95Seconds": quantile(self.latencies, 0.95),
            "maxSeconds": max(self.latencies, default=None),
        }


@dataclass(slots=True)
class Tally:
    """All requests by version, and the same again per second in which they were sent."""

    started_at: float
    sent: int = 0
    skipped: int = 0
    versions: dict[str, Book] = field(default_factory=dict)
    seconds: dict[int, dict[str, Book]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    failures: deque[Answered] = field(default_factory=lambda: deque(maxlen=FAILURES_KEPT))

    def enter(self, request: Answered) -> None:
        """Count one finished request everywhere it belongs."""
        second = self.seconds.setdefault(math.floor(request.sent_at), {})
        for books in (self.versions, second):
            books.setdefault(request.version, Book()).enter(request)
        if not request.ok:
            self.failures.append(request)
            self.errors[request.error or f"status {request.status}"] += 1
        while len(self.seconds) > SECONDS_KEPT:
            self.seconds.pop(min(self.seconds))

    def document(self, *, now: float, since: float = 0.0) -> dict[str, Any]:
        """Everything as JSON; the timeline from `since` on (unix seconds)."""
        books = self.versions.values()
        return {
            "startedAt": self.started_at,
            "now": now,
            "sent": self.sent,
            "skipped": self.skipped,
            "answered": sum(book.answered for book in books),
            "failed": sum(book.failed for book in books),
            "versions": {name: book.document() for name, book in sorted(self.versions.items())},
            "errors": dict(self.errors),
            "failures": [_failure(request) for request in self.failures],
            "timeline": [
                {"at": at, "versions": {name: _detailed(book) for name, book in row.items()}}
                for at, row in sorted(self.seconds.items())
                if at >= since
            ],
        }


def quantile(values: list[float], share: float) -> float | None:
    """The value that this share of the values does not exceed; None without values.

    Units: of the values; share from 0 to 1.
    """
    if not values:
        return None
    rank = max(math.ceil(share * len(values)) - 1, 0)
    return sorted(values)[rank]


def _detailed(book: Book) -> dict[str, Any]:
    """With every latency, so that quantiles of longer spans stay exact, and its first and last."""
    return {
        **book.document(),
        "firstAt": book.first_at,
        "lastAt": book.last_at,
        "latencies": [round(value, 5) for value in book.latencies],
    }


def _failure(request: Answered) -> dict[str, Any]:
    return {
        "at": request.sent_at,
        "version": request.version,
        "status": request.status,
        "error": request.error,
        "said": request.said,
        "latencySeconds": request.latency_seconds,
    }
