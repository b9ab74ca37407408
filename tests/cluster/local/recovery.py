"""What to do with what an earlier start left: decided from facts, without side effects."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path


class Plan(enum.StrEnum):
    """How a start goes on."""

    START = "start"  # nothing is there
    CONTINUE = "continue"  # start what does not run, keep what does
    RESET = "reset"  # what is there cannot be continued: remove it, then start


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What an earlier start left.

    recorded: a state folder with the marks below; same_boot: the machine was not restarted since;
    same_versions: it was built from the versions of today; network: its namespace exists.
    """

    recorded: bool
    same_boot: bool
    same_versions: bool
    network: bool


def plan(remains: Remains) -> Plan:
    """What to do with the remains of an earlier start."""
    if not remains.recorded and not remains.network:
        return Plan.START
    if remains.recorded and remains.same_boot and remains.same_versions and remains.network:
        return Plan.CONTINUE
    return Plan.RESET


def owned_by_other(owner: str, *, state: Path, running: bool) -> bool:
    """Whether a cluster that runs on this machine was started from another state folder.

    running: whether any of its processes lives. A cluster that is dead, or whose folder is gone,
    belongs to nobody: it may be removed by anyone.
    """
    return running and bool(owner) and Path(owner) != state and (Path(owner) / "local").exists()
