"""Wires the adapters into the controller and runs it until told to stop.

Start and end follow architecture.md, 2.4 (rules 3 to 5) and 3.3: everything that must outlive Kopf
exists before it, the feeder runs on every replica, and passes run only on the leader once the
store is synced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import tidegate
from tidegate import ports
from tidegate.adapters import clock, kopf_feed, kube, probe, telemetry
from tidegate.controller import leader, store, sweep, workqueue
from tidegate.settings import Settings

DRAIN_SECONDS = 5.0
FEEDER_EXIT_SECONDS = 10.0

_OWN_KINDS = (ports.MODEL_DEPLOYMENT, ports.METRIC_TEMPLATE, ports.CLUSTER_METRIC_TEMPLATE)
_LABELLED_KINDS = (ports.DEPLOYMENT, ports.SERVICE, ports.ENDPOINT_SLICE)
_OPTIONAL_KINDS = (ports.HTTP_ROUTE,)  # served where the Gateway API is installed


class StartError(RuntimeError):
    """The controller cannot start; the message is one sentence for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a reconciler is built from."""

    api: ports.KubeApi
    store: store.Store
    clock: ports.Clock
    rng: ports.Rng
    recorder: ports.Recorder
    settings: Settings
    elector: leader.Elector
    probe: ports.ReadyProbe


MakeProcess = Callable[[Machine], AbstractAsyncContextManager[workqueue.Process]]


async def run(settings: Settings, *, make_process: MakeProcess, kubeconfig: str = "") -> int:
    """Run until SIGTERM or SIGINT (0) or until the process must be restarted (1)."""
    recorder = telemetry.Telemetry()
    if kubeconfig:
        os.environ["KUBECONFIG"] = kubeconfig  # the only way to tell Kopf
    try:
        async with contextlib.AsyncExitStack() as stack:
            api = await kube.connect(recorder=recorder, kubeconfig=kubeconfig)
            stack.push_async_callback(api.close)
            session = await stack.enter_async_context(probe.session())
            watched, absent = await _kinds(api)
            machine = _machine(settings, api=api, session=session, recorder=recorder)
            process = await stack.enter_async_context(make_process(machine))
            controller = _Controller(
                machine,
                process=process,
                telemetry=recorder,
                watched=watched,
                absent=absent,
                use_kubeconfig=bool(kubeconfig),
            )
            return await controller.run()
    except (StartError, kube.LoginError) as error:
        recorder.problem("start_failed", error=str(error))
        return 1


async def _kinds(api: ports.KubeApi) -> tuple[list[sweep.Watched], list[ports.Kind]]:
    """What to watch, and the optional kinds that this cluster does not serve.

    Errors: StartError when one of Tidegate's own kinds is not served.
    """
    absent = []
    for kind in (*_OWN_KINDS, *_OPTIONAL_KINDS):
        answer = await api.serves(kind)
        if not isinstance(answer, ports.Ok):
            raise StartError(f"the API server does not answer: {answer.message}")
        if not answer.value and kind in _OWN_KINDS:
            raise StartError(
                f"the cluster does not serve {kind.plural}.{kind.group} ({kind.version}):"
                " install Tidegate's CRDs of this version first"
            )
        if not answer.value:
            absent.append(kind)
    labelled = [kind for kind in (*_LABELLED_KINDS, *_OPTIONAL_KINDS) if kind not in absent]
    watched = [sweep.Watched(kind=kind) for kind in _OWN_KINDS]
    watched += [sweep.Watched(kind=kind, label_selector=store.WATCH_SELECTOR) for kind in labelled]
    return watched, absent


def _machine(
    settings: Settings,
    *,
    api: ports.KubeApi,
    session: probe.Session,
    recorder: ports.Recorder,
) -> Machine:
    system_clock, rng = clock.SystemClock(), clock.SystemRng()
    elector = leader.Elector(
        api=api,
        clock=system_clock,
        rng=rng,
        recorder=recorder,
        settings=settings.leader_election,
        pod_name=os.environ.get("POD_NAME") or socket.gethostname(),
    )
    return Machine(
        api=api,
        store=store.Store(),
        clock=system_clock,
        rng=rng,
        recorder=recorder,
        settings=settings,
        elector=elector,
        probe=probe.HttpReadyProbe(session),
    )


class _Controller:
    """The running parts of one process."""

    def __init__(
        self,
        machine: Machine,
        *,
        process: workqueue.Process,
        telemetry: telemetry.Telemetry,
        watched: Sequence[sweep.Watched],
        absent: Sequence[ports.Kind],
        use_kubeconfig: bool,
    ) -> None:
        settings = machine.settings
        self._machine = machine
        self._telemetry = telemetry
        self._signalled = asyncio.Event()
        self._queue = workqueue.WorkQueue(
            process,
            clock=machine.clock,
            rng=machine.rng,
            recorder=machine.recorder,
            workers=settings.workers,
        )
        intake = store.Intake(machine.store, enqueue=self._queue.add, recorder=machine.recorder)
        self._sweeper = sweep.Sweeper(
            api=machine.api,
            store=machine.store,
            sink=intake,
            clock=machine.clock,
            rng=machine.rng,
            recorder=machine.recorder,
            watched=watched,
            absent=absent,
            namespaces=settings.namespaces,
            interval_seconds=settings.sweep_interval_seconds,
        )
        self._feeder = kopf_feed.Feeder(
            intake,
            watched=[(item.kind, item.label_selector) for item in watched],
            namespaces=settings.namespaces,
            use_kubeconfig=use_kubeconfig,
        )

    async def run(self) -> int:
        """Until a signal (0) or until a part has ended by itself (1)."""
        # Kopf cancels all tasks younger than itself when it ends, so it comes last (K11).
        parts = {
            "signal": self._until_signal,
            "queue": self._queue.run,
            "elector": self._elect,
            "sweeper": self._sweep,
            "feeder": self._feeder.run,
        }
        async with telemetry.http_server(
            port=self._machine.settings.http_port,
            registry=self._telemetry.registry,
            live=self._live,
            ready=self._ready,
        ):
            self._telemetry.milestone("starting", version=tidegate.__version__)
            tasks = {name: asyncio.create_task(part(), name=name) for name, part in parts.items()}
            try:
                await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
                return await self._end(tasks)
            finally:
                await _cancel(*tasks.values())

    async def _end(self, tasks: Mapping[str, asyncio.Task[None]]) -> int:
        """Shut down in the order of architecture.md, 2.4, rule 4."""
        asked = tasks["signal"].done()
        errors = {name: _error(task) for name, task in tasks.items() if task.done()}
        lost = "elector" in errors
        if asked:
            self._telemetry.milestone("stopping")
        else:
            for name, error in errors.items():
                self._telemetry.problem("part_ended", part=name, error=error or "unasked")
        if lost:
            await _cancel(tasks["queue"])
        elif not await self._queue.drain(timeout_seconds=DRAIN_SECONDS):
            self._telemetry.problem("drain_incomplete")
        await _cancel(tasks["elector"], tasks["sweeper"], tasks["queue"])
        await self._machine.elector.release()
        self._feeder.stop()
        await asyncio.wait([tasks["feeder"]], timeout=FEEDER_EXIT_SECONDS)
        return 0 if asked else 1

    async def _until_signal(self) -> None:
        """Take SIGTERM and SIGINT over from Kopf once it has started."""
        await self._feeder.started.wait()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled.set)
        await self._signalled.wait()

    async def _elect(self) -> None:
        await self._machine.elector.run(on_acquired=self._begin_if_ready)

    async def _sweep(self) -> None:
        await self._sweeper.sync()
        self._telemetry.milestone("synced")
        self._begin_if_ready()
        await self._sweeper.run()

    def _begin_if_ready(self) -> None:
        """Let passes begin once we lead and know everything, unfinished rollouts first."""
        if self._sweeper.unsynced or not self._machine.elector.leading():
            return
        unfinished = self._machine.store.unfinished()
        for key in self._machine.store.model_deployments():
            self._queue.add(key, priority=key in unfinished)
        self._queue.open()

    def _live(self) -> str:
        return "" if self._sweeper.feeder_fresh else "the watches deliver no changes"

    def _ready(self) -> str:
        unsynced = self._sweeper.unsynced
        return f"not synced: {', '.join(unsynced)}" if unsynced else ""


def _error(task: asyncio.Task[None]) -> str:
    error = None if task.cancelled() else task.exception()
    return "" if error is None else f"{type(error).__name__}: {error}"


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
