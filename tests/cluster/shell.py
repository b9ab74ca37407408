"""Running other programs: one function, one error, always a time limit."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

DEFAULT_TIMEOUT_SECONDS = 120.0
TIMED_OUT, NOT_FOUND, ENDED = 124, 127, 143  # exit codes, as a shell gives them
_LINES_OF_A_LOG_IN_AN_ERROR = 15
_POLL_SECONDS = 0.05


class CommandError(RuntimeError):
    """A program failed; the message holds the command, the exit code and what it said."""

    def __init__(self, command: Sequence[str], *, code: int, said: str) -> None:
        self.command = tuple(command)
        self.code = code
        self.said = said.strip()
        super().__init__(f"{' '.join(command)}: exit code {code}\n{self.said}")


def run(
    *command: str | Path,
    input: str | bytes | None = None,  # noqa: A002 - the name subprocess gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> bytes:
    """Standard output of a program that ended well.

    Units:  timeout_seconds in seconds; env is added to the own environment.
    Errors: CommandError on a non-zero exit code, on a time-out (124) and when it is missing (127).
    """
    words = [str(word) for word in command]
    data = input.encode() if isinstance(input, str) else input
    try:
        done = subprocess.run(
            words,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            check=False,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        said = f"no answer within {timeout_seconds:.0f} s"
        raise CommandError(words, code=TIMED_OUT, said=said) from error
    except (FileNotFoundError, PermissionError) as error:
        raise CommandError(words, code=NOT_FOUND, said=str(error)) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise CommandError(words, code=done.returncode, said=said)
    return done.stdout


def run_text(
    *command: str | Path,
    input: str | None = None,  # noqa: A002 - the name subprocess gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> str:
    """Like `run`, decoded."""
    out = run(*command, input=input, env=env, cwd=cwd, timeout_seconds=timeout_seconds)
    return out.decode(errors="replace")


def succeeds(*command: str | Path, timeout_seconds: float = 10.0) -> bool:
    """Whether a program exists, answers in time and ends with 0."""
    try:
        run(*command, timeout_seconds=timeout_seconds)
    except CommandError:
        return False
    return True


def run_logged(
    *command: str | Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    may_be_ended: bool = True,
) -> None:
    """Run a long step whose output belongs in a file; it ends when this process does.

    Unless may_be_ended is false: what would leave the machine half-changed runs to its end.
    Errors: CommandError with the last lines of what it said; also when `end_long_commands` ended it.
    """
    words = [str(word) for word in command]
    with log.open("ab") as out:
        out.write(f"$ {' '.join(words)}\n".encode())
        out.flush()
        start = out.tell()
        code = _long.run(
            words, out=out, env=env, cwd=cwd, timeout_seconds=timeout_seconds, tied=may_be_ended
        )
    if code != 0:
        said = tail(log, start=start)
        raise CommandError(words, code=code, said=f"{said}\n(log: {log})")


def end_long_commands() -> None:
    """End what `run_logged` runs in any thread, and let nothing new begin."""
    _long.end()


def allow_long_commands() -> None:
    """Take `end_long_commands` back."""
    _long.allow()


def cpu_seconds() -> float:
    """Processor time of this thread and of the long commands that it ran; user and system."""
    return time.thread_time() + _long.cpu_seconds()


class _LongCommands:
    """Child processes in groups of their own, which can be ended from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False
        self._meter = threading.local()

    def allow(self) -> None:
        with self._lock:
            self._ended = False

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                _signal_group(process)

    def cpu_seconds(self) -> float:
        return float(getattr(self._meter, "seconds", 0.0))

    def run(
        self,
        words: Sequence[str],
        *,
        out: IO[bytes],
        env: Mapping[str, str] | None,
        cwd: Path | None,
        timeout_seconds: float,
        tied: bool,
    ) -> int:
        """The exit code; 124 after a time-out, 127 when there is no such program."""
        if shutil.which(words[0]) is None:
            return NOT_FOUND
        with self._lock:
            if self._ended:
                return ENDED
            process = subprocess.Popen(
                [*(_tie() if tied else ()), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                process_group=0,
            )
            if tied:
                self._running.add(process)
        try:
            return self._wait(process, deadline=time.monotonic() + timeout_seconds)
        except BaseException:
            if tied:
                _signal_group(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)

    def _wait(self, process: subprocess.Popen[bytes], *, deadline: float) -> int:
        while True:
            with self._lock:  # so that nobody signals a number that is free again
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
            if pid:
                self._meter.seconds = self.cpu_seconds() + usage.ru_utime + usage.ru_stime
                return process.returncode
            if time.monotonic() > deadline:
                _signal_group(process, signal.SIGKILL)
                process.wait()
                return TIMED_OUT
            time.sleep(_POLL_SECONDS)


def _signal_group(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _tie() -> tuple[str, ...]:
    """What lets the kernel end a program with us, even after kill -9; where there is such a thing."""
    return ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()


_long = _LongCommands()


def tail(log: Path, *, lines: int = _LINES_OF_A_LOG_IN_AN_ERROR, start: int = 0) -> str:
    """The last lines of a log file from byte `start` on; empty when there is none."""
    try:
        text = log.read_bytes()[start:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
