"""One disturbance at one API call of the operator, for every call of a scenario in turn.

`Calls.ALL` counts every request, renewals of the Lease and Events too. `Calls.WRITES` counts what
changes the cluster: a crash at a read leaves it as a crash at the write before, only later.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.sim.cluster import ROUTES
from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.run import Result, Scenario, play
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process

MOST_CALLS = 600
PAUSE_SECONDS = 40.0
SLOW_SECONDS = 20.0
ARRIVES_SECONDS = 32.0  # another replica has led for a while by then


class Calls(enum.StrEnum):
    """Which requests count as positions."""

    ALL = "call"
    WRITES = "write"


class Mode(enum.StrEnum):
    """What happens at the position."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    REPLY_LOST = "reply lost"
    REFUSED = "refused with 503"
    LATE = "late, past a leader change"
    SLOW_LIST = "replaced, and the lists of the next are slow"
    CLOCK_BACK = "late, and the clock an hour back"


LATE_MODES = frozenset({Mode.LATE, Mode.CLOCK_BACK})
EVERY_MODE = (
    Mode.CRASH_BEFORE,
    Mode.CRASH_AFTER,
    Mode.REPLY_LOST,
    Mode.REFUSED,
    Mode.LATE,
    Mode.SLOW_LIST,
)
AT_EVERY_CALL = (Mode.CRASH_BEFORE, Mode.CRASH_AFTER, Mode.REPLY_LOST, Mode.REFUSED)


class AtCall(Calm):
    """Calm weather but for one request. As writes, Leases and Events do not count."""

    may_reject_good = False

    def __init__(self, dice: random.Random, *, position: int, mode: Mode, calls: Calls) -> None:
        super().__init__(dice)
        self._position = position
        self._mode = mode
        self._calls = calls
        self._seen = 0
        self._slow = False
        if mode in LATE_MODES:
            self.clock_skew_seconds = 7200.0
            self.view_lag_seconds = float("inf")

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        counts = request.writes and request.verb not in {
            "put_lease",
            "create_event",
            "repeat_event",
        }
        if self._calls is Calls.WRITES and not counts:
            return WELL
        self._seen += 1
        if self._seen != self._position:
            return WELL
        process.run.trace.add(f"{self._mode} at {self._calls} {self._position}")
        match self._mode:
            case Mode.CRASH_BEFORE:
                return CallPlan(die_before=True)
            case Mode.CRASH_AFTER:
                return CallPlan(die_after=True)
            case Mode.REPLY_LOST:
                return CallPlan(lose_reply=True)
            case Mode.REFUSED:
                refused = RefusedError(503, "ServiceUnavailable", "simulated refusal")
                return CallPlan(answer=refused.reply)
            case Mode.SLOW_LIST:
                process.ask_to_end()
                self._slow = True
                return WELL
            case Mode.LATE | Mode.CLOCK_BACK:
                process.pause()
                if self._mode is Mode.CLOCK_BACK:
                    process.wall_offset_seconds = -3600.0
                process.run.loop.call_later(PAUSE_SECONDS, process.resume)
                return CallPlan(send_seconds=ARRIVES_SECONDS)

    def list_seconds(self, kind: ports.Kind) -> float:
        return SLOW_SECONDS if self._slow and kind in {ports.DEPLOYMENT, *ROUTES} else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A position whose run broke an invariant or ended in another state."""

    scenario: str
    mode: Mode
    position: int
    failure: str


def enumerate_calls(
    scenario: Scenario, mode: Mode, *, calls: Calls = Calls.WRITES
) -> Iterator[Finding | None]:
    """One run per position, until a run has fewer of them than the position asked for."""
    reference = play(disturbed(scenario, mode, position=0, calls=calls), seed=1)
    if reference.failure:
        yield Finding(scenario=scenario.name, mode=mode, position=0, failure=reference.failure)
        return
    for position in range(1, MOST_CALLS):
        result = play(disturbed(scenario, mode, position=position, calls=calls), seed=1)
        if not any(f"{mode} at {calls}" in line for line in result.lines):
            return
        failure = result.failure or _difference(reference, result)
        yield (
            Finding(scenario=scenario.name, mode=mode, position=position, failure=failure)
            if failure
            else None
        )


def disturbed(
    scenario: Scenario, mode: Mode, *, position: int, calls: Calls = Calls.WRITES
) -> Scenario:
    """The same play with this disturbance at this position; at none for position 0."""
    return replace(
        scenario,
        make_nemesis=lambda dice: AtCall(dice, position=position, mode=mode, calls=calls),
        replicas=2 if mode in LATE_MODES else 1,
    )


def _difference(reference: Result, result: Result) -> str:
    """Where the end state differs from the undisturbed one, or empty."""
    names = sorted(reference.final.keys() | result.final.keys())
    different = [name for name in names if reference.final.get(name) != result.final.get(name)]
    if not different:
        return ""
    name = different[0]
    return f"{name} ends as {result.final.get(name)}, undisturbed as {reference.final.get(name)}"
