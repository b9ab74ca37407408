"""Wires the adapters into the controller's engine and runs it until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import tidegate
from tidegate import ports
from tidegate.adapters import (
    clock,
    hooks,
    inference,
    kopf_feed,
    kube,
    notifier,
    outgoing,
    probe,
    telemetry,
)
from tidegate.controller import dependencies, engine, kinds_check, workqueue
from tidegate.controller.dependencies import Served, Watched
from tidegate.settings import Settings


class StartError(RuntimeError):
    """The controller cannot start; the message is one sentence for the administrator."""


Machine = engine.Machine
MakeProcess = Callable[[Machine], AbstractAsyncContextManager[workqueue.Process]]


async def run(
    settings: Settings,
    *,
    make_process: MakeProcess,
    kubeconfig: str = "",
    patience_seconds: float = kinds_check.PATIENCE_SECONDS,
) -> int:
    """Run until SIGTERM or SIGINT (0) or until the process must be restarted (1).

    `patience_seconds` is how long CRDs that are older than this release may take to be replaced.
    """
    recorder = telemetry.Telemetry()
    if kubeconfig:
        os.environ["KUBECONFIG"] = kubeconfig  # the only way to tell Kopf
    try:
        async with contextlib.AsyncExitStack() as stack:
            api = await kube.connect(recorder=recorder, kubeconfig=kubeconfig)
            stack.push_async_callback(api.close)
            session = await stack.enter_async_context(probe.session())
            outside = await stack.enter_async_context(outgoing.session())
            absent = await _absent_kinds(api)
            watched = dependencies.watched(
                absent=absent, namespace_selector=settings.namespace_selector
            )
            machine = _machine(
                settings, api=api, session=session, outside=outside, recorder=recorder
            )
            check = kinds_check.KindsCheck(
                api=api,
                clock=machine.clock,
                recorder=recorder,
                patience_seconds=patience_seconds,
            )
            process = await stack.enter_async_context(make_process(machine))
            controller = _Controller(
                machine,
                check=check,
                process=process,
                telemetry=recorder,
                watched=watched,
                absent=absent,
                use_kubeconfig=bool(kubeconfig),
            )
            return await controller.run()
    except (StartError, kinds_check.OutdatedKindsError, kube.LoginError) as error:
        recorder.problem("start_failed", error=str(error))
        return 1


async def _absent_kinds(api: ports.KubeApi) -> list[ports.Kind]:
    """The optional kinds that this cluster does not serve.

    Errors: StartError when one of Tidegate's own kinds is not served.
    """
    absent = []
    own = dependencies.served(Served.BY_OUR_CRDS)
    for kind in dependencies.asked_for():
        answer = await api.serves(kind)
        if not isinstance(answer, ports.Ok):
            raise StartError(f"the API server does not answer: {answer.message}")
        if not answer.value and kind in own:
            raise StartError(
                f"the cluster does not serve {kind.plural}.{kind.group} ({kind.version}):"
                " install Tidegate's CRDs of this version first"
            )
        if not answer.value:
            absent.append(kind)
    return absent


def _machine(
    settings: Settings,
    *,
    api: ports.KubeApi,
    session: probe.Session,
    outside: probe.Session,
    recorder: ports.Recorder,
) -> Machine:
    allowed = hooks.HttpHooks(outside, receivers=settings.hook_receivers)
    return engine.machine(
        settings,
        api=api,
        clock=clock.SystemClock(),
        rng=clock.SystemRng(),
        recorder=recorder,
        probe=probe.HttpReadyProbe(session),
        inference=inference.HttpInferenceProbe(session),
        hooks=allowed,
        notifier=notifier.HttpNotifier(
            outside, hooks=allowed, receivers=settings.notification_receivers
        ),
        pod_name=os.environ.get("POD_NAME") or socket.gethostname(),
    )


class _Controller:
    """The engine with what only a real process has: Kopf, signals and an HTTP port."""

    def __init__(
        self,
        machine: Machine,
        *,
        check: kinds_check.KindsCheck,
        process: workqueue.Process,
        telemetry: telemetry.Telemetry,
        watched: Sequence[Watched],
        absent: Sequence[ports.Kind],
        use_kubeconfig: bool,
    ) -> None:
        self._settings = machine.settings
        self._check = check
        self._telemetry = telemetry
        self._signalled = asyncio.Event()
        self._feeder_started = asyncio.Event()

        def feeder(sink: ports.EventSink) -> kopf_feed.Feeder:
            made = kopf_feed.Feeder(
                sink,
                watched=[(item.kind, item.label_selector) for item in watched],
                namespaces=machine.settings.namespaces,
                use_kubeconfig=use_kubeconfig,
            )
            self._feeder_started = made.started
            return made

        self._engine = engine.Engine(
            machine,
            process=process,
            watched=watched,
            absent=absent,
            make_feeder=feeder,
            milestone=self._milestone,
        )
        telemetry.show(self._engine.gauges)

    async def run(self) -> int:
        """Until a signal (0) or until a part has ended by itself (1).

        Errors: OutdatedKindsError, before this process takes part in anything.
        """
        async with telemetry.http_server(
            port=self._settings.http_port,
            registry=self._telemetry.registry,
            live=self._engine.live,
            ready=lambda: self._check.problem or self._engine.ready(),
        ):
            if not await self._kinds_suit():
                return 0
            return await self._engine.run(until_asked=self._until_signal)

    async def _kinds_suit(self) -> bool:
        """True once the cluster's CRDs suit; False when a signal came first."""
        self._take_signals()
        check = asyncio.create_task(self._check.run())
        signalled = asyncio.create_task(self._signalled.wait())
        try:
            await asyncio.wait({check, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if check.done():
                await check
            return not self._signalled.is_set()
        finally:
            check.cancel()
            signalled.cancel()
            await asyncio.gather(check, signalled, return_exceptions=True)

    def _milestone(self, event: str) -> None:
        if event == "starting":
            self._telemetry.milestone(event, version=tidegate.__version__)
        else:
            self._telemetry.milestone(event)

    async def _until_signal(self) -> None:
        """Take SIGTERM and SIGINT over from Kopf once it has started."""
        await self._feeder_started.wait()
        self._take_signals()
        await self._signalled.wait()

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled.set)
