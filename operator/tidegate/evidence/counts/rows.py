"""Rows of the interval table: what both revisions did between two instants.

A closed row never changes. The engine is a function of these rows. Source: evidence.md, 2.3.
"""

from __future__ import annotations

import enum
import itertools
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.evidence.counts.dispersion import Phi

_FAST = 1  # zlib; more takes longer and saves little


class Flag(enum.StrEnum):
    """What a reader of a row should know about how it came about."""

    CLAMPED = "Clamped"  # more bad events than events in a pod, by scrape skew
    CHURN = "Churn"  # counters of more than a third of an arm's pods began again
    GAP = "Gap"  # counters were away for long; what they counted meanwhile is in this row
    SCRAPED_TWICE = "ScrapedTwice"  # two scrapes of a pod showed the same; counted once
    RUNNING = "Running"  # the interval was not over; looked at again and again until it is
    WINDOW = "Window"  # the last scrapes once more, looked at for an outage alone
    SUSTAINED = "Sustained"  # a window so long that no single burst fills it


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Both arms of one stream in one interval, ready for a test."""

    n_c: float
    x_c: float
    n_s: float
    x_s: float
    phi: Phi

    @property
    def complement(self) -> Stream:
        """Good events with the arms swapped: "fewer good" instead of "more bad" (3.1)."""
        return Stream(
            n_c=self.n_s,
            x_c=self.n_s - self.x_s,
            n_s=self.n_c,
            x_s=self.n_c - self.x_c,
            phi=self.phi,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCounts:
    """One pod in one interval, or several together; x has one entry per stream."""

    n: float
    x: tuple[float, ...]
    pod: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """One feature of one arm in one interval: observations by bin, also of bins without any.

    Rows are kept for as long as a rollout lasts, since a late one makes all of them be judged again, and
    most counts are 0: so they are kept compressed.
    Shapes: labels (bins,) in the order of their texts; counts (pods, bins), pods in the order of
            the arm's `PodCounts`.
    """

    labels: tuple[str, ...]
    pods: int
    packed: bytes

    @classmethod
    def of(cls, *, labels: Sequence[str], counts: Sequence[Sequence[float]]) -> Bins:
        """The bins with these counts; labels are the same in each row, so one text serves all."""
        assert all(len(pod) == len(labels) for pod in counts), (labels, counts)
        numbers = array("d", itertools.chain.from_iterable(counts))
        return cls(
            labels=tuple(map(sys.intern, labels)),
            pods=len(counts),
            packed=zlib.compress(numbers.tobytes(), level=_FAST),
        )

    @property
    def counts(self) -> tuple[tuple[float, ...], ...]:
        """What each pod has observed, by bin."""
        numbers = array("d")
        numbers.frombytes(zlib.decompress(self.packed))
        width = len(self.labels)
        return tuple(tuple(numbers[pod * width : (pod + 1) * width]) for pod in range(self.pods))


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLabels:
    """One pod and the predictions of one cohort, as far as labels have come.

    Of its predictions some are labelled, and of these `x` of `n` speak against it, such as the wrong
    ones; 0 <= x <= n <= labelled.
    """

    predictions: float
    labelled: float
    n: float
    x: float
    pod: str = ""


Cohorts = Mapping[float, tuple[PodLabels, ...]]  # by when the cohort begins, in unix seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What stable showed of a metric before the rollout: the rate (0 to 1) of bad events.

    It is that of the stream that decides.
    """

    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One metric in one interval: requests of both arms, and bad events per stream.

    `complete` says that both arms had counters to read; without, 0 requests mean nothing.
    `cold_c` and `cold_s` are requests of pods that were not warm yet: they were answered, and count
    in nothing else. `after_s` is what stable showed right after the interval, None where that was nothing worse.
    A distribution has bins of both arms by feature, and no bad events. Labels have what is known of each
    cohort by now, where that is more than in the row before.
    Shapes: x_c, x_s, phi (streams,), one stream for a ratio, one per edge for a latency.
    """

    n_c: float
    n_s: float
    x_c: tuple[float, ...]
    x_s: tuple[float, ...]
    phi: tuple[Phi, ...]
    pods_s: tuple[PodCounts, ...] = ()
    pods_c: tuple[PodCounts, ...] = ()
    after_s: PodCounts | None = None
    cold_c: float = 0.0
    cold_s: float = 0.0
    complete: bool = True
    bins_c: Mapping[str, Bins] = field(default_factory=dict)
    bins_s: Mapping[str, Bins] = field(default_factory=dict)
    cohorts_c: Cohorts = field(default_factory=dict)
    cohorts_s: Cohorts = field(default_factory=dict)

    @property
    def answered(self) -> tuple[float, float]:
        """Requests of candidate and stable, whether their pods were warm or not."""
        return self.n_c + self.cold_c, self.n_s + self.cold_s

    def stream(self, index: int) -> Stream:
        """One stream of the metric."""
        return Stream(
            n_c=self.n_c,
            x_c=self.x_c[index],
            n_s=self.n_s,
            x_s=self.x_s[index],
            phi=self.phi[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One closed interval (t0, t1] of a rollout; a metric without usable data is absent.

    Units: unix seconds; weight is the candidate's intended share, 0 to 1.
    """

    t0: float
    t1: float
    step: int
    weight: float
    counts: Mapping[str, Counts]
    flags: tuple[Flag, ...] = ()
