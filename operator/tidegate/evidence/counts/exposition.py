"""Whose counter a series is, whatever the scrape wrote on it.

A pod exports counters; a scrape adds labels of its own, and two scrapes of one pod give two series
of one counter. So a counter is known by its pod and its own labels, and two series of it are copies
if their values agree. Names tell labels of a scrape from others at first only: a label that a scrape
usually adds may be an application's own, which `owned` tells by the data.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tidegate.evidence.terms import EDGE, Series

NAME = "__name__"
_IDENTITY = frozenset({"namespace", "model_deployment", "revision", "pod"})
SAME_SCRAPE_SECONDS = 0.002
_MOST_SHARED = 20_000
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
_CONTAINER = "container"
_PLACES = ("instance", _CONTAINER)

Labels = tuple[tuple[str, str], ...]
Samples = Sequence[tuple[float, float]]
Process = tuple[str, str, Labels, Labels]


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
    def process(self) -> Process:
        """What began again if counters of it fall together: containers of a pod do so one by one."""
        containers = tuple(item for item in self.counter.own if item[0] == _CONTAINER)
        return (*self.scraped, containers)

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


def lane_of(series: Series, *, named: Collection[str] = ()) -> Lane:
    """The counter of a series, and what its scrape added by the names of labels.

    Those that are `named` by a template are the application's.
    """
    own: list[tuple[str, str]] = []
    added: list[tuple[str, str]] = []
    labels = series.labels
    for name, value in sorted(labels.items()):
        if name not in _IDENTITY:
            text = spelled(value) if name == EDGE else value
            is_own = name in named or not is_added(name)
            (own if is_own else added).append((name, text))
    pod = labels.get("pod") or labels.get("instance", "")
    revision = sys.intern(labels.get("revision", ""))
    counter = Counter(revision=revision, pod=sys.intern(pod), own=_shared(tuple(own)))
    return Lane(counter=counter, added=_shared(tuple(added)))


def moved(lane: Lane, names: Collection[str]) -> Lane:
    """The same series with these labels, where the scrape seemed to add them, as the counter's own."""
    own = [item for item in lane.added if item[0] in names]
    if not own:
        return lane
    counter = lane.counter._replace(own=_shared(tuple(sorted((*lane.counter.own, *own)))))
    added = tuple(item for item in lane.added if item[0] not in names)
    return Lane(counter=counter, added=_shared(added))


@functools.lru_cache(maxsize=4096)
def spelled(edge: str) -> str:
    """The edge of a bucket in one spelling: exporters and sources write 1 as `1` or `1.0`.

    A source that is replaced by a newer one, such as Prometheus 2 by 3, changes it for all series.
    """
    try:
        value = float(edge)
    except ValueError:
        return edge
    if math.isnan(value):
        return edge
    return repr(value).removesuffix(".0") if math.isfinite(value) else f"{value:+}".title()


@functools.lru_cache(maxsize=_MOST_SHARED)
def _shared(labels: Labels) -> Labels:
    """The same labels as they were seen first: all pods have the same ones, and each is remembered."""
    return labels


def is_a_sum(series: Series) -> bool:
    """True where nothing tells whose counter it is: a sum falls when one of its pods goes."""
    return not series.labels.get("pod") and not series.labels.get("instance")


def agree(lanes: Sequence[Samples]) -> bool:
    """True if the samples of several series can all be of one counter.

    Put in the order of time they fall no more often than the series that falls most often.
    """
    points = sorted(point for samples in lanes for point in samples)
    for (at, value), (later, other) in itertools.pairwise(points):
        if later - at <= SAME_SCRAPE_SECONDS and value != other:
            return False
    most = max((_falls(samples) for samples in lanes), default=0)
    return _falls(points) <= most


def in_a_row(one: Samples, other: Samples) -> Samples:
    """The samples of both if one ends before the other begins; else none."""
    first, second = sorted((one, other), key=lambda it: it[0])
    return (*first, *second) if first[-1][0] < second[0][0] else ()


def share_scrapes(one: Samples, other: Samples) -> bool:
    """True if some samples of both were taken in one scrape: two counters of one exposition."""
    return any(is_at(other, at) for at, _ in one)


def is_at(samples: Samples, instant: float) -> bool:
    """True if the series was part of the scrape at an instant."""
    index = bisect_left(samples, (instant - SAME_SCRAPE_SECONDS,))
    return index < len(samples) and samples[index][0] <= instant + SAME_SCRAPE_SECONDS


def _falls(samples: Samples) -> int:
    return sum(later < earlier for (_, earlier), (_, later) in itertools.pairwise(samples))
