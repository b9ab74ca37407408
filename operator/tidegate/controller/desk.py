"""One query for all rollouts that want the same: the only place that asks metric sources.

The first that asks at a tick asks for every rollout that will; the others find their rows already
there. A row that cannot be used is asked for once more alone, and never spoils the rest. What is
kept is a copy of what the source knows: it may be dropped at any time and only costs a query.
Source: performance.md, 4.1; evidence.md, 2.1.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tidegate.controller.standing import (
    TOLERANCE_SECONDS,
    Batch,
    Member,
    Rows,
    Standing,
    Tick,
)
from tidegate.evidence.counts import samples
from tidegate.evidence.queries.promql import Group, Wanted
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Identity, Problem, Reason, Series
from tidegate.ports import Clock, Fatal, MetricSource, Ok, RawAnswer, Result
from tidegate.settings import MetricSourceSettings

DEADLINE_FACTOR = 3.0  # the adapter gives up earlier; this holds for any MetricSource
STANDARD_SCRAPES = 4
EAGER_SCRAPES = 16  # a longer span is that of a rollout that catches up, or looks rarely
MAX_SCRAPES = 240  # per query: an hour at 15 s (evidence.md, 2.1)
MAX_MEMBERS_PER_QUERY = 200
MAX_QUERIES_PER_BATCH = 40
MAX_MEMBERS = 10_000
MAX_SAMPLES = 500_000  # some 75 MB as decoded JSON
MAX_PARALLEL = 4  # grouped queries per source; the rest wait, and may be joined meanwhile
RETRY_SECONDS = 1.0  # some instants of the past are asked for until they are answered
KEPT_SECONDS = 2 * 3600.0

# The answer or the query is too large for the source, the adapter or a proxy between them; 422 is
# how Prometheus says that a query would load too many samples.
_TOO_LARGE = frozenset(
    {"TooLarge", "QueryTooLong", "Status413", "Status414", "Status422", "Status431"}
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """What is asked, without for whom and for when; `range_seconds` is 0 for numbers."""

    group: Group
    range_seconds: int = 0
    eager: bool = True


@dataclass(slots=True, kw_only=True)
class _Round:
    """One batch on its way: the answers so far, and how many queries it may still send."""

    key: _Key
    tick: Tick
    standing: Standing
    queries_left: int = MAX_QUERIES_PER_BATCH
    parts: list[list[Identity]] = field(default_factory=list)

    def settle(self, members: Sequence[Identity], problem: Problem) -> None:
        """The same problem for all of them."""
        for identity in members:
            self.tick.put(identity, problem)

    def isolate(self, identity: Identity) -> None:
        """Keep a member that spoils its group's query out of the group."""
        member = self.standing.members.get(identity)
        if member is not None:
            member.alone = True


