"""Kopf as event feeder: watches the cluster and tells the sink. It writes nothing.

The only module that knows Kopf, so that replacing Kopf stays a change of one file (ADR-0001).
Source: architecture.md, 2.3 (settings) and 2.4 (embedding rules).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import kopf

from tidegate import ports
from tidegate.adapters import kube_http

_FINALIZER = "tidegate.dev/unused-kopf-finalizer"
# Only peering, which is off, would use it. Without one Kopf asks for the name of the process's
# user, and the user of our image has none.
_IDENTITY: Any = "tidegate"  # a private type of Kopf, made of a text


class Feeder:
    """Runs Kopf's watches in this event loop.

    `watched` holds a kind and its label selector. Without namespaces the whole cluster is watched.
    The tasks that must outlive Kopf have to exist before `run` (Kopf cancels younger ones, K11),
    and signal handlers must be installed after `started` (Kopf takes them while it starts).
    """

    def __init__(
        self,
        sink: ports.EventSink,
        *,
        watched: Sequence[tuple[ports.Kind, str]],
        namespaces: Sequence[str] = (),
        use_kubeconfig: bool = False,
    ) -> None:
        self._watched = watched
        self._namespaces = namespaces
        self._registry = kopf.OperatorRegistry()
        self._stop = asyncio.Event()
        self.started = asyncio.Event()
        self._register_login(use_kubeconfig=use_kubeconfig)
        for kind, _ in watched:
            self._register(kind, sink)

    async def run(self) -> None:
        """Feed until `stop` is called.

        Errors: whatever ends Kopf, such as an ERROR in a watch stream; the process must restart.
        """
        scope = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        await kopf.operator(
            registry=self._registry,
            settings=self._settings(),
            standalone=True,
            identity=_IDENTITY,
            liveness_endpoint=None,
            ready_flag=self.started,
            stop_flag=self._stop,
            **scope,
        )

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    def _register_login(self, *, use_kubeconfig: bool) -> None:
        """Log in without the official client, whose bugs Kopf would inherit otherwise."""

        @kopf.on.login(registry=self._registry, id="login", retries=3, backoff=1.0)
        async def log_in(**context: Any) -> kopf.ConnectionInfo | None:
            if use_kubeconfig:
                return kopf.login_with_kubeconfig(**context)
            return kopf.login_with_service_account(**context) or kopf.login_with_kubeconfig(
                **context
            )

    def _register(self, kind: ports.Kind, sink: ports.EventSink) -> None:
        """Forward the events of one kind; the handler touches memory only and never raises."""

        @kopf.on.event(
            group=kind.group,
            version=kind.version,
            plural=kind.plural,
            registry=self._registry,
            id=f"feed {kind.plural}",
        )
        async def feed(event: kopf.RawEvent, **_: Any) -> None:
            body: ports.Object = kube_http.with_shared_texts(dict(event["object"]))
            if event["type"] == "DELETED":
                sink.deleted(kind, body)
            else:
                sink.changed(kind, body)

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.watching.server_timeout = 290
        settings.watching.client_timeout = 310
        settings.watching.connect_timeout = 10
        settings.watching.inactivity_timeout = 70
        settings.watching.chunk_size = 500
        for kind, label_selector in self._watched:
            if label_selector:
                key = (kind.group, kind.version, kind.plural)
                settings.watching.label_selectors[key] = label_selector
        settings.networking.request_timeout = 30
        settings.networking.error_backoffs = (1, 2, 4, 8)
        settings.networking.enforce_retry_after = True
        settings.process.ultimate_exiting_timeout = 20
        settings.execution.max_workers = 1
        settings.persistence.finalizer = _FINALIZER
        return settings
