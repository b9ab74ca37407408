"""One disturbance at one write of the operator, for every write of a scenario in turn."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.sim.cluster import RefusedError
from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.run import Result, Scenario, play

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process

MOST_WRITES = 300
PAUSE_SECONDS = 40.0
SLOW_SECONDS = 20.0
ARRIVES_SECONDS = 32.0  # another replica has led for a while by then


class Mode(enum.StrEnum):
    """What happens at the write."""

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


class AtWrite(Calm):
    """Calm weather but for one write. Leases and Events do not count."""

    may_reject_good = False

    def __init__(self, dice: random.Random, *, position: int, mode: Mode) -> None:
        super().__init__(dice)
        self._position = position
        self._mode = mode
        self.writes = 0
        self._slow = False
        if mode in LATE_MODES:
            self.clock_skew_seconds = 7200.0
            self.view_lag_seconds = float("inf")

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if not request.writes or request.verb in {"put_lease", "create_event"}:
            return WELL
        self.writes += 1
        if self.writes != self._position:
            return WELL
        process.run.trace.add(f"{self._mode} at write {self._position}")
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
        return SLOW_SECONDS if self._slow and kind in {ports.DEPLOYMENT, ports.HTTP_ROUTE} else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A position whose run broke an invariant or ended in another state."""

    scenario: str
    mode: Mode
    position: int
    failure: str


def undisturbed(scenario: Scenario, mode: Mode) -> Result:
    """The run that the others are held against."""
    return play(disturbed(scenario, mode, position=0), seed=1)


def enumerate_writes(scenario: Scenario, mode: Mode) -> Iterator[Finding | None]:
    """One run per write, until a run has fewer writes than the position asked for."""
    reference = undisturbed(scenario, mode)
    if reference.failure:
        yield Finding(scenario=scenario.name, mode=mode, position=0, failure=reference.failure)
        return
    for position in range(1, MOST_WRITES):
        result = play(disturbed(scenario, mode, position=position), seed=1)
        if not any(f"{mode} at write" in line for line in result.lines):
            return
        failure = result.failure or _difference(reference, result)
        yield (
            Finding(scenario=scenario.name, mode=mode, position=position, failure=failure)
            if failure
            else None
        )


def disturbed(scenario: Scenario, mode: Mode, *, position: int) -> Scenario:
    return replace(
        scenario,
        make_nemesis=lambda dice: AtWrite(dice, position=position, mode=mode),
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
