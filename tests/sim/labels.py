"""Labels of the simulated world: the truth about a prediction, which comes later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.sim.metrics import PodCounters, Series

if TYPE_CHECKING:
    from tests.sim.truth import Truth

COHORT_SECONDS = 60.0
LAG_SECONDS = 50.0
KEPT_SECONDS = 1200.0  # what is older is not exported any more
PREDICTIONS = "tidegate_probe_cohort_predictions_total"
LABELLED = "tidegate_probe_labelled_total"
CORRECT = "tidegate_probe_correct_total"


@dataclass(slots=True)
class Waiting:
    """Predictions of one moment whose labels are still to come."""

    at: float
    cohort: str
    labels: float
    correct: float


@dataclass(slots=True)
class PodLabels:
    """What the probe of one pod knows of its predictions, by metric and cohort."""

    counted: dict[tuple[str, str], float] = field(default_factory=dict)
    waiting: deque[Waiting] = field(default_factory=deque)

    def add(self, metric: str, cohort: str, value: float) -> None:
        self.counted[metric, cohort] = self.counted.get((metric, cohort), 0.0) + value

    def forget(self, before: datetime) -> None:
        """Cohorts that begin before an instant: their names sort as their times do."""
        oldest = f"{before:%Y-%m-%dT%H:%MZ}"
        for key in [one for one in self.counted if one[1] < oldest]:
            del self.counted[key]


@dataclass(slots=True, kw_only=True)
class LabelWorld:
    """Some of all predictions get a label after a while; `harder` is how much more all models err."""

    lag_seconds: float = LAG_SECONDS
    share: float = 0.5
    harder: float = 0.0
    lost_of: str = ""  # the model version whose labels never come
    pods: dict[int, PodLabels] = field(default_factory=dict)

    def predict(
        self, counters: PodCounters, predictions: float, *, truth: Truth, version: str, at: float
    ) -> None:
        """Predictions of a pod at an instant (unix seconds)."""
        pod = self.pods.setdefault(id(counters), PodLabels())
        begin = at // COHORT_SECONDS * COHORT_SECONDS
        cohort = f"{datetime.fromtimestamp(begin, tz=UTC):%Y-%m-%dT%H:%MZ}"
        for metric in (PREDICTIONS, LABELLED, CORRECT):
            pod.add(metric, cohort, 0.0)
        pod.add(PREDICTIONS, cohort, predictions)
        labels = 0.0 if version == self.lost_of else self.share * predictions
        wrong = min(1.0, truth.mistakes + self.harder)
        pod.waiting.append(Waiting(at, cohort, labels, labels * (1.0 - wrong)))

    def scrape(self, counters: PodCounters, at: float) -> None:
        """Labels come in; the counters become samples."""
        pod = self.pods.get(id(counters))
        if pod is None:
            return
        while pod.waiting and pod.waiting[0].at <= at - self.lag_seconds:
            known = pod.waiting.popleft()
            pod.add(LABELLED, known.cohort, known.labels)
            pod.add(CORRECT, known.cohort, known.correct)
        pod.forget(datetime.fromtimestamp(at - KEPT_SECONDS, tz=UTC))
        for (metric, cohort), value in pod.counted.items():
            key = metric, cohort
            if key not in counters.series:
                counters.series[key] = Series(counters.labels | {"cohort": cohort})
            counters.series[key].add(at, value)
