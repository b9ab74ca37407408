"""What is due at one instant comes up together, so that it can be asked for at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from tidegate.controller.background import Background
from tidegate.ports import Clock

T = TypeVar("T")


class Ticks(Generic[T]):
    """Entries by the instant at which they are due, in unix seconds. Must be used from one event loop.

    `due` gets all entries of an instant `late_seconds` after it; it must not wait.
    """

    def __init__(
        self,
        due: Callable[[float, list[T]], None],
        *,
        clock: Clock,
        background: Background,
        name: str,
        late_seconds: float = 0.0,
    ) -> None:
        self._due = due
        self._clock = clock
        self._background = background
        self._name = name
        self._late_seconds = late_seconds
        self._waiting: dict[float, list[T]] = {}

    def put(self, entry: T, *, at: float) -> None:
        """Have it come up at this instant, together with all others."""
        if at in self._waiting:
            self._waiting[at].append(entry)
            return
        self._waiting[at] = [entry]
        self._background.spawn(self._tick(at), name=self._name)

    async def _tick(self, at: float) -> None:
        left_seconds = at + self._late_seconds - self._clock.now().timestamp()
        await self._clock.sleep(max(0.0, left_seconds))
        self._due(at, self._waiting.pop(at))
