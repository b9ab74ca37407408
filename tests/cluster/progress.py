"""Calm progress: one line per step, with the time it took.

On a terminal the line of the running step is redrawn once a second; elsewhere (CI, a log file) a
step prints one plain line when it starts being long and one when it is done.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

_REDRAW_SECONDS = 1.0
_LONG_STEP_SECONDS = 5.0
_CLEAR_LINE = "\r\x1b[2K"
_SPINNER = "|/-\\"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s` or `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class Progress:
    """Prints the steps of one run to `stream` (standard error unless told otherwise)."""

    def __init__(self, *, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet

    @contextlib.contextmanager
    def step(self, title: str, *, hint: str = "") -> Iterator[None]:
        """Show `title` until the block ends; `hint` says what a long wait is for.

        Errors: an exception in the block marks the step as failed and goes on to the caller.
        """
        started = time.monotonic()
        done = threading.Event()
        drawer = threading.Thread(
            target=self._draw, args=(title, hint, started, done), daemon=True, name="progress"
        )
        drawer.start()
        mark = "failed"
        try:
            yield
            mark = "ok"
        finally:
            done.set()
            drawer.join()
            self._finish(mark, title, time.monotonic() - started)

    def note(self, text: str) -> None:
        """Print one line that is not a step."""
        self._write(f"{_CLEAR_LINE if self.is_terminal() else ''}{text}\n")

    def draw(self, text: str) -> None:
        """Show a line on the terminal until the next output replaces it."""
        width = shutil.get_terminal_size().columns - 1
        self._write(f"{_CLEAR_LINE}{text[:width]}")

    def _draw(self, title: str, hint: str, started: float, done: threading.Event) -> None:
        suffix = f" ({hint})" if hint else ""
        if not self.is_terminal():
            if not done.wait(_LONG_STEP_SECONDS):
                self._write(f"  ...     {title}{suffix}\n")
            return
        ticks = 0
        while not done.wait(_REDRAW_SECONDS if ticks else 0.2):
            elapsed = duration(time.monotonic() - started)
            mark = _SPINNER[ticks % len(_SPINNER)]
            self._write(f"{_CLEAR_LINE}  {mark}       {title}{suffix} {elapsed}")
            ticks += 1

    def _finish(self, mark: str, title: str, seconds: float) -> None:
        clear = _CLEAR_LINE if self.is_terminal() else ""
        self._write(f"{clear}  {mark:<7} {title}  {duration(seconds)}\n")

    def _out(self) -> TextIO:
        return self._stream or sys.stderr  # looked up late: tests replace sys.stderr

    def is_terminal(self) -> bool:
        """Whether lines can be redrawn."""
        return self._out().isatty()

    def _write(self, text: str) -> None:
        if not self._quiet:
            self._out().write(text)
            self._out().flush()
