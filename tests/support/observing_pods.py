"""Pods in tests that count what they observe, by feature and bin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import evidence_build as build
from analyst_bench import START, Bench, Pod, metric
from metric_source import FakeSeries

from tidegate import model
from tidegate.evidence.terms import Template

OBSERVED = "tidegate_probe_feature_observations_total"
USUAL = {"1": 0.3, "5": 0.4, "+Inf": 0.2, "missing": 0.1, "other": 0.0}
BROKEN = {"1": 0.0, "5": 0.0, "+Inf": 0.0, "missing": 1.0, "other": 0.0}
NAMED_OTHERWISE = {"2": 0.3, "5": 0.4, "+Inf": 0.2, "missing": 0.1, "other": 0.0}


@dataclass(kw_only=True)
class Observing(Pod):
    """A pod with the probe: it counts every request by the bins of its features."""

    mix: dict[str, dict[str, float]] = field(default_factory=lambda: {"amount": USUAL})
    metric: str = OBSERVED
    labels: tuple[str, str] = ("feature", "bin")
    value: Callable[[float], float] = float

    def series(self, *, start: float, end: float) -> list[FakeSeries]:
        found = super().series(start=start, end=end)
        times = [at for at, _ in found[0].values]
        for feature, shares in self.mix.items():
            for label, share in shares.items():
                named = dict(zip(self.labels, (feature, label), strict=True))
                found.append(self._counter(self.metric, times, self._seen(share), **named))
        return found

    def _seen(self, share: float) -> Callable[[float], float]:
        return lambda at: self.value(self.per_second * share * (at - self.born_at))


def inputs(name: str = "inputs", **more: object) -> model.Metric:
    """The drift of inputs, which rolls back."""
    fields: dict[str, Any] = {
        "preset": "feature-drift",
        "drift": model.Drift(),
        "on_breach_is_written": True,
    }
    return model.Metric(name=name, **{**fields, **more})


def bench(
    *metrics: model.Metric,
    stable: dict[str, Any] | None = None,
    templates: Mapping[str, Template] | None = None,
    **candidate: Any,
) -> Bench:
    """A candidate and two pods of stable that observe; what is named of an arm is told to its pods."""
    found = Bench(*(metrics or (metric(), inputs())), templates=templates)
    found.tsdb.pods = [
        Observing(revision=build.CANDIDATE, born_at=START - 300, bad_from=START - 300, **candidate),
        *(
            Observing(revision=build.STABLE, name=name, per_second=225.0, **(stable or {}))
            for name in ("a", "b")
        ),
    ]
    return found
