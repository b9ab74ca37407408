"""Where counting runs in a real process: one thread, so that the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class SingleThread:
    """`ports.Executor` with one thread: more would only compete for the interpreter's lock.

    The interpreter hands the lock over every few milliseconds, so the loop never waits for a
    calculation to end. Must be used from one event loop and closed at the end.
    """

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="counting")

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`; pieces of work run in the order in which they came."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
