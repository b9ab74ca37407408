"""Latency on every bucket edge at once: the average of the evidence per edge.

"Slower than the edge" is a bad event like any other, so each edge is a rate ratio, and an average
of e-values is an e-value under any dependence. Nothing is interpolated inside a bucket.
Source: evidence.md, 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.combine import average
from tidegate.evidence.counts.rows import Counts
from tidegate.evidence.sequential import eprocess, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class EValue:
    """Log E of all edges, and the edge that contributes most to it. Units: edge in seconds."""

    log_e: float
    edge: float


def weights(count: int, *, decisive: int) -> tuple[float, ...]:
    """Half of the weight for the edge that was asked for, the rest evenly over the others.

    A quantile that a team watches should not pay for all the edges that it does not (ADR 0027).
    """
    if count == 1:
        return (1.0,)
    rest = 0.5 / (count - 1)
    return tuple(0.5 if index == decisive else rest for index in range(count))


def edge_average(
    rows: Sequence[Counts],
    *,
    edges: Sequence[float],
    v: Sequence[float],
    theta0: float,
    restart: Sequence[float],
    min_candidate_events: float,
) -> EValue:
    """Evidence after the last row that the candidate is slower at some edge by more than theta0.

    Shapes: edges and v (edges,), as x_c, x_s and phi of every row; v sums to 1.
    Units:  edges in seconds; edges with fewer candidate events in all count as e = 0.
    Source: evidence.md, 4.
    """
    hedges = [
        relative.compare([row.stream(k) for row in rows], theta0=theta0, restart=restart)
        for k in range(len(edges))
    ]
    return weigh(
        [relative.log_value(one) for one in hedges],
        edges=edges,
        v=v,
        events=[math.fsum(row.x_c[k] for row in rows) for k in range(len(edges))],
        min_candidate_events=min_candidate_events,
    )


def weigh(
    log_es: Sequence[float],
    *,
    edges: Sequence[float],
    v: Sequence[float],
    events: Sequence[float],
    min_candidate_events: float,
) -> EValue:
    """The average over edges, of which those with too few candidate events count as 0.

    Shapes: log_es, edges, v and events (edges,).
    """
    material = [
        log_e if seen >= min_candidate_events else eprocess.NEVER
        for log_e, seen in zip(log_es, events, strict=True)
    ]
    shares = [math.log(w) + log_e for w, log_e in zip(v, material, strict=True)]
    best = max(range(len(shares)), key=lambda index: (shares[index], -index))
    return EValue(log_e=average(material, weights=v), edge=edges[best])
