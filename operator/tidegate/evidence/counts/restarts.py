"""When a process began again, as all counters of one scrape show it together.

A counter that was not exported for a while after a restart, such as that of errors before the first
one, may come back with more than it had: alone it looks as if it had only gone on.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from tidegate.evidence.counts import counters, exposition
from tidegate.evidence.counts.exposition import Lane, Process, Samples

Restarts = Mapping[Process, tuple[float, ...]]
NONE: Restarts = {}

_MOST = 0.5  # of what the counters of a scrape had; a client may clear a single counter


def found(series: Sequence[tuple[Lane, Samples]]) -> Restarts:
    """By process the instants (unix seconds) of scrapes that met another process."""
    fallen: dict[Process, set[float]] = {}
    for lane, samples in series:
        for (_, earlier), (at, later) in itertools.pairwise(samples):
            if later < earlier and counters.began_again(earlier, later):
                fallen.setdefault(lane.process, set()).add(at)
    if not fallen:
        return NONE
    together: dict[Process, list[Samples]] = {}
    for lane, samples in series:
        if lane.process in fallen:
            together.setdefault(lane.process, []).append(samples)
    return {
        process: _together(together[process], instants=sorted(instants))
        for process, instants in fallen.items()
    }


def _together(series: Sequence[Samples], *, instants: Sequence[float]) -> tuple[float, ...]:
    last, restarts = -math.inf, []
    for at in instants:
        if _is_one(series, at=at, after=last):
            restarts.append(at)
            last = at
    return tuple(restarts)


def _is_one(series: Sequence[Samples], *, at: float, after: float) -> bool:
    """Most of what the counters of a scrape had before is gone.

    What was away since before the last restart, which was `after`, fell with that one.
    """
    fell = whole = 0.0
    for samples in series:
        if not exposition.is_at(samples, at):
            continue
        index = bisect_left(samples, (at - exposition.SAME_SCRAPE_SECONDS,))
        if index > 0 and samples[index - 1][0] >= after:
            before, now = samples[index - 1][1], samples[index][1]
            whole += before
            fell += before if counters.began_again(before, now) else 0.0
    return fell > _MOST * whole


def gained(points: Samples, *, restarts: Sequence[float]) -> float:
    """Events between the first and the last of these samples of a counter."""
    if not restarts:
        return counters.gained([value for _, value in points])
    return sum(
        later
        if any(since < it <= at + exposition.SAME_SCRAPE_SECONDS for it in restarts)
        else counters.gain(earlier, later)
        for (since, earlier), (at, later) in itertools.pairwise(points)
    )
