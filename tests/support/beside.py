"""What runs beside the passes, for tests: calculations at once, and a way to wait for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tidegate.controller import background

T = TypeVar("T")
PATIENCE_SECONDS = 20.0


class Inline:
    """`ports.Executor` that yields once and then calculates."""

    async def run(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        return work()


class Background(background.Background):
    """Knows when nothing is left to do but to wait for the clock."""

    def __init__(self, *, recorder: Any) -> None:
        super().__init__(recorder=recorder)
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        if name.startswith("tick"):  # it waits for the clock
            super().spawn(work, name=name)
            return
        self._busy += 1
        self._idle.clear()
        super().spawn(self._counted(work), name=name)

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
