"""Classic histograms: from bucket series to cumulative counts over common edges.

A decision never interpolates inside a bucket; only the displayed quantile does.
Source: evidence.md, 2.4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.evidence.counts.exposition import Counter
from tidegate.evidence.terms import EDGE, Series

EDGE_TOLERANCE = 1e-9  # 700 ms times 0.001 is not exactly 0.7 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Requests at or below each finite edge, and in total.

    Shapes: edges and at_most have one length; edges rise, at_most never falls, total is the most.
    Units:  edges in seconds.
    """

    edges: tuple[float, ...]
    at_most: tuple[float, ...]
    total: float

    def above(self, edge: float) -> float:
        """Requests slower than one of the edges."""
        return self.total - self.at_most[self.edges.index(edge)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """Value for display. `saturated`: it lies above the last finite edge, so it is a lower bound."""

    seconds: float
    saturated: bool


def collect(events: Mapping[Counter, float], *, unit_seconds: float) -> Histogram | None:
    """Sum of all pods and label sets over the edges they share; None when none has data.

    A label set without the bucket of everything (`+Inf`) has no total and is left out.
    """
    groups: dict[Counter, dict[float, float]] = {}
    for counter, counted in events.items():
        edge = edge_from(dict(counter.own).get(EDGE, ""))
        if edge is not None:
            rest = tuple(item for item in counter.own if item[0] != EDGE)
            groups.setdefault(counter._replace(own=rest), {})[edge * unit_seconds] = counted
    usable = [repaired(buckets) for buckets in groups.values() if math.inf in buckets]
    return _sum(usable) if usable else None


def repaired(buckets: dict[float, float]) -> dict[float, float]:
    """Cumulative counts that never fall: scrapes are not atomic."""
    ordered = sorted(buckets.items())
    running = itertools.accumulate((count for _, count in ordered), max)
    return dict(zip((edge for edge, _ in ordered), running, strict=True))


def edge_at_or_above(edges: Sequence[float], *, limit: float) -> float | None:
    """The smallest edge that is not below the limit."""
    least = limit * (1 - EDGE_TOLERANCE)
    return min((edge for edge in edges if edge >= least), default=None)


def quantile(histogram: Histogram, *, q: float) -> Quantile:
    """Interpolated quantile as PromQL shows it; there must be requests and finite edges."""
    assert histogram.total > 0, histogram
    assert histogram.edges, histogram
    rank = q * histogram.total
    lower, below = 0.0, 0.0
    for edge, count in zip(histogram.edges, histogram.at_most, strict=True):
        if count >= rank and count > below:
            inside = (rank - below) / (count - below)
            start = edge if edge <= 0 else lower
            return Quantile(seconds=start + (edge - start) * inside, saturated=False)
        lower, below = edge, count
    return Quantile(seconds=histogram.edges[-1], saturated=True)


def _sum(groups: Sequence[dict[float, float]]) -> Histogram:
    shared = set.intersection(*(set(buckets) for buckets in groups))
    edges = tuple(sorted(edge for edge in shared if math.isfinite(edge)))
    return Histogram(
        edges=edges,
        at_most=tuple(sum(buckets[edge] for buckets in groups) for edge in edges),
        total=sum(buckets[math.inf] for buckets in groups),
    )


def edge_of(series: Series) -> float | None:
    """The bound of a bucket series in the histogram's unit: "1" and "1.0" are one edge."""
    return edge_from(series.labels.get(EDGE, ""))


def edge_from(text: str) -> float | None:
    """A bound as it is written in a label; None for what is no number."""
    try:
        edge = float(text)
    except ValueError:
        return None
    return None if math.isnan(edge) else edge
