"""Work beside the passes: tasks that end with the process, and the keys that they want looked at.

Nothing that waits for the world may stand between observing and deciding; it runs here, and asks
for a pass when it knows more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from tidegate.controller.workqueue import Key
from tidegate.ports import Recorder


class Wake(Protocol):
    """Asks for a pass."""

    def __call__(self, key: Key, *, priority: bool = False) -> None:
        """Look at the key soon."""
        ...


class Background:
    """Tasks and their way back to the queue. One per process; lives in one event loop."""

    def __init__(self, *, recorder: Recorder) -> None:
        self._recorder = recorder
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake: Wake | None = None
        self._ended = False

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Begin; an error is reported and ends only this piece of work."""
        if self._ended:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._settle)

    def wake(self, key: Key, *, priority: bool = False) -> None:
        """Ask for a pass; while nothing runs nobody asks."""
        if self._wake is not None:
            self._wake(key, priority=priority)

    async def run(self, wake: Wake) -> None:
        """Until cancelled, and with it everything that was begun."""
        self._wake = wake
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.end()

    def end(self) -> None:
        """Nothing is begun any more, and what was begun ends."""
        self._wake, self._ended = None, True
        for task in self._tasks:
            task.cancel()

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report(task.get_name(), error)

    def report(self, work: str, error: BaseException) -> None:
        """Tell of an error that ended only a piece of some work."""
        self._recorder.problem("background_failed", work=work, error=repr(error))
