"""Observations by feature and bin, from the events of the counters of pods.

A row keeps the counts of single pods, as these tell how observations clump. Source: evidence.md, 10.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate.evidence.counts import exposition, histograms
from tidegate.evidence.counts.arms import Arm, flags_of, pods_of
from tidegate.evidence.counts.rows import Bins, Counts, PodCounts
from tidegate.evidence.counts.tally import Counted
from tidegate.evidence.terms import EDGE, Distribution, Form, Problem, Reason, Series

MAX_PODS = 8  # of an arm in a row; more are put together, as clumps show among a few as well
MAX_BINS = 256  # of a feature; more are a label that nobody has bounded
MAX_FEATURES = 500
MAX_ALL_BINS = 10_000  # of all features
MAX_SERIES = 60_000  # of all distributions of a rollout: what is remembered grows with them
ALL = "all"  # the one feature where no label tells several apart

ByBin = Mapping[str, float]
ByFeature = Mapping[str, ByBin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binning:
    """By which labels a series is of a feature and of a bin; `cumulative` as in a histogram."""

    bin: str
    dimension: str
    cumulative: bool = False


def binning_of(measure: Distribution) -> Binning:
    """How the series of a measure are read."""
    if measure.form is Form.HISTOGRAM:
        return Binning(bin=EDGE, dimension=measure.dimension_label, cumulative=True)
    return Binning(bin=measure.bin_label, dimension=measure.dimension_label)


def unreadable(series: Iterable[Series], *, binning: Binning, metric: str) -> Problem | None:
    """Why these series cannot be counted by bin; None when they can."""
    every = tuple(series)
    if every and (lacking := _lacking(every, binning=binning)):
        message = (
            f"series of {metric} have no label {lacking} of their own: name the labels of"
            " feature and bin in the template, or export them"
        )
        return Problem(reason=Reason.ERROR, message=message)
    found: dict[str, set[str]] = {}
    for one in every:
        label = one.labels.get(binning.bin, "")
        label = exposition.spelled(label) if binning.cumulative else label
        found.setdefault(one.labels.get(binning.dimension, ALL), set()).add(label)
    for feature in sorted(found):
        if binning.cumulative and "+Inf" not in found[feature]:
            message = (
                f'{feature} of {metric} lacks le="+Inf": what lies above its last edge would not be seen;'
                " let no relabeling (metric_relabel_configs) drop this bucket, or export it"
            )
            return Problem(reason=Reason.INCOMPATIBLE_BINS, message=message)
        if len(found[feature]) > MAX_BINS:
            message = (
                f"{feature} has {len(found[feature])} bins, {MAX_BINS} are the most: export the"
                " common ones and count the others as other, or leave it out of the selector"
            )
            return Problem(reason=Reason.ERROR, message=message)
    if len(found) > MAX_FEATURES:
        message = f"{len(found)} features, {MAX_FEATURES} are the most: select fewer"
        return Problem(reason=Reason.ERROR, message=message)
    bins = sum(map(len, found.values()))
    if bins > MAX_ALL_BINS:
        message = (
            f"{bins} bins of {len(found)} features, {MAX_ALL_BINS} are the most: select fewer features,"
            " or count rare categories as other"
        )
        return Problem(reason=Reason.ERROR, message=message)
    return None


def _lacking(series: Sequence[Series], *, binning: Binning) -> str:
    """A label without which series tell no bin; a category that is empty is stored without it."""
    for label in labels_of(binning):
        carried = [label in one.labels for one in series]
        is_category = label == binning.bin and not binning.cumulative
        if not (any(carried) if is_category else all(carried)):
            return label
    return ""


def labels_of(binning: Binning) -> tuple[str, ...]:
    """The labels that tell feature and bin apart."""
    return tuple(it for it in (binning.dimension, binning.bin) if it)


def observed_in(rates: Iterable[Series], *, binning: Binning, seconds: float) -> ByFeature:
    """What was observed within so many seconds, from one rate per second of each feature and bin."""
    found: dict[str, dict[str, float]] = {}
    for one in rates:
        if not one.samples:
            continue  # its number is none
        bins = found.setdefault(one.labels.get(binning.dimension, ALL), {})
        label = one.labels.get(binning.bin, "")
        if binning.cumulative:
            label = exposition.spelled(label)
        bins[label] = bins.get(label, 0.0) + one.samples[-1][1] * seconds
    return {feature: _apart(bins, binning=binning) for feature, bins in found.items()}


def too_many(series: Mapping[str, int], *, metric: str) -> Problem | None:
    """Why one more distribution is too much; `series` by metric, in the order of the spec."""
    names = list(series)
    together = sum(series[name] for name in names[: names.index(metric) + 1])
    if together <= MAX_SERIES:
        return None
    message = (
        f"{together} series of the bins of all features and pods, in the distributions up to {metric};"
        f" {MAX_SERIES} are the most: select fewer features, or give them fewer bins"
    )
    return Problem(reason=Reason.ERROR, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinnedArm(Arm):
    """An arm with its observations by pod, feature and bin."""

    bins: Mapping[str, ByFeature]


def arm_of(counted: Counted | None, *, revision: str, binning: Binning) -> BinnedArm:
    """The pods of a revision; of several features the one that was observed most tells how often."""
    if counted is None:
        return BinnedArm(bins={})
    unusable = pods_of(counted.unusable, revision=revision)
    by_pod: dict[str, dict[str, dict[str, float]]] = {}
    for counter, events in counted.events.items():
        if counter.revision != revision or counter.pod in unusable:
            continue
        own = dict(counter.own)
        bins = by_pod.setdefault(counter.pod, {}).setdefault(own.get(binning.dimension, ALL), {})
        label = own.get(binning.bin, "")
        bins[label] = bins.get(label, 0.0) + events
    found = {
        pod: {feature: _apart(bins, binning=binning) for feature, bins in features.items()}
        for pod, features in by_pod.items()
    }
    pods = tuple(PodCounts(pod=pod, n=_observations(found[pod]), x=(0.0,)) for pod in sorted(found))
    return BinnedArm(
        pods=pods,
        flags=flags_of(counted, revision=revision, pods=len(pods)),
        left_out=bool(unusable),
        bins=found,
    )


def with_bins(counts: Counts, *, candidate: Arm, stable: Arm) -> Counts:
    """Counts of warm pods, with what these have observed."""
    bins_c, pods_c = _table(candidate, pods=counts.pods_c)
    bins_s, pods_s = _table(stable, pods=counts.pods_s)
    return replace(counts, bins_c=bins_c, bins_s=bins_s, pods_c=pods_c, pods_s=pods_s)


def _table(
    arm: Arm, *, pods: Sequence[PodCounts]
) -> tuple[Mapping[str, Bins], tuple[PodCounts, ...]]:
    if not isinstance(arm, BinnedArm):
        return {}, tuple(pods)
    groups: dict[str, list[PodCounts]] = {}
    for pod in pods:
        groups.setdefault(group_of(pod.pod, of=len(pods)), []).append(pod)
    features = sorted({feature for pod in pods for feature in arm.bins[pod.pod]})
    table = {
        feature: _bins(
            [[arm.bins[pod.pod].get(feature, {}) for pod in groups[name]] for name in groups]
        )
        for feature in features
    }
    together = tuple(
        PodCounts(pod=name, n=math.fsum(pod.n for pod in members), x=(0.0,))
        for name, members in groups.items()
    )
    return table, together


def _bins(groups: Sequence[Sequence[ByBin]]) -> Bins:
    labels = sorted({label for group in groups for bins in group for label in bins})
    return Bins.of(
        labels=labels,
        counts=tuple(
            tuple(math.fsum(bins.get(label, 0.0) for bins in group) for label in labels)
            for group in groups
        ),
    )


def group_of(pod: str, *, of: int) -> str:
    """The pod itself, or of many pods one of a few groups, by its name alone."""
    return pod if of <= MAX_PODS else in_groups(pod)


def in_groups(pod: str) -> str:
    """The name of one of a few groups that a pod belongs to."""
    return f"#{zlib.crc32(pod.encode()) % MAX_PODS}"


def _apart(bins: Mapping[str, float], *, binning: Binning) -> ByBin:
    """Each observation in one bin: a histogram counts it in all buckets above it as well."""
    if not binning.cumulative:
        return bins
    edges = {edge: label for label in bins if (edge := histograms.edge_from(label)) is not None}
    rising = histograms.repaired({edge: bins[label] for edge, label in edges.items()})
    found: dict[str, float] = {}
    below = 0.0
    for edge, at_most in rising.items():
        found[edges[edge]] = at_most - below
        below = at_most
    return found


def _observations(features: ByFeature) -> float:
    return max((math.fsum(bins.values()) for bins in features.values()), default=0.0)
