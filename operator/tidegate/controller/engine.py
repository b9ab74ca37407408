"""The running parts of one controller process: how they start, and in which order they end.

Nothing here knows Kopf, HTTP or signals, so the simulator runs exactly this. Start and end follow
architecture.md, 2.4 (rules 3 to 5) and 3.3: everything that must outlive the feeder exists before
it, the feeder runs on every replica, and passes run only on the leader once the store is synced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate import ports
from tidegate.controller import gauges, leader, store, sweep, unserved, workqueue
from tidegate.controller.analysis.judge import Analyst
from tidegate.controller.approval_status import ApprovalStatuses
from tidegate.controller.approvals import Approvals
from tidegate.controller.background import Background
from tidegate.controller.beside import Beside
from tidegate.controller.config_maps import ConfigMaps
from tidegate.controller.dependencies import Watched
from tidegate.controller.events import Events
from tidegate.controller.identities import Identities
from tidegate.controller.inference import Inference
from tidegate.controller.isolations import Isolations
from tidegate.controller.line import Line
from tidegate.controller.notify.courier import Notifications, Notifier
from tidegate.controller.notify.statuses import ProviderStatuses
from tidegate.controller.observer import Observer
from tidegate.controller.ownership import Ownership
from tidegate.controller.policy_status import PolicyStatuses
from tidegate.controller.preflight import Preflight
from tidegate.controller.readiness import Readiness
from tidegate.controller.reconciler import Reconciler
from tidegate.controller.rollbacks import Rollbacks
from tidegate.controller.room import Rooms
from tidegate.controller.said_beside import SaidBeside
from tidegate.controller.smoke_tests import SmokeTests
from tidegate.controller.training import TrainingProfiles
from tidegate.controller.watch.hooks import DriftHooks
from tidegate.controller.watch.watcher import Watcher
from tidegate.settings import Settings

DRAIN_SECONDS = 5.0
FEEDER_EXIT_SECONDS = 10.0


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
    inference: ports.InferenceProbe
    hooks: ports.Hooks
    notifier: Notifier
    background: Background
    rollbacks: Rollbacks
    notifications: Notifications


class Feeder(Protocol):
    """Tells the sink what the cluster looks like."""

    async def run(self) -> None:
        """Feed until `stop`. Errors: whatever ends a watch; the process must restart."""
        ...

    def stop(self) -> None:
        """Let `run` return."""
        ...


MakeFeeder = Callable[[ports.EventSink], Feeder]
Milestone = Callable[[str], None]


def machine(
    settings: Settings,
    *,
    api: ports.KubeApi,
    clock: ports.Clock,
    rng: ports.Rng,
    recorder: ports.Recorder,
    probe: ports.ReadyProbe,
    inference: ports.InferenceProbe,
    hooks: ports.Hooks,
    notifier: Notifier,
    pod_name: str,
) -> Machine:
    """The machine of one process, with an empty store and a new identity."""
    elector = leader.Elector(
        api=api,
        clock=clock,
        rng=rng,
        recorder=recorder,
        settings=settings.leader_election,
        pod_name=pod_name,
        namespaces=settings.namespaces,
    )
    known = store.Store()
    background = Background(recorder=recorder)
    return Machine(
        api=api,
        store=known,
        clock=clock,
        rng=rng,
        recorder=recorder,
        settings=settings,
        elector=elector,
        probe=probe,
        inference=inference,
        hooks=hooks,
        notifier=notifier,
        background=background,
        rollbacks=Rollbacks(store=known),
        notifications=Notifications(
            store=known,
            notifier=notifier,
            clock=clock,
            background=background,
            recorder=recorder,
        ),
    )


def reconciler(
    parts: Machine, *, metrics: ports.MetricSource, executor: ports.Executor
) -> Reconciler:
    """The reconciler of a process that asks these metric sources, and counts in this executor."""
    smoke_tests = SmokeTests(
        api=parts.api,
        clock=parts.clock,
        background=parts.background,
        leading=parts.elector.leading,
    )
    isolations = Isolations(
        api=parts.api,
        clock=parts.clock,
        background=parts.background,
        leading=parts.elector.leading,
    )
    config_maps = ConfigMaps(
        api=parts.api,
        clock=parts.clock,
        background=parts.background,
        leading=parts.elector.leading,
    )
    observer = Observer(
        api=parts.api,
        store=parts.store,
        beside=_beside(
            parts,
            metrics=metrics,
            executor=executor,
            smoke_tests=smoke_tests,
            isolations=isolations,
        ),
        clock=parts.clock,
        config_maps=config_maps,
        settings=parts.settings,
        epoch=parts.elector.epoch,
    )
    return Reconciler(
        api=parts.api,
        store=parts.store,
        observer=observer,
        smoke_tests=smoke_tests,
        isolations=isolations,
        config_maps=config_maps,
        ownership=Ownership(
            api=parts.api, store=parts.store, clock=parts.clock, settings=parts.settings
        ),
        line=Line(store=parts.store, reader=observer.reader, wake=parts.background.wake),
        rollbacks=parts.rollbacks,
        events=Events(
            api=parts.api,
            clock=parts.clock,
            background=parts.background,
            recorder=parts.recorder,
            instance=parts.elector.identity,
        ),
        notifications=parts.notifications,
        clock=parts.clock,
        recorder=parts.recorder,
        leading=parts.elector.leading,
    )


def _beside(
    parts: Machine,
    *,
    metrics: ports.MetricSource,
    executor: ports.Executor,
    smoke_tests: SmokeTests,
    isolations: Isolations,
) -> Beside:
    return Beside(
        smoke_tests=smoke_tests,
        isolations=isolations,
        analyst=Analyst(
            source=metrics,
            clock=parts.clock,
            sources=parts.settings.sources,
            recorder=parts.recorder,
            executor=executor,
            background=parts.background,
            leading=parts.elector.leading,
        ),
        identities=Identities(
            source=metrics,
            clock=parts.clock,
            sources=parts.settings.sources,
            background=parts.background,
        ),
        preflight=Preflight(
            source=metrics,
            clock=parts.clock,
            sources=parts.settings.sources,
            background=parts.background,
        ),
        readiness=Readiness(
            api=parts.api, probe=parts.probe, clock=parts.clock, background=parts.background
        ),
        inference=Inference(
            api=parts.api, probe=parts.inference, clock=parts.clock, background=parts.background
        ),
        rooms=Rooms(api=parts.api, clock=parts.clock, background=parts.background),
        training=TrainingProfiles(api=parts.api, clock=parts.clock, background=parts.background),
        watcher=Watcher(
            source=metrics,
            clock=parts.clock,
            sources=parts.settings.sources,
            executor=executor,
            background=parts.background,
            leading=parts.elector.leading,
        ),
        drift_hooks=DriftHooks(
            api=parts.api,
            hooks=parts.hooks,
            clock=parts.clock,
            background=parts.background,
            leading=parts.elector.leading,
        ),
    )


class Engine:
    """Queue, elector, sweeper and feeder of one process."""

    def __init__(
        self,
        parts: Machine,
        *,
        process: workqueue.Process,
        watched: Sequence[Watched],
        absent: Sequence[ports.Kind],
        make_feeder: MakeFeeder,
        milestone: Milestone,
    ) -> None:
        settings = parts.settings
        self._machine = parts
        self._milestone = milestone
        self._queue = workqueue.WorkQueue(
            process,
            clock=parts.clock,
            rng=parts.rng,
            recorder=parts.recorder,
            workers=settings.workers,
        )
        parts.store.after_own_change = self._queue.add
        parts.store.absent.update(absent)
        self._lookout = unserved.Lookout(api=parts.api, store=parts.store, clock=parts.clock)
        said = SaidBeside(
            api=parts.api,
            store=parts.store,
            clock=parts.clock,
            recorder=parts.recorder,
            leading=parts.elector.leading,
        )
        self._policy_statuses = PolicyStatuses(
            said=said,
            store=parts.store,
            clock=parts.clock,
            whole_cluster=not (settings.namespaces or settings.namespace_selector),
            rollbacks=parts.rollbacks,
        )
        self._approval_statuses = ApprovalStatuses(
            said=said,
            store=parts.store,
            clock=parts.clock,
            approvals=Approvals(store=parts.store, settings=settings),
        )
        self._provider_statuses = ProviderStatuses(
            said=said,
            store=parts.store,
            clock=parts.clock,
            settings=settings,
            notifier=parts.notifier,
            told=parts.notifications,
        )
        intake = store.Intake(parts.store, enqueue=self._queue.add, recorder=parts.recorder)
        self._sweeper = sweep.Sweeper(
            api=parts.api,
            store=parts.store,
            sink=intake,
            clock=parts.clock,
            rng=parts.rng,
            recorder=parts.recorder,
            watched=watched,
            namespaces=settings.namespaces,
            interval_seconds=settings.sweep_interval_seconds,
        )
        self._feeder = make_feeder(intake)

    async def run(self, *, until_asked: Callable[[], Awaitable[None]]) -> int:
        """Until asked to end (0) or until a part has ended by itself (1)."""
        # Kopf cancels all tasks younger than itself when it ends, so it comes last (K11).
        parts = {
            "asked": until_asked,
            "queue": self._queue.run,
            "elector": self._elect,
            "sweeper": self._sweep,
            "lookout": self._lookout.run,
            "policies": self._policy_statuses.run,
            "approvals": self._approval_statuses.run,
            "providers": self._provider_statuses.run,
            "background": self._work_beside,
            "feeder": self._feeder.run,
        }
        self._milestone("starting")
        tasks = {
            name: asyncio.create_task(_awaited(part), name=name) for name, part in parts.items()
        }
        try:
            await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            return await self._end(tasks)
        finally:
            await _cancel(*tasks.values())

    def live(self) -> str:
        """Why the process must be restarted, or empty."""
        return "" if self._sweeper.feeder_fresh else "the watches deliver no changes"

    def ready(self) -> str:
        """Why the process cannot take over yet, or empty."""
        unsynced = self._sweeper.unsynced
        return f"not synced: {', '.join(unsynced)}" if unsynced else ""

    def gauges(self) -> Sequence[ports.GaugeFamily]:
        """What Prometheus may see of the ModelDeployments; only of the replica that leads.

        May be asked from another thread.
        """
        if not self._machine.elector.leading():
            return ()
        entries = self._machine.store.model_deployment_entries()
        return gauges.families(entries, at_most=self._machine.settings.objects_with_metrics)

    async def _end(self, tasks: Mapping[str, asyncio.Task[None]]) -> int:
        """Shut down in the order of architecture.md, 2.4, rule 4."""
        asked = tasks["asked"].done()
        errors = {name: _error(task) for name, task in tasks.items() if task.done()}
        lost = "elector" in errors
        recorder = self._machine.recorder
        if asked:
            self._milestone("stopping")
        else:
            for name, error in errors.items():
                recorder.problem("part_ended", part=name, error=error or "unasked")
        if lost:
            await _cancel(tasks["queue"])
        elif not await self._queue.drain(timeout_seconds=DRAIN_SECONDS):
            recorder.problem("drain_incomplete")
        await _cancel(*(task for name, task in tasks.items() if name not in {"asked", "feeder"}))
        await self._machine.elector.release()
        self._feeder.stop()
        await asyncio.wait([tasks["feeder"]], timeout=FEEDER_EXIT_SECONDS)
        return 0 if asked else 1

    async def _elect(self) -> None:
        await self._machine.elector.run(on_acquired=self._begin_if_ready)

    async def _sweep(self) -> None:
        await self._sweeper.sync()
        self._milestone("synced")
        self._begin_if_ready()
        await self._sweeper.run()

    async def _work_beside(self) -> None:
        await self._machine.background.run(self._queue.add)

    def _begin_if_ready(self) -> None:
        """Let passes begin once we lead and know everything, unfinished rollouts first."""
        if self._sweeper.unsynced or not self._machine.elector.leading():
            return
        unfinished = self._machine.store.unfinished()
        for key in self._machine.store.model_deployments():
            self._queue.add(key, priority=key in unfinished)
        self._queue.open()


async def _awaited(part: Callable[[], Awaitable[None]]) -> None:
    await part()


def _error(task: asyncio.Task[None]) -> str:
    error = None if task.cancelled() else task.exception()
    return "" if error is None else f"{type(error).__name__}: {error}"


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
