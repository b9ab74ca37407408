"""Faults of everything around the controller; this base has none and only takes time."""
# ruff: noqa: ARG002  (calm weather needs fewer facts than a storm)

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sim.cluster import Change

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """What becomes of one API request."""

    send_seconds: float = 0.004
    reply_seconds: float = 0.0
    answer: http.Reply | None = None
    lose_reply: bool = False
    die_before: bool = False
    die_after: bool = False


def as_it_is(answer: ports.RawAnswer) -> ports.RawAnswer:
    """An honest answer."""
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """What becomes of one metric query."""

    seconds: float = 0.01
    failure: ports.Failure | None = None
    stale_seconds: float = 0.5
    distort: Callable[[ports.RawAnswer], ports.RawAnswer] = as_it_is


WELL = CallPlan()
HONEST = QueryPlan()


class Calm:
    """Nothing goes wrong. The first three say how much doubt the judge must allow for."""

    view_lag_seconds = 3.0
    clock_skew_seconds = 0.0
    may_reject_good = False
    probe_seconds = 0.001  # until a pod answers at its ready URL
    inference_seconds = 0.001  # until it answers a synthetic inference
    frozen_at: float | None = None  # since when Prometheus has seen nothing new

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def on_start(self, process: Process) -> None:
        """A process is about to run."""

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        """What becomes of this request."""
        return WELL

    def on_query(self, process: Process) -> QueryPlan:
        """What becomes of this metric query."""
        if self.frozen_at is not None:
            return QueryPlan(stale_seconds=process.run.loop.time() - self.frozen_at)
        return HONEST

    def on_event(self, process: Process, change: Change) -> str:
        """What becomes of this watch event: "", "drop", "duplicate" or "break"."""
        return ""

    def event_seconds(self, process: Process) -> float:
        """How late watch events are."""
        return 0.01

    def list_seconds(self, kind: ports.Kind) -> float:
        """How long the first list of a kind takes."""
        return 0.0

    def changes_behind(self) -> int:
        """How many changes the first list of a process lags behind."""
        return 0

    def silences(self, process: Process, kind: ports.Kind) -> bool:
        """Whether the watch of this kind hangs."""
        return False

    def resumes_watch(self) -> bool:
        """Whether a watch that comes back brings every event, instead of a new list."""
        return True


class Unreachable(Calm):
    """A metric source that does not answer while it is `down`."""

    down = False

    def on_query(self, process: Process) -> QueryPlan:
        """No answer, or a sound one."""
        if not self.down:
            return super().on_query(process)
        return QueryPlan(failure=ports.Retryable(message="connection refused"))
