"""What runs beside the passes, for tests: calculations at once, and a way to wait for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from tidegate.controller import background

T = TypeVar("T")
PATIENCE_SECONDS = 200.0  # a net for a busy machine, below the limit of pytest


class Inline:
    """`ports.Executor` that yields once and then calculates."""

    async def run(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        return work()


def play(scenario: Callable[[T], Awaitable[None]], scene: T) -> None:
    """Play it in a loop of its own; one that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await scenario(scene)

    asyncio.run(bounded())


class Background(background.Background):
    """Knows when nothing is left to do but to wait for the clock."""

    def __init__(self, *, recorder: Any) -> None:
        super().__init__(recorder=recorder)
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._works: dict[Any, Coroutine[Any, Any, None]] = {}  # by what counts them

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        if name.startswith("tick"):  # it waits for the clock
            super().spawn(work, name=name)
            return
        self._busy += 1
        self._idle.clear()
        counted = self._counted(work)
        self._works[counted] = work
        super().spawn(counted, name=name)

    def _settle(self, task: asyncio.Task[None]) -> None:
        super()._settle(task)
        work = self._works.pop(task.get_coro(), None)
        if work is not None:  # a loop may end before it has begun, which Python would warn of
            work.close()

    async def idle(self) -> None:
        """Return when every look and query has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._idle.wait()

    async def _counted(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()
