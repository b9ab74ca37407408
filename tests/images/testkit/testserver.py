"""A small server whose faults are set in the pod template: it fails, waits, crashes on order.

Every path answers; /healthz is the readiness probe and /metrics holds `http_requests_total` and
`http_request_duration_seconds`. Neither of the two is counted. Which pod template answered stands
in the headers X-Tidegate-Revision and X-Tidegate-Version. With a model it answers inference requests,
counts what it sees and says by a profile, and logs what it predicts to the comparer that the
environment names.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)

from comparer.hook import REQUEST_ID, Sender

from .model import Model

KEEP_ALIVE_SECONDS = 4000.0
BACKEND_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the server does wrong, read from the environment.

    Failures come in bursts of `fail_burst` at random, or evenly spread if that is 1. Without an
    open port at `backend` (host:port) every answer fails, and so does every one that comes
    `outage_after_seconds` or more after the first; failures are then counted from 0 on.
    At `grpc_port`, unless it is 0, it answers gRPC, too.
    `model` is the file of a classifier, `profile` that of its training data, and `input_scale` what
    its preprocessing multiplies all inputs by; a truth that comes with a request is counted
    `label_delay_seconds` later.
    Units: ratios from 0 to 1, the rest in seconds.
    """

    fail_ratio: float = 0.0
    fail_burst: int = 1
    outage_after_seconds: float = math.inf
    backend: str = ""
    slow_ratio: float = 0.0
    slow_seconds: float = 0.0
    ready_delay_seconds: float = 0.0
    drain_seconds: float = 5.0
    crash: bool = False
    grpc_port: int = 0
    model: str = ""
    profile: str = ""
    input_scale: float = 1.0
    label_delay_seconds: float = 0.0
    version: str = ""
    revision: str = ""
    port: int = 8080

    @staticmethod
    def from_env(env: Mapping[str, str]) -> Behaviour:
        """Variables of the same names in capitals; the operator injects version and revision."""
        return Behaviour(
            fail_ratio=float(env.get("FAIL_RATIO", "0")),
            fail_burst=int(env.get("FAIL_BURST", "1")),
            outage_after_seconds=float(env.get("OUTAGE_AFTER_SECONDS", "inf")),
            backend=env.get("BACKEND", ""),
            slow_ratio=float(env.get("SLOW_RATIO", "0")),
            slow_seconds=float(env.get("SLOW_SECONDS", "0")),
            ready_delay_seconds=float(env.get("READY_DELAY_SECONDS", "0")),
            drain_seconds=float(env.get("DRAIN_SECONDS", "5")),
            crash=env.get("CRASH", "") == "1",
            grpc_port=int(env.get("GRPC_PORT", "0")),
            model=env.get("MODEL_FILE", ""),
            profile=env.get("TIDEGATE_PROBE_PROFILE", ""),
            input_scale=float(env.get("INPUT_SCALE", "1")),
            label_delay_seconds=float(env.get("LABEL_DELAY_SECONDS", "0")),
            version=env.get("TIDEGATE_MODEL_VERSION", ""),
            revision=env.get("TIDEGATE_REVISION", ""),
            port=int(env.get("PORT", "8080")),
        )


@dataclass(slots=True)
class Share:
    """Says yes to a fixed share of the questions, evenly spread and the same in every run."""

    ratio: float
    asked: int = 0
    given: int = 0

    def hit(self) -> bool:
        """Whether this one belongs to the share."""
        self.asked += 1
        # The small number makes up for ratios such as 0.1 that binary fractions miss.
        due = math.floor(self.asked * self.ratio + 1e-9)
        owed = due > self.given
        self.given += owed
        return owed


@dataclass(slots=True)
class Bursts:
    """Says yes to a share of the questions, in bursts that begin at random."""

    ratio: float
    length: int
    left: int = 0

    def hit(self) -> bool:
        """Whether this one belongs to the share."""
        if self.left == 0:
            # Of 1/ratio questions one is hit: `length` in a row after so many that are not.
            begins = self.ratio / (self.length * (1 - self.ratio) + self.ratio)
            self.left = self.length if random.random() < begins else 0
        hit = self.left > 0
        self.left -= hit
        return hit


