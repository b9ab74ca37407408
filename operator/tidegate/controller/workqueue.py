"""When an object is looked at: a keyed, coalescing, delayed queue and its workers.

`Schedule` is the sans-IO core: it is told the time and never waits. `WorkQueue` is the asyncio
shell: one dispatcher hands keys to a fixed number of workers while the gate is open.
Source: architecture.md, 3.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from tidegate import ports

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 300.0
LEAST_LOOK_SECONDS = 5.0  # what fails again and again is not tried at every tick of a clock
DEFAULT_WORKERS = 32
PASS_DEADLINE_SECONDS = 30.0
_HEAP_SLACK = 64
_MAX_DOUBLINGS = 16  # beyond that the cap decides, and a float must not overflow


class Key(NamedTuple):
    """The name of a ModelDeployment; what the queue holds."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The pass is over; `None` means that only a change calls for another look."""

    requeue_after_seconds: float | None = None
    priority: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The pass must be repeated after a back-off, and not before `after_seconds`.

    In `next_look_seconds` the clock asks for a pass whatever has failed: one write that does not get
    through must not keep users waiting for all others.
    """

    after_seconds: float | None = None
    next_look_seconds: float = math.inf


Outcome = Done | Failed
Process = Callable[[Key], Awaitable[Outcome]]


class Schedule:
    """Which key is next. All instants are seconds of one monotonic clock.

    A key is in at most one of: waiting in a lane, being processed (then perhaps marked to run
    again), nowhere. Independently it may have one delayed wake-up.
    """

    def __init__(self, *, rng: ports.Rng) -> None:
        self._rng = rng
        self._urgent: OrderedDict[Key, None] = OrderedDict()
        self._normal: OrderedDict[Key, None] = OrderedDict()
        self._processing: set[Key] = set()
        self._again: dict[Key, bool] = {}
        self._due: dict[Key, tuple[float, bool]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._failures: dict[Key, int] = {}

    @property
    def depth(self) -> int:
        """Keys that could be taken now, plus those to run again."""
        return len(self._urgent) + len(self._normal) + len(self._again)

    def add(self, key: Key, *, priority: bool = False) -> None:
        """Look at the key as soon as possible; a waiting key is not added twice.

        A key that is being processed runs once more afterwards. Priority is never taken away.
        """
        if key in self._processing:
            self._again[key] = priority or self._again.get(key, False)
        elif priority:
            self._normal.pop(key, None)
            self._urgent[key] = None
        elif key not in self._urgent:
            self._normal[key] = None

    def add_after(
        self, key: Key, *, delay_seconds: float, now: float, priority: bool = False
    ) -> None:
        """Look at the key later; of two due times the earlier one wins."""
        due = now + max(0.0, delay_seconds)
        known = self._due.get(key)
        if known is not None and known[0] <= due:
            self._due[key] = (known[0], known[1] or priority)
            return
        self._due[key] = (due, priority or (known is not None and known[1]))
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._bound_heap()

    def add_rate_limited(
        self,
        key: Key,
        *,
        now: float,
        after_seconds: float | None = None,
        next_look_seconds: float = math.inf,
    ) -> float:
        """Look again after an exponential back-off with full jitter; returns the delay in seconds.

        `after_seconds` is the least delay, such as the server's Retry-After, and `next_look_seconds`
        the longest back-off, unless that is less than `LEAST_LOOK_SECONDS`.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        ceiling = min(
            BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(failures, _MAX_DOUBLINGS)
        )
        longest = max(next_look_seconds, LEAST_LOOK_SECONDS)
        delay = max(min(self._rng.uniform(0.0, ceiling), longest), after_seconds or 0.0)
        self.add_after(key, delay_seconds=delay, now=now)
        return delay

    def forget(self, key: Key) -> None:
        """Start the back-off of this key anew."""
        self._failures.pop(key, None)

    def take(self, *, now: float) -> Key | None:
        """The next key to process, urgent ones first; `None` when nothing is due.

        The pass that begins now decides about the next look, so a delayed one is dropped.
        """
        self._wake_due(now)
        lane = self._urgent or self._normal
        if not lane:
            return None
        key, _ = lane.popitem(last=False)
        self._due.pop(key, None)
        self._processing.add(key)
        return key

    def done(self, key: Key) -> None:
        """Processing has ended; a change seen meanwhile brings the key back at once."""
        self._processing.remove(key)
        if key in self._again:
            self.add(key, priority=self._again.pop(key))

    def next_due(self) -> float | None:
        """When the earliest delayed key is due."""
        self._drop_outdated()
        return self._heap[0][0] if self._heap else None

    def _wake_due(self, now: float) -> None:
        self._drop_outdated()
        while self._heap and self._heap[0][0] <= now:
            _, _, key = heapq.heappop(self._heap)
            _, priority = self._due.pop(key)
            self.add(key, priority=priority)
            self._drop_outdated()

    def _drop_outdated(self) -> None:
        """Entries whose key got an earlier time or was taken stay in the heap until here."""
        while self._heap:
            if self._is_current(self._heap[0]):
                return
            heapq.heappop(self._heap)

    def _is_current(self, entry: tuple[float, int, Key]) -> bool:
        due, _, key = entry
        known = self._due.get(key)
        return known is not None and known[0] == due

    def _bound_heap(self) -> None:
        """Busy keys leave outdated entries far in the future; memory must not grow with them."""
        if len(self._heap) > 2 * len(self._due) + _HEAP_SLACK:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapq.heapify(self._heap)


