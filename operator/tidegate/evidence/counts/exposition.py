"""Whose counter a series is, whatever the scrape wrote on it.

A pod exports counters; a scrape adds labels of its own, and two scrapes of one pod give two series
of one counter. So a counter is known by its pod and its own labels, and two series of it are copies
if their values agree. A label that the scrape usually adds may be an application's own as well:
then the values do not agree, and each series is a counter.
"""

from __future__ import annotations

import functools
import itertools
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from tidegate.evidence.terms import Series

NAME = "__name__"
_IDENTITY = frozenset({"namespace", "model_deployment", "revision", "pod"})
_SAME_SCRAPE_SECONDS = 0.002
_ADDED = frozenset(
    {
        "job",
        "instance",
        "node",
        "nodename",
        "host",
        "hostname",
        "service",
        "endpoint",
        "container",
        "cluster",
        "region",
        "zone",
        "monitor",
        "tenant",
        "tenant_id",
    }
)
# By these two scrapes may have met different counters of one pod: its ports and containers.
_PLACES = ("instance", "container")

Labels = tuple[tuple[str, str], ...]
Samples = Sequence[tuple[float, float]]


class Counter(NamedTuple):
    """A counter of a pod, by its own labels. Without the pod's name its address stands for it."""

    revision: str
    pod: str
    own: Labels


class Lane(NamedTuple):
    """One series as it was scraped: the counter, and what the scrape added."""

    counter: Counter
    added: Labels

    @property
    def place(self) -> tuple[str, ...]:
        """Where in the pod it was scraped, as far as the labels tell."""
        found = dict(self.added)
        return tuple(found.get(name, "") for name in _PLACES)

    @property
    def scraped(self) -> tuple[str, str, Labels]:
        """What was scraped, and by whom: all series of one scrape have this in common."""
        return self.counter.revision, self.counter.pod, self.added


@functools.lru_cache(maxsize=4096)
def is_added(label: str) -> bool:
    """True for a label that scrapes, Prometheus pairs and clusters add."""
    return (
        label in _ADDED
        or "replica" in label
        or label.startswith(("prometheus", "kubernetes_", "k8s_"))
    )


def lane_of(series: Series) -> Lane:
    """The counter of a series, and what its scrape added."""
    own: list[tuple[str, str]] = []
    added: list[tuple[str, str]] = []
    labels = series.labels
    for item in sorted(labels.items()):
        if item[0] not in _IDENTITY:
            (added if is_added(item[0]) else own).append(item)
    pod = labels.get("pod") or labels.get("instance", "")
    counter = Counter(revision=labels.get("revision", ""), pod=pod, own=tuple(own))
    return Lane(counter=counter, added=tuple(added))


def is_a_sum(series: Series) -> bool:
    """True where nothing tells whose counter it is: a sum falls when one of its pods goes."""
    return not series.labels.get("pod") and not series.labels.get("instance")


def agree(lanes: Sequence[Samples]) -> bool:
    """True if the samples of several series can all be of one counter.

    Put in the order of time they fall no more often than the series that falls most often.
    """
    points = sorted(point for samples in lanes for point in samples)
    for (at, value), (later, other) in itertools.pairwise(points):
        if later - at <= _SAME_SCRAPE_SECONDS and value != other:
            return False
    most = max((_falls(samples) for samples in lanes), default=0)
    return _falls(points) <= most


def share_scrapes(one: Samples, other: Samples) -> bool:
    """True if some samples of both were taken in one scrape: two counters of one exposition."""
    return any(is_at(other, at) for at, _ in one)


def is_at(samples: Samples, instant: float) -> bool:
    """True if the series was part of the scrape at an instant."""
    index = bisect_left(samples, (instant - _SAME_SCRAPE_SECONDS,))
    return index < len(samples) and samples[index][0] <= instant + _SAME_SCRAPE_SECONDS


def _falls(samples: Samples) -> int:
    return sum(later < earlier for (_, earlier), (_, later) in itertools.pairwise(samples))
