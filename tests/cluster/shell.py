"""Running other programs: one function, one error, always a time limit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

DEFAULT_TIMEOUT_SECONDS = 120.0
_LINES_OF_A_LOG_IN_AN_ERROR = 15


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
        raise CommandError(words, code=124, said=said) from error
    except (FileNotFoundError, PermissionError) as error:
        raise CommandError(words, code=127, said=str(error)) from error
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
) -> None:
    """Run a long step whose output belongs in a file.

    Errors: CommandError with the last lines of the log.
    """
    words = [str(word) for word in command]
    with log.open("ab") as out:
        out.write(f"$ {' '.join(words)}\n".encode())
        out.flush()
        try:
            code = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                timeout=timeout_seconds,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
        except FileNotFoundError:
            code = 127
    if code != 0:
        raise CommandError(words, code=code, said=f"{tail(log)}\n(log: {log})")


def tail(log: Path, *, lines: int = _LINES_OF_A_LOG_IN_AN_ERROR) -> str:
    """The last lines of a log file; empty when there is none."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
