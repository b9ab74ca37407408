"""The controller process with a reconciler that only marks objects as looked at.

Run as a program by the contract tests: start-up, leadership and shutdown are those of production.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from tidegate import ports
from tidegate.adapters import telemetry
from tidegate.cli import shell
from tidegate.controller.workqueue import Done, Failed, Key, Outcome, Process
from tidegate.settings import LeaderElectionSettings, Settings


@contextlib.asynccontextmanager
async def marker(machine: shell.Machine) -> AsyncIterator[Process]:
    """A process that writes phase and observedGeneration once per generation."""

    async def process(key: Key) -> Outcome:
        kind = ports.MODEL_DEPLOYMENT
        body = machine.store.get(kind, namespace=key.namespace, name=key.name)
        if body is None:
            return Done()
        metadata, status = body["metadata"], body.get("status") or {}
        if status.get("observedGeneration") == metadata["generation"]:
            return Done(requeue_after_seconds=600.0)
        intent = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "resourceVersion": metadata["resourceVersion"],
            },
            "status": {
                "phase": "Healthy",
                "observedGeneration": metadata["generation"],
                "message": machine.elector.identity,
            },
        }
        written = await machine.api.apply_status(kind, namespace=key.namespace, body=intent)
        if not isinstance(written, ports.Ok):
            return Failed()
        machine.store.put_own_reply(kind, written.value)
        return Done(requeue_after_seconds=600.0)

    yield process


def main() -> int:
    kubeconfig, port, lease_namespace, sweep_interval_seconds, patience, lease = sys.argv[1:]
    telemetry.configure_logging("info")
    settings = Settings(
        http_port=int(port),
        sweep_interval_seconds=float(sweep_interval_seconds),
        leader_election=LeaderElectionSettings(
            namespace=lease_namespace,
            lease_duration_seconds=int(lease),
            renew_deadline_seconds=int(lease) * 5 / 8,
            retry_seconds=0.5,
        ),
    )
    return asyncio.run(
        shell.run(
            settings,
            make_process=marker,
            kubeconfig=kubeconfig,
            patience_seconds=float(patience),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
