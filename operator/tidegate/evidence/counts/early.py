"""Rows that do not wait for their interval to close, for what must not wait: harm.

Rows that have led to a verdict are kept as the last ones, so that the verdict can be worked out
again; all others are counted anew when they close.
Source: ADR 0024.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import counters
from tidegate.evidence.counts.grid import LATE_SECONDS, Grid, Slot, WeightChange, next_start
from tidegate.evidence.counts.intervals import Counting, MetricSeries, Table, close_intervals
from tidegate.evidence.counts.reader import Reader
from tidegate.evidence.counts.rows import Flag, Row
from tidegate.evidence.terms import STALE_SCRAPES, Identity

SHORTEST = 2  # scrapes: one bad scrape may be the first half of what befalls everybody
SUSTAINED = 4  # scrapes
LONGEST_SECONDS = 15.0  # where scrapes are so short that even four of them hold few requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """One metric as it was answered at an instant (unix seconds), and what is known of it."""

    metric: str
    series: MetricSeries
    reader: Reader
    table: Table
    grid: Grid
    events: Sequence[WeightChange]
    identity: Identity
    at: float
    born: Mapping[str, float] = field(default_factory=dict)


def rows(present: Present) -> tuple[Row, ...]:
    """What has happened since the last closed row, as far as both arms were scraped.

    An arm whose scrape comes first would show what befalls both of them before the other one does.
    """
    grid, events = present.grid, present.events
    until = _seen_of_both(present)
    if grid.first_traffic_at is None or not events or until is None:
        return ()
    ahead = close_intervals(
        present.table,
        series={present.metric: present.series},
        grid=grid,
        events=events,
        identity=present.identity,
        now=until + grid.scrape_interval_seconds + LATE_SECONDS,
        readers={present.metric: present.reader},
        born=present.born,
        patient=False,
    )
    found = ahead.rows[len(present.table.rows) :]
    after = ahead.closed_until if ahead.rows else events[0].at
    began = next_start(grid, events=events, after=after)
    if began >= until:
        return found
    running = _counting(present, ahead).close(_slot(present, began, until))
    running = replace(running, flags=(*running.flags, Flag.RUNNING))
    return (*found, running) if running.counts else found


def windows(present: Present) -> tuple[Row, ...]:
    """The last scrapes once more, whatever rows they belong to, as far as they were counted.

    Each pod of the candidate has been scraped twice in the shortest one, and each of stable once at
    least since the first of these; longer ones are for little traffic. The longest comes first. None
    begins before the candidate was sent anything: what stable did then says nothing of a trouble that
    both have since.
    """
    if not present.events:
        return ()
    scrape, at = _scrape_seconds(present), present.at
    counting, found = _counting(present, present.table), []
    for many in reversed(window_scrapes(scrape)):
        began = max(at - many * scrape, present.events[0].at)
        if began >= at:
            continue
        row = counting.aside(_slot(present, began, at))
        flags = (Flag.SUSTAINED, Flag.WINDOW) if is_sustained(many) else (Flag.WINDOW,)
        found.append(replace(row, flags=(*row.flags, *flags)))
    return tuple(it for it in found if it.counts)


def window_scrapes(scrape_seconds: float) -> tuple[int, ...]:
    """How many scrapes each window has, the shortest first."""
    found = [SHORTEST, SUSTAINED]
    while found[-1] * scrape_seconds < LONGEST_SECONDS:
        found.append(2 * found[-1])
    return tuple(found)


def is_sustained(scrapes: int) -> bool:
    """A window of so many scrapes is not filled by a single burst."""
    return scrapes >= SUSTAINED


def _counting(present: Present, table: Table) -> Counting:
    return Counting(
        table,
        series={present.metric: present.series},
        grid=present.grid,
        identity=present.identity,
        readers={present.metric: present.reader},
        born=present.born,
    )


def _slot(present: Present, start: float, end: float) -> Slot:
    last = present.events[-1]
    return Slot(t0=start, t1=end, step=last.step, weight=last.weight)


def _seen_of_both(present: Present) -> float | None:
    """The latest instant at or after which half of the pods of each arm were scraped."""
    oldest = present.at - STALE_SCRAPES * _scrape_seconds(present)
    newest: Mapping[str, dict[counters.Target, float]] = {
        present.identity.candidate: {},
        present.identity.stable: {},
    }
    for one in itertools.chain.from_iterable(present.series.roles.values()):
        known = newest.get(one.labels.get("revision", ""))
        if known is not None and one.samples and one.samples[-1][0] > oldest:
            target = counters.target(one)
            known[target] = max(known.get(target, oldest), one.samples[-1][0])
    halves = [sorted(it.values())[(len(it) - 1) // 2] for it in newest.values() if it]
    return min((present.at, *halves)) if halves else None


def _scrape_seconds(present: Present) -> float:
    return present.series.scrape_seconds or present.grid.scrape_interval_seconds
