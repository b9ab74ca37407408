"""Acts that are played at the same time in one thread: each says how long it wants to wait."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

T = TypeVar("T")
# Yields the seconds until it wants to go on.
Waits = Generator[float, None, T]


def play(
    acts: Sequence[Waits[None]], *, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Go on with whoever is due next until all have ended. Units: seconds."""
    due = [(now(), number) for number in range(len(acts))]
    while due:
        at, number = heapq.heappop(due)
        if (left := at - now()) > 0:
            sleep(left)
        seconds = next(acts[number], None)
        if seconds is not None:
            heapq.heappush(due, (now() + seconds, number))
