"""A middleware for servers of ASGI (FastAPI, Starlette, KServe's): counts what passes by.

    >>> app.add_middleware(ProbeMiddleware, monitor=monitor)

Requests and answers pass unchanged, and are counted after the answer has gone. An answer other
than 200 is no prediction and is not counted; neither is a body of more than `max_bytes`, or one
that is compressed: the middleware stands inside of what compresses.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tidegate_probe import bodies
from tidegate_probe.monitor import Monitor

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

INFERENCE = r"/v2/models/[^/]+(/versions/[^/]+)?/infer|/v1/models/[^/]+:predict"
OK = 200


class ProbeMiddleware:
    """Counts the predictions of one model.

    `paths` is a regular expression for whole paths; only POST is looked at. A prediction is
    remembered for its label under the `id` of a V2 answer or request, else under the header
    `x-request-id`; of several rows under `ID/0`, `ID/1`, ...
    """

    def __init__(
        self, app: App, monitor: Monitor, *, paths: str = INFERENCE, max_bytes: int = 1 << 20
    ) -> None:
        self._app = app
        self._monitor = monitor
        self._paths = re.compile(paths)
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; see what it was."""
        if not self._is_inference(scope):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._monitor, max_bytes=self._max_bytes)

        async def received() -> Message:
            message = await receive()
            exchange.received(message)
            return message

        async def sent(message: Message) -> None:
            await send(message)
            exchange.sent(message)

        await self._app(scope, received, sent)
        with self._monitor.guard("body"):
            exchange.count(_header(scope, b"x-request-id"))

    def _is_inference(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and self._paths.fullmatch(scope["path"]) is not None
        )


class _Exchange:
    """One request and its answer."""

    def __init__(self, monitor: Monitor, *, max_bytes: int) -> None:
        self._monitor = monitor
        self._max_bytes = max_bytes
        self._status = 0
        self._request = bytearray()
        self._answer = bytearray()

    def received(self, message: Message) -> None:
        with self._monitor.guard("body"):
            self._keep(self._request, message)

    def sent(self, message: Message) -> None:
        with self._monitor.guard("body"):
            self._status = message.get("status", self._status)
            self._keep(self._answer, message)

    def count(self, header: str | None) -> None:
        if self._status != OK:
            return
        if max(len(self._request), len(self._answer)) > self._max_bytes:
            raise bodies.BodyError("a body is larger than max_bytes")
        profile = self._monitor.profile
        request, answer = bodies.loaded(bytes(self._request)), bodies.loaded(bytes(self._answer))
        features = bodies.features(request, profile)
        identifier = bodies.identifier(answer) or bodies.identifier(request) or header
        rows = len(next(iter(features.values())))
        self._monitor.observe_batch(
            features,
            bodies.outputs(answer, profile),
            prediction_ids=bodies.row_identifiers(identifier, rows=rows),
        )

    def _keep(self, buffer: bytearray, message: Message) -> None:
        """One byte more than allowed tells that it was too much; no more is held."""
        buffer += message.get("body", b"")[: self._max_bytes + 1 - len(buffer)]


def _header(scope: Scope, name: bytes) -> str | None:
    found = next((value for key, value in scope["headers"] if key == name), b"")
    return bytes(found).decode("latin-1") or None
