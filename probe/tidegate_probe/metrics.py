"""The counters that a probe exports: their names stand in the README, once, as a table.

Every series of a profile exists from the start at 0, so that a bin that nobody has met yet is told
from one that is not exported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from tidegate_probe.fields import Field, ProfileError
from tidegate_probe.profile import Profile

PREFIX = "tidegate_probe"
STAGES = ("observe", "body", "label")
REASONS = ("unknown", "expired", "before_prediction")
OUTCOMES = ("tp", "fp", "fn", "tn")
SIDES = ("negative", "positive")

Increment = Callable[..., None]
_Family = TypeVar("_Family", Counter, Gauge)


class Metrics:
    """All families of one probe, registered until `close`."""

    def __init__(self, profile: Profile, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._families: list[Counter | Gauge] = []
        features = self._counter(
            "feature_observations", "Rows by bin of a feature", "feature", "bin"
        )
        outputs = self._counter("output_observations", "Rows by bin of an output", "output", "bin")
        self.features = {n: _increments(features, n, f) for n, f in profile.features.items()}
        self.outputs = {n: _increments(outputs, n, f) for n, f in profile.outputs.items()}
        self.predictions = self._counter("predictions", "Rows observed")
        scored = self._counter("scored", "Predictions with a score, by side", "predicted")
        scores = self._counter("score_sum", "Sum of scores of the positive class", "predicted")
        self.scored = [scored.labels(side) for side in SIDES]
        self.score_sum = [scores.labels(side) for side in SIDES]
        self.cohort_predictions = self._counter(
            "cohort_predictions", "Predictions that may get a label", "cohort"
        )
        self.labelled = self._counter("labelled", "Predictions whose label has come", "cohort")
        self.correct = self._counter("correct", "Predictions that their label confirms", "cohort")
        self.outcomes = self._counter(
            "outcomes", "Labelled predictions of a binary model", "cohort", "outcome"
        )
        unmatched = self._counter("unmatched_labels", "Labels that could not be counted", "reason")
        self.unmatched = {reason: unmatched.labels(reason) for reason in REASONS}
        failures = self._counter("failures", "Failures of the probe itself", "stage")
        self.failures = {stage: failures.labels(stage) for stage in STAGES}
        self._tell(profile)

    def close(self) -> None:
        """Take the families out of the registry, for the next model in this process."""
        for family in self._families:
            self._registry.unregister(family)
        self._families = []

    def _tell(self, profile: Profile) -> None:
        info = Gauge(
            f"{PREFIX}_profile_info",
            "The profile that is counted by",
            ("model", "model_version", "digest"),
            registry=None,
            multiprocess_mode="max",
        )
        self._register(info)
        info.labels(profile.model, profile.model_version, profile.digest[:12]).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return self._register(Counter(f"{PREFIX}_{name}", text, labels, registry=None))

    def _register(self, family: _Family) -> _Family:
        try:
            self._registry.register(family)
        except ValueError as error:
            self.close()
            raise ProfileError(
                "another monitor counts in this registry: close() it first, or give this one a "
                "registry of its own"
            ) from error
        self._families.append(family)
        return family


def _increments(family: Counter, name: str, field: Field) -> tuple[Increment, ...]:
    """How to count a row, by slot."""
    return tuple(family.labels(name, label).inc for label in field.bins.labels)
