"""Which hours of predictions count, as a pattern over the label `cohort` of labelled pairs.

Labels come late: what people say today may be about predictions from before a shadow began. The
comparer counts them under the hour of the prediction, such as 2026-11-30T06Z (ADR 0052).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

LABEL = "cohort"
_HOUR_SECONDS = 3600


def pattern_since(instant: datetime) -> str:
    """RE2 for the cohorts that lie after an instant: the first whole hour and all that follow."""
    begins = math.ceil(instant.timestamp() / _HOUR_SECONDS) * _HOUR_SECONDS
    first = f"{datetime.fromtimestamp(begins, tz=UTC):%Y-%m-%dT%HZ}"
    return "|".join((first, *_later(first)))


def _later(cohort: str) -> Iterator[str]:
    """Patterns of the cohorts that sort after this one: the same up to a digit, then a larger one."""
    for index, digit in enumerate(cohort):
        if digit.isdigit() and digit != "9":
            yield f"{cohort[:index]}[{int(digit) + 1}-9].+"
