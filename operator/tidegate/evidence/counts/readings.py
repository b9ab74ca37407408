"""What a look found of one metric: series that can be counted, or why they cannot.

Nothing is judged here. A reason names what is wrong with the data of this look; rows that closed
before stay as they are.
Source: evidence.md, 2.2, 2.4 and 13; api.md, 5.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate import model
from tidegate.evidence.counts import buckets as bucketing
from tidegate.evidence.counts import counters, histograms
from tidegate.evidence.counts.owned import Pod
from tidegate.evidence.counts.reader import Lag
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.counts.tally import Faults
from tidegate.evidence.terms import Identity, Latency, Problem, Reason, Series

MIN_COMMON_EDGES = 3
MAX_EDGES = 16
DIFFERS = 1.5  # scrape intervals that are further apart are named
TAIL = 0.9  # without a limit, proof is asked at the first edge above this quantile of stable


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a metric is cut into streams, fixed when its first row is counted.

    `edges` in seconds, empty for a ratio; `decisive` is the stream whose limit and proof count.
    `common` says that bad events are the rule in stable's history.
    """

    edges: tuple[float, ...] = ()
    decisive: int = 0
    common: bool = False


NO_SHAPE = Shape()


def presence(
    series: Sequence[Series],
    *,
    identity: Identity,
    quiet_seconds: Mapping[str, float],
    stale_after_seconds: float,
    asked: str,
) -> Problem | None:
    """Why the series of a metric say nothing about the present; None when they do.

    `quiet_seconds` is by revision for how long no newer sample has come. `asked` says in words what
    the source was asked for.
    """
    wanted = {"candidate": identity.candidate, "stable": identity.stable}
    for whose, revision in wanted.items():
        if not revision:
            continue
        if all(one.labels.get("revision") != revision for one in series):
            reason = Reason.NO_BASELINE if whose == "stable" else Reason.NO_DATA
            message = nothing_of(whose, of_other=bool(series), asked=asked)
            return Problem(reason=reason, message=message)
        age = quiet_seconds.get(revision, 0.0)
        if age > stale_after_seconds:
            message = f"the newest sample of the {whose} revision is {age:.0f} s old; asked {asked}"
            return Problem(reason=Reason.STALE, message=message)
    return None


def faulty(faults: Faults, *, lags: Sequence[Lag]) -> Problem | None:
    """Why the counters of the last interval cannot be trusted; None when they can."""
    if faults.flapping:
        message = (
            f"counters of pod {_listed(faults.flapping)} fall again and again: each scrape meets"
            " another process; let the workers behind one port export one sum (multiprocess mode),"
            " or scrape each of them"
        )
        return Problem(reason=Reason.ERROR, message=message)
    if faults.refused:
        message = (
            f"pod {_listed(faults.refused)} is scraped twice at one address, and the counters do"
            " not agree: keep one scrape of it"
        )
        return Problem(reason=Reason.SCRAPED_TWICE, message=message)
    if lags:
        worst = lags[0]
        labels = ", ".join(f'{name}="{value}"' for name, value in worst.counter.own)
        message = (
            f"series {{{labels}}} of pod {worst.counter.pod} is {worst.seconds:.0f} s behind the"
            " others of its pod: what it counts is waited for"
        )
        return Problem(reason=Reason.STALE, message=message)
    return None


def remark(
    faults: Faults, *, spacings: Mapping[str, float], scrape_seconds: float, late_seconds: float
) -> str:
    """What is unusual about samples that are counted all the same; empty without anything.

    `spacings` are the seconds between two samples by arm.
    """
    found = []
    if faults.twice:
        found.append(f"ScrapedTwice: pod {_listed(faults.twice)} is counted once")
    unlike = {
        whose: f"{apart:.0f} s apart"
        for whose, apart in spacings.items()
        if not scrape_seconds / DIFFERS <= apart <= scrape_seconds * DIFFERS
    }
    if len(unlike) == len(spacings) and len(set(unlike.values())) == 1:
        unlike = {"": next(iter(unlike.values()))}  # all alike
    for whose, text in unlike.items():
        samples = f"samples of the {whose} revision" if whose else "samples"
        found.append(f"{samples} are {text}, the settings say {scrape_seconds:g} s")
    if late_seconds > max((scrape_seconds, *spacings.values())):
        found.append(f"samples arrive about {round(late_seconds, -1):.0f} s late")
    return "; ".join(found)


def _listed(pods: frozenset[Pod]) -> str:
    first, *more = sorted(pod for _, pod in pods)
    return f"{first} and {len(more)} more" if more else first


def nothing_of(whose: str, *, of_other: bool, asked: str) -> str:
    """No series of a revision, and which part is missing by what there is of the other one."""
    other = "stable" if whose == "candidate" else "candidate"
    part = (
        f"the {other} has some, so metric and labels are right: the pods of the {whose} are not"
        " scraped, or got no request"
        if of_other
        else "condition EvidenceReady says which part is missing: the scrape of the pods, labels,"
        " the metric or requests"
    )
    return f"no series of the {whose} revision; {part}; asked {asked}"


def nothing_paired(asked: str) -> Problem:
    """No series of pairs of answers, and what has to be there for some."""
    message = (
        "no pair of answers was counted: is the comparer of this namespace scraped, and do both"
        f" versions send it their answers under the id of the request; asked {asked}"
    )
    return Problem(reason=Reason.NO_DATA, message=message)


