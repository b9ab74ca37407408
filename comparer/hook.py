"""What a model server needs to send its answers to a comparer: one file, the standard library alone.

`PredictionLog` is an ASGI middleware, `logged` a wrapper for a runtime of MLServer. Both answer first
and log beside: a slow or absent comparer costs events, which are counted, and never an answer.
Which model and revision it is stands in the variables that the operator gives to every container.
"""

from __future__ import annotations

import http.client
import logging
import os
import queue
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

RESPONSE = "org.kubeflow.serving.inference.response"
REQUEST_ID = "x-request-id"
MAX_BODY_BYTES = 2**20
_WAITING = 1000  # answers
_WAITING_BYTES = 2**24  # of all of them together
_SECONDS = 2.0  # for one event
_LOG = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Sender:
    """Sends answers to a comparer from a thread of its own; `lost` counts those that it could not."""

    def __init__(self, url: str, *, model: str, revision: str, namespace: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"the comparer's address must be http://host[:port], is {url!r}")
        self._address = (parts.hostname, parts.port or 80)
        self._path = parts.path or "/"
        self._attributes = {
            "ce-specversion": "1.0",
            "ce-type": RESPONSE,
            "ce-source": f"/{namespace}/{model}/{revision}",
            "ce-modeldeployment": model,
            "ce-revision": revision,
            **({"ce-namespace": namespace} if namespace else {}),
        }
        self.lost = 0
        self._lock = threading.Lock()  # of what waits
        self._waiting_bytes = 0
        self._queue: queue.Queue[tuple[str, bytes]] = queue.Queue(_WAITING)
        threading.Thread(target=self._run, name="prediction-log", daemon=True).start()

    @staticmethod
    def from_env(env: Mapping[str, str] = os.environ) -> Sender | None:
        """By COMPARER_URL, MODEL_DEPLOYMENT and TIDEGATE_REVISION; None without one that can be used.

        No model stays unloaded over an address: a wrong one is logged.
        """
        url, model = env.get("COMPARER_URL", ""), env.get("MODEL_DEPLOYMENT", "")
        revision = env.get("TIDEGATE_REVISION", "")
        if not (url and model and revision):
            return None
        namespace = env.get("POD_NAMESPACE", "")
        try:
            return Sender(url, model=model, revision=revision, namespace=namespace)
        except ValueError:
            _LOG.exception("no answer is logged: COMPARER_URL cannot be used")
            return None

    def send(self, request_id: str, body: bytes) -> None:
        """Log an answer. It never waits; what does not fit is lost, and an id that is no text as well."""
        if not request_id:
            return
        is_text = request_id.isascii() and request_id.isprintable()
        if not is_text or not self._enqueue(request_id, body):
            self.lost += 1

    def _enqueue(self, request_id: str, body: bytes) -> bool:
        """Whether there was room: for one answer, and for all that wait together."""
        with self._lock:
            waiting = self._waiting_bytes + len(body)
            if len(body) > MAX_BODY_BYTES or waiting > _WAITING_BYTES or self._queue.full():
                return False
            self._waiting_bytes = waiting
            self._queue.put_nowait((request_id, body))
            return True

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while True:
            request_id, body = self._queue.get()
            with self._lock:
                self._waiting_bytes -= len(body)
            try:
                connection = connection or http.client.HTTPConnection(
                    *self._address, timeout=_SECONDS
                )
                self._post(connection, request_id, body)
            except Exception as error:  # noqa: BLE001  # the next answer is sent
                _LOG.debug("an answer was not logged: %s", error)
                self.lost += 1
                if connection is not None:
                    connection.close()
                connection = None

    def _post(self, connection: http.client.HTTPConnection, request_id: str, body: bytes) -> None:
        headers = {
            **self._attributes,
            "ce-id": str(uuid.uuid4()),
            "ce-requestid": request_id,
            "content-type": "application/json",
        }
        connection.request("POST", self._path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        self.lost += answer.status >= 300


class PredictionLog:
    """ASGI middleware that logs answers with status 200 to POST requests with an id."""

    def __init__(self, app: App, sender: Sender) -> None:
        self._app = app
        self._sender = sender

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer as the application does, and log what it said."""
        request_id = _request_id(scope)
        if scope["type"] != "http" or scope["method"] != "POST" or not request_id:
            await self._app(scope, receive, send)
            return
        answer = _Answer()

        async def sent(message: Message) -> None:
            await send(message)
            if answer.ends_with(message):
                self._sender.send(request_id, bytes(answer.body))

        await self._app(scope, receive, sent)


class _Answer:
    """What an application says, as long as it is short enough."""

    def __init__(self) -> None:
        self.body = bytearray()
        self._status = 0

    def ends_with(self, message: Message) -> bool:
        """Whether this message makes it a whole answer that is to be logged."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            return False
        if message["type"] != "http.response.body" or self._status != 200:
            return False
        room = MAX_BODY_BYTES + 1 - len(self.body)  # one more shows that it is too long
        self.body += message.get("body", b"")[:room]
        return not message.get("more_body", False)


def _request_id(scope: Message) -> str:
    for name, value in scope.get("headers", ()):
        if name.lower() == REQUEST_ID.encode():
            return str(value.decode("latin-1"))
    return ""


def logged(runtime: type[Any]) -> type[Any]:
    """A runtime of MLServer that logs what it predicts; without the variables it only predicts."""

    class Logged(runtime):  # type: ignore[misc]  # a class that is only known at run time
        """The same runtime."""

        async def load(self) -> bool:
            self._sender = Sender.from_env()
            return bool(await super().load())

        async def predict(self, payload: Any) -> Any:
            answer = await super().predict(payload)
            if self._sender is not None:
                _log(self._sender, payload, answer)
            return answer

    return Logged


def _log(sender: Sender, payload: Any, answer: Any) -> None:
    """Log an answer to a request with an id. One that is no JSON, as some bytes are not, is lost."""
    try:
        headers = getattr(payload.parameters, "headers", None) or {}
        if request_id := str(headers.get(REQUEST_ID, "")):
            sender.send(request_id, answer.model_dump_json(exclude_none=True).encode())
    except Exception as error:  # noqa: BLE001  # never the prediction's trouble
        _LOG.debug("an answer was not logged: %s", error)
        sender.lost += 1
