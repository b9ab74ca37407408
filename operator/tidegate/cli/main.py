"""`tidegate` and `kubectl tidegate`: from arguments to one of the commands."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tidegate import model
from tidegate.adapters import clock
from tidegate.cli import approve, check, explain, kubectl, offline, outcome, parser
from tidegate.cli.outcome import CliError
from tidegate.cli.parser import reference_page
from tidegate.cli.render import escaped

__all__ = ["main", "reference_page"]

_INTERRUPTED = 130
_PLUGIN = "kubectl-tidegate"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code.

    Errors: people's mistakes become one line on standard error and exit code TROUBLE.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a poor locale must not end a command
    prog = "kubectl tidegate" if Path(sys.argv[0]).stem == _PLUGIN else "tidegate"
    try:
        code = _run(sys.argv[1:] if argv is None else argv, prog=prog)
        sys.stdout.flush()
    except CliError as error:
        sys.stderr.write(f"error: {escaped(str(error))}\n")
        return outcome.TROUBLE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`| head`); what is left must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return outcome.DONE
    return code


def _run(argv: Sequence[str], *, prog: str) -> int:
    if argv and argv[0] == parser.PROFILE:
        return _profile(argv[1:], prog=f"{prog} {parser.PROFILE}")
    arguments = parser.build(prog).parse_args(argv)
    match arguments.command:
        case "controller":
            return _controller(arguments)
        case "validate":
            return offline.validate(arguments.filename, say=_say)
        case "check":
            return check.check(
                arguments.filename,
                namespace=arguments.namespace,
                output=arguments.output,
                now=clock.SystemClock().now(),
                say=_say,
            )
        case "evaluate" | "replay" | "plan":
            return _about_evidence(arguments)
        case "crd":
            return offline.crd(arguments.output, say=_say)
        case _:
            return asyncio.run(_in_cluster(arguments))


def _controller(arguments: argparse.Namespace) -> int:
    """Run the operator, whose libraries come with an extra of the package.

    Errors: CliError when they are not installed.
    """
    try:
        # They take a second to import; no other command needs them.
        from tidegate.cli import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tidegate"):
            raise
        message = f"the operator needs the library {error.name}: pip install 'tidegate[controller]'"
        raise CliError(message) from error
    return run.main(arguments)


def _profile(argv: Sequence[str], *, prog: str) -> int:
    """Hand over to the command of the probe, a distribution of its own (ADR 0061).

    Errors: CliError when it is not installed.
    """
    try:
        command = importlib.import_module("tidegate_probe.command")
    except ModuleNotFoundError as error:
        if error.name != "tidegate_probe":
            raise
        message = "profiles are made by a package of their own: pip install tidegate-probe"
        raise CliError(message) from error
    code: int = command.main(argv, prog=prog)
    return code


def _about_evidence(arguments: argparse.Namespace) -> int:
    # scipy takes half a second to import; no other command needs it.
    from tidegate.cli import evidence, plan  # noqa: PLC0415

    if arguments.command == "plan":
        assumed = plan.Assumed(
            rate=arguments.rate,
            errors=arguments.errors,
            slow=arguments.slow,
            scrape_seconds=arguments.scrape,
            dispersion=arguments.dispersion,
        )
        return plan.plan(
            arguments.filename,
            assumed=assumed,
            output=arguments.output,
            picture=arguments.picture,
            say=_say,
        )

    if arguments.command == "replay":
        return evidence.replay_log(arguments.filename, rollout=arguments.rollout, say=_say)
    return evidence.evaluate(arguments.filename, output=arguments.output, say=_say)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # whoever follows a watch through a pipe sees each line at once


# --- commands that need a cluster ----------------------------------------------------------------


async def _in_cluster(arguments: argparse.Namespace) -> int:
    # The client library takes half a second to import; no other command needs it.
    from tidegate.cli import session  # noqa: PLC0415

    place = session.locate(
        os.environ,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        namespace=arguments.namespace,
    )
    async with session.connected(place) as api:
        console = kubectl.Console(api=api, clock=clock.SystemClock(), say=_say)
        return await _command(arguments, console=console, namespace=place.namespace)


async def _command(
    arguments: argparse.Namespace, *, console: kubectl.Console, namespace: str
) -> int:
    named = kubectl.NamespacedName(namespace=namespace, name=arguments.name)
    match arguments.command:
        case "status" if arguments.name and arguments.all_namespaces:
            raise CliError("a NAME and --all-namespaces exclude each other: leave one of them out")
        case "status" if arguments.name:
            return await kubectl.show_one(console, named, output=arguments.output)
        case "status":
            wanted = "" if arguments.all_namespaces else namespace
            return await kubectl.show_all(console, namespace=wanted, output=arguments.output)
        case "history":
            return await kubectl.show_history(console, named, output=arguments.output)
        case "doctor":
            return await _doctor(arguments, console=console, namespace=namespace)
        case "policy":
            return await explain.explain(console, named, output=arguments.output)
        case "watch":
            return await kubectl.watch(console, named, timeout_seconds=arguments.timeout)
        case "approve" | "reject":
            word = approve.Word(
                decision=model.Decision(arguments.command.capitalize()),
                gate=arguments.gate,
                comment=arguments.reason,
                only_show=arguments.show,
            )
            return await approve.decide(console, named, word, wait_seconds=arguments.wait)
        case name:
            return await kubectl.ask(
                console,
                named,
                kind=model.RequestKind(name),
                reason=arguments.reason,
                wait_seconds=arguments.wait,
            )


async def _doctor(
    arguments: argparse.Namespace, *, console: kubectl.Console, namespace: str
) -> int:
    # Its libraries take a while to import; no other command needs them.
    from tidegate.adapters import telemetry  # noqa: PLC0415
    from tidegate.adapters.prometheus import AnySource  # noqa: PLC0415
    from tidegate.cli import doctor  # noqa: PLC0415

    where = doctor.Where(
        namespace=namespace,
        name=arguments.name,
        operator_namespace=arguments.operator_namespace,
    )
    url = arguments.prometheus.rstrip("/")
    if not url:
        return await doctor.examine(console, where, output=arguments.output, metrics=None, url="")
    if not url.startswith(("http://", "https://")):
        raise CliError(f"--prometheus: {url!r} is no URL such as http://localhost:9090")
    metrics = AnySource(url, clock=console.clock, recorder=telemetry.Telemetry())
    try:
        return await doctor.examine(
            console, where, output=arguments.output, metrics=metrics, url=url
        )
    finally:
        metrics.close()
