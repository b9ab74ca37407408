"""One run: a cluster, a world, replicas of the operator, people, faults, and a judge."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.sim import memo
from tests.sim.cluster import ROUTES, Change
from tests.sim.environment import Environment
from tests.sim.fields import Object
from tests.sim.judge import Judge, ViolatedError
from tests.sim.nemesis import Calm
from tests.sim.people import MD, NAME, NAMESPACE, ROUTE, People
from tests.sim.replica import Process, Replica, settings
from tests.sim.simloop import SimLoop
from tests.sim.truth import Truth
from tests.sim.world import World

from tidegate import model, ports
from tidegate.adapters import kube_http as http

# One look a second while a weight is confirmed, one per interval while it is held, one per change.
SPARE_PASSES, PASSES_PER_SECOND = 100, 1.5
# Lost events come to light at a sweep, what was refused is tried again five minutes later, and
# writes may be on their way for longer than the rest lasts.
COMES_LATER = frozenset(
    {"drop", "silent_watch", "forbidden", "refused_422", "late_write", "deposed"}
)
# A window that closes or opens is told in the status of its policy, also at rest.
SAID_BY_THE_CLOCK = frozenset({ports.LEASE, ports.CLUSTER_ROLLOUT_POLICY, ports.ROLLOUT_POLICY})
REST_SECONDS = 25.0  # longer than any drain; some seeds rest for minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is played. `script` acts as people do; `make_nemesis` gets the run's dice."""

    name: str
    script: Callable[[Run], Coroutine[Any, Any, None]]
    truths: dict[str, Truth] = field(default_factory=dict)
    make_nemesis: Callable[[random.Random], Calm] = Calm
    replicas: int = 1
    route_kind: ports.Kind = ports.HTTP_ROUTE
    style: model.IdentityMode = model.IdentityMode.LABEL  # of the labels that a scrape gives
    tend: Callable[[Run], Coroutine[Any, Any, None]] | None = None
    may_reject_good: bool = False
    without_conflicts: bool = False
    liveness_seconds: float = 1500.0
    rest_seconds: float = REST_SECONDS
    idle_seconds: float = 0.0
    acts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    words: str = ""  # the play for people, one part per line

    def routed_by(self, kind: ports.Kind) -> Scenario:
        """The same play, where routes are objects of this kind."""
        return replace(self, name=f"{self.name} {kind.kind}", route_kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a run. `failure` is empty when everything held."""

    name: str
    seed: int
    digest: str
    failure: str
    virtual_seconds: float
    real_seconds: float
    passes: int
    covered: Counter[str]
    lines: list[str]
    final: Object


class Run(Environment):
    """Everything of one run; lives inside its loop."""

    def __init__(self, scenario: Scenario, *, seed: int, loop: SimLoop) -> None:
        self.scenario = scenario
        self.seed = seed
        self.unled_since: float | None = 0.0
        self.longest_unled_seconds = 0.0
        self.last_write = 0.0
        self.last_unled = 0.0
        self.people_touched_traffic = False
        self.people_touched_at = -1e9
        self.others: set[str] = set()  # ModelDeployments beside the one that is judged
        memo.clear()
        super().__init__(
            seed=seed,
            loop=loop,
            settings=settings(),
            make_world=partial(World, truths=dict(scenario.truths), style=scenario.style),
            make_nemesis=scenario.make_nemesis,
        )
        self.cluster.route_kind = scenario.route_kind
        self.cluster.serve(scenario.route_kind)
        self.judge = Judge(self)
        self.cluster.listeners.append(self.judge.on_change)
        self.people = People(self)
        self.replicas = [Replica(self, f"op{number}") for number in range(scenario.replicas)]

    def on_send(self, process: Process, request: http.Request) -> None:
        self.judge.on_send(process, request)

    def on_pass_waited(self, process: Process, request: http.Request, seconds: float) -> None:
        self.judge.on_pass_waited(process, request, seconds)

    def epoch_of(self, actor: str) -> int:
        """The epoch of a process that leads right now; 0 for any other."""
        for replica in self.replicas:
            process = replica.process
            if process is not None and process.name == actor and process.leading:
                return process.epoch
        return 0

    @property
    def led(self) -> bool:
        """Somebody leads right now."""
        return any(it.process is not None and it.process.leading for it in self.replicas)

    def _on_leading(self) -> None:
        """Leadership began or ended somewhere."""
        now = self.loop.time()
        since = self.unled_since if self.unled_since is not None else now
        self.longest_unled_seconds = max(self.longest_unled_seconds, now - since)
        self.unled_since = None if self.led else since

    @property
    def body(self) -> Object | None:
        return self.people.body

    def _log(self, change: Change) -> None:
        super()._log(change)
        touches = change.kind in {*ROUTES, ports.SERVICE}
        made = change.verb == "create" and change.body["metadata"]["name"] == ROUTE
        if touches and change.actor == "people" and not made:
            self.people_touched_traffic, self.people_touched_at = True, self.loop.time()
        operators = change.actor.startswith("op")
        if operators and change.kind not in SAID_BY_THE_CLOCK:
            self.last_write = self.loop.time()

    # --- the play --------------------------------------------------------------------------------

    async def play(self) -> None:
        """Script with faults, then calm, then rest; the judge watches all the time."""
        tasks = [asyncio.create_task(replica.supervise()) for replica in self.replicas]
        try:
            await self.judge.race(self.scenario.script(self))
            self.trace.add("calm")
            await self.judge.race(self._come_to_rest())
            await self.judge.race(self._stay_at_rest())
        finally:
            for replica in self.replicas:
                replica.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _come_to_rest(self) -> None:
        deadline = self.loop.time() + self.scenario.liveness_seconds
        while True:
            await asyncio.sleep(2.5)
            if self.scenario.tend is not None:
                await self.scenario.tend(self)
            if not self.led:
                self.last_unled = self.loop.time()
            since = max(self.last_write, self.last_unled)
            quiet = self.loop.time() - since >= self.scenario.rest_seconds
            late = self.loop.time() > deadline
            if quiet and not self.judge.unfinished():
                try:
                    self.judge.at_rest()
                except ViolatedError:
                    if late:
                        raise
                else:
                    return
            elif late:
                why = self.judge.unfinished() or "the operator goes on writing"
                raise ViolatedError("I3", f"no rest within the bound: {why}")

    async def _stay_at_rest(self) -> None:
        """S9: at rest the operator looks now and then, and writes nothing.

        What a fault has put off comes first.
        """
        if self.scenario.idle_seconds and COMES_LATER & set(self.scenario.faults):
            await asyncio.sleep(400.0)
        before = self.last_write
        await asyncio.sleep(self.scenario.idle_seconds)
        if self.last_write != before:
            raise ViolatedError("S9", "a write at rest")
        if self.judge.memory.lease_tampered_at is not None:
            return  # two leaders by hand have looked at each other's writes
        passes = self.recorder.passes
        if passes > SPARE_PASSES + PASSES_PER_SECOND * self.loop.time():
            raise ViolatedError("S9", f"{passes} looks within {self.loop.time():.0f} s")

    def kill(self) -> None:
        """SIGKILL for the first replica, which starts anew a moment later."""
        process = self.replicas[0].process
        assert process is not None
        process.die()

    async def until(self, done: Callable[[], bool], *, limit: float = 600.0) -> bool:
        """Wait in virtual time; False when the limit came first."""
        deadline = self.loop.time() + limit
        while not done():
            if self.loop.time() > deadline:
                return False
            await asyncio.sleep(0.5)
        return True

    def phase(self) -> str:
        """The phase that people see, if it speaks of the newest spec."""
        body = self.cluster.get(MD, NAMESPACE, NAME)
        if body is None:
            return ""
        status = body.get("status") or {}
        if status.get("observedGeneration") != body["metadata"]["generation"]:
            return ""
        return str(status.get("phase", ""))


def play(scenario: Scenario, *, seed: int) -> Result:
    """Play a scenario with a seed; never raises for what the operator did."""
    started = time.perf_counter()
    loop = SimLoop()
    failure = ""
    runs: list[Run] = []

    async def played() -> None:
        runs.append(Run(scenario, seed=seed, loop=loop))
        await runs[0].play()

    try:
        loop.run_until_complete(played())
    except ViolatedError as error:
        failure = str(error)
    except Exception:  # noqa: BLE001  (whatever breaks a run is a finding)
        failure = traceback.format_exc()
    finally:
        virtual = loop.time()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    run = runs[0]
    return Result(
        name=scenario.name,
        seed=seed,
        digest=run.trace.digest,
        failure=failure,
        virtual_seconds=virtual,
        real_seconds=time.perf_counter() - started,
        passes=run.recorder.passes,
        covered=run.recorder.counts + run.judge.covered,
        lines=run.trace.lines,
        final=run.judge.final_state(),
    )
