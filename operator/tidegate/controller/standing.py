"""Who asks what at which tick: the memory behind grouped metric queries.

Reconciles come one by one, so the first that asks at a tick must know for whom else to ask. What a
rollout asked at its last tick it will most likely ask again; so it is asked for until it lets two
answers lie. Rollouts with other intervals meet in one group: each is due in its own rhythm, which
shows at the second time that it asks.
Source: performance.md, 4.1.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.evidence.terms import Identity, Problem
from tidegate.model import Json

MISSED_LOOKS = 2
KEPT_TICKS = 2  # the newest, and one that late askers or a rollout that catches up still need
REMEMBERED_SECONDS = 2 * 3600.0  # twice the longest interval
TOLERANCE_SECONDS = 0.001  # rounding of instants

Rows = tuple[Json, ...]


@dataclass(slots=True, kw_only=True)
class Member:
    """A rollout that asked this. `alone`: its last answer was no good, so it is asked by itself."""

    last_at: float
    period_seconds: float | None = None
    missed: int = 0
    alone: bool = False

    def due(self, at: float, *, eager: bool) -> bool:
        """True if the member will want an answer for this instant, as far as one can tell.

        Who asked only once has no rhythm yet: it is taken along at once if `eager`.
        """
        passed = at - self.last_at
        if self.alone or passed <= 0 or self.missed >= MISSED_LOOKS:
            return False
        if self.period_seconds is None:
            return eager
        return abs(math.remainder(passed, self.period_seconds)) < TOLERANCE_SECONDS

    def asked(self, at: float) -> None:
        """The member came by itself; an instant before its last one says nothing of its rhythm."""
        self.missed = 0
        if at > self.last_at:
            self.period_seconds = at - self.last_at
        self.last_at = at


@dataclass(slots=True, kw_only=True)
class Batch:
    """Members that share a query at one tick; others may join until it is on its way."""

    members: list[Identity]
    open: bool = True
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class Tick:
    """The answers for one instant. Whoever was asked for alone stands in `alone`."""

    at: float
    rows: dict[Identity, Rows | Problem] = field(default_factory=dict)
    alone: set[Identity] = field(default_factory=set)
    batches: dict[Identity, Batch] = field(default_factory=dict)
    failed_at: float = -math.inf  # monotonic seconds of the newest problem
    samples: int = 0  # that the rows hold
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def put(self, identity: Identity, rows: Rows | Problem) -> None:
        """The answer for a member that has none."""
        self.rows[identity] = rows
        self.samples += _samples(rows)

    def drop(self, identity: Identity) -> None:
        """Forget an answer; whoever wants it is asked for again."""
        self.samples -= _samples(self.rows.pop(identity))

    def joinable(self, *, limit: int) -> Batch | None:
        """A batch that one more may join."""
        found = (one for one in self.batches.values() if one.open and len(one.members) < limit)
        return next(found, None)


@dataclass(slots=True, kw_only=True)
class Standing:
    """The members and the newest ticks of one group.

    `eager` groups are those of rollouts that are up to date. Long ranges are often asked for only
    once, as when a rollout begins or after a restart; taking others along would cost for nothing.
    """

    eager: bool
    used_at: float = 0.0
    members: dict[Identity, Member] = field(default_factory=dict)
    ticks: dict[float, Tick] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples its answers hold."""
        return sum(tick.samples for tick in self.ticks.values())

    def tick(self, at: float) -> Tick:
        """The tick of this instant; a new one replaces the oldest."""
        found = self.ticks.get(at)
        if found is None:
            found = self.ticks[at] = Tick(at=at)
            while len(self.ticks) > KEPT_TICKS:
                del self.ticks[next(iter(self.ticks))]
        return found

    def stand(self, identity: Identity, *, at: float) -> Member:
        """Take note that this member asks, as the newest of all."""
        member = self.members.pop(identity, None)
        if member is None:
            member = Member(last_at=at)
        else:
            member.asked(at)
        self.members[identity] = member
        return member

    def due(self, tick: Tick, *, limit: int) -> list[Identity]:
        """Whom to ask for as well, from now on missing until they come for it."""
        for identity, member in list(self.members.items()):
            if tick.at - member.last_at > REMEMBERED_SECONDS:
                del self.members[identity]
        waiting = (
            (identity, member)
            for identity, member in self.members.items()
            if identity not in tick.rows
            and identity not in tick.batches
            and member.due(tick.at, eager=self.eager)
        )
        found = dict(itertools.islice(waiting, limit))
        for member in found.values():
            member.missed += 1
        return list(found)

    def trim(self, *, max_samples: int) -> None:
        """Drop answers, those of other ticks than the newest first, then the oldest."""
        for tick in self.ticks.values():
            for identity in list(tick.rows):
                if self.samples <= max_samples:
                    return
                tick.drop(identity)


def _samples(rows: Rows | Problem) -> int:
    """Samples in the rows, of which each counts for one more itself."""
    if isinstance(rows, Problem):
        return 0
    values = [row.get("values") for row in rows if isinstance(row, Mapping)]
    return len(rows) + sum(len(it) for it in values if isinstance(it, Sequence))