class Desk:
    """Asks metric sources for rollouts, at most one query per group and tick where that works.

    Must be used from one event loop. `at` must be the same instant for all that shall share.
    """

    def __init__(
        self,
        *,
        source: MetricSource,
        clock: Clock,
        sources: Mapping[str, MetricSourceSettings],
    ) -> None:
        self._source = source
        self._clock = clock
        self._sources = sources
        self._slots = {name: asyncio.Semaphore(MAX_PARALLEL) for name in sources}
        self._groups: OrderedDict[_Key, Standing] = OrderedDict()

    async def series(
        self, wanted: Wanted, *, since: float, at: float
    ) -> tuple[Series, ...] | Problem:
        """Usable samples in (since, at] and the look-back before it, of both revisions.

        Unix seconds; a longer span than `max_span_seconds` is an Error: ask in chunks.
        """
        settings = self._sources.get(wanted.source)
        if settings is None:
            return _unknown(wanted.source)
        span_seconds = at - since
        if span_seconds > self.max_span_seconds(wanted.source) + TOLERANCE_SECONDS:
            message = f"{span_seconds:.0f} s of samples are too much for one query"
            return Problem(reason=Reason.ERROR, message=message)
        scrape_seconds = settings.scrape_interval_seconds
        lookback_seconds = LOOKBACK_SCRAPES * scrape_seconds
        scrapes = _shared_scrapes(span_seconds / scrape_seconds)
        key = _Key(
            group=wanted.group,
            range_seconds=math.ceil(scrapes * scrape_seconds + lookback_seconds),
            eager=scrapes <= EAGER_SCRAPES,
        )
        found = await self._answer(key, identity=wanted.identity, at=at, parse=samples.series_of)
        if isinstance(found, Problem):
            return found
        # The range was wider than wanted; without the cut an answer would depend on who asked.
        return samples.within(found, after=since - lookback_seconds, until=at)

    async def numbers(self, wanted: Wanted, *, at: float) -> Mapping[str, float] | Problem:
        """The number of each revision that has one, scaled; `at` in unix seconds."""
        if wanted.source not in self._sources:
            return _unknown(wanted.source)
        key = _Key(group=wanted.group)
        found = await self._answer(key, identity=wanted.identity, at=at, parse=samples.numbers_of)
        if isinstance(found, Problem):
            return found
        return {revision: number * wanted.scale for revision, number in found.items()}

    async def number(self, source: str, *, promql: str, at: float) -> float | Problem:
        """The one number of a free query, which is never grouped; `at` in unix seconds."""
        settings = self._sources.get(source)
        if settings is None:
            return _unknown(source)
        try:
            async with asyncio.timeout(DEADLINE_FACTOR * settings.timeout_seconds):
                result = await self._query(source, promql=promql, at=at)
        except TimeoutError:
            return _late(source)
        if not isinstance(result, Ok):
            return _failed(source, result.message)
        answer = result.value
        return samples.parse_number(
            answer.result_type, result=answer.result, warnings=answer.warnings
        )

    def max_span_seconds(self, source: str) -> float:
        """The longest span that `series` takes at once."""
        settings = self._sources.get(source)
        return MAX_SCRAPES * (settings.scrape_interval_seconds if settings else 1.0)

    async def _answer(
        self,
        key: _Key,
        *,
        identity: Identity,
        at: float,
        parse: Callable[[Rows], T | Problem],
    ) -> T | Problem:
        """This member's part of the tick, read by `parse`; a bad one is asked for again, alone."""
        standing = self._standing(key)
        member = standing.stand(identity, at=at)
        self._forget()
        tick = standing.tick(at)
        if self._may_retry(tick, identity):
            tick.drop(identity)
        while True:
            rows = tick.rows.get(identity)
            if isinstance(rows, Problem):
                return rows
            if rows is not None:
                found = parse(rows)
                good = not isinstance(found, Problem)
                if good or identity in tick.alone:
                    member.alone = not good
                    return found
                member.alone = True
                tick.drop(identity)
            await self._fetch(key, standing=standing, tick=tick, identity=identity, member=member)

    def _may_retry(self, tick: Tick, identity: Identity) -> bool:
        """True when the source had no answer a while ago: it may have one now."""
        known = tick.rows.get(identity)
        if not isinstance(known, Problem) or known.reason is not Reason.METRICS_UNAVAILABLE:
            return False
        return self._clock.monotonic() - tick.failed_at >= RETRY_SECONDS

    async def _fetch(
        self,
        key: _Key,
        *,
        standing: Standing,
        tick: Tick,
        identity: Identity,
        member: Member,
    ) -> None:
        """Rows for this member, by a query that somebody sends already or that is sent here.

        Returns without rows if the sender was cancelled: then the next asker sends.
        """
        batch = tick.batches.get(identity)
        if batch is None and not member.alone:
            batch = tick.joinable(limit=MAX_MEMBERS_PER_QUERY)
            if batch is not None:
                batch.members.append(identity)
                tick.batches[identity] = batch
        if batch is not None:
            await batch.done.wait()
            return
        others = [] if member.alone else standing.due(tick, limit=MAX_MEMBERS_PER_QUERY - 1)
        # Before and not after: what the sender gets must still be there when it reads it.
        self._shed()
        batch = Batch(members=[identity, *others], open=not member.alone)
        tick.batches.update(dict.fromkeys(batch.members, batch))
        try:
            await self._run(batch, _Round(key=key, tick=tick, standing=standing))
        finally:
            if any(isinstance(tick.rows.get(one), Problem) for one in batch.members):
                tick.failed_at = self._clock.monotonic()
            for one in batch.members:
                del tick.batches[one]
            batch.done.set()

    async def _run(self, batch: Batch, turn: _Round) -> None:
        """Send what the batch needs, all within one deadline."""
        source = turn.key.group.source
        deadline_seconds = DEADLINE_FACTOR * self._sources[source].timeout_seconds
        try:
            async with asyncio.timeout(deadline_seconds):
                # One at a time: whoever comes while a query is on its way joins the next.
                async with turn.tick.turn, self._slots[source]:
                    batch.open = False
                    turn.parts = [list(batch.members)]
                    while turn.parts:
                        await self._send(turn.parts.pop(), turn)
        except TimeoutError:
            batch.open = False
            left = [one for one in batch.members if one not in turn.tick.rows]
            turn.settle(left, _late(source))

    async def _send(self, part: list[Identity], turn: _Round) -> None:
        """One query; what is too large for it is put back as two halves."""
        group, at = turn.key.group, turn.tick.at
        if turn.queries_left == 0:
            turn.settle(part, _failed(group.source, "too many queries for one tick"))
            return
        turn.queries_left -= 1
        text = group.text(part, range_seconds=turn.key.range_seconds)
        result = await self._query(group.source, promql=text, at=at)
        if len(part) == 1:
            turn.tick.alone.update(part)
        if isinstance(result, Ok):
            _share_out(result.value, part=part, turn=turn)
        elif not (isinstance(result, Fatal) and result.reason in _TOO_LARGE):
            turn.settle(part, _failed(group.source, result.message))
        elif len(part) > 1:
            middle = len(part) // 2
            turn.parts += [part[middle:], part[:middle]]
        else:
            problem = Problem(reason=Reason.ERROR, message=f"{group.source}: {result.message}")
            turn.settle(part, problem)
            turn.isolate(part[0])

    async def _query(self, source: str, *, promql: str, at: float) -> Result[RawAnswer]:
        return await self._source.query(
            source, promql=promql, at=datetime.fromtimestamp(at, tz=UTC)
        )

    def _standing(self, key: _Key) -> Standing:
        """The group, as the newest of all."""
        found = self._groups.pop(key, None) or Standing(eager=key.eager)
        found.used_at = self._clock.monotonic()
        self._groups[key] = found
        return found

    def _forget(self) -> None:
        """Drop groups that nobody asked for a long time, then the oldest while there are too many.

        The newest group is the asker's own: it loses its oldest members.
        """
        newest = next(reversed(self._groups.values()))
        while next(iter(self._groups.values())).used_at < newest.used_at - KEPT_SECONDS:
            self._groups.popitem(last=False)
        over = sum(len(one.members) for one in self._groups.values()) - MAX_MEMBERS
        while over > 0 and len(self._groups) > 1:
            over -= len(self._groups.popitem(last=False)[1].members)
        for _ in range(over):
            del newest.members[next(iter(newest.members))]

    def _shed(self) -> None:
        """Drop answers while there are too many samples, of groups that rested longest first."""
        over = sum(one.samples for one in self._groups.values()) - MAX_SAMPLES
        for standing in self._groups.values():
            if over <= 0:
                return
            before = standing.samples
            standing.trim(max_samples=max(0, before - over))
            over -= before - standing.samples


def _share_out(answer: RawAnswer, *, part: Sequence[Identity], turn: _Round) -> None:
    rows = samples.shared_out(
        answer.result_type,
        expected=samples.MATRIX if turn.key.range_seconds else samples.VECTOR,
        result=answer.result,
        warnings=answer.warnings,
        members=part,
        mode=turn.key.group.mode,
    )
    if isinstance(rows, Problem):
        turn.settle(part, rows)
    else:
        for identity, found in rows.items():
            turn.tick.put(identity, found)


def _shared_scrapes(wanted_scrapes: float) -> int:
    """The next larger of a few spans, so that rollouts that are behind by this or that share."""
    shared = STANDARD_SCRAPES
    while shared < wanted_scrapes:
        shared *= 2
    return min(shared, MAX_SCRAPES)


def _unknown(source: str) -> Problem:
    return Problem(reason=Reason.ERROR, message=f"unknown metric source {source!r}")


def _late(source: str) -> Problem:
    message = f"metric source {source} did not answer in time"
    return Problem(reason=Reason.METRICS_UNAVAILABLE, message=message)


def _failed(source: str, message: str) -> Problem:
    return Problem(reason=Reason.METRICS_UNAVAILABLE, message=f"{source}: {message}")
