"""What the pods of one revision did in an interval, from the events of their counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.counts import histograms
from tidegate.evidence.counts.exposition import Counter
from tidegate.evidence.counts.owned import Pod
from tidegate.evidence.counts.rows import Flag, PodCounts
from tidegate.evidence.counts.tally import Counted

CHURN_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """The pods that could be counted. `left_out` says that some had samples of no use."""

    pods: tuple[PodCounts, ...] = ()
    flags: tuple[Flag, ...] = ()
    left_out: bool = False


def of_ratio(total: Counted | None, *, bad: Counted | None, revision: str, complement: bool) -> Arm:
    """All events and bad events per pod; a pod without any counter of all events is left out."""
    if total is None:
        return Arm()
    unusable = pods_of(total.unusable | (bad.unusable if bad else frozenset()), revision=revision)
    events = {pod: n for pod, n in total.by_pod(revision).items() if pod not in unusable}
    bad_events = bad.by_pod(revision) if bad else {}

    def against(pod: str, n: float) -> float:
        clamped = min(n, bad_events.get(pod, 0.0))  # by scrape skew there may be more bad events
        return n - clamped if complement else clamped

    pods = tuple(PodCounts(pod=pod, n=n, x=(against(pod, n),)) for pod, n in sorted(events.items()))
    clamped = any(bad_events.get(pod, 0.0) > n for pod, n in events.items())
    flags = flags_of(total, bad, revision=revision, pods=len(pods))
    return Arm(
        pods=pods,
        flags=(*flags, Flag.CLAMPED) if clamped else flags,
        left_out=bool(unusable),
    )


def of_latency(
    buckets: Counted | None,
    *,
    revision: str,
    edges: Sequence[float],
    unit_seconds: float,
) -> Arm:
    """Requests slower than each edge, per pod; a pod that lacks an edge is left out."""
    if buckets is None:
        return Arm()
    unusable = pods_of(buckets.unusable, revision=revision)
    by_pod: dict[str, dict[Counter, float]] = {}
    for counter, events in buckets.events.items():
        if counter.revision == revision and counter.pod not in unusable:
            by_pod.setdefault(counter.pod, {})[counter] = events
    pods: list[PodCounts] = []
    for pod in sorted(by_pod):
        histogram = histograms.collect(by_pod[pod], unit_seconds=unit_seconds)
        if histogram is not None and set(edges) <= set(histogram.edges):
            slower = tuple(histogram.above(edge) for edge in edges)
            pods.append(PodCounts(pod=pod, n=histogram.total, x=slower))
    return Arm(
        pods=tuple(pods),
        flags=flags_of(buckets, revision=revision, pods=len(pods)),
        left_out=bool(unusable),
    )


def flags_of(*roles: Counted | None, revision: str, pods: int) -> tuple[Flag, ...]:
    """What a reader of a row should know of so many pods of a revision."""
    known = [one for one in roles if one is not None]
    restarted = pods_of(known[0].restarted, revision=revision)
    found = {
        Flag.CHURN: len(restarted) > CHURN_SHARE * max(1, pods),
        Flag.GAP: any(pods_of(one.away, revision=revision) for one in known),
        Flag.SCRAPED_TWICE: any(pods_of(one.twice, revision=revision) for one in known),
    }
    return tuple(flag for flag, holds in found.items() if holds)


def pods_of(pods: frozenset[Pod], *, revision: str) -> set[str]:
    """Those that are of a revision, by name."""
    return {pod for of, pod in pods if of == revision}