def silence(
    rows: Sequence[Row],
    *,
    metric: str,
    step: int,
    since: float,
    seconds: float,
    asked: str,
    pairs: bool = False,
) -> Problem | None:
    """The candidate got no request, or no pair, in any of the step's rows that end after an instant."""
    recent = [row.counts.get(metric) for row in rows if row.step == step and row.t1 > since]
    if not recent or any(counts is not None and counts.answered[0] > 0 for counts in recent):
        return None
    if pairs:
        message = f"no pair of answers was counted in the last {seconds:.0f} s; asked {asked}"
        return Problem(reason=Reason.NO_DATA, message=message)
    message = (
        f"the candidate got no requests in the last {seconds:.0f} s: it has series, only traffic"
        f" is missing; asked {asked}"
    )
    return Problem(reason=Reason.NO_DATA, message=message)


def latency_shape(
    measure: Latency,
    *,
    threshold: model.Threshold,
    buckets: Sequence[Series],
    identity: Identity,
    history: histograms.Histogram | None,
    edges_of_stable: Sequence[float] = (),
    alone: bool = False,
) -> Shape | Problem:
    """The edges that both arms have, and the one that decides; at most `MAX_EDGES` of them.

    `edges_of_stable` (seconds) are those of its history, which count while its pods show none;
    `alone` says that the candidate may be cut without stable.
    Errors: NoData without buckets of the candidate, NoBaseline without any of stable;
    IncompatibleBuckets below three common edges; Saturated when the limit lies above all.
    """
    asked = f"for {measure.histogram.metric}_bucket"
    shown = {one.labels.get("revision") for one in buckets}
    if identity.candidate and identity.candidate not in shown:
        message = nothing_of("candidate", of_other=bool(buckets), asked=asked)
        return Problem(reason=Reason.NO_DATA, message=message)
    edges = common_edges(buckets, identity=identity, unit_seconds=measure.unit_seconds)
    if identity.stable and identity.stable not in shown:
        if edges_of_stable:
            edges = tuple(edge for edge in edges if edge in edges_of_stable)
        elif not alone:
            message = nothing_of("stable", of_other=True, asked=asked)
            return Problem(reason=Reason.NO_BASELINE, message=message)
    if len(edges) < MIN_COMMON_EDGES:
        lacking = bucketing.lacking(buckets, identity=identity, measure=measure)
        message = bucketing.too_few(
            edges, buckets, identity=identity, measure=measure, least=MIN_COMMON_EDGES
        )
        return lacking or Problem(reason=Reason.INCOMPATIBLE_BUCKETS, message=message)
    return cut(edges, threshold=threshold, history=history)


def cut(
    edges: tuple[float, ...],
    *,
    threshold: model.Threshold,
    history: histograms.Histogram | None,
) -> Shape | Problem:
    """A shape of some of these edges (seconds). Errors: as `latency_shape`, but for NoData."""
    if len(edges) < MIN_COMMON_EDGES:
        message = f"{len(edges)} common bucket edges, {MIN_COMMON_EDGES} are needed"
        return Problem(reason=Reason.INCOMPATIBLE_BUCKETS, message=message)
    edge = _decisive(edges, limit=threshold.max, history=history)
    if edge is None:
        message = f"the limit {threshold.max:g} s lies above the largest bucket edge {edges[-1]:g}"
        return Problem(reason=Reason.SATURATED, message=message)
    kept = _thinned(edges, keep=edge)
    return Shape(edges=kept, decisive=kept.index(edge))


def common_edges(
    buckets: Sequence[Series], *, identity: Identity, unit_seconds: float
) -> tuple[float, ...]:
    """The finite edges (seconds) that every pod of both arms has, ascending.

    Nothing takes no time: an edge of 0, which some clients begin with, tells no latencies apart.
    """
    by_target: dict[counters.Target, set[float]] = {}
    for one in buckets:
        edge = histograms.edge_of(one)
        if one.labels.get("revision") in {identity.candidate, identity.stable} and edge is not None:
            by_target.setdefault(counters.target(one), set()).add(edge * unit_seconds)
    if not by_target:
        return ()
    shared = set.intersection(*by_target.values())
    return tuple(sorted(edge for edge in shared if 0 < edge < math.inf))


def _decisive(
    edges: Sequence[float], *, limit: float | None, history: histograms.Histogram | None
) -> float | None:
    if limit is not None:
        return histograms.edge_at_or_above(edges, limit=limit)
    if history is None or history.total <= 0:
        return edges[len(edges) // 2]
    tail = histograms.quantile(history, q=TAIL).seconds
    above = histograms.edge_at_or_above(edges, limit=tail)
    return edges[-1] if above is None else above


def _thinned(edges: tuple[float, ...], *, keep: float) -> tuple[float, ...]:
    """Evenly fewer edges, with one that must stay."""
    if len(edges) <= MAX_EDGES:
        return edges
    apart = (len(edges) - 1) / (MAX_EDGES - 2)
    chosen = {edges[round(index * apart)] for index in range(MAX_EDGES - 1)}
    return tuple(sorted(chosen | {keep}))


def merged(tables: Mapping[str, Sequence[Row]]) -> tuple[Row, ...]:
    """Rows of single metrics put together by their interval, in the order of time.

    Every metric has its own rows, so that one without an answer does not hold the others up; the
    grid is the same for all.
    """
    found: dict[tuple[float, float], list[Row]] = {}
    for name in sorted(tables):
        for row in tables[name]:
            found.setdefault((row.t0, row.t1), []).append(row)
    return tuple(_joined(found[key]) for key in sorted(found))


def _joined(rows: Sequence[Row]) -> Row:
    first = rows[0]
    return Row(
        t0=first.t0,
        t1=first.t1,
        step=first.step,
        weight=first.weight,
        counts={name: counts for row in rows for name, counts in row.counts.items()},
        flags=tuple(sorted({flag for row in rows for flag in row.flags})),
    )


def counts_complement(threshold: model.Threshold) -> bool:
    """True when a high value is the good one, as for a share of right answers."""
    return threshold.min is not None and threshold.max is None
