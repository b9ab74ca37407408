"""One replica of the operator: the real engine on fakes of the ports, killed, paused, restarted.

Every await of the controller ends in one of these ports, so here is where a process can die, be
frozen, or learn less than it should.
"""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from tests.sim.feed import SimFeeder
from tests.sim.inferring import Inferring
from tests.sim.nemesis import HONEST
from tests.sim.receiving import Posting, Telling
from tests.sim.world import SCRAPE_SECONDS, START, World

from tidegate import ports
from tidegate.adapters import kube
from tidegate.adapters import kube_http as http
from tidegate.controller import dependencies, engine, workqueue
from tidegate.settings import LeaderElectionSettings, MetricSourceSettings, Settings

if TYPE_CHECKING:
    from tests.sim.environment import Environment

T = TypeVar("T")
WATCHED = dependencies.watched()
_ALPHABET = string.ascii_lowercase + string.digits


class SimRng:
    """`ports.Rng` from the run's seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._dice.random()

    def token(self, length: int) -> str:
        return "".join(self._dice.choices(_ALPHABET, k=length))


class Process:
    """One life of a replica, from start to exit or death. Also its `ports.Clock`."""

    def __init__(self, run: Environment, name: str) -> None:
        self.run = run
        self.name = name
        self.dead = False
        self.wall_offset_seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._awake: asyncio.Future[None] | None = None
        self._on_wake: list[Callable[[], None]] = []
        self._asked = asyncio.Event()
        self._main: asyncio.Task[int] | None = None
        self._machine = engine.machine(
            run.settings,
            api=kube.Kube(Session(self), recorder=run.recorder),  # type: ignore[arg-type]
            clock=self,
            rng=SimRng(run.dice),
            recorder=run.recorder,
            probe=Probe(self),
            inference=Inferring(self),
            hooks=Posting(self),
            notifier=Telling(self),
            pod_name=name,
        )
        reconciler = engine.reconciler(
            self._machine, metrics=Metrics(self), executor=Counting(self)
        )
        self._reconcile = reconciler.reconcile
        self.waits: dict[asyncio.Task[Any] | None, Waits] = {}  # of the passes that are under way
        served = set(run.cluster.kinds.values())
        # The kind of route that nobody asks for in this run is none that anybody waits for.
        absent = [run.cluster.route_kind] if run.cluster.route_kind not in served else []
        self._engine = engine.Engine(
            self._machine,
            process=self._pass,
            watched=[item for item in WATCHED if item.kind in served],
            absent=absent,
            make_feeder=lambda sink: SimFeeder(self, sink),
            milestone=lambda event: run.trace.add(f"{name} {event}"),
        )

    def gauges(self) -> Sequence[ports.GaugeFamily]:
        """What a scrape of it shows of the ModelDeployments."""
        return self._engine.gauges()

    async def _pass(self, key: workqueue.Key) -> workqueue.Outcome:
        """A pass, with a note of what it waits for."""
        task = asyncio.current_task()
        self.waits[task] = Waits(began=self._loop.time())
        try:
            return await self._reconcile(key)
        finally:
            del self.waits[task]

    # --- ports.Clock -----------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.fromtimestamp(START + self._loop.time() + self.wall_offset_seconds, tz=UTC)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            await self.running()

    # --- life ------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        return self._machine.elector.identity

    @property
    def leading(self) -> bool:
        return not self.dead and self._machine.elector.leading()

    @property
    def epoch(self) -> int:
        return self._machine.elector.epoch()

    @property
    def paused(self) -> bool:
        return self._awake is not None

    def unhealthy(self) -> str:
        """What the kubelet's liveness probe says."""
        return "" if self.paused else self._engine.live()

    async def live(self) -> int:
        """Run until the engine ends by itself, is asked to end, or dies (137)."""
        self._main = asyncio.get_running_loop().create_task(
            self._engine.run(until_asked=self._until_asked)
        )
        try:
            return await self._main
        except asyncio.CancelledError:
            return 137
        finally:
            self.dead = True

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self._asked.set()

    def die(self) -> None:
        """SIGKILL: nothing more leaves or reaches this process."""
        self.dead = True
        self.resume()
        if self._main is not None:
            self._main.cancel()

    def pause(self) -> None:
        """SIGSTOP."""
        if self._awake is None and not self.dead:
            self._awake = self._loop.create_future()

    def resume(self) -> None:
        """SIGCONT: what was held back arrives now, in its order."""
        if self._awake is not None:
            if not self._awake.done():
                self._awake.set_result(None)
            self._awake = None
            held, self._on_wake = self._on_wake, []
            for act in held:
                act()

    def when_awake(self, act: Callable[[], None]) -> None:
        """Do it now, or when the process runs again; never in a dead one."""
        if self.dead:
            return
        if self.paused:
            self._on_wake.append(act)
        else:
            act()

    async def running(self) -> None:
        """Return when this process may go on. Errors: CancelledError in a dead one."""
        if self.dead:
            raise asyncio.CancelledError
        while self._awake is not None:
            await asyncio.shield(self._awake)
        if self.dead:
            raise asyncio.CancelledError

    async def _until_asked(self) -> None:
        await self._asked.wait()


@dataclass(slots=True, kw_only=True)
class Waits:
    """What a pass has waited for since it began: seconds of the run."""

    began: float
    for_api_seconds: float = 0.0

    def beside(self, now: float) -> float:
        """Seconds that went into something else than the API server."""
        return now - self.began - self.for_api_seconds


