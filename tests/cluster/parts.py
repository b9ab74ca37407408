"""Parts that are made once and kept, in parallel lanes, under one lock, with one board.

A lane is a resource that does one thing at a time: two big compilations at once are no faster than
one after the other, but a download or an image beside a compilation costs little.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.cluster import durations, failures, lock, paths, shell
from tests.cluster.board import Board
from tests.cluster.progress import Progress

_LOCK_TIMEOUT_SECONDS = 7200.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that is made once: a program, a base image, installed packages.

    name is its key and what `needs` of others refer to; `seconds` is what it took on two quiet
    cores, used until it was made here once. `done` must not take long, and must never be true for
    something half-made.
    """

    name: str
    title: str
    lane: str
    seconds: float
    done: Callable[[], bool]
    make: Callable[[], None]
    log: Path
    needs: tuple[str, ...] = ()


def ensure(parts: Sequence[Part], progress: Progress) -> None:
    """Make what is missing; at once when nothing is. Another process that makes it is waited for.

    Errors: failures.PartFailed with one sentence: the part, the cause, the next step.
    """
    if all(part.done() for part in parts):
        return
    with _one_at_a_time(progress):
        missing = [part for part in parts if not part.done()]
        if missing:
            _Run(missing, progress).run()


def _one_at_a_time(progress: Progress) -> lock.LockContext:
    path = paths.cache_dir() / "build.lock"

    def tell(holder: str) -> None:
        progress.note(f"  Process {holder} is making the parts of the cluster; waiting for it.")

    return lock.file_lock(path, timeout_seconds=_LOCK_TIMEOUT_SECONDS, on_wait=tell)


class _Run:
    """One run: a thread for each lane, and the board in the calling thread."""

    def __init__(self, parts: Sequence[Part], progress: Progress) -> None:
        self._lanes: dict[str, list[Part]] = {}
        for part in parts:
            self._lanes.setdefault(part.lane, []).append(part)
        known = durations.load()
        expected = {part.name: known.get(part.name, part.seconds) for part in parts}
        self._board = Board(parts, expected=expected, progress=progress)
        self._changed = threading.Condition()
        self._open = {part.name for part in parts}
        self._failed: tuple[Part, Exception] | None = None
        self._stopped = False

    def run(self) -> None:
        """Make all parts; the first failure ends the others, which go on in the next run."""
        self._board.begin()
        try:
            workers = self._run_lanes()
        finally:
            shell.allow_long_commands()
        if self._failed is not None:
            part, error = self._failed
            raise failures.PartFailed(part.title, log=part.log, error=error) from error
        for worker in workers:
            worker.result()  # an error of our own, in place of a silence
        self._board.end()

    def _run_lanes(self) -> list[Future[None]]:
        with ThreadPoolExecutor(len(self._lanes), thread_name_prefix="part") as pool:
            try:
                workers = [pool.submit(self._work, lane) for lane in self._lanes.values()]
                while not all(worker.done() for worker in workers):
                    self._board.tick()
                    with self._changed:
                        self._changed.wait(self._board.TICK_SECONDS)
            except BaseException:  # Ctrl-C: the threads would otherwise be waited for
                self._stop()
                raise
        return workers

    def _work(self, lane: Sequence[Part]) -> None:
        for part in lane:
            if not self._wait_for(part):
                return
            try:
                self._make(part)
            except (shell.CommandError, OSError) as error:
                self._fail(part, error)
                return
            except BaseException:
                self._stop()
                raise

    def _wait_for(self, part: Part) -> bool:
        """Whether what it needs is there; false when the run ends before that."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._open.isdisjoint(part.needs))
            return not self._stopped

    def _make(self, part: Part) -> None:
        started, cpu_before = time.monotonic(), shell.cpu_seconds()
        resumed = durations.begin(part.name)
        self._board.started(part.name)
        part.make()
        took = durations.Took(wall=time.monotonic() - started, cpu=shell.cpu_seconds() - cpu_before)
        durations.end(part.name, took, resumed=resumed)
        with self._changed:
            self._open.discard(part.name)
            self._board.finished(part.name, took, resumed=resumed)
            self._changed.notify_all()

    def _fail(self, part: Part, error: Exception) -> None:
        with self._changed:
            first = self._failed is None and not self._stopped
            if first:
                self._failed = (part, error)
        if first:
            self._board.failed(part.name)
            self._stop()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        shell.end_long_commands()
