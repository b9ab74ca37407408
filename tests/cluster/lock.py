"""A file lock that tells who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.2

LockContext = AbstractContextManager[None]


class LockHeld(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """Another process kept the lock for longer than we were willing to wait."""


@contextlib.contextmanager
def file_lock(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel drops it when the process dies.

    Errors: LockHeld with the holder's process id after timeout_seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _wait_for_lock(file, path=path, deadline=time.monotonic() + timeout_seconds)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _wait_for_lock(file: IO[str], *, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holder = path.read_text().strip() or "unknown"
                raise LockHeld(f"{path} is held by process {holder}") from error
            time.sleep(_POLL_SECONDS)
        else:
            return
