"""Labels that come later, counted by when their prediction was made.

Kept is what a label needs: the identifier, the cohort, what was predicted. Memory is bounded: the
oldest predictions are forgotten first, and of cohorts the latest `MOST_COHORTS` are exported.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock

from prometheus_client import Counter

from tidegate_probe.judging import Judge, Prediction
from tidegate_probe.metrics import OUTCOMES, Metrics

MOST_COHORTS = 192  # eight days of hours
LONGEST_ID = 256  # characters


class Cohorts:
    """Predictions that wait for their labels.

    `seconds` is the width of a cohort in seconds, a multiple of 60; `remember` is how many
    predictions are remembered at once.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        judge: Judge,
        clock: Callable[[], float],
        seconds: int,
        remember: int,
    ) -> None:
        self._metrics = metrics
        self._judge = judge
        self._clock = clock
        self._seconds = seconds
        self._remember = remember
        self._waiting: OrderedDict[str, tuple[int, Prediction]] = OrderedDict()
        self._live: dict[int, str] = {}  # start in seconds since 1970, and the label of metrics
        self._lock = Lock()

    def predicted(self, prediction_id: str, prediction: Prediction) -> None:
        """Remember a prediction until its label comes.

        Errors: ValueError for an identifier that is empty or longer than 256 characters.
        """
        if self._remember < 1:
            return
        if not 0 < len(prediction_id) <= LONGEST_ID:
            raise ValueError(f"a prediction has an identifier of 1 to {LONGEST_ID} characters")
        start = int(self._clock() // self._seconds) * self._seconds
        with self._lock:
            cohort = self._live.get(start) or self._opened(start)
            self._waiting.pop(prediction_id, None)
            self._waiting[prediction_id] = (start, prediction)
            if len(self._waiting) > self._remember:
                self._waiting.popitem(last=False)
        if cohort:
            self._metrics.cohort_predictions.labels(cohort).inc()

    def label(self, prediction_id: str, label: object, *, at: float | None) -> None:
        """Count a label. `at` is when the truth was known, in seconds since 1970.

        Errors: ValueError as `Judge.truth`; the prediction waits on for a better label.
        """
        with self._lock:
            start, prediction = self._waiting.get(prediction_id, (None, ""))
            if start is None:
                self._metrics.unmatched["unknown"].inc()
                return
            truth = self._judge.truth(label)
            if at is not None and at < start:
                self._metrics.unmatched["before_prediction"].inc()
                return
            del self._waiting[prediction_id]
            if start not in self._live:
                self._metrics.unmatched["expired"].inc()
                return
            self._count(self._live[start], prediction=prediction, truth=truth)

    def _count(self, cohort: str, *, prediction: Prediction, truth: Prediction) -> None:
        self._metrics.labelled.labels(cohort).inc()
        if prediction == truth:
            self._metrics.correct.labels(cohort).inc()
        if self._judge.binary:
            sign = "p" if prediction else "n"
            rightness = "t" if prediction == truth else "f"
            self._metrics.outcomes.labels(cohort, rightness + sign).inc()

    def _opened(self, start: int) -> str | None:
        """The label of a new cohort, whose series begin at 0; None for one older than all kept."""
        if len(self._live) >= MOST_COHORTS:
            oldest = min(self._live)
            if start < oldest:
                return None
            self._closed(self._live.pop(oldest))
        cohort = datetime.fromtimestamp(start, tz=UTC).strftime("%Y-%m-%dT%H:%MZ")
        self._live[start] = cohort
        for family in self._families():
            family.labels(cohort)
        if self._judge.binary:
            for outcome in OUTCOMES:
                self._metrics.outcomes.labels(cohort, outcome)
        return cohort

    def _closed(self, cohort: str) -> None:
        for family in self._families():
            family.remove(cohort)
        if self._judge.binary:
            for outcome in OUTCOMES:
                self._metrics.outcomes.remove(cohort, outcome)

    def _families(self) -> tuple[Counter, ...]:
        return (self._metrics.cohort_predictions, self._metrics.labelled, self._metrics.correct)
