"""Whether the candidate answers so much faster that a person should look why.

An empty answer is a fast one, and no counter of errors tells. Speed alone is no harm, so this can
only hold, and it does so in one step only.
Source: ADR 0032.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential import eprocess
from tidegate.evidence.sequential.eprocess import Process, RatioGrid

TIMES = 1.5  # faster; tuning, other hardware and smaller models stay below it
LEAST_SHARE, MOST_SHARE = 0.05, 0.75  # of stable's requests: the middle and the tail, no outliers
LEAST_EDGES = 2  # one bucket edge could lie between two latencies that are almost equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A time between two edges, as far from the lower one as `part` says (0 to 1).

    It is `TIMES` as long as the edge `of`.
    """

    of: int
    below: int
    part: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Faster:
    """One test per edge that has a time `TIMES` as long among the edges, and where it began.

    `requests` and `slow` are stable's so far. `step` is the first one in which it was shown.
    Shapes: processes and slow (edges with such a time,).
    """

    processes: tuple[Process, ...]
    slow: tuple[float, ...]
    requests: float = 0.0
    step: int | None = None


def begin(edges: tuple[float, ...]) -> Faster:
    """The tests before any row."""
    count = len(places(edges))
    process = eprocess.invest(eprocess.ROLLBACK_POINTS)
    return Faster(processes=(process,) * count, slow=(0.0,) * count)


@functools.lru_cache(maxsize=256)
def places(edges: tuple[float, ...]) -> tuple[Place, ...]:
    """Where `TIMES` as long as each of the first edges lies, linear in the logarithm of time.

    An edge that is no time has no such place.
    Shapes: edges (edges,) ascending, in seconds; the result is shorter.
    """
    found = []
    for index, edge in enumerate(edges):
        if edge <= 0:
            continue
        above = bisect.bisect_right(edges, TIMES * edge)
        if above == len(edges):
            break
        low, high = edges[above - 1], edges[above]
        part = math.log(TIMES * edge / low) / math.log(high / low)
        found.append(Place(of=index, below=above - 1, part=part))
    return tuple(found)


def advance(
    known: Faster,
    *,
    streams: Sequence[Stream],
    edges: tuple[float, ...],
    step: int,
    log_limit: float,
) -> Faster:
    """The tests after a row.

    Each asks whether stable is slower than `TIMES` an edge more often than the candidate is slower
    than the edge itself. The first step in which they all reach the limit is kept.

    Shapes: streams and edges (edges,).
    """
    slow, processes = [], []
    for index, place in enumerate(places(edges)):
        own, low, high = streams[place.of], streams[place.below], streams[place.below + 1]
        x_s = low.x_s + place.part * (high.x_s - low.x_s)
        factors = _grid().log_factors(n_c=own.n_s, x_c=x_s, n_s=own.n_c, x_s=own.x_c)
        phi = max(own.phi.value, low.phi.value, high.phi.value)
        processes.append(eprocess.advance(known.processes[index], log_factors=factors, phi=phi))
        slow.append(known.slow[index] + x_s)
    requests = known.requests + (streams[0].n_s if streams else 0.0)
    after = replace(known, processes=tuple(processes), slow=tuple(slow), requests=requests)
    if after.step is None and log_value(after) >= log_limit:
        return replace(after, step=step)
    return after


def log_value(known: Faster) -> float:
    """Log evidence that the candidate is faster at each edge in the middle of stable's latencies."""
    if known.requests <= 0:
        return 0.0
    shares = (slow / known.requests for slow in known.slow)
    seen = [
        eprocess.log_value(process)
        for process, share in zip(known.processes, shares, strict=True)
        if LEAST_SHARE <= share <= MOST_SHARE
    ]
    return min(seen) if len(seen) >= LEAST_EDGES else 0.0


@functools.lru_cache(maxsize=1)
def _grid() -> RatioGrid:
    return eprocess.ratio_grid(eprocess.rollback_grid(1.0), theta0=1.0)
