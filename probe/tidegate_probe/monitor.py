"""What a model server calls: counts each prediction, and never fails one.

>>> monitor = Monitor(Profile.read("profile.json"))
>>> monitor.observe({"amount": 12.5, "country": "DE"}, {"score": 0.93}, prediction_id="a1")
>>> monitor.label("a1", True)
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from types import MappingProxyType

from prometheus_client import REGISTRY, CollectorRegistry

from tidegate_probe.cohorts import Cohorts
from tidegate_probe.columns import Column
from tidegate_probe.fields import Field
from tidegate_probe.fitting import counted
from tidegate_probe.judging import Judge
from tidegate_probe.metrics import Increment, Metrics
from tidegate_probe.profile import Profile

log = logging.getLogger("tidegate_probe")

_NOTHING: Mapping[str, Column] = MappingProxyType({})
_LOG_EVERY = 60.0  # seconds between two lines about failures


class Monitor:
    """Counts by the bins of a profile. Its methods may be called from several threads.

    Once the monitor is made no method raises: what fails in the probe is counted in
    `tidegate_probe_failures_total` and logged, at most once a minute.

    `registry` is where the series are exported; a process with two models gives each its own.
    `cohort_seconds` is the width of the cohorts of labels, `remember` how many predictions may wait
    for a label at once, none for a model without labels.

    Errors: ProfileError when another monitor counts in the registry, ValueError for a width of
            cohorts that is no multiple of 60.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        registry: CollectorRegistry = REGISTRY,
        cohort_seconds: int = 3600,
        remember: int = 50_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if cohort_seconds < 60 or cohort_seconds % 60:
            raise ValueError(f"cohort_seconds is a multiple of 60, not {cohort_seconds}")
        self.profile = profile
        self._metrics = Metrics(profile, registry)
        self._clock = clock
        self._logged = -math.inf
        self._features = _counters(profile.features, self._metrics.features)
        self._outputs = _counters(profile.outputs, self._metrics.outputs)
        self._judge = Judge(profile)
        self._cohorts = Cohorts(
            self._metrics,
            judge=self._judge,
            clock=clock,
            seconds=cohort_seconds,
            remember=remember,
        )

    def observe(
        self,
        features: Mapping[str, object],
        outputs: Mapping[str, object] = _NOTHING,
        *,
        prediction_id: str | None = None,
    ) -> None:
        """Count one prediction: its features and what the model said.

        What the profile does not name is left out; what it names and is not given counts as
        missing. With `prediction_id` the prediction is remembered until `label` is called.
        """
        try:
            hits = [incs[slot(features.get(name))] for name, slot, incs in self._features]
            hits += [incs[slot(outputs.get(name))] for name, slot, incs in self._outputs]
            for increment in hits:
                increment()
            self._metrics.predictions.inc()
            if self._judge.output is not None:
                self._judged(outputs.get(self._judge.output), prediction_id)
        except Exception as error:  # noqa: BLE001  # never the prediction's trouble
            self._failed("observe", error)

    def observe_batch(
        self,
        features: Mapping[str, Column],
        outputs: Mapping[str, Column] = _NOTHING,
        *,
        prediction_ids: Sequence[str] = (),
    ) -> None:
        """Count many predictions, given as columns of equal length.

        Lists, and arrays of NumPy, which are counted at once. All rows are counted or none.
        """
        with self.guard("observe"):
            rows = _rows((*features.values(), *outputs.values()))
            if prediction_ids and len(prediction_ids) != rows:
                raise ValueError(f"{len(prediction_ids)} identifiers for {rows} rows")
            hits = [
                *_hits(self.profile.features, self._metrics.features, features, rows=rows),
                *_hits(self.profile.outputs, self._metrics.outputs, outputs, rows=rows),
            ]
            for increment, amount in hits:
                increment(amount)
            self._metrics.predictions.inc(rows)
            self._judge_batch(outputs, prediction_ids, rows=rows)

    def label(self, prediction_id: str, label: object, *, at: float | None = None) -> None:
        """Count the truth about an earlier prediction, once.

        `label` is what the output should have been: for a binary model 0 or 1 or a truth value,
        else the class. `at` is when the truth was known, in seconds since 1970.
        """
        with self.guard("label"):
            self._cohorts.label(prediction_id, label, at=at)

    @contextmanager
    def guard(self, stage: str) -> Iterator[None]:
        """Count what fails inside, and go on behind it; for those who feed a monitor."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # never the prediction's trouble
            self._failed(stage, error)

    def close(self) -> None:
        """Stop exporting, for the next model in this process."""
        self._metrics.close()

    def _judge_batch(
        self, outputs: Mapping[str, Column], prediction_ids: Sequence[str], *, rows: int
    ) -> None:
        values = outputs.get(self._judge.output or "")
        if values is not None and (prediction_ids or self._judge.scores):
            for value, prediction_id in zip(
                values, prediction_ids or repeat(None, rows), strict=True
            ):
                self._judged(value, prediction_id)

    def _judged(self, value: object, prediction_id: str | None) -> None:
        """Count the score, and remember the prediction that a label may come for."""
        score = self._judge.score(value)
        if score is not None:
            side = self._judge.side(score)
            self._metrics.scored[side].inc()
            self._metrics.score_sum[side].inc(score)
        if prediction_id is not None:
            prediction = self._judge.prediction(value)
            if prediction is not None:
                self._cohorts.predicted(prediction_id, prediction)

    def _failed(self, stage: str, error: Exception) -> None:
        self._metrics.failures[stage].inc()
        now = self._clock()
        if now - self._logged >= _LOG_EVERY:
            self._logged = now
            log.warning("%s failed and was not counted: %s", stage, type(error).__name__)


Counting = tuple[str, Callable[[object], int], tuple[Increment, ...]]


def _counters(
    fields: Mapping[str, Field], increments: Mapping[str, tuple[Increment, ...]]
) -> list[Counting]:
    return [(name, field.bins.slot, increments[name]) for name, field in fields.items()]


def _hits(
    fields: Mapping[str, Field],
    increments: Mapping[str, tuple[Increment, ...]],
    columns: Mapping[str, Column],
    *,
    rows: int,
) -> Iterator[tuple[Increment, int]]:
    """What to count of each field, by bin that some row falls into."""
    for name, field in fields.items():
        column = columns.get(name)
        counts = counted(field.bins, [None] * rows if column is None else column)
        yield from ((inc, n) for inc, n in zip(increments[name], counts, strict=True) if n)


def _rows(columns: Iterable[Column]) -> int:
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise ValueError(f"columns of one batch have one length, not {sorted(lengths)}")
    return lengths.pop()
