"""Finds the answers that two sides gave to the same request, within bounds of memory and time.

A side is a revision, or a person. Nothing here knows which revision is stable: pairs are the same
from both ends. An answer waits for the other side until it is too old or the room is full, the oldest
go first. An id that comes twice from one side before it was paired names no single request, so
nothing is paired under it. Pure: instants are handed in, and go forward.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

OVERHEAD_BYTES = 400  # of an entry and of each of its answers, beside the texts themselves


class Reason(enum.StrEnum):
    """Why an answer found no partner."""

    EXPIRED = "Expired"
    EVICTED = "Evicted"
    DUPLICATE = "Duplicate"
    UNPARSABLE = "Unparsable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of what waits. Units: answers of requests, bytes, seconds."""

    requests: int = 100_000
    size_bytes: int = 64 * 2**20
    age_seconds: float = 60.0

    def __post_init__(self) -> None:
        assert self.requests > 0, self
        assert self.size_bytes > 0, self
        assert self.age_seconds > 0, self


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one request of a model, by side; `first` came earlier, at `since` (seconds)."""

    model: str
    first: str
    second: str
    first_body: bytes
    second_body: bytes
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired:
    """An answer that will find no partner."""

    model: str
    side: str
    reason: Reason


Found = Pair | Unpaired
_Key = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class _Entry:
    """The answers to one request; `spoiled` says that its id names more than one."""

    since: float
    bodies: dict[str, bytes] = field(default_factory=dict)
    paired: set[str] = field(default_factory=set)
    size: int = 0
    spoiled: bool = False


class Pairing:
    """What waits for its other side.

    Without a `reference` the first two sides of a request are a pair, which ends it. With one, each
    side is paired with that one, whichever comes first, and the rest waits on.
    """

    def __init__(self, limits: Limits, *, reference: str = "") -> None:
        self._limits = limits
        self._reference = reference
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._size = 0

    @property
    def waiting(self) -> int:
        """How many requests are known."""
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """What they take, about."""
        return self._size

    def add(
        self, *, model: str, side: str, request_id: str, body: bytes, at: float
    ) -> tuple[Found, ...]:
        """Take in an answer at an instant (monotonic seconds); what it settles, and what had to go."""
        found: list[Found] = list(self.expired(at))
        key = (model, request_id)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(since=at)
            self._grow(entry, OVERHEAD_BYTES + len(model) + len(request_id))
        if entry.spoiled or side in entry.bodies or side in entry.paired:
            found += self._repeated(model, entry, side=side)
        else:
            found += self._arrived(model, entry, side=side, body=body)
        found += self._evicted()
        return tuple(found)

    def expired(self, at: float) -> Iterator[Unpaired]:
        """Let go what is too old at an instant (monotonic seconds)."""
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if at - entry.since <= self._limits.age_seconds:
                return
            yield from self._let_go(key, reason=Reason.EXPIRED)

    def _evicted(self) -> Iterator[Unpaired]:
        limits = self._limits
        while len(self._entries) > limits.requests or self._size > limits.size_bytes:
            yield from self._let_go(next(iter(self._entries)), reason=Reason.EVICTED)

    def _let_go(self, key: _Key, *, reason: Reason) -> Iterator[Unpaired]:
        entry = self._entries.pop(key)
        self._size -= entry.size
        for side in entry.bodies:
            if side not in entry.paired:
                yield Unpaired(model=key[0], side=side, reason=reason)

    def _repeated(self, model: str, entry: _Entry, *, side: str) -> Iterator[Unpaired]:
        """A second answer under one id: those that still wait could be to either request."""
        yield Unpaired(model=model, side=side, reason=Reason.DUPLICATE)
        if side not in entry.paired and not entry.spoiled:
            for waiting in entry.bodies.keys() - entry.paired:
                yield Unpaired(model=model, side=waiting, reason=Reason.DUPLICATE)
            self._close(entry)

    def _arrived(self, model: str, entry: _Entry, *, side: str, body: bytes) -> Iterator[Found]:
        partners = [one for one in entry.bodies if self._belong_together(one, side)]
        for partner in partners:
            yield Pair(
                model=model,
                first=partner,
                second=side,
                first_body=entry.bodies[partner],
                second_body=body,
                since=entry.since,
            )
            entry.paired |= {partner, side}
        entry.bodies[side] = body
        self._grow(entry, OVERHEAD_BYTES + len(body))
        if partners and not self._reference:
            self._close(entry)

    def _belong_together(self, one: str, other: str) -> bool:
        return not self._reference or self._reference in {one, other}

    def _close(self, entry: _Entry) -> None:
        """Nothing more is paired under this id; it is known until it is old, so that others are told."""
        freed = sum(OVERHEAD_BYTES + len(body) for body in entry.bodies.values())
        entry.bodies.clear()
        entry.spoiled = True
        self._grow(entry, -freed)

    def _grow(self, entry: _Entry, size: int) -> None:
        entry.size += size
        self._size += size
