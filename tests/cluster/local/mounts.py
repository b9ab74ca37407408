"""Mounts and control groups that containers leave behind."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from tests.cluster import shell

_CGROUPS = Path("/sys/fs/cgroup")


def unmount_below(*folders: Path) -> None:
    """Unmount everything below the folders, the deepest first."""
    for target in below(*folders):
        with contextlib.suppress(shell.CommandError):
            # Lazily: a process that is about to die may still hold it.
            shell.run("umount", "--lazy", target)


def below(*folders: Path) -> list[Path]:
    """What is mounted below the folders (or on them) right now."""
    table = Path("/proc/self/mountinfo").read_text()
    return targets_below(table, folders=folders)


def targets_below(mountinfo: str, *, folders: tuple[Path, ...]) -> list[Path]:
    """Mount points below the folders, in the order in which they can be unmounted."""
    found = [Path(_unescaped(line.split()[4])) for line in mountinfo.splitlines()]
    inside = [target for target in found if any(target.is_relative_to(f) for f in folders)]
    return list(reversed(inside))  # a mount is listed after the one it lies on


def remove_cgroups() -> None:
    """Remove the kubelet's empty control groups of all controllers."""
    for top in [_CGROUPS / "kubepods", *_CGROUPS.glob("*/kubepods")]:
        folders = [path for path in top.rglob("*") if path.is_dir()] if top.exists() else []
        for folder in [*sorted(folders, reverse=True), top]:
            with contextlib.suppress(OSError):  # absent, or not ours: still in use
                folder.rmdir()


def _unescaped(text: str) -> str:
    """The kernel writes spaces and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
