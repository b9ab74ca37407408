"""Usage: python -m comparer --namespace ml [--port 8080] [--tolerance 0.01] ...; see --help."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from aiohttp import web

from comparer.comparer import Comparer, Setting
from comparer.pairing import Limits
from comparer.server import MAX_BODY_BYTES, Server

MIB = 2**20


def main() -> None:
    """Run as the process of a pod."""
    given = parsed()
    epoch = time.time() - time.monotonic()
    server = Server(Comparer(setting_of(given), epoch=epoch), max_body_bytes=given.max_body)
    web.run_app(server.application(), port=given.port, access_log=None, print=None)


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, the namespace also from the variable POD_NAMESPACE."""
    parser = argparse.ArgumentParser(prog="comparer", description=__doc__)
    add = parser.add_argument
    add("--port", type=_whole(0, 65535), default=8080, help="where to listen")
    add("--namespace", default=os.environ.get("POD_NAMESPACE", ""), help="whose events are taken")
    add("--tolerance", type=_number(0.0, 1e9), default=0.01, help="scores so far apart are equal")
    add("--age", type=_number(1, 3600), default=60.0, help="seconds that an answer waits")
    add("--requests", type=_whole(1, 10**8), default=100_000, help="requests that may wait")
    add("--memory", type=_number(2, 1e5), default=64.0, help="MiB that waiting answers may take")
    add("--label-age", type=_number(0, 90 * 86400), default=0.0, help="seconds for labels; 0: none")
    add("--label-memory", type=_number(2, 1e5), default=64.0, help="MiB for what awaits labels")
    add("--max-body", type=_whole(1, 2**20), default=MAX_BODY_BYTES, help="bytes of an event")
    return parser.parse_args(arguments)


def setting_of(given: argparse.Namespace) -> Setting:
    """The options as the comparer takes them."""
    labels = (
        Limits(
            requests=given.requests,
            size_bytes=int(given.label_memory * MIB),
            age_seconds=given.label_age,
        )
        if given.label_age > 0
        else None
    )
    return Setting(
        namespace=given.namespace,
        tolerance=given.tolerance,
        answers=Limits(
            requests=given.requests,
            size_bytes=int(given.memory * MIB),
            age_seconds=given.age,
        ),
        labels=labels,
    )


def _number(least: float, most: float) -> Callable[[str], float]:
    """A type of option: a number within limits."""

    def number(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"must be from {least:g} to {most:g}, is {text}")
        return found

    return number


def _whole(least: int, most: int) -> Callable[[str], int]:
    """The same for whole numbers."""
    number = _number(least, most)
    return lambda text: int(number(text))


if __name__ == "__main__":
    main()
