"""Profiles and readings of a probe's counters."""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry

from tidegate_probe import Profile
from tidegate_probe.bins import CategoryBins, NumericBins
from tidegate_probe.fields import Field, Positive

COUNTRIES = ("DE", "FR", "IT")
SCORED = Positive(output="score", threshold=0.5)
NAMED = Positive(output="class", category="fraud")


def fraud(*, positive: Positive | None = SCORED) -> Profile:
    """Two features, a score and a class; 100 rows."""
    return Profile(
        model="fraud",
        model_version="v7",
        rows=100,
        features={
            "amount": Field(NumericBins((0.5, 2.0)), (30, 30, 37, 3, 0)),
            "country": Field(CategoryBins(COUNTRIES), (40, 30, 20, 4, 6)),
        },
        outputs={
            "score": Field(NumericBins((0.1, 0.9)), (60, 30, 10, 0, 0)),
            "class": Field(CategoryBins(("fraud", "good")), (10, 90, 0, 0)),
        },
        positive=positive,
    )


def training_data(rows: int, *, seed: int = 1) -> dict[str, list[object]]:
    """Amounts that are skewed, and countries of unequal size."""
    chance = random.Random(seed)
    return {
        "amount": [chance.lognormvariate(3, 1) for _ in range(rows)],
        "country": [chance.choices(COUNTRIES, (6, 3, 1))[0] for _ in range(rows)],
    }


def reading(registry: CollectorRegistry, metric: str, **labels: str) -> float:
    """One sample, named without the prefix of the probe."""
    found = registry.get_sample_value(f"tidegate_probe_{metric}", labels)
    assert found is not None, (metric, labels)
    return found


def readings(registry: CollectorRegistry, metric: str, **labels: str) -> dict[str, float]:
    """The samples of a metric that are not 0, by the values of their other labels."""
    return {
        "/".join(v for k, v in sorted(sample.labels.items()) if k not in labels): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == f"tidegate_probe_{metric}"
        and labels.items() <= sample.labels.items()
        and sample.value
    }
