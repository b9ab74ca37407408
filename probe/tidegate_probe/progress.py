"""A bar on standard error, for people who wait; nothing where nobody sees it."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Self, TextIO

_WIDTH = 30
_PAUSE = 0.1  # seconds between two drawings


class Bar:
    """Call it with what is done and the share that is done; leaving the block clears the line."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._seen = stream.isatty()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, doing: str, share: float) -> None:
        """Draw, unless it was drawn just now."""
        now = time.monotonic()
        if not self._seen or now < self._drawn + _PAUSE:
            return
        self._drawn = now
        full = round(_WIDTH * min(1.0, share))
        line = f"{doing:<9} [{'#' * full}{' ' * (_WIDTH - full)}] {100 * min(1.0, share):3.0f} %"
        self._stream.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        self._stream.flush()
