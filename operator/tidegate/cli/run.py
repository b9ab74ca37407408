"""`tidegate controller`: settings from file and flags, and what the reconciler is made of."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from tidegate import settings as settings_module
from tidegate.adapters import telemetry
from tidegate.adapters.executor import SingleThread
from tidegate.adapters.prometheus import PrometheusSources
from tidegate.api import documents
from tidegate.cli import shell
from tidegate.controller import engine, workqueue
from tidegate.settings import Settings
from tidegate.settings_reader import SettingsError


def main(arguments: argparse.Namespace) -> int:
    """Run the controller; returns the exit code. Bad input is one sentence on standard error."""
    try:
        settings = read_settings(arguments)
    except (OSError, ValueError) as error:
        print(f"tidegate: {error}", file=sys.stderr)  # noqa: T201  (logging is not set up yet)
        return 2
    telemetry.configure_logging(settings.log_level)
    return asyncio.run(
        shell.run(settings, make_process=_reconcile, kubeconfig=arguments.kubeconfig)
    )


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Settings from the file and the flags.

    Errors: OSError for an unreadable file; ValueError with the field for unusable content.
    """
    document = documents.load(arguments.settings.read_text()) if arguments.settings else {}
    if not isinstance(document, dict | None):
        raise SettingsError(f"{arguments.settings}: must be a mapping")
    flags = {
        "namespaces": arguments.namespace,
        "leaderElection": {"namespace": arguments.lease_namespace},
        "httpPort": arguments.http_port,
        "logLevel": arguments.log_level,
    }
    return settings_module.load(document or {}, flags=flags)


@contextlib.asynccontextmanager
async def _reconcile(machine: shell.Machine) -> AsyncIterator[workqueue.Process]:
    settings = machine.settings
    sources = PrometheusSources(
        settings.metric_sources, clock=machine.clock, recorder=machine.recorder
    )
    executor = SingleThread()
    reconciler = engine.reconciler(machine, metrics=sources, executor=executor)
    try:
        yield reconciler.reconcile
    finally:
        sources.close()
        executor.close()