class WorkQueue:
    """Runs `process(key)` for keys that are due, at most once per key at any time.

    Workers take keys only while the gate is open (`open`, `close`); adding works always. A pass
    that raises or exceeds its deadline counts as Failed and never ends a worker.
    """

    def __init__(
        self,
        process: Process,
        *,
        clock: ports.Clock,
        rng: ports.Rng,
        recorder: ports.Recorder,
        workers: int = DEFAULT_WORKERS,
        deadline_seconds: float = PASS_DEADLINE_SECONDS,
    ) -> None:
        self._process = process
        self._clock = clock
        self._recorder = recorder
        self._workers = workers
        self._deadline_seconds = deadline_seconds
        self._schedule = Schedule(rng=rng)
        self._open = False
        self._free = workers
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._handout: asyncio.Queue[Key] = asyncio.Queue()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_due: float | None = None

    def add(self, key: Key, *, priority: bool = False) -> None:
        """Look at the key as soon as a worker is free."""
        self._schedule.add(key, priority=priority)
        self._changed.set()

    def add_after(self, key: Key, *, delay_seconds: float, priority: bool = False) -> None:
        """Look at the key later; the earlier of two due times wins."""
        self._schedule.add_after(
            key, delay_seconds=delay_seconds, now=self._clock.monotonic(), priority=priority
        )
        self._changed.set()

    def open(self) -> None:
        """Let the workers take keys: this process leads and its store is synced."""
        self._open = True
        self._changed.set()

    def close(self) -> None:
        """Hand out no more keys; passes that have begun go on."""
        self._open = False
        self._changed.set()

    async def run(self) -> None:
        """Dispatch until cancelled; cancelling also ends passes that have begun."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._dispatch(), name="queue dispatcher")
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"queue worker {number}")
        finally:
            self._silence()

    async def drain(self, *, timeout_seconds: float) -> bool:
        """Close the gate and wait for the passes that have begun; False when time ran out."""
        self.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        return self._idle.is_set()

    async def _dispatch(self) -> None:
        while True:
            self._changed.clear()
            while self._open and self._free:
                key = self._schedule.take(now=self._clock.monotonic())
                if key is None:
                    break
                self._free -= 1
                self._idle.clear()
                self._handout.put_nowait(key)
            self._recorder.queue(depth=self._schedule.depth)
            self._set_alarm()
            await self._changed.wait()

    def _set_alarm(self) -> None:
        """Have the dispatcher woken at the next due time, if it could then do anything."""
        due = self._schedule.next_due() if self._open and self._free else None
        if due == self._alarm_due:
            return
        self._silence()
        if due is not None:
            self._alarm_due = due
            self._alarm = asyncio.create_task(self._ring(due), name="queue alarm")

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        self._alarm_due = None

    async def _ring(self, due: float) -> None:
        await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
        self._alarm = None
        self._alarm_due = None
        self._changed.set()

    async def _work(self) -> None:
        while True:
            key = await self._handout.get()
            try:
                await self._pass(key)
            finally:
                self._schedule.done(key)
                self._free += 1
                if self._free == self._workers:
                    self._idle.set()
                self._changed.set()

    async def _pass(self, key: Key) -> None:
        started = self._clock.monotonic()
        outcome, label = await self._attempt(key)
        now = self._clock.monotonic()
        self._recorder.reconciled(seconds=now - started, outcome=label)
        match outcome:
            case Failed(after_seconds=after_seconds, next_look_seconds=next_look_seconds):
                self._schedule.add_rate_limited(
                    key, now=now, after_seconds=after_seconds, next_look_seconds=next_look_seconds
                )
            case Done(requeue_after_seconds=delay_seconds, priority=priority):
                self._schedule.forget(key)
                if delay_seconds is not None:
                    self._schedule.add_after(
                        key, delay_seconds=delay_seconds, now=now, priority=priority
                    )

    async def _attempt(self, key: Key) -> tuple[Outcome, str]:
        """The outcome and its label for the metrics; an exception becomes Failed."""
        deadline = asyncio.timeout(self._deadline_seconds)
        try:
            async with deadline:
                outcome = await self._process(key)
        except Exception as error:  # noqa: BLE001  (one object's error must not stop the others)
            label = "deadline" if deadline.expired() else "error"
            self._recorder.problem(
                "reconcile_failed", namespace=key.namespace, name=key.name, error=repr(error)
            )
            return Failed(), label
        return outcome, "done" if isinstance(outcome, Done) else "failed"