class Server:
    """The request handlers and what they count."""

    def __init__(self, behaviour: Behaviour, *, log: Sender | None = None) -> None:
        self.behaviour = behaviour
        self._log = log
        self.started_at = time.monotonic()
        self.first_answer_at: float | None = None
        self.draining = False
        self.registry = CollectorRegistry()
        self._model = _model(behaviour, registry=self.registry)
        ratio, burst = behaviour.fail_ratio, behaviour.fail_burst
        self._fail = Share(ratio) if burst == 1 else Bursts(ratio, length=burst)
        self._slow = Share(behaviour.slow_ratio)
        self._requests = Counter(
            "http_requests_total",
            "Answered requests.",
            ["code", "method", "path"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Time to the answer.",
            ["method", "path"],
            registry=self.registry,
        )

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        application.router.add_get("/healthz", self.health)
        application.router.add_get("/metrics", self.metrics)
        application.router.add_route("*", "/{path:.*}", self.answer)
        return application

    def fails(self, method: str) -> bool:
        """Whether this gRPC call shall fail; counts it, as the presets of servers with both do."""
        bad = self._fail.hit()
        self._requests.labels(code=500 if bad else 200, method="gRPC", path=method).inc()
        return bad

    async def health(self, _: web.Request) -> web.Response:
        """Ready after the delay, and no longer once asked to stop."""
        waited = time.monotonic() - self.started_at
        ready = waited >= self.behaviour.ready_delay_seconds and not self.draining
        return web.Response(status=200 if ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """The Prometheus text format."""
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def answer(self, request: web.Request) -> web.Response:
        """200 with the version or a prediction, or the configured fault."""
        began = time.perf_counter()
        body = await request.read()
        if self._slow.hit():
            await asyncio.sleep(self.behaviour.slow_seconds)
        bad = self._fail.hit() or self._is_out(request) or not await self._backend_is_there()
        code = 500 if bad else 200
        self._requests.labels(code=code, method=request.method, path=request.path).inc()
        self._duration.labels(method=request.method, path=request.path).observe(
            time.perf_counter() - began
        )
        said = self.said(body) if code == 200 else self._who()
        response = self._response(said, code=code)
        if self._log is not None and code == 200:
            self._log.send(request.headers.get(REQUEST_ID, ""), response.body)
        return response

    def _is_out(self, request: web.Request) -> bool:
        if math.isinf(self.behaviour.outage_after_seconds):
            return False
        now = time.monotonic()
        if self.first_answer_at is None:
            self.first_answer_at = now
            self._requests.labels(code=500, method=request.method, path=request.path).inc(0)
        return now - self.first_answer_at >= self.behaviour.outage_after_seconds

    async def _backend_is_there(self) -> bool:
        if not self.behaviour.backend:
            return True
        host, _, port = self.behaviour.backend.rpartition(":")
        try:
            async with asyncio.timeout(BACKEND_SECONDS):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    def said(self, body: bytes) -> dict[str, Any]:
        """The body of a good answer: a prediction, or who answers."""
        if self._model is None:
            return self._who()
        return self._model.answer(json.loads(body), version=self.behaviour.version)

    def _who(self) -> dict[str, Any]:
        return {"version": self.behaviour.version, "revision": self.behaviour.revision}

    def _response(self, said: dict[str, Any], *, code: int) -> web.Response:
        response = web.json_response(said, status=code)
        response.headers["X-Tidegate-Version"] = self.behaviour.version
        response.headers["X-Tidegate-Revision"] = self.behaviour.revision
        if self.draining:
            response.force_close()
        return response


def _model(behaviour: Behaviour, *, registry: CollectorRegistry) -> Model | None:
    if not behaviour.model:
        return None
    return Model.read(
        Path(behaviour.model),
        profile=Path(behaviour.profile) if behaviour.profile else None,
        input_scale=behaviour.input_scale,
        label_delay_seconds=behaviour.label_delay_seconds,
        registry=registry,
    )


async def serve(behaviour: Behaviour, *, stop: asyncio.Event, log: Sender | None = None) -> None:
    """Serve until `stop`, then drain.

    While draining the server still answers, but asks clients to come back on a new connection:
    that is what lets a load balancer take it out without a failed request.
    """
    server = Server(behaviour, log=log)
    # Longer than a proxy keeps idle connections: the side that closes first fails a request when
    # the other side uses the connection in the same moment.
    runner = web.AppRunner(
        server.application(), access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS
    )
    await runner.setup()
    try:
        async with _grpc(server, port=behaviour.grpc_port):
            await web.TCPSite(runner, port=behaviour.port).start()
            await stop.wait()
            server.draining = True
            await asyncio.sleep(behaviour.drain_seconds)
    finally:
        await runner.cleanup()


def _grpc(server: Server, *, port: int) -> contextlib.AbstractAsyncContextManager[None]:
    if not port:
        return contextlib.nullcontext()
    from .grpc_server import AnyMethod, serving  # noqa: PLC0415  (as in the load generator)

    return serving(AnyMethod(server.fails, version=server.behaviour.version), port=port)


async def main() -> None:
    """Run as the process of a pod."""
    behaviour = Behaviour.from_env(os.environ)
    if behaviour.crash:
        sys.exit("crashing as asked by CRASH=1")
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    await serve(behaviour, stop=stop, log=Sender.from_env())


if __name__ == "__main__":
    asyncio.run(main())
