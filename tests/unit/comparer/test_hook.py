"""What a model server sends: every answer of 200 under the id of its request, and never late."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from comparer import events, hook
from comparer.events import Logged
from comparer.hook import PredictionLog, Sender

REVISION = "6d9f7c01ab"
PATIENCE_SECONDS = 120.0  # a net for a busy machine


class Receiver:
    """Takes what is sent, as the comparer reads it."""

    def __init__(self) -> None:
        self.found: list[Logged] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                event = events.read(headers, body)
                assert isinstance(event, Logged), event
                outer.found.append(event)
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(hook, "_SECONDS", PATIENCE_SECONDS)  # it is there, and may be busy
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


def seen(what: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def sender(url: str) -> Sender:
    return Sender(url, model="iris", revision=REVISION, namespace="ml")


async def call(
    app: Any, *, headers: dict[str, str], method: str = "POST", kind: str = "http"
) -> list[Any]:
    sent: list[Any] = []
    scope = {
        "type": kind,
        "method": method,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, None, send)
    return sent


def application(status: int = 200, *parts: bytes) -> Any:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        for index, part in enumerate(parts or (b'{"p": ', b"1}")):
            more = index < len(parts or (1, 1)) - 1
            await send({"type": "http.response.body", "body": part, "more_body": more})

    return app


def test_a_whole_answer_is_logged_under_the_id_of_its_request(receiver: Receiver) -> None:
    app = PredictionLog(application(), sender(receiver.url))
    sent = asyncio.run(call(app, headers={"X-Request-Id": "r-1"}))
    assert b"".join(it.get("body", b"") for it in sent) == b'{"p": 1}'
    seen(lambda: receiver.found)
    assert receiver.found == [
        Logged(namespace="ml", model="iris", side=REVISION, request_id="r-1", body=b'{"p": 1}')
    ]


@pytest.mark.parametrize(
    ("status", "headers", "method"),
    [(500, {"x-request-id": "r"}, "POST"), (200, {}, "POST"), (200, {"x-request-id": "r"}, "GET")],
)
def test_failures_probes_and_requests_without_id_are_not_logged(
    receiver: Receiver, status: int, headers: dict[str, str], method: str
) -> None:
    log = sender(receiver.url)
    asyncio.run(call(PredictionLog(application(status), log), headers=headers, method=method))
    asyncio.run(call(PredictionLog(application(), log), headers={"x-request-id": "last"}))
    seen(lambda: receiver.found)
    assert [it.request_id for it in receiver.found] == ["last"]


def test_an_answer_that_is_too_long_is_lost_and_counted() -> None:
    log = sender("http://127.0.0.1:9")
    half = b"x" * (hook.MAX_BODY_BYTES // 2 + 1)
    asyncio.run(
        call(PredictionLog(application(200, half, half), log), headers={"x-request-id": "r"})
    )
    assert log.lost == 1


def test_nobody_waits_for_a_comparer_that_is_not_there() -> None:
    with socket.socket() as hole:  # it listens and never answers
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        log = sender(f"http://127.0.0.1:{hole.getsockname()[1]}")
        began = time.monotonic()
        for number in range(1500):
            log.send(f"r{number}", b"1")
        # One event is given up after 2 s: waiting for the 400 that are lost would take minutes.
        assert time.monotonic() - began < 120.0
        assert log.lost >= 400


def test_a_comparer_that_comes_back_is_found_again(receiver: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        log = sender(f"http://127.0.0.1:{free.getsockname()[1]}")
        log.send("r1", b"1")
        seen(lambda: log.lost == 1)
    log = sender(receiver.url)
    log.send("r2", b"1")
    seen(lambda: receiver.found)
    assert log.lost == 0


@pytest.mark.parametrize("url", ["https://comparer", "comparer:8080", ""])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        sender(url)


def test_what_waits_is_bounded_in_bytes_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_WAITING_BYTES", 1000)
    with socket.socket() as hole:  # it listens and never answers
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        log = sender(f"http://127.0.0.1:{hole.getsockname()[1]}")
        for _ in range(20):
            log.send("r", bytes(400))
        assert log.lost >= 20 - 4  # one may be on its way, and three find room


@pytest.mark.parametrize("request_id", ["a\r\nx: y", "a\nb", "\u00fc", "\x00"])
def test_an_id_that_is_no_text_is_lost_and_the_next_answer_is_sent(
    receiver: Receiver, request_id: str
) -> None:
    log = sender(receiver.url)
    log.send(request_id, b"1")
    log.send("next", b"2")
    seen(lambda: receiver.found)
    assert [it.request_id for it in receiver.found] == ["next"]
    assert log.lost == 1


def test_whatever_fails_in_sending_ends_no_thread(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = sender(receiver.url)
    monkeypatch.setattr(log, "_attributes", {"ce-source": "/\n/iris/1"})  # http.client refuses it
    log.send("r1", b"1")
    seen(lambda: log.lost == 1)
    monkeypatch.setattr(log, "_attributes", sender(receiver.url)._attributes)
    log.send("r2", b"2")
    seen(lambda: receiver.found)


@pytest.mark.parametrize("url", ["https://comparer", "comparer:8080", "http://[::1", "http://c:x"])
def test_a_model_is_loaded_whatever_the_address_says(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    env = {"COMPARER_URL": url, "MODEL_DEPLOYMENT": "iris", "TIDEGATE_REVISION": REVISION}
    assert Sender.from_env(env) is None
    assert "COMPARER_URL cannot be used" in caplog.text


def test_without_its_variables_nothing_is_sent() -> None:
    assert Sender.from_env({"COMPARER_URL": "http://c", "MODEL_DEPLOYMENT": "iris"}) is None
    env = {"COMPARER_URL": "http://127.0.0.1:9", "MODEL_DEPLOYMENT": "iris"}
    assert Sender.from_env({**env, "TIDEGATE_REVISION": REVISION}) is not None


class Answer:
    def model_dump_json(self, *, exclude_none: bool) -> str:
        assert exclude_none
        return '{"outputs": []}'


class NoText(Answer):
    """Its bytes are no text, so it cannot be written as JSON."""

    def model_dump_json(self, *, exclude_none: bool) -> str:
        assert exclude_none
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


class Runtime:
    """Stands for a runtime of MLServer."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: Any) -> Any:
        del payload
        return Answer()


