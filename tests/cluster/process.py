"""Background processes that outlive the program that started them.

Every process is recorded in a file with what identifies it for certain: its id, its start time
and the boot of the machine. A recycled process id is therefore never mistaken for ours, and only
recorded processes are ever stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import shell

_POLL_SECONDS = 0.02
_MAX_LOG_BYTES = 50_000_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """One started process; it leads a process group of the same number."""

    name: str
    pid: int
    birth: str
    boot: str


def boot_id() -> str:
    """What changes with every start of the machine; empty where the system does not tell."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def birth_of(pid: int) -> str | None:
    """The start time of a living process in the system's own form; None for none or a zombie."""
    if not Path("/proc/self/stat").exists():
        return _birth_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold spaces
    return None if fields[0] in "ZX" else fields[19]


def _birth_by_ps(pid: int) -> str | None:
    try:
        line = shell.run_text("ps", "-o", "stat=,lstart=", "-p", str(pid)).strip()
    except shell.CommandError:
        return None
    return None if not line or line.startswith("Z") else line.partition(" ")[2].strip()


def spawn(
    *, name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
) -> ProcessRecord:
    """Start a process in a session of its own; its output goes to the end of `log`.

    Errors: FileNotFoundError when the program does not exist.
    """
    words = [str(word) for word in argv]
    program = shutil.which(words[0])
    if program is None:
        raise FileNotFoundError(f"{words[0]} is not installed")
    _rotate(log)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # Not subprocess.Popen: it warns about, or waits for, children that are meant to stay.
    pid = os.posix_spawn(
        program,
        words,
        {**os.environ, **(env or {})},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return ProcessRecord(name=name, pid=pid, birth=birth_of(pid) or "", boot=boot_id())


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _MAX_LOG_BYTES:
            log.replace(log.with_suffix(".old"))


def is_alive(record: ProcessRecord) -> bool:
    """Whether exactly this process still runs (not a zombie, not another one of that number)."""
    _reap(record.pid)
    return record.boot == boot_id() and birth_of(record.pid) == record.birth


def stop(record: ProcessRecord, *, grace_seconds: float) -> None:
    """End the process and its group: politely first, by force after grace_seconds."""
    if not is_alive(record):
        return
    _signal(record, signal.SIGTERM)
    if not wait_until_gone(record, timeout_seconds=grace_seconds):
        _signal(record, signal.SIGKILL)
        wait_until_gone(record, timeout_seconds=5)


def kill(record: ProcessRecord) -> None:
    """End the process and its group by force."""
    stop(record, grace_seconds=0)


def wait_until_gone(record: ProcessRecord, *, timeout_seconds: float) -> bool:
    """Whether the process ended within timeout_seconds."""
    deadline = time.monotonic() + timeout_seconds
    while is_alive(record):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _signal(record: ProcessRecord, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(record.pid, number)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


class Records:
    """The recorded processes of one cluster, a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, record: ProcessRecord) -> None:
        """Remember a process, replacing an older one of the same name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{record.name}.json"
        partial = file.with_suffix(".partial")  # a crash never leaves half a record
        partial.write_text(json.dumps(dataclasses.asdict(record)))
        partial.replace(file)

    def load(self) -> dict[str, ProcessRecord]:
        """All records by name; unreadable files count as absent."""
        found = (_read(file) for file in sorted(self._folder.glob("*.json")))
        return {record.name: record for record in found if record is not None}

    def forget(self, name: str) -> None:
        """Drop the record of a stopped process."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)


def _read(file: Path) -> ProcessRecord | None:
    try:
        return ProcessRecord(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
