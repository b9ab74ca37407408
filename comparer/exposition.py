"""The counters in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from comparer.answers import Kind
from comparer.comparer import Comparer
from comparer.counts import EDGES, Paired
from comparer.events import Why

_ENDS = ("model_deployment", "revision", "reference", "cohort")
PREFIX = "tidegate_comparer"


class Counters(Collector):
    """What a comparer counted, as it is when somebody asks."""

    def __init__(self, comparer: Comparer) -> None:
        self._comparer = comparer

    def collect(self) -> Iterable[Metric]:
        """All families; those of pairs begin at their first pair, equal and different together."""
        yield from _pairs(self._comparer)
        yield from _others(self._comparer)


def registry_of(comparer: Comparer) -> CollectorRegistry:
    """A registry with the counters of this comparer alone."""
    registry = CollectorRegistry()
    registry.register(Counters(comparer))
    return registry


def _pairs(comparer: Comparer) -> Iterator[Metric]:
    pairs = CounterMetricFamily(
        f"{PREFIX}_pairs",
        "Pairs of answers to the same request, from both ends.",
        labels=(*_ENDS, "equal"),
    )
    kinds = CounterMetricFamily(
        f"{PREFIX}_disagreements",
        "Pairs that differ, by what they differ in.",
        labels=(*_ENDS, "kind"),
    )
    scores = HistogramMetricFamily(
        f"{PREFIX}_score_difference", "Largest difference of two scores in a pair.", labels=_ENDS
    )
    for ends, paired in comparer.counts.paired():
        names = [ends.model, ends.revision, ends.reference, ends.cohort]
        pairs.add_metric([*names, "true"], paired.equal)
        pairs.add_metric([*names, "false"], paired.different)
        for kind in Kind:
            kinds.add_metric([*names, kind.value], paired.kinds[kind])
        scores.add_metric(names, buckets=_buckets(paired), sum_value=paired.score_sum)
    yield from (pairs, kinds, scores)


def _buckets(paired: Paired) -> list[tuple[str, float]]:
    edges = [*map(str, EDGES), "+Inf"]
    return list(zip(edges, accumulate(map(float, paired.buckets)), strict=True))


def _others(comparer: Comparer) -> Iterator[Metric]:
    unpaired = CounterMetricFamily(
        f"{PREFIX}_unpaired",
        "Answers that found no partner.",
        labels=("model_deployment", "side", "reason"),
    )
    for model, side, reasons in comparer.counts.left_over():
        for reason, count in sorted(reasons.items()):
            unpaired.add_metric([model, side, reason.value], count)
    refused = CounterMetricFamily(
        f"{PREFIX}_refused", "Events that could not be used.", labels=("reason",)
    )
    for why in Why:
        refused.add_metric([why.value], comparer.counts.refused[why])
    waiting = GaugeMetricFamily(f"{PREFIX}_waiting", "Requests whose answers wait.", labels=("of",))
    size = GaugeMetricFamily(
        f"{PREFIX}_waiting_bytes", "About what they take in memory.", labels=("of",)
    )
    for name, pairing in (("Revision", comparer.revisions), ("Human", comparer.people)):
        if pairing is not None:
            waiting.add_metric([name], pairing.waiting)
            size.add_metric([name], pairing.size_bytes)
    yield from (unpaired, refused, waiting, size)