@pytest.mark.parametrize("there", [True, False])
def test_a_runtime_of_mlserver_answers_with_and_without_a_comparer(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    variables = {"MODEL_DEPLOYMENT": "iris", "TIDEGATE_REVISION": REVISION}
    for name, value in (variables | ({"COMPARER_URL": receiver.url} if there else {})).items():
        monkeypatch.setenv(name, value)
    payload = SimpleNamespace(parameters=SimpleNamespace(headers={"x-request-id": "r-1"}))

    async def act() -> Any:
        runtime = hook.logged(Runtime)()
        assert await runtime.load()
        return await runtime.predict(payload)

    assert asyncio.run(act()).model_dump_json(exclude_none=True) == '{"outputs": []}'
    if there:
        seen(lambda: receiver.found)
        assert receiver.found[0].body == b'{"outputs": []}'


@pytest.mark.parametrize(
    ("parameters", "lost"),
    [
        (SimpleNamespace(headers={"x-request-id": "r"}), 1),
        (SimpleNamespace(headers={}), 0),
        (SimpleNamespace(headers=["x-request-id"]), 1),
        (None, 0),
    ],
    ids=["id", "no id", "other headers", "no parameters"],
)
def test_no_prediction_fails_by_what_cannot_be_logged(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, parameters: Any, lost: int
) -> None:
    variables = {"MODEL_DEPLOYMENT": "iris", "TIDEGATE_REVISION": REVISION}
    for name, value in (variables | {"COMPARER_URL": receiver.url}).items():
        monkeypatch.setenv(name, value)

    class Images(Runtime):
        async def predict(self, payload: Any) -> Any:
            del payload
            return NoText()

    async def act() -> Any:
        runtime = hook.logged(Images)()
        assert await runtime.load()
        answer = await runtime.predict(SimpleNamespace(parameters=parameters))
        return answer, runtime._sender.lost

    answer, counted = asyncio.run(act())
    assert isinstance(answer, NoText)
    assert counted == lost
