"""CPU time of the event loop's callbacks, without what a played world takes inside of them."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Meter:
    """Seconds of CPU of the loop's own thread, one number per callback.

    Callbacks whose qualified name begins with one of `strangers` are not counted.
    """

    def __init__(self, *, strangers: frozenset[str] = frozenset()) -> None:
        self.seconds = array("d")
        self._strangers = strangers
        self._before = 0.0  # of all callbacks that have ended
        self._began: float | None = None
        self._aside = 0.0  # in the callback under way
        self._depth = 0

    @property
    def total(self) -> float:
        """Seconds until now, the callback under way included."""
        under_way = 0.0 if self._began is None else time.thread_time() - self._began - self._aside
        return self._before + under_way

    @property
    def longest(self) -> float:
        """Seconds of the longest callback so far."""
        return max(self.seconds, default=0.0)

    def above(self, limit_seconds: float) -> int:
        """How many callbacks took longer."""
        return sum(one > limit_seconds for one in self.seconds)

    def restart(self) -> None:
        """Forget what was measured so far."""
        self.seconds, self._before = array("d"), 0.0

    def aside(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, whose time does not count: it stands for another program."""

        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.thread_time()
            self._depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._aside += time.thread_time() - began

        return called

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure all callbacks of this thread's loop for the time of the block."""
        plain = asyncio.Handle._run  # noqa: SLF001

        def timed(handle: asyncio.Handle) -> None:
            if self._is_strange(handle):
                plain(handle)
                return
            self._aside, self._began = 0.0, time.thread_time()
            plain(handle)
            taken = time.thread_time() - self._began - self._aside
            self._began = None
            self._before += taken
            self.seconds.append(taken)

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]  # noqa: SLF001
        try:
            yield
        finally:
            asyncio.Handle._run = plain  # type: ignore[method-assign]  # noqa: SLF001

    def _is_strange(self, handle: asyncio.Handle) -> bool:
        name = getattr(handle._callback, "__qualname__", "")  # type: ignore[attr-defined]  # noqa: SLF001
        return name.partition(".")[0] in self._strangers
