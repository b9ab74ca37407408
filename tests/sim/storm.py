"""Faults drawn from a seed: a random subset of all kinds, each within its own window of time."""
# ruff: noqa: ARG002  (the port tells more than each fault needs)

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sim.cluster import Change
from tests.sim.nemesis import HONEST, WELL, CallPlan, Calm, QueryPlan
from tests.sim.updates import RefusedError
from tests.sim.world import REQUESTS_PER_SECOND

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process
    from tests.sim.run import Run

CLOCK = ("wall_jump", "wall_blip")
PROCESS = ("crash_at_call", "crash_at_time", "pause", *CLOCK, "terminate", "deposed")
API = (
    "lost_reply",
    "refused_500",
    "refused_503",
    "refused_504",
    "refused_429",
    "conflict",
    "forbidden",
    "refused_422",
    "slow_call",
    "late_write",
    "lost_request",
    "gone_410",
    "lease_outage",
)
EVENTS = ("lag", "duplicate", "drop", "silent_watch", "stale_list", "slow_list", "watch_error")
METRICS = (
    "prom_down",
    "prom_5xx",
    "prom_4xx",
    "prom_slow",
    "prom_empty",
    "prom_nan",
    "prom_stale",
    "prom_warning",
    "prom_twice",
    "prom_stranger",
    "prom_hangs",
)
WORLD = (
    "pods_flap",
    "pods_killed",
    "no_capacity",
    "gateway_refuses",
    "no_traffic",
    "shared_outage",
    "evictions",
    "slow_ready_urls",
    "other_controllers",
)
OUTAGE_ERROR_RATIO = 0.3
KINDS = (*PROCESS, *API, *EVENTS, *METRICS, *WORLD)

