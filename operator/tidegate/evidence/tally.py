"""Requests of a whole step, counted piece by piece from raw samples.

A step may last a day, so its samples are not fetched again at every look: `until` moves forward
and only what came after it is fetched. Samples may become visible a scrape late; so `until` stays
that far behind, and the newest piece is counted again next time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate.evidence import counters, presets, substitution
from tidegate.evidence.model import (
    Identity,
    Latency,
    Ratio,
    Selector,
    Series,
    Template,
    Window,
)
from tidegate.rollout import model

LATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The counter of all requests, and where it is read."""

    source: str
    selector: Selector
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Requests per arm in (since, until]; unix seconds."""

    until: float
    candidate: float = 0.0
    stable: float = 0.0

    @property
    def candidate_percent(self) -> float | None:
        """Share of the candidate; None before the first request."""
        total = self.candidate + self.stable
        return round(100.0 * self.candidate / total, 2) if total > 0 else None


def counter_of(
    analysis: model.Analysis, *, server: str, templates: Mapping[str, Template]
) -> Counter:
    """The counter that says how many requests a step had.

    The total of a ratio, else the count of a latency, else what the server preset counts; the
    preset's own error ratio first, then by name, so that the order of metrics does not matter.
    """
    by_name = sorted(
        analysis.metrics, key=lambda one: (one.preset != presets.ERROR_RATIO, one.name)
    )
    for kind in (Ratio, Latency):
        for metric in by_name:
            template = templates[metric.name]
            if isinstance(template.measure, kind):
                return Counter(
                    source=template.source,
                    selector=_all_requests(template.measure),
                    variables=_values(metric, template=template),
                )
    return Counter(source=analysis.source, selector=presets.REQUESTS[server], variables={})


def advance(tally: Tally, *, series: Sequence[Series], identity: Identity, window: Window) -> Tally:
    """The tally with the window's requests added; the window begins where the tally ends."""
    assert window.start == tally.until, (window, tally)
    births = counters.Births(series, window=window)
    counts = counters.by_target(series, births=births, window=window)

    def of(revision: str) -> float:
        return sum(count for target, count in counts.items() if revision and target[0] == revision)

    return Tally(
        until=window.end,
        candidate=tally.candidate + of(identity.candidate),
        stable=tally.stable + of(identity.stable),
    )


def _all_requests(measure: Ratio | Latency) -> Selector:
    if isinstance(measure, Ratio):
        return measure.total
    return replace(measure.histogram, metric=f"{measure.histogram.metric}_count")


def _values(metric: model.Metric, *, template: Template) -> Mapping[str, str]:
    values = substitution.bound(template.variables, given=dict(metric.variables))
    return values if isinstance(values, dict) else {}
