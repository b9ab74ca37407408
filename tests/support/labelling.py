"""Pods whose predictions get labels later, as tidegate-probe counts them by cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from analyst_bench import SCRAPE, START, Pod
from metric_source import FakeSeries

MINUTE = 60.0
LIVE_COHORTS = 9
PREFIX = "tidegate_probe_"
CELLS = {"tp": (0.4, 0.0), "fp": (0.0, 0.5), "fn": (0.0, 0.5), "tn": (0.6, 0.0)}


def as_minutes(start: float) -> str:
    return f"{datetime.fromtimestamp(start, tz=UTC):%Y-%m-%dT%H:%MZ}"


@dataclass(kw_only=True)
class Labelling(Pod):
    """Every prediction gets its label `lag` seconds later with a chance of `labelled`.

    `wrong` is the share of wrong ones among the labels that come before `turns_at`, `later` after it.
    """

    lag: float = 90.0
    labelled: float = 1.0
    wrong: float = 0.05
    later: float | None = None
    turns_at: float = START
    cohort: float = MINUTE
    label: str = "cohort"
    named: Callable[[float], str] = as_minutes
    roles: tuple[str, ...] = ("cohort_predictions", "labelled", "correct")
    shift: float = 0.0  # of the cohort's begin
    value: Callable[[float], float] = float
    cells: Mapping[str, tuple[float, float]] = field(default_factory=lambda: CELLS)

    def series(self, *, start: float, end: float) -> list[FakeSeries]:
        first, last = max(start, self.born_at), min(end, self.dies_at)
        times = [
            START + SCRAPE * index
            for index in range(ceil((first - START) / SCRAPE), int((last - START) // SCRAPE) + 1)
        ]
        requests = f"{self.prefix}_requests_total"
        found = [
            self._counter(requests, times, self._served, status_code="200"),
            self._counter(requests, times, self._errors, status_code="500"),
        ]
        if times:
            first = max(self.born_at, times[-1] - LIVE_COHORTS * self.cohort) // self.cohort
            last = times[-1] // self.cohort
            for number in range(int(first), int(last) + 1):
                found += self._of(number * self.cohort, times)
        return found

    def _of(self, begin: float, times: list[float]) -> list[FakeSeries]:
        there = [at for at in times if at >= begin]
        named = {self.label: self.named(begin + self.shift)}
        counted = {
            "cohort_predictions": lambda at: self._seen(begin, at),
            "labelled": lambda at: self._labels(begin, at)[0],
            "correct": lambda at: self._labels(begin, at)[1],
        }
        found = [
            self._counter(f"{PREFIX}{role}_total", there, self._valued(count), **named)
            for role, count in counted.items()
            if role in self.roles
        ]
        if "outcomes" in self.roles:
            found += [
                self._counter(
                    f"{PREFIX}outcomes_total", there, self._cell(begin, cell), outcome=cell, **named
                )
                for cell in self.cells
            ]
        return found

    def _valued(self, count: Callable[[float], float]) -> Callable[[float], float]:
        return lambda at: self.value(count(at))

    def _seen(self, begin: float, at: float) -> float:
        """Predictions of a cohort up to an instant."""
        first, last = max(begin, self.born_at), min(begin + self.cohort, at)
        return self.per_second * max(0.0, last - first)

    def _labels(self, begin: float, at: float) -> tuple[float, float]:
        """Labels of a cohort up to an instant, and the right ones."""
        labels = self.labelled * self._seen(begin, at - self.lag)
        wrong = self.wrong if self.later is None or begin < self.turns_at else self.later
        return labels, labels * (1 - wrong)

    def _cell(self, begin: float, cell: str) -> Callable[[float], float]:
        right, wrong = self.cells[cell]

        def count(at: float) -> float:
            labels, correct = self._labels(begin, at)
            return right * correct + wrong * (labels - correct)

        return count
