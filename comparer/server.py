"""The comparer behind HTTP: POST / takes an event, GET /metrics tells the counters."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from comparer import events
from comparer.comparer import Comparer
from comparer.events import Refusal, Why
from comparer.exposition import registry_of

MAX_BODY_BYTES = 2**20


class Server:
    """The routes of a comparer. `now` is a monotonic clock in seconds."""

    def __init__(
        self,
        comparer: Comparer,
        *,
        now: Callable[[], float] = time.monotonic,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._comparer = comparer
        self._registry: CollectorRegistry = registry_of(comparer)
        self._now = now
        self._max_body_bytes = max_body_bytes

    def application(self) -> web.Application:
        """Ready to be run."""
        application = web.Application(client_max_size=self._max_body_bytes)
        application.router.add_post("/", self._take)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._health)
        return application

    async def _take(self, request: web.Request) -> web.Response:
        """202 for what was taken in or passed over; a word for what cannot be used."""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            message = f"an event may have {self._max_body_bytes} bytes"
            self._comparer.refuse(Refusal(why=Why.TOO_LARGE, message=message))
            return web.Response(status=413, text=message)
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = events.read(headers, body)
        if event is None:
            return web.Response(status=202)
        if isinstance(event, Refusal):
            self._comparer.refuse(event)
            return web.Response(status=400, text=event.message)
        refusal = self._comparer.take(event, at=self._now())
        if refusal is not None:
            return web.Response(status=400, text=refusal.message)
        return web.Response(status=202)

    async def _metrics(self, _: web.Request) -> web.Response:
        self._comparer.settle(at=self._now())
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")