# Faults that may lead to the rejection of a good revision, or to a view that is old for long.
SPOILS_GOOD = frozenset(
    {
        *CLOCK,
        "drop",
        "silent_watch",
        "lag",
        "stale_list",
        "late_write",
        "slow_call",
    }
)
BLINDS = frozenset(
    {
        "deposed",
        "drop",
        "silent_watch",
        "stale_list",
        "lag",
        "late_write",
        "lost_reply",
        "lost_request",
        "slow_call",
        "pause",
    }
)
LAST_SECONDS = 100.0
HANGS_SECONDS = 60.0  # the longest timeout of a metric source, and longer than any pass
_CHANCE = {
    "crash_at_call": 0.03,
    "deposed": 0.1,
    "lost_reply": 0.15,
    "refused_500": 0.25,
    "refused_503": 0.25,
    "refused_504": 0.25,
    "refused_429": 0.25,
    "refused_422": 0.3,
    "conflict": 0.25,
    "forbidden": 0.5,
    "slow_call": 0.3,
    "late_write": 0.15,
    "lost_request": 0.25,
    "gone_410": 0.3,
    "duplicate": 0.3,
    "drop": 0.1,
    "watch_error": 0.03,
}
_ONLY_WRITES = ["conflict", "forbidden", "refused_422", "late_write"]
_STATUS = {
    "refused_500": (500, "InternalError"),
    "refused_503": (503, "ServiceUnavailable"),
    "refused_504": (504, "Timeout"),
    "refused_429": (429, "TooManyRequests"),
    "refused_422": (422, "Invalid"),
    "conflict": (409, "Conflict"),
    "forbidden": (403, "Forbidden"),
    "gone_410": (410, "Expired"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """When a kind of fault may strike, in virtual seconds."""

    start: float
    end: float

    def holds(self, now: float) -> bool:
        return self.start <= now < self.end


class Storm(Calm):
    """The faults of one run. `only` narrows them, for shrinking."""

    def __init__(self, dice: random.Random, *, only: frozenset[str] | None = None) -> None:
        super().__init__(dice)
        share = dice.choice((0.1, 0.2, 0.4))
        salt = dice.random()  # each kind has dice of its own: a new kind moves no other
        self._query_dice = random.Random(f"{salt}/queries")
        own = {kind: _number(f"{salt}/{kind}") for kind in KINDS}
        drawn = {kind: _window(random.Random(own[kind])) for kind in KINDS if own[kind] < share}
        self.windows = {k: w for k, w in drawn.items() if only is None or k in only}
        self.struck: set[str] = set()
        self._run: Run | None = None
        self._over = False
        self.may_reject_good = bool(SPOILS_GOOD & self.windows.keys())
        if BLINDS & self.windows.keys():
            self.view_lag_seconds = float("inf")
        if self.windows.keys() & set(CLOCK):
            self.clock_skew_seconds = 7300.0

    # --- life of the storm -----------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Faults that come by themselves are put on the clock."""
        self._run = run
        plan: dict[str, Callable[[], object]] = {
            "crash_at_time": lambda: self._process().die(),
            "terminate": lambda: self._process().ask_to_end(),
            "pause": self._pause,
            "wall_jump": self._jump,
            "wall_blip": self._blip,
            "pods_flap": self._flap,
            "pods_killed": self._kill_pods,
            "evictions": self._evict,
        }
        for kind, window in self.windows.items():
            if kind in plan:
                for _ in range(self.dice.randint(1, 3)):
                    at = self.dice.uniform(window.start, window.end)
                    run.loop.call_later(at, self._strike, kind, plan[kind])
        self._world_window("no_capacity", "capacity", 2)
        self._world_window("gateway_refuses", "gateway_accepts", False)
        self._world_window("no_traffic", "requests_per_second", 0.0)
        self._world_window("shared_outage", "outage_error_ratio", OUTAGE_ERROR_RATIO)
        self._world_window("other_controllers", "leftover_answers", OTHER_ANSWERS)

    def end(self) -> None:
        """Nothing goes wrong any more, and what was broken is mended."""
        self._over = True
        assert self._run is not None
        world = self._run.world
        world.capacity, world.gateway_accepts = 10_000, True
        world.requests_per_second, world.outage_error_ratio = REQUESTS_PER_SECOND, 0.0
        world.leftover_answers = []
        world.report_routes()
        for replica in self._run.replicas:
            if replica.process is not None:
                replica.process.resume()
                replica.process.wall_offset_seconds = 0.0
        for uid, pods in list(world.pods.items()):
            for pod in pods:
                if world.truth(pod.version).starts:
                    world.set_ready(uid, pod, ready=True)
            world.look_after(uid)

    def _world_window(self, kind: str, attribute: str, value: object) -> None:
        window = self.windows.get(kind)
        if window is None:
            return
        assert self._run is not None
        world, loop = self._run.world, self._run.loop
        normal = getattr(world, attribute)
        loop.call_later(window.start, self._strike, kind, lambda: setattr(world, attribute, value))
        loop.call_later(window.end, lambda: setattr(world, attribute, normal))

    def _strike(self, kind: str, act: Callable[[], object]) -> None:
        if not self._over:
            self._tell(kind)
            act()

    def _tell(self, kind: str) -> None:
        self.struck.add(kind)
        assert self._run is not None
        self._run.judge.covered[f"fault {kind}"] += 1
        self._run.trace.add(f"fault {kind}")

    def _process(self) -> Process:
        assert self._run is not None
        process = self.dice.choice(self._run.replicas).process
        assert process is not None
        return process

    def _strikes(self, *kinds: str) -> str:
        """The first of these kinds that strikes now, or empty."""
        if self._over or self._run is None:
            return ""
        now = self._run.loop.time()
        for kind in kinds:
            window = self.windows.get(kind)
            if window is None or not window.holds(now):
                continue
            if self.dice.random() < _CHANCE.get(kind, 1.0):
                self._tell(kind)
                return kind
        return ""

    # --- processes, pods -------------------------------------------------------------------------

    def _pause(self) -> None:
        process = self._process()
        process.pause()
        assert self._run is not None
        self._run.loop.call_later(self.dice.choice((3.0, 12.0, 31.0)), process.resume)

    def _jump(self) -> Process:
        """A clock is wrong for the rest of the storm."""
        seconds = self.dice.choice((-3600.0, -30.0, 30.0, 3600.0))
        process = self._process()
        process.wall_offset_seconds = seconds
        return process

    def _blip(self) -> None:
        """A clock is wrong for a while, and then set right."""
        process = self._jump()

        def set_right() -> None:
            process.wall_offset_seconds = 0.0

        assert self._run is not None
        self._run.loop.call_later(self.dice.choice((1.0, 7.0, 40.0)), set_right)

    def _flap(self) -> None:
        assert self._run is not None
        world, loop = self._run.world, self._run.loop
        for uid, pods in list(world.pods.items()):
            for pod in pods:
                if pod.ready and self.dice.random() < 0.5:
                    world.set_ready(uid, pod, ready=False)
                    loop.call_later(self.dice.uniform(1.0, 15.0), _back, world.set_ready, uid, pod)

    def _kill_pods(self) -> None:
        assert self._run is not None
        world = self._run.world
        for uid in list(world.pods):
            if self.dice.random() < 0.5:
                world.restart_pods(uid)

    def _evict(self) -> None:
        """A node goes: a pod or two are taken and come back elsewhere."""
        assert self._run is not None
        world = self._run.world
        for uid in sorted(world.pods):
            if self.dice.random() < 0.6:
                world.evict(uid, youngest=self.dice.random() < 0.5)

    @property
    def probe_seconds(self) -> float:  # type: ignore[override]
        """Until a pod answers at its ready URL: some run the model for it."""
        window = self.windows.get("slow_ready_urls")
        if self._over or self._run is None or window is None:
            return Calm.probe_seconds
        if not window.holds(self._run.loop.time()):
            return Calm.probe_seconds
        self._tell("slow_ready_urls")
        return 0.5 + window.end % 4.0

    # --- calls -----------------------------------------------------------------------------------

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if request.verb.endswith("_lease"):
            return self._on_lease()
        write = request.writes
        if write and self._strikes("deposed"):
            process.pause()
            process.run.loop.call_later(40.0, process.resume)
            return CallPlan(send_seconds=self.dice.uniform(20.0, 38.0))
        kinds = ["crash_at_call", "refused_500", "refused_503", "refused_429", "lost_request"]
        kinds += ["refused_504", "slow_call", "lost_reply"]
        kinds += _ONLY_WRITES if write else ["gone_410"]
        kind = self._strikes(*kinds)
        if not kind:
            return WELL
        if kind in _STATUS:
            return CallPlan(answer=_refusal(kind, self.dice))
        return self._plan(kind)

    def _on_lease(self) -> CallPlan:
        kind = self._strikes("lease_outage", "lost_reply", "slow_call")
        if kind == "lease_outage":
            return CallPlan(answer=_refusal("refused_500", self.dice))
        return self._plan(kind) if kind else WELL

    def _plan(self, kind: str) -> CallPlan:
        match kind:
            case "crash_at_call":
                before = self.dice.random() < 0.5
                return CallPlan(die_before=before, die_after=not before)
            case "lost_reply":
                return CallPlan(lose_reply=True)
            case "lost_request":
                return CallPlan(answer=_refusal("refused_503", self.dice), send_seconds=10.0)
            case "slow_call":
                seconds = self.dice.uniform(0.2, 6.0)
                late = self.dice.random() < 0.5
                return CallPlan(send_seconds=seconds if late else 0.01, reply_seconds=seconds)
            case _:
                return CallPlan(send_seconds=self.dice.uniform(10.0, 45.0))

    # --- events ----------------------------------------------------------------------------------

    def on_event(self, process: Process, change: Change) -> str:
        kind = self._strikes("drop", "duplicate", "watch_error")
        return "break" if kind == "watch_error" else kind

    def event_seconds(self, process: Process) -> float:
        window = self.windows.get("lag")
        if self._over or self._run is None or window is None:
            return 0.01
        if not window.holds(self._run.loop.time()):
            return 0.01
        self.struck.add("lag")
        self._run.judge.covered["fault lag"] += 1
        return self.dice.uniform(0.0, 8.0)

    def list_seconds(self, kind: ports.Kind) -> float:
        return self.dice.uniform(0.0, 20.0) if self._strikes("slow_list") else 0.0

    def changes_behind(self) -> int:
        return self.dice.randint(1, 30) if self._strikes("stale_list") else 0

    def silences(self, process: Process, kind: ports.Kind) -> bool:
        window = self.windows.get("silent_watch")
        if self._over or window is None or self._run is None:
            return False
        silent = window.holds(self._run.loop.time()) and hash_of(kind) % 2 == int(window.end) % 2
        if silent:
            self._run.judge.covered["fault silent_watch"] += 1
        return silent

    def resumes_watch(self) -> bool:
        return self.dice.random() < 0.5

    # --- metrics ---------------------------------------------------------------------------------

    def on_query(self, process: Process) -> QueryPlan:
        """Queries have dice of their own: how many there are moves no other fault."""
        others, self.dice = self.dice, self._query_dice
        try:
            return self._query_plan()
        finally:
            self.dice = others

    def _query_plan(self) -> QueryPlan:
        kind = self._strikes(*METRICS)
        match kind:
            case "prom_slow":
                return QueryPlan(seconds=self.dice.uniform(1.0, 20.0))
            case "prom_hangs":
                return QueryPlan(seconds=HANGS_SECONDS, failure=_FAILURES["prom_down"])
            case "prom_stale":
                return QueryPlan(stale_seconds=self.dice.uniform(7.0, 60.0))
            case _ if kind in _FAILURES:
                return QueryPlan(failure=_FAILURES[kind])
            case _ if kind in _DISTORTIONS:
                return QueryPlan(distort=_DISTORTIONS[kind])
            case _:
                return HONEST


def hash_of(kind: ports.Kind) -> int:
    """A number for a kind that is the same in every process."""
    return sum(map(ord, kind.plural))


def _back(set_ready: Callable[..., None], uid: str, pod: object) -> None:
    set_ready(uid, pod, ready=True)


def _number(text: str) -> float:
    """A number from 0 to 1 that the text alone decides."""
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _window(dice: random.Random) -> Window:
    start = dice.uniform(0.0, 0.8 * LAST_SECONDS)
    return Window(start, start + dice.choice((10.0, 30.0, 80.0)))


def _refusal(kind: str, dice: random.Random) -> http.Reply:
    status, reason = _STATUS[kind]
    reply = RefusedError(status, reason, f"simulated {reason}").reply
    seconds = float(dice.randint(1, 5)) if status in {429, 503} else None
    return http.Reply(status=status, document=reply.document, retry_after_seconds=seconds)


def _answer(answer: ports.RawAnswer, result: list[object]) -> ports.RawAnswer:
    return ports.RawAnswer(result_type=answer.result_type, result=result)


def _empty(answer: ports.RawAnswer) -> ports.RawAnswer:
    return _answer(answer, [])


def _nan(answer: ports.RawAnswer) -> ports.RawAnswer:
    return _answer(
        answer,
        [
            {**series, "values": [[at, "NaN"] for at, _ in series["values"]]}
            for series in answer.result
        ],
    )


def _warned(answer: ports.RawAnswer) -> ports.RawAnswer:
    return ports.RawAnswer(
        result_type=answer.result_type, result=answer.result, warnings=("partial response",)
    )


def _twice(answer: ports.RawAnswer) -> ports.RawAnswer:
    more = [{**series, "metric": {**series["metric"], "job": "other"}} for series in answer.result]
    return _answer(answer, [*answer.result, *more])


def _stranger(answer: ports.RawAnswer) -> ports.RawAnswer:
    labels = {"revision": "ffffffffff", "pod": "stranger", "path": "/v2/models/m/infer"}
    return _answer(answer, [*answer.result, {"metric": labels, "values": [[1.0, "5"]]}])


# What controllers left in a route's status that serve it no more, or serve another Gateway of its.
OTHER_ANSWERS = [
    {
        "parentRef": {"name": name, "namespace": "gateways"},
        "controllerName": "example.com/other-controller",
        "conditions": [
            {"type": kind, "status": "False", "reason": "NoMatchingParent", "observedGeneration": 1}
            for kind in ("Accepted", "ResolvedRefs")
        ],
    }
    for name in ("inference", "gone")
]
_FAILURES: dict[str, ports.Failure] = {
    "prom_down": ports.Retryable(message="connection refused"),
    "prom_5xx": ports.Retryable(message="status 503"),
    "prom_4xx": ports.Fatal(reason="Status400", message="status 400"),
}
_DISTORTIONS = {
    "prom_empty": _empty,
    "prom_nan": _nan,
    "prom_warning": _warned,
    "prom_twice": _twice,
    "prom_stranger": _stranger,
}
