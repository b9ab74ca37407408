"""The middleware counts what passes and changes nothing of it, however it is cut or broken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from probe_examples import fraud, reading, readings
from prometheus_client import CollectorRegistry

from tidegate_probe import Monitor
from tidegate_probe.asgi import App, Message, ProbeMiddleware, Receive, Scope, Send

ASK = json.dumps(
    {
        "id": "asked",
        "inputs": [
            {"name": "amount", "shape": [2], "datatype": "FP64", "data": [1.0, 3.0]},
            {"name": "country", "shape": [2], "datatype": "BYTES", "data": ["DE", "XX"]},
        ],
    }
).encode()
SAY = json.dumps(
    {"outputs": [{"name": "score", "shape": [2], "datatype": "FP64", "data": [0.2, 0.7]}]}
).encode()
INFER = "/v2/models/fraud/infer"


def server(answer: bytes, *, status: int = 200, chunk: int = 1000) -> App:
    """Reads the whole request, and answers in parts."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": []})
        for at in range(0, len(answer), chunk):
            body = answer[at : at + chunk]
            more = at + chunk < len(answer)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return app


class Client:
    """Asks a server, and keeps what it was told."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.told: list[Message] = []

    def ask(self, body: bytes = ASK, *, path: str = INFER, chunk: int = 1000, **scope: Any) -> None:
        parts = [body[at : at + chunk] for at in range(0, len(body), chunk)] or [b""]

        async def receive() -> Message:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Message) -> None:
            self.told.append(dict(message))

        whole = {"type": "http", "method": "POST", "path": path, "headers": []} | scope
        asyncio.run(_run(self._app(whole, receive, send)))

    @property
    def answer(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.told)


async def _run(call: Awaitable[None]) -> None:
    await call


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def probed(registry: CollectorRegistry) -> Callable[..., Client]:
    monitor = Monitor(fraud(), registry=registry)

    def client(app: App, **options: Any) -> Client:
        return Client(ProbeMiddleware(app, monitor, **options))

    return client


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_rows_are_counted_however_the_bodies_are_cut(
    probed: Callable[..., Client], registry: CollectorRegistry, chunk: int
) -> None:
    client = probed(server(SAY, chunk=chunk))
    client.ask(chunk=chunk)
    assert client.answer == SAY
    assert readings(registry, "feature_observations_total") == {
        "2/amount": 1,
        "+Inf/amount": 1,
        "DE/country": 1,
        "other/country": 1,
    }
    assert readings(registry, "scored_total") == {"negative": 1, "positive": 1}
    assert reading(registry, "predictions_total") == 2
    assert readings(registry, "failures_total") == {}


@pytest.mark.parametrize("name", ["asked", "said"])
def test_identifiers_for_labels(registry: CollectorRegistry, name: str) -> None:
    answer = json.loads(SAY) | ({"id": "said"} if name == "said" else {})
    monitor = Monitor(fraud(), registry=registry)
    Client(ProbeMiddleware(server(json.dumps(answer).encode()), monitor)).ask()
    for row in (0, 1):
        monitor.label(f"{name}/{row}", 1)
    assert sum(readings(registry, "labelled_total").values()) == 2


def test_an_identifier_in_a_header(registry: CollectorRegistry) -> None:
    monitor = Monitor(fraud(), registry=registry)
    app = ProbeMiddleware(server(b'{"score": 0.9}'), monitor, paths="/predict")
    Client(app).ask(b'{"amount": 1}', path="/predict", headers=[(b"x-request-id", b"r1")])
    monitor.label("r1", 1)
    assert sum(readings(registry, "correct_total").values()) == 1


@pytest.mark.parametrize(
    "scope",
    [
        {"method": "GET"},
        {"path": "/v2/models/fraud/ready"},
        {"path": "/v2/health/live"},
        {"path": "/other/v2/models/fraud/infer"},
        {"type": "websocket"},
    ],
)
def test_other_requests_are_left_alone(
    probed: Callable[..., Client], registry: CollectorRegistry, scope: dict[str, str]
) -> None:
    client = probed(server(SAY))
    client.ask(**scope)
    assert client.answer == SAY
    assert reading(registry, "predictions_total") == 0
    assert readings(registry, "failures_total") == {}


def test_what_is_no_answer_is_no_prediction(
    probed: Callable[..., Client], registry: CollectorRegistry
) -> None:
    probed(server(b'{"error": "no"}', status=500)).ask()
    assert reading(registry, "predictions_total") == 0
    assert readings(registry, "failures_total") == {}


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"", SAY),
        (b"\x1f\x8b compressed", SAY),
        (ASK, b"no JSON"),
        (ASK, b'{"outputs": [{"name": "score", "shape": [9], "data": [1]}]}'),
        (b'{"inputs": {}}', SAY),
        (ASK + b" " * 10_000, SAY),
        (ASK, SAY + b" " * 10_000),
    ],
)
def test_a_body_that_is_not_understood_passes_and_is_a_failure(
    probed: Callable[..., Client], registry: CollectorRegistry, asked: bytes, answered: bytes
) -> None:
    client = probed(server(answered), max_bytes=5_000)
    client.ask(asked)
    assert client.answer == answered
    assert readings(registry, "failures_total") == {"body": 1}
    assert reading(registry, "predictions_total") == 0


def test_rows_that_differ_from_the_answer_are_a_failure(
    probed: Callable[..., Client], registry: CollectorRegistry
) -> None:
    probed(server(b'{"predictions": [0.5]}')).ask()
    assert sum(readings(registry, "failures_total").values()) == 1
    assert reading(registry, "predictions_total") == 0


def test_messages_of_a_strange_server_pass(
    probed: Callable[..., Client], registry: CollectorRegistry
) -> None:
    async def strange(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": None})

    client = probed(strange)
    client.ask()
    assert [message["type"] for message in client.told] == [
        "http.response.start",
        "http.response.body",
    ]
    assert readings(registry, "failures_total")["body"] >= 1


def test_an_exception_of_the_server_is_the_servers(probed: Callable[..., Client]) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        probed(broken).ask()
