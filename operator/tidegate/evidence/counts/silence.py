"""Whether the candidate shows no finished request while stable does.

It may hang, or nobody may scrape it: what its users get is unknown either way. Nothing is proven
by it; the test that can prove harm is that of `evidence.sequential.answers`. Source: ADR 0034.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate.evidence.counts.grid import Grid, Slot, WeightChange
from tidegate.evidence.counts.histograms import edge_of
from tidegate.evidence.counts.intervals import Counting, MetricSeries, Table
from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.terms import Identity, Series

SCRAPES = 4  # so long nothing is seen at the least
UNFOUND_SECONDS = 30.0  # Prometheus finds new pods in its own time, however often it scrapes
LEAST_DUE = 20.0  # requests: with fewer an idle candidate looks the same
MOST_RECENT = 1000  # rows; what stable finished before these shows no more
_REQUESTS = "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """For how long nothing was seen, and how many requests stable's promise meanwhile."""

    seconds: float
    due: float


def requests_in(*, total: Sequence[Series], buckets: Sequence[Series]) -> tuple[Series, ...]:
    """The counters of all requests of a metric; those of a histogram are its last buckets."""
    return tuple(total) or tuple(one for one in buckets if edge_of(one) == float("inf"))


def silence(
    requests: Sequence[Series],
    *,
    rows: Sequence[Row],
    metric: str,
    identity: Identity,
    grid: Grid,
    event: WeightChange,
    since: float,
    at: float,
    scrape_seconds: float,
) -> Silence | None:
    """How long the candidate has been silent at its present weight; None while it is not.

    Nothing counts before `since`: a candidate that is not warm yet may take its time. With a weight
    of 0 or 1, and while stable shows nothing either, nobody can tell.
    Units: since and at in unix seconds.
    """
    window_seconds = SCRAPES * scrape_seconds
    heard = (row.t1 for row in rows if metric in row.counts and row.counts[metric].answered[0] > 0)
    began = max(since, event.at, *heard)
    of_candidate = [one for one in requests if _is_of(one, identity.candidate)]
    least_seconds = window_seconds if of_candidate else max(window_seconds, UNFOUND_SECONDS)
    if not 0 < event.weight < 1 or at - began < least_seconds:
        return None
    after = at - window_seconds
    if any(_moves(one, after=after) for one in of_candidate):
        return None
    counting = Counting(
        Table(),
        series={_REQUESTS: MetricSeries(total=tuple(requests), scrape_seconds=scrape_seconds)},
        grid=grid,
        identity=identity,
    )
    slot = Slot(t0=after, t1=at, step=event.step, weight=event.weight)
    counts = counting.aside(slot).counts.get(_REQUESTS)
    finished = counts.n_s if counts is not None else 0.0
    # What stable finished since then is known from rows; only the time beside them is extrapolated.
    closed = [row for row in rows if metric in row.counts and row.t0 >= began]
    of_stable = math.fsum(row.counts[metric].answered[1] for row in closed)
    open_seconds = max(0.0, at - began - math.fsum(row.t1 - row.t0 for row in closed))
    of_stable += finished * open_seconds / window_seconds
    due = event.weight / (1 - event.weight) * of_stable
    return Silence(seconds=at - began, due=due) if due >= LEAST_DUE else None


def told_by(rows: Sequence[Row], *, metric: str, seconds: float) -> tuple[Row, ...]:
    """Those of the last rows that silence is told by, without their pods: a few numbers of each.

    They are those since the candidate answered last, and those of the last `seconds`.
    """
    counted = [row for row in rows if metric in row.counts]
    answered = (row.t1 for row in counted if row.counts[metric].answered[0] > 0)
    heard = max(answered, default=-math.inf)
    since = min(heard, rows[-1].t1 - seconds) if rows else heard
    kept = [row for row in rows if row.t1 >= since][-MOST_RECENT:]
    return tuple(replace(row, counts=_totals(row.counts)) for row in kept)


def _totals(counts: Mapping[str, Counts]) -> Mapping[str, Counts]:
    """Requests alone."""
    return {
        name: Counts(
            n_c=it.n_c, n_s=it.n_s, x_c=(), x_s=(), phi=(), cold_c=it.cold_c, cold_s=it.cold_s
        )
        for name, it in counts.items()
    }


def _is_of(series: Series, revision: str) -> bool:
    return series.labels.get("revision") == revision


def _moves(series: Series, *, after: float) -> bool:
    """Some request was counted after an instant, whatever else is wrong with the counter."""
    before = 0.0
    for at, value in series.samples:
        if at > after and value != before:
            return True
        before = value
    return False
