"""One look at one metric: what the candidate and the stable revision showed within a window.

Numbers only; `verdicts` says what follows from them.
Source: evidence.md, 2.2 and 2.4; api.md, 5.4 and 5.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from tidegate.evidence import counters, histograms
from tidegate.evidence.model import (
    Arm,
    Identity,
    Latency,
    Limit,
    Measurement,
    Problem,
    Reason,
    Series,
    Window,
)
from tidegate.rollout.model import Threshold

MIN_COMMON_EDGES = 3


def ratio(
    total: Sequence[Series] | Problem,
    *,
    bad: Sequence[Series] | Problem,
    threshold: Threshold,
    identity: Identity,
    window: Window,
) -> Measurement:
    """Bad events out of all events, per arm; no bad series beside a present total is zero."""
    for answer in (total, bad):
        if isinstance(answer, Problem):
            return failed(answer, threshold=threshold, window=window)
    assert not isinstance(total, Problem)
    assert not isinstance(bad, Problem)
    stranger = _stranger((*total, *bad), identity=identity)
    if stranger is not None:
        return failed(stranger, threshold=threshold, window=window)
    births = counters.Births((*total, *bad), window=window)

    def arm(revision: str) -> Arm:
        return _ratio_arm(
            _of(total, revision=revision),
            bad=_of(bad, revision=revision),
            births=births,
            threshold=threshold,
            window=window,
        )

    return _measurement(
        candidate=arm(identity.candidate),
        stable=arm(identity.stable),
        threshold=threshold,
        window=window,
    )


def latency(
    buckets: Sequence[Series] | Problem,
    *,
    measure: Latency,
    threshold: Threshold,
    identity: Identity,
    window: Window,
) -> Measurement:
    """A quantile per arm, held against the threshold at bucket edges that both arms have."""
    problem = buckets if isinstance(buckets, Problem) else _stranger(buckets, identity=identity)
    if problem is not None:
        return failed(problem, threshold=threshold, window=window)
    assert not isinstance(buckets, Problem)
    births = counters.Births(buckets, window=window)
    found: list[tuple[Arm, histograms.Histogram | None]] = []
    for revision in (identity.candidate, identity.stable):
        series = _of(buckets, revision=revision)
        histogram = histograms.collect(
            series, births=births, window=window, unit_seconds=measure.unit_seconds
        )
        samples = histogram.total if histogram else None
        found.append((_presence(series, samples=samples, window=window), histogram))
    arms = _aligned(found, measure=measure, threshold=threshold)
    return _measurement(candidate=arms[0], stable=arms[1], threshold=threshold, window=window)


def query(
    candidate: float | Problem,
    *,
    stable: float | Problem,
    threshold: Threshold,
    window: Window,
) -> Measurement:
    """The number of a free query; how many samples stand behind it is unknown.

    A free query has no sample time, so one look per scrape interval counts as new.
    """
    tick = window.end - window.end % window.scrape_interval_seconds

    def arm(value: float | Problem) -> Arm:
        if isinstance(value, Problem):
            return Arm(problem=value)
        limit = Limit.BROKEN if threshold.broken_by(value) else Limit.KEPT
        return Arm(value=value, limit=limit, newest=tick)

    measurement = _measurement(
        candidate=arm(candidate), stable=arm(stable), threshold=threshold, window=window
    )
    return replace(measurement, counted=False)


def failed(problem: Problem, *, threshold: Threshold, window: Window) -> Measurement:
    """A look that showed nothing, for one reason on both sides."""
    arm = Arm(problem=problem)
    return _measurement(candidate=arm, stable=arm, threshold=threshold, window=window)


def _measurement(
    *, candidate: Arm, stable: Arm, threshold: Threshold, window: Window
) -> Measurement:
    return Measurement(at=window.end, threshold=threshold, candidate=candidate, stable=stable)


def _of(series: Sequence[Series], *, revision: str) -> list[Series]:
    return [one for one in series if revision and one.labels.get("revision") == revision]


def _stranger(series: Sequence[Series], *, identity: Identity) -> Problem | None:
    """More series than asked for: never "the last one wins"."""
    known = {identity.candidate, identity.stable} - {""}
    for one in series:
        revision = one.labels.get("revision", "")
        if revision not in known:
            message = f"the answer has a series of revision {revision!r}, which was not asked for"
            return Problem(reason=Reason.ERROR, message=message)
    return None


def _ratio_arm(
    total: Sequence[Series],
    *,
    bad: Sequence[Series],
    births: counters.Births,
    threshold: Threshold,
    window: Window,
) -> Arm:
    all_events = counters.by_target(total, births=births, window=window)
    bad_events = counters.by_target(bad, births=births, window=window)
    samples = sum(all_events.values()) if all_events else None
    arm = _presence(total, samples=samples, window=window)
    if arm.problem is not None:
        return arm
    # A pod without a count of all its events leaves both sides; scrape skew may show bad > total.
    bad_count = sum(min(bad_events.get(key, 0.0), count) for key, count in all_events.items())
    value = bad_count / arm.samples
    below = threshold.min is not None and value < threshold.min
    return replace(
        arm,
        value=value,
        bad=arm.samples - bad_count if below else bad_count,
        limit=Limit.BROKEN if threshold.broken_by(value) else Limit.KEPT,
    )


def _presence(series: Sequence[Series], *, samples: float | None, window: Window) -> Arm:
    """Number of samples and the time of the newest, or why there is nothing to judge."""
    newest = counters.newest(series)
    if newest is None:
        return Arm(problem=Problem(reason=Reason.NO_DATA, message="no series"))
    if newest < window.end - window.stale_after_seconds:
        age = f"the newest sample is {window.end - newest:.0f} s old"
        return Arm(newest=newest, problem=Problem(reason=Reason.STALE, message=age))
    if not samples:
        text = "no requests in the window" if samples is not None else "not enough samples yet"
        return Arm(newest=newest, problem=Problem(reason=Reason.NO_DATA, message=text))
    if not math.isfinite(samples):
        return Arm(newest=newest, problem=Problem(reason=Reason.ERROR, message="counts overflow"))
    return Arm(samples=samples, newest=newest)


def _aligned(
    found: Sequence[tuple[Arm, histograms.Histogram | None]],
    *,
    measure: Latency,
    threshold: Threshold,
) -> list[Arm]:
    """Both arms judged over the finite edges they share."""
    usable = [hist for arm, hist in found if hist is not None and arm.problem is None]
    edges = histograms.common_edges(usable[0], usable[-1]) if usable else ()
    if usable and len(edges) < MIN_COMMON_EDGES:
        message = f"{len(edges)} common bucket edges, {MIN_COMMON_EDGES} are needed"
        problem = Problem(reason=Reason.INCOMPATIBLE_BUCKETS, message=message)
        return [replace(arm, problem=arm.problem or problem) for arm, _ in found]
    return [
        arm
        if hist is None or arm.problem is not None
        else _latency_arm(arm, histogram=hist.on(edges), measure=measure, threshold=threshold)
        for arm, hist in found
    ]


def _latency_arm(
    arm: Arm, *, histogram: histograms.Histogram, measure: Latency, threshold: Threshold
) -> Arm:
    shown = histograms.quantile(histogram, q=measure.quantile)
    judged = replace(arm, value=shown.seconds, saturated=shown.saturated)
    if threshold.min is not None:
        edge = histograms.edge_at_or_below(histogram.edges, limit=threshold.min)
        fast = 0.0 if edge is None else histogram.total - histogram.above(edge)
        if fast > measure.quantile * histogram.total:
            return replace(judged, bad=fast, edge=edge, limit=Limit.BROKEN)
    if threshold.max is None:
        return judged
    edge = histograms.edge_at_or_above(histogram.edges, limit=threshold.max)
    judged_edge = histogram.edges[-1] if edge is None else edge
    slow = histogram.above(judged_edge)
    # The quantile lies above an edge exactly if more than 1 - q of the requests do.
    allowed = histogram.total * (1 - measure.quantile) * (1 + histograms.EDGE_TOLERANCE)
    limit = Limit.KEPT
    if slow > allowed:
        limit = Limit.UNKNOWN if edge is None else Limit.BROKEN
    return replace(judged, bad=slow, edge=judged_edge, limit=limit)
