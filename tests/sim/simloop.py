"""An asyncio event loop whose time is a number: it jumps to the next timer, nobody waits.

One seed decides a run, so nothing may depend on addresses: tasks get running numbers as hashes,
since asyncio keeps them in sets. Timers that are due at the same time fire in the order in which
they were set.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):  # noqa: N818  (it names a state, as asyncio's own do)
    """Every task waits for something that no timer brings."""


class _Task(asyncio.Task[T]):
    def __init__(self, coro: Coroutine[Any, Any, T], *, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def _nothing() -> None:
    """What a cancelled call holds on to."""


class _Call(asyncio.TimerHandle):
    """A call that is to come, in a loop without debug mode: asking for that took most of making one."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._scheduled = False
        self._repr = None
        self._source_traceback = None

    def cancel(self) -> None:
        """It stays in the heap until its time comes, and does nothing then."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()


class SimLoop(base_events.BaseEventLoop):
    """A loop for one run; `close` it afterwards. No selector, no threads, no debug mode."""

    _ready: deque[_Call]

    def __init__(self, *, now: float = 0.0) -> None:
        super().__init__()
        self._now = now
        self._timers: list[tuple[float, int, _Call]] = []
        self._timers_set = 0
        self._tasks_made = 0
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Virtual seconds since the run began."""
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back in this instant, after everything that is ready already."""
        handle = _Call(self._now, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at this virtual time."""
        timer = _Call(when, callback, args, self, context)
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, timer))
        return timer

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after so many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """All that is ready now; time moves only when nothing is."""
        ready = self._ready
        if not ready:
            self._move_time()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _move_time(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Deadlock
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(timers)[2])

    def _make_task(
        self, _: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **options: Any
    ) -> _Task[T]:
        self._tasks_made += 1
        return _Task(coro, number=self._tasks_made, loop=self, **options)

    def _write_to_self(self) -> None:
        """No other thread exists that could need to wake us."""