class Session:
    """In place of the adapter's HTTP session: one exchange with the simulated API server."""

    login_count = 1

    def __init__(self, process: Process) -> None:
        self._process = process

    async def log_in_again(self, *, after: int) -> ports.Failure | None:
        assert after >= 0
        return None

    async def exchange(self, request: http.Request) -> http.Reply | ports.Retryable:
        """One request; what a pass waits for it is no delay of the operator's own making."""
        process, run = self._process, self._process.run
        waits, began = process.waits.get(asyncio.current_task()), run.loop.time()
        if waits is None:
            return await self._exchange(request)
        run.on_pass_waited(process, request, waits.beside(began))
        try:
            return await self._exchange(request)
        finally:
            waits.for_api_seconds += run.loop.time() - began

    async def _exchange(self, request: http.Request) -> http.Reply | ports.Retryable:
        process, run = self._process, self._process.run
        if not process.paused and not process.dead:
            run.on_send(process, request)
        await process.running()
        plan = run.nemesis.on_request(process, request)
        if plan.die_before:
            process.die()
            raise asyncio.CancelledError
        if plan.answer is not None:
            await self._wait(plan.send_seconds)
            run.trace.request(process.name, request, plan.answer.status)
            return plan.answer
        timeout = kube.URGENT_TIMEOUT_SECONDS if request.urgent else kube.TIMEOUT_SECONDS
        if plan.send_seconds >= timeout:
            # The connection is given up, yet the request is on its way and will be carried out.
            run.loop.call_later(plan.send_seconds, lambda: self._arrives(request))
            await self._wait(timeout)
            return ports.Retryable(message="no answer", maybe_applied=request.writes)
        await self._wait(plan.send_seconds)
        reply = self._arrives(request)
        if plan.die_after:
            process.die()
            raise asyncio.CancelledError
        if plan.lose_reply:
            await self._wait(timeout)
            return ports.Retryable(message="no answer", maybe_applied=request.writes)
        if plan.reply_seconds:
            await self._wait(plan.reply_seconds)
        return reply

    def _arrives(self, request: http.Request) -> http.Reply:
        run = self._process.run
        if request.path.endswith("/pods"):
            run.refresh_pods()
        reply = run.cluster.handle(request, actor=self._process.name)
        run.trace.request(self._process.name, request, reply.status)
        return reply

    async def _wait(self, seconds: float) -> None:
        await self._process.sleep(seconds)


class Metrics:
    """`ports.MetricSource` over the simulated Prometheus."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> ports.Result[Any]:
        process, run = self._process, self._process.run
        assert source in run.settings.sources
        assert not namespace  # no source of a play is told
        await process.running()
        # What `up` says is asked beside the rollout: it must move no dice of the others.
        plan = HONEST if promql.startswith("up{") else run.nemesis.on_query(process)
        await process.sleep(plan.seconds)
        if plan.failure is not None:
            return plan.failure
        newest = START + run.loop.time() - plan.stale_seconds
        answer = run.world.prometheus.answer(promql, at=min(at.timestamp(), newest))
        return ports.Ok(plan.distort(answer))


class Counting:
    """`ports.Executor` that counts at once, yet lets everybody else go first."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        await self._process.running()
        return self._process.run.counted(work)


class Probe:
    """`ports.ReadyProbe`: a pod that runs answers by itself."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def check(self, *, address: str, port: int, path: str) -> ports.ReadyAnswer:
        assert port
        assert path
        await self._process.sleep(self._process.run.nemesis.probe_seconds)
        world: World = self._process.run.world
        if world.answers(address):
            return ports.Ready()
        return ports.Unreachable("connection refused", refused=True)


class Replica:
    """A Deployment's pod: whatever happens to its process, another one is started."""

    def __init__(self, run: Environment, name: str) -> None:
        self._run = run
        self._name = name
        self._lives = 0
        self._stopped = False
        self.process: Process | None = None

    async def supervise(self) -> None:
        """Start processes until stopped, each a while after the one before ended."""
        while not self._stopped:
            self._lives += 1
            self.process = Process(self._run, f"{self._name}.{self._lives}")
            self._run.nemesis.on_start(self.process)
            watch = asyncio.create_task(self._probe(self.process))
            code = await self.process.live()
            watch.cancel()
            self._run.trace.add(f"{self.process.name} exit {code}")
            if not self._stopped:
                await asyncio.sleep(1.0 + self._run.dice.random())

    def stop(self) -> None:
        """The run is over."""
        self._stopped = True
        if self.process is not None:
            self.process.die()

    async def _probe(self, process: Process) -> None:
        while True:
            await asyncio.sleep(20.0)
            if process.unhealthy():
                process.ask_to_end()


def settings() -> Settings:
    """The operator's settings in every run: short lease and sweep, one metric source."""
    return Settings(
        workers=2,
        sweep_interval_seconds=120.0,
        objects_with_metrics=100,
        approvers_verified=True,
        leader_election=LeaderElectionSettings(
            lease_duration_seconds=15.0, renew_deadline_seconds=10.0, retry_seconds=4.0
        ),
        metric_sources=(
            MetricSourceSettings(
                name="prometheus",
                url="http://prometheus:9090",
                scrape_interval_seconds=SCRAPE_SECONDS,
            ),
        ),
    )
