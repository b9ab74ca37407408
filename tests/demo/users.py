"""What users saw: sums over the second-by-second books of the load generator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Requests of one version in some span of time; latencies in seconds, unsorted.

    Units: when the first and the last of them was sent in unix seconds.
    """

    first_at: float = math.inf
    last_at: float = -math.inf
    answered: int = 0
    failed: int = 0
    checked: int = 0
    correct: int = 0
    latencies: tuple[float, ...] = ()

    @property
    def error_ratio(self) -> float | None:
        """Failed out of answered; None without a request."""
        return self.failed / self.answered if self.answered else None

    @property
    def accuracy(self) -> float | None:
        """Right answers out of those compared with a known label."""
        return self.correct / self.checked if self.checked else None

    @property
    def p95_seconds(self) -> float | None:
        """The latency that 95 % of the requests did not exceed; None without a request."""
        if not self.latencies:
            return None
        return sorted(self.latencies)[math.ceil(0.95 * len(self.latencies)) - 1]

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
            answered=self.answered + other.answered,
            failed=self.failed + other.failed,
            checked=self.checked + other.checked,
            correct=self.correct + other.correct,
            latencies=self.latencies + other.latencies,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What was sent in one second, by version. Units: `at` in unix seconds."""

    at: int
    versions: Mapping[str, Sums]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that failed, and what came instead of an answer. Units: `at` in unix seconds."""

    at: float
    version: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """The books of the load generator. `skipped` requests were never sent.

    `failures` holds the newest failures only; the sums hold all.
    """

    seconds: Sequence[Second] = ()
    sent: int = 0
    answered: int = 0
    failed: int = 0
    skipped: int = 0
    failures: Sequence[Failure] = ()

    def between(self, start: float, end: float) -> dict[str, Sums]:
        """Sums by version over the whole seconds inside of [start, end]."""
        inside = (second for second in self.seconds if start <= second.at and second.at + 1 <= end)
        return _sum_by_version(inside)

    def totals(self) -> dict[str, Sums]:
        """Sums by version over everything."""
        return _sum_by_version(self.seconds)

    def versions(self) -> list[str]:
        """Every version that ever answered, in order of first appearance."""
        return list(dict.fromkeys(name for second in self.seconds for name in second.versions))


def read_users(document: Mapping[str, Any]) -> Users:
    """The answer of GET /stats of the load generator."""
    return Users(
        seconds=tuple(_second(row) for row in document["timeline"]),
        sent=document["sent"],
        answered=document["answered"],
        failed=document["failed"],
        skipped=document["skipped"],
        failures=tuple(_failure(row) for row in document["failures"]),
    )


def share_percent(sums: Mapping[str, Sums], version: str) -> float | None:
    """Share of the requests that a version answered; None without a request."""
    total = sum(book.answered for book in sums.values())
    return 100.0 * sums.get(version, Sums()).answered / total if total else None


def _failure(row: Mapping[str, Any]) -> Failure:
    said = row["error"] or f"status {row['status']}: {row['said']}"
    return Failure(at=row["at"], version=row["version"], said=said)


def _second(row: Mapping[str, Any]) -> Second:
    return Second(
        at=row["at"],
        versions={
            name: Sums(
                first_at=book["firstAt"],
                last_at=book["lastAt"],
                answered=book["answered"],
                failed=book["failed"],
                checked=book["checked"],
                correct=book["correct"],
                latencies=tuple(book["latencies"]),
            )
            for name, book in row["versions"].items()
        },
    )


def _sum_by_version(seconds: Iterable[Second]) -> dict[str, Sums]:
    sums: dict[str, Sums] = {}
    for second in seconds:
        for name, book in second.versions.items():
            sums[name] = sums.get(name, Sums()) + book
    return sums
