"""A row is worked on metric by metric, so that one that breaks a calculation silences no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from tidegate.evidence.attempt import attempt
from tidegate.evidence.counts.rows import Row

T = TypeVar("T")

TRAFFIC = ""  # what is tested of all requests together; no metric has this name


def worked_on(work: Callable[[Row], T], *, row: Row) -> tuple[T, Mapping[str, str]]:
    """What comes of a row without the metrics that raise, and by metric what each of these raised.

    Errors: what the row itself raises, whatever is left out.
    """
    try:
        return work(row), {}
    except Exception:
        broken = {
            name: error
            for name in sorted(row.counts)
            if (error := _error(work, replace(row, counts={name: row.counts[name]})))
        }
        if not broken:
            raise
    left = {name: counts for name, counts in row.counts.items() if name not in broken}
    return work(replace(row, counts=left)), broken


def _error(work: Callable[[Row], T], row: Row) -> str:
    def done() -> str:
        work(row)
        return ""

    return attempt(done, otherwise=repr)
