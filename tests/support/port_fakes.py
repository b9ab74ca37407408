"""Fakes of the small ports: a clock that is set by hand, dice that are given, a silent recorder."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from datetime import UTC, datetime, timedelta

from tidegate import model, ports

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """`ports.Clock` whose time moves only by `advance`; sleepers wake in the order of their time.

    `wall_offset_seconds` is how far the wall clock is ahead.
    """

    def __init__(self) -> None:
        self.wall_offset_seconds = 0.0
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._now + self.wall_offset_seconds)

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), self._order, wakes))
        await wakes

    async def advance(self, seconds: float) -> None:
        """Move the time, waking sleepers one by one, each at its own instant."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, wakes = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not wakes.done():
                wakes.set_result(None)
            await settle()
        self._now = end
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something that only time or the test brings."""
    for _ in range(50):
        await asyncio.sleep(0)


class FixedRng:
    """`ports.Rng` that answers with a fixed share of the range, and numbered tokens."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._tokens = 0

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._share

    def token(self, length: int) -> str:
        self._tokens += 1
        return f"{self._tokens:0{length}d}"


class MemoryRecorder:
    """`ports.Recorder` that keeps what it was told."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, dict[str, str]]] = []
        self.outcomes: list[str] = []
        self.requests: Counter[tuple[str, str]] = Counter()
        self.leads: list[bool] = []
        self.transitions: list[ports.Transition] = []
        self.rollbacks: list[str] = []
        self.results: list[str] = []
        self.drifts: list[str] = []
        self.queries: list[str] = []
        self.evidence_documents: list[model.Document] = []
        self.depth = 0

    def transition(self, transition: ports.Transition) -> None:
        self.transitions.append(transition)

    def reconciled(self, *, seconds: float, outcome: str) -> None:
        assert seconds >= 0
        self.outcomes.append(outcome)

    def api_request(self, *, verb: str, outcome: str) -> None:
        self.requests[verb, outcome] += 1

    def metric_query(self, *, source: str, seconds: float, outcome: str) -> None:
        assert seconds >= 0
        self.queries.append(f"{source} {outcome}")

    def rollback(self, *, reason: str) -> None:
        self.rollbacks.append(reason)

    def rollout_ended(self, *, result: str) -> None:
        self.results.append(result)

    def drift(self, *, kind: str) -> None:
        self.drifts.append(kind)

    def queue(self, *, depth: int) -> None:
        self.depth = depth

    def leading(self, *, leads: bool) -> None:
        self.leads.append(leads)

    def evidence(self, document: model.Document) -> None:
        self.evidence_documents.append(document)

    def problem(self, event: str, **fields: str) -> None:
        self.problems.append((event, fields))
