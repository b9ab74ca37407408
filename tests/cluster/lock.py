"""A file lock that tells who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.2

LockContext = AbstractContextManager[None]


class LockHeld(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """Another process kept the lock for longer than we were willing to wait."""


@contextlib.contextmanager
def file_lock(
    path: Path, *, timeout_seconds: float, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel drops it when the process dies.

    on_wait is called once, with the holder, when it must be waited for.
    Errors: LockHeld with the holder's process id after timeout_seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        deadline = time.monotonic() + timeout_seconds
        _wait_for_lock(file, path=path, deadline=deadline, on_wait=on_wait)
        _sign(file)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _sign(file: IO[str]) -> None:
    with contextlib.suppress(OSError):  # a full disk is told by who needs the space
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()


def _wait_for_lock(
    file: IO[str], *, path: Path, deadline: float, on_wait: Callable[[str], None] | None
) -> None:
    told = on_wait is None
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = path.read_text().strip() or "unknown"
            if time.monotonic() > deadline:
                raise LockHeld(f"{path} is held by process {holder}") from error
            if on_wait is not None and not told:
                on_wait(holder)
                told = True
            time.sleep(_POLL_SECONDS)
        else:
            return
