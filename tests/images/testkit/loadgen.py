"""A bounded load generator: it sends at a fixed rate and counts every single request.

Requests start on a fixed schedule whether or not earlier ones came back, so slow answers do not
hide load. A request that would exceed the concurrency limit is counted as skipped, not delayed.
GET /stats answers with the counts (`?since=` cuts the timeline), GET /healthz says that it runs.
After the duration it stops sending and keeps the counts on offer until it is told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from .digits import TRUTH
from .tally import UNKNOWN, Answered, Tally

if TYPE_CHECKING:
    from .grpc_load import Caller

SAID_BYTES = 200
VERSION_IN_ERROR = re.compile(r"^\[([^\]]+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send; `header` is one more, `NAME: VALUE`, or empty.

    With `truths` each request says what its answer should be. With `grpc` requests are calls of one
    method, and nothing but url, host and times is for them.

    Units: requests per second, seconds; rows are V2 inference inputs with their known labels.
    """

    url: str
    host: str
    header: str
    requests_per_second: float
    duration_seconds: float
    timeout_seconds: float
    concurrency: int
    fresh_connections: bool
    rows: tuple[dict[str, Any], ...]
    truths: bool
    grpc: bool


def read_plan(arguments: list[str] | None = None) -> Plan:
    """The plan from the command line; `--rows` names a JSON file of {pixels, label} objects."""
    parser = argparse.ArgumentParser(prog="loadgen", description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--host", default="", help="Host header, when it differs from the URL")
    parser.add_argument("--header", default="", help="one more header, NAME: VALUE")
    parser.add_argument("--requests-per-second", type=float, default=20.0)
    parser.add_argument("--duration-seconds", type=float, default=600.0)
    parser.add_argument("--timeout-seconds", type=float, default=10.0)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument(
        "--fresh-connections",
        action="store_true",
        help="one connection per request, for Services, which balance by connection",
    )
    parser.add_argument("--rows", type=Path, help="JSON file; without it the load is plain GETs")
    parser.add_argument("--truths", action="store_true", help="say the label of each row, too")
    parser.add_argument("--grpc", action="store_true", help="call a gRPC method")
    given = parser.parse_args(arguments)
    return Plan(
        url=given.url,
        host=given.host,
        header=given.header,
        requests_per_second=given.requests_per_second,
        duration_seconds=given.duration_seconds,
        timeout_seconds=given.timeout_seconds,
        concurrency=given.concurrency,
        fresh_connections=given.fresh_connections,
        rows=tuple(json.loads(given.rows.read_text())) if given.rows else (),
        truths=given.truths,
        grpc=given.grpc,
    )


@dataclass(slots=True)
class Sender:
    """Sends requests of a plan and enters them into the tally."""

    plan: Plan
    session: aiohttp.ClientSession
    tally: Tally
    caller: Caller | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, *, stop: asyncio.Event) -> None:
        """Send on schedule until the duration is over or `stop` is set, then wait for answers."""
        began = time.monotonic()
        total = int(self.plan.requests_per_second * self.plan.duration_seconds)
        rows = self._rows()
        for number in range(total):
            due = began + number / self.plan.requests_per_second
            if await _stopped_before(due, stop=stop):
                break
            self._start(next(rows))
        await asyncio.gather(*self.tasks)

    def _rows(self) -> Iterator[dict[str, Any] | None]:
        return itertools.cycle(self.plan.rows) if self.plan.rows else itertools.repeat(None)

    def _start(self, row: dict[str, Any] | None) -> None:
        if len(self.tasks) >= self.plan.concurrency:
            self.tally.skipped += 1
            return
        self.tally.sent += 1
        task = asyncio.create_task(self._send(row))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _send(self, row: dict[str, Any] | None) -> None:
        if self.caller is not None:
            self.tally.enter(await self.caller.ask())
            return
        sent_at, began = time.time(), time.perf_counter()
        try:
            async with self._request(row) as response:
                status, body = response.status, await response.read()
                version = response.headers.get("X-Tidegate-Version", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            status, body, version, reason = 0, b"", UNKNOWN, f"{type(error).__name__}: {error}"
        else:
            reason = ""
        self.tally.enter(
            read_answer(
                Answered(
                    sent_at=sent_at,
                    latency_seconds=time.perf_counter() - began,
                    status=status,
                    version=version,
                    error=reason,
                ),
                body=body,
                row=row,
            )
        )

    def _request(self, row: dict[str, Any] | None) -> Any:
        headers = {"Host": self.plan.host} if self.plan.host else {}
        if self.plan.header:
            name, _, value = self.plan.header.partition(":")
            headers[name] = value.strip()
        if row is None:
            return self.session.get(self.plan.url, headers=headers)
        return self.session.post(self.plan.url, headers=headers, json=self._v2_request(row))

    def _v2_request(self, row: dict[str, Any]) -> dict[str, Any]:
        truth = {"parameters": {TRUTH: row["label"]}} if self.plan.truths else {}
        return {**v2_request(row), **truth}


def v2_request(row: dict[str, Any]) -> dict[str, Any]:
    """The V2 inference request for one row."""
    pixels = row["pixels"]
    shape = [1, len(pixels)]
    return {"inputs": [{"name": "pixels", "shape": shape, "datatype": "FP64", "data": pixels}]}


def read_answer(answered: Answered, *, body: bytes, row: dict[str, Any] | None) -> Answered:
    """Complete an answer with what its body says: the version, and whether the label is right.

    A 2xx answer to a row that holds no prediction counts as an error.
    """
    document = _json_object(body)
    version = answered.version or _version(document)
    correct, error = None, answered.error
    if row is not None and 200 <= answered.status < 300:
        prediction = _prediction(document)
        correct = prediction == row["label"]
        error = "an answer without a prediction" if prediction is None else ""
    return Answered(
        sent_at=answered.sent_at,
        latency_seconds=answered.latency_seconds,
        status=answered.status,
        version=version,
        error=error,
        said="" if 200 <= answered.status < 300 else body[:SAID_BYTES].decode(errors="replace"),
        correct=correct,
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _version(document: dict[str, Any]) -> str:
    """MLServer names the version in answers; the demo's faulty runtime does so in errors."""
    named = document.get("model_version")
    if isinstance(named, str) and named:
        return named
    match = VERSION_IN_ERROR.match(str(document.get("error", "")))
    return match.group(1) if match else UNKNOWN


def _prediction(document: dict[str, Any]) -> int | None:
    try:
        return int(document["outputs"][0]["data"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


async def _stopped_before(due: float, *, stop: asyncio.Event) -> bool:
    """Wait until `due` (monotonic seconds); True when stopped before."""
    try:
        await asyncio.wait_for(stop.wait(), timeout=max(due - time.monotonic(), 0.0))
    except TimeoutError:
        return False
    return True


def stats_application(tally: Tally) -> web.Application:
    """The counts over HTTP."""

    async def stats(request: web.Request) -> web.Response:
        since = float(request.query.get("since", "0"))
        return web.json_response(tally.document(now=time.time(), since=since))

    async def health(_: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.router.add_get("/stats", stats)
    application.router.add_get("/healthz", health)
    return application


async def run(plan: Plan, *, port: int, stop: asyncio.Event) -> None:
    """Send and serve the counts until `stop`."""
    tally = Tally(started_at=time.time())
    runner = web.AppRunner(stats_application(tally), access_log=None)
    await runner.setup()
    timeout = aiohttp.ClientTimeout(total=plan.timeout_seconds)
    # A name is asked for once: a Service keeps its address, and DNS is not what is under load.
    connector = aiohttp.TCPConnector(
        limit=plan.concurrency, force_close=plan.fresh_connections, ttl_dns_cache=None
    )
    try:
        await web.TCPSite(runner, port=port).start()
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            _caller(plan) as caller,
        ):
            await Sender(plan, session, tally, caller).run(stop=stop)
        await stop.wait()
    finally:
        await runner.cleanup()


def _caller(plan: Plan) -> contextlib.AbstractAsyncContextManager[Caller | None]:
    if not plan.grpc:
        return contextlib.nullcontext()
    from .grpc_load import calling  # noqa: PLC0415  (the tests of this module have no gRPC)

    return calling(plan.url, host=plan.host, timeout_seconds=plan.timeout_seconds)


async def main() -> None:
    """Run as the process of a pod."""
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    await run(read_plan(), port=8080, stop=stop)


if __name__ == "__main__":
    asyncio.run(main())
