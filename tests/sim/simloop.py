"""An asyncio event loop whose time is a number: it jumps to the next timer, nobody waits.

One seed decides a run, so nothing may depend on addresses: tasks get running numbers as hashes,
since asyncio keeps them in sets.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):  # noqa: N818  (it names a state, as asyncio's own do)
    """Every task waits for something that no timer brings."""


class _Time:
    """What the loop takes for its selector: waiting means moving the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Deadlock
        if timeout > 0:
            self.now += timeout
        return []


class _Task(asyncio.Task[T]):
    def __init__(self, coro: Coroutine[Any, Any, T], *, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimLoop(base_events.BaseEventLoop):
    """A loop for one run; `close` it afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = _Time()
        self._selector = self._virtual
        self._clock_resolution = 1e-9
        self._tasks_made = 0
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Virtual seconds since the run began."""
        return self._virtual.now

    def _make_task(
        self, _: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **options: Any
    ) -> _Task[T]:
        self._tasks_made += 1
        return _Task(coro, number=self._tasks_made, loop=self, **options)

    def _process_events(self, event_list: list[object]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """No other thread exists that could need to wake us."""
