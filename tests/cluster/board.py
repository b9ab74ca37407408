"""One line that tells the whole: parts done and to do, elapsed, and about how long it still takes.

On a terminal it is redrawn once a second below the lines of the finished parts; elsewhere a line
comes with each part that starts or ends, and at least every half minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.cluster import durations, paths
from tests.cluster.progress import Progress, duration

_CALM_SECONDS = 30.0
_PRIOR_SECONDS = 60.0  # added on both sides: one short, odd part says little about the others


class Shown(Protocol):
    """What the board needs to know of a part."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def log(self) -> Path: ...


class Board:
    """The state of one run. Units: expected in seconds by name."""

    TICK_SECONDS = 1.0

    def __init__(
        self,
        parts: Sequence[Shown],
        *,
        expected: Mapping[str, float],
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = {part.name: part for part in parts}
        self._expected = expected
        self._progress = progress
        self._clock = clock
        self._began = clock()
        self._spoke = self._began
        self._running: dict[str, float] = {}
        self._finished: set[str] = set()
        self._paced: dict[str, float] = {}
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Say what is to come."""
        count = len(self._parts)
        self._say(f"{count} part{'s' if count != 1 else ''} to make, once; {self._left()}")
        self._say(f"logs: {paths.log_dir()}")

    def started(self, name: str) -> None:
        """A part begins; says how to see its log."""
        with self._lock:
            self._running[name] = self._clock()
            part = self._parts[name]
            about = _rounded(self._expected[name])
            self._say(f"...     {part.title} (about {about}; tail -f {part.log})")

    def finished(self, name: str, took: durations.Took, *, resumed: bool = False) -> None:
        """A part is made; a resumed one says nothing about the pace."""
        with self._lock:
            self._running.pop(name)
            self._finished.add(name)
            if not resumed:
                self._paced[name] = took.wall
            times = f"{duration(took.wall)}, processor {duration(took.cpu)}"
            self._say(f"ok      {self._parts[name].title}  {times}")
            self._say_whole()

    def failed(self, name: str) -> None:
        """A part failed; why comes with the error."""
        with self._lock:
            self._say(f"failed  {self._parts[name].title}")

    def tick(self) -> None:
        """Redraw the line, or, outside of a terminal, repeat it now and then."""
        with self._lock:
            if self._progress.is_terminal():
                self._progress.draw(f"  {self.whole()}")
            elif self._clock() - self._spoke >= _CALM_SECONDS:
                self._say_whole()

    def end(self) -> None:
        """All is made."""
        self._say(f"all parts are made  {duration(self._clock() - self._began)}")

    def whole(self) -> str:
        """`[3/14] 4 min 10 s, about 8 min left: build prometheus, make the base image`."""
        done, all_of_them = len(self._finished), len(self._parts)
        elapsed = duration(self._clock() - self._began)
        titles = ", ".join(self._parts[name].title for name in self._running)
        return f"[{done}/{all_of_them}] {elapsed}, {self._left()}{': ' if titles else ''}{titles}"

    def _say_whole(self) -> None:
        if not self._progress.is_terminal() and len(self._finished) < len(self._parts):
            self._say(self.whole())

    def _say(self, text: str) -> None:
        self._spoke = self._clock()
        self._progress.note(f"  {text}")

    def _left(self) -> str:
        lanes: dict[str, list[tuple[float, float]]] = {}
        for name, part in self._parts.items():
            if name not in self._finished:
                elapsed = self._clock() - self._running.get(name, self._clock())
                lanes.setdefault(part.lane, []).append((self._expected[name], elapsed))
        left = durations.remaining(lanes.values(), pace=self._pace())
        return f"about {_rounded(left)} left"

    def _pace(self) -> float:
        """How much longer than expected parts take: those that are made, and those overdue."""
        overdue = {
            name: elapsed
            for name, since in self._running.items()
            if (elapsed := self._clock() - since) > self._expected[name]
        }
        taken = {**self._paced, **overdue}
        expected = sum(self._expected[name] for name in taken)
        return (sum(taken.values()) + _PRIOR_SECONDS) / (expected + _PRIOR_SECONDS)


def _rounded(seconds: float) -> str:
    """Minutes where it is minutes: an estimate is no stopwatch."""
    if seconds < 60:
        return f"{max(round(seconds / 10) * 10, 10)} s"
    return f"{round(seconds / 60)} min"
