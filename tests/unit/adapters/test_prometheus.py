"""Every trap of architecture.md, 7, against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import port_fakes
import pytest

from tidegate.adapters import prometheus
from tidegate.adapters.clock import SystemClock
from tidegate.ports import Fatal, Ok, RawAnswer, Result, Retryable
from tidegate.settings import MetricSourceSettings

AT = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
VECTOR = {"resultType": "vector", "result": [{"metric": {}, "value": [1767268800.25, "NaN"]}]}

SUCCESS = json.dumps({"status": "success", "data": VECTOR}).encode()


def _json(handler: Handler, status: int, payload: object, **headers: str) -> None:
    _raw(handler, status, json.dumps(payload).encode(), "application/json", **headers)


def _raw(handler: Handler, status: int, body: bytes, kind: str, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", headers.pop("length", str(len(body))))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _slow(handler: Handler) -> None:
    handler.server.done.wait()


def _drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not handler.server.done.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


BEHAVIOURS: dict[str, Callable[[Handler], None]] = {
    "good": lambda it: _json(it, 200, {"status": "success", "data": VECTOR}),
    "warning": lambda it: _json(
        it,
        200,
        {"status": "success", "data": VECTOR, "warnings": ["store down"], "infos": ["no counter"]},
    ),
    "slow": _slow,
    "odd-warning": lambda it: _json(
        it, 200, {"status": "success", "data": VECTOR, "warnings": "partial"}
    ),
    "partial": lambda it: _json(
        it, 200, {"status": "success", "isPartial": True, "data": VECTOR, "warnings": ["and more"]}
    ),
    "whole": lambda it: _json(it, 200, {"status": "success", "isPartial": False, "data": VECTOR}),
    # VictoriaMetrics answers a query for raw samples with its export handler.
    "stream": lambda it: _raw(it, 200, SUCCESS, "application/stream+json; charset=utf-8"),
    "text": lambda it: _raw(it, 200, SUCCESS, "text/plain"),
    "lines": lambda it: _raw(
        it, 200, b'{"metric":{},"values":[1]}\n{"metric":{}}', "application/stream+json"
    ),
    "many-warnings": lambda it: _json(
        it,
        200,
        {
            "status": "success",
            "data": VECTOR,
            "warnings": [*["PromQL info: no counter"] * 20, "store down"],
        },
    ),
    "drip": _drip,
    "unavailable": lambda it: _raw(it, 503, b"overloaded", "text/plain"),
    "timeout": lambda it: _json(
        it, 503, {"status": "error", "errorType": "timeout", "error": "query timed out"}
    ),
    "throttled": lambda it: _json(it, 429, {"status": "error", "error": "too many"}),
    "bad": lambda it: _json(it, 400, {"status": "error", "error": "parse error"}),
    "forbidden": lambda it: _raw(it, 403, b"<html>", "text/html"),
    "html": lambda it: _raw(it, 200, b"<html>please log in</html>", "text/html"),
    "redirect": lambda it: _raw(it, 302, b"", "text/html", Location="/good/api/v1/query"),
    "large": lambda it: _raw(it, 200, b" " * (10 * 1024 * 1024), "application/json"),
    "truncated": lambda it: _raw(it, 200, b'{"status":', "application/json", length="5000"),
    "malformed": lambda it: _raw(it, 200, b'{"status":', "application/json"),
    "nested": lambda it: _raw(it, 200, b"[" * 200_000, "application/json"),
    "gzip": lambda it: _raw(it, 200, b"\x1f\x8b", "application/json", Content_Encoding="gzip"),
    "error": lambda it: _json(it, 200, {"status": "error", "error": "half broken"}),
    "list": lambda it: _json(it, 200, []),
    "dataless": lambda it: _json(it, 200, {"status": "success", "data": {}}),
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.done: threading.Event = threading.Event()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.connections = 0

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what several tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    disable_nagle_algorithm = True
    timeout: ClassVar[float] = 60

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        behaviour = urlsplit(self.path).path.split("/")[1]
        BEHAVIOURS[behaviour](self)
        if behaviour in {"truncated", "slow", "drip"}:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.contextmanager
def opened(
    *settings: MetricSourceSettings, clock: Any = None
) -> Iterator[prometheus.PrometheusSources]:
    sources = prometheus.PrometheusSources(
        settings, clock=clock or SystemClock(), recorder=port_fakes.MemoryRecorder()
    )
    yield sources
    sources.close()
    sources._pool.shutdown(wait=True)


def source(server: Server, behaviour: str, **more: Any) -> MetricSourceSettings:
    # Only who never answers is given up soon: all others may take their time on a busy machine.
    soon = behaviour in {"slow", "drip"}
    more = {"name": "default", "timeout_seconds": 0.3 if soon else 60.0, **more}
    return MetricSourceSettings(url=f"{server.url}/{behaviour}/", **more)


def ask(settings: MetricSourceSettings, promql: str = "up") -> Result[RawAnswer]:
    with opened(settings) as sources:
        return asyncio.run(sources.query(settings.name, promql=promql, at=AT))


def test_an_answer_comes_with_its_type(server: Server) -> None:
    answer = ask(source(server, "good"))

    assert answer == Ok(RawAnswer(result_type="vector", result=VECTOR["result"]))


def test_a_warning_is_passed_on_and_an_info_is_not(server: Server) -> None:
    answer = ask(source(server, "warning"))

    assert isinstance(answer, Ok)
    assert answer.value.warnings == ("store down",)


@pytest.mark.parametrize("behaviour", ["stream", "text", "whole"])
def test_the_body_says_whether_it_is_an_answer_and_not_its_type(
    server: Server, behaviour: str
) -> None:
    answer = ask(source(server, behaviour))

    assert answer == Ok(RawAnswer(result_type="vector", result=VECTOR["result"]))


def test_a_partial_answer_says_so_in_one_way_or_the_other(server: Server) -> None:
    answer = ask(source(server, "partial"))

    assert isinstance(answer, Ok)
    assert answer.value.warnings == (
        "isPartial: a part of the storage did not answer",
        "and more",
    )


def test_no_warning_is_lost_behind_others(server: Server) -> None:
    answer = ask(source(server, "many-warnings"))

    assert isinstance(answer, Ok)
    assert answer.value.warnings[-1] == "store down"


def test_a_warning_of_another_shape_is_a_warning(server: Server) -> None:
    answer = ask(source(server, "odd-warning"))

    assert isinstance(answer, Ok)
    assert answer.value.warnings == ("partial",)


def test_the_query_carries_an_explicit_time_and_a_shorter_deadline_than_ours(
    server: Server,
) -> None:
    ask(source(server, "good", headers={"X-Scope-OrgID": "ml"}, timeout_seconds=5), 'up{a="&"}')

    ((path, headers),) = server.seen
    query = parse_qs(urlsplit(path).query)
    assert query == {"query": ['up{a="&"}'], "time": ["1767268800.250"], "timeout": ["4"]}
    assert urlsplit(path).path == "/good/api/v1/query"
    assert headers["X-Scope-OrgID"] == "ml"
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("slow", "ReadTimeout"),
        ("drip", "the answer came too slowly"),
        ("unavailable", "answered 503: no reason given"),
        ("timeout", "answered 503: query timed out"),
        ("throttled", "answered 429: too many"),
        ("html", "text/html instead of JSON"),
        ("malformed", "instead of JSON"),
        ("lines", "application/stream+json instead of JSON"),
        ("nested", "instead of JSON"),
        ("list", "instead of JSON"),
        ("truncated", "ProtocolError"),
        ("error", "half broken"),
        ("dataless", "no reason given"),
    ],
)
def test_what_may_pass_is_retryable_and_asked_only_once(
    server: Server, behaviour: str, message: str
) -> None:
    # The dripping server is cut off after the connect and the read time-out together.
    answer = ask(source(server, behaviour))

    assert isinstance(answer, Retryable), answer
    assert message in answer.message
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("redirect", "Redirect"),
        ("large", "TooLarge"),
        ("bad", "Status400"),
        ("forbidden", "Status403"),
        ("gzip", "Encoding"),
    ],
)
def test_what_somebody_must_mend_is_fatal_and_asked_only_once(
    server: Server, behaviour: str, reason: str
) -> None:
    answer = ask(source(server, behaviour))

    assert isinstance(answer, Fatal), answer
    assert answer.reason == reason
    assert len(server.seen) == 1


def test_an_unreachable_source_says_why_without_the_query() -> None:
    settings = MetricSourceSettings(name="default", url="http://127.0.0.1:1")

    answer = ask(settings, "secret_metric")

    assert isinstance(answer, Retryable)
    assert "Connection refused" in answer.message
    assert "secret_metric" not in answer.message


def test_an_unknown_source_and_an_endless_query_are_refused_without_asking(
    server: Server,
) -> None:
    with opened(source(server, "good")) as sources:
        unknown = asyncio.run(sources.query("other", promql="up", at=AT))
        endless = asyncio.run(sources.query("default", promql="u" * 8193, at=AT))

    assert isinstance(unknown, Fatal)
    assert isinstance(endless, Fatal)
    assert server.seen == []


def test_the_token_is_read_again_for_every_request(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    settings = source(server, "good", bearer_token_file=str(token))
    with opened(settings) as sources:
        for text in ("first\n", "second\n"):
            token.write_text(text)
            assert isinstance(asyncio.run(sources.query("default", promql="up", at=AT)), Ok)

    sent = [headers["Authorization"] for _, headers in server.seen]
    assert sent == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "s\u00e9cret"])
def test_a_malformed_token_is_refused_and_not_shown(
    server: Server, tmp_path: Path, text: str
) -> None:
    token = tmp_path / "token"
    token.write_text(text)

    answer = ask(source(server, "good", bearer_token_file=str(token)))

    assert answer == Fatal(reason="Credentials", message=f"{token} holds no token")
    assert server.seen == []


def test_a_missing_token_or_a_malformed_header_is_reported_without_its_value(
    server: Server, tmp_path: Path
) -> None:
    missing = ask(source(server, "good", bearer_token_file=str(tmp_path / "none")))
    malformed = ask(source(server, "good", headers={"X-Key": "secret\nvalue"}))

    assert isinstance(missing, Fatal)
    assert missing.reason == "Credentials"
    assert malformed == Retryable(message="InvalidHeader")


def test_proxies_of_the_environment_are_ignored(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert isinstance(ask(source(server, "good")), Ok)


def test_a_ca_file_that_does_not_exist_is_named(server: Server) -> None:
    settings = MetricSourceSettings(
        name="default", url=server.url.replace("http", "https"), ca_file="/no/such/file"
    )

    answer = ask(settings)

    assert isinstance(answer, Fatal)
    assert "/no/such/file" in answer.message


def test_connections_are_kept(server: Server) -> None:
    async def twice() -> None:
        for _ in range(5):
            await sources.query("default", promql="up", at=AT)

    with opened(source(server, "good")) as sources:
        asyncio.run(twice())

    assert server.connections == 1


def test_a_dead_source_does_not_slow_another(server: Server) -> None:
    async def scenario() -> None:
        waiting = [
            asyncio.create_task(sources.query("dead", promql="up", at=AT)) for _ in range(30)
        ]
        for _ in range(5):
            assert isinstance(await sources.query("default", promql="up", at=AT), Ok)
        assert not any(task.done() for task in waiting)
        server.done.set()  # the dead source hangs up
        answers = await asyncio.gather(*waiting)
        assert all(isinstance(answer, Retryable) for answer in answers)

    dead = source(server, "slow", name="dead", timeout_seconds=60)
    with opened(dead, source(server, "good")) as sources:
        asyncio.run(scenario())


def test_waiting_for_a_thread_has_an_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "CONNECT_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(prometheus, "SLACK_SECONDS", 0.0)

    async def scenario() -> list[Any]:
        return await asyncio.gather(
            *(sources.query("default", promql="up", at=AT) for _ in range(3))
        )

    others = [source(server, "good", name=f"other-{index}") for index in range(15)]
    with opened(source(server, "slow"), *others) as sources:  # one thread for each
        answers = asyncio.run(scenario())

    assert [answer.message for answer in answers][1:] == ["no answer within 0.35 s"] * 2


def test_a_caller_who_gives_up_leaves_the_slot_to_the_thread(server: Server) -> None:
    async def scenario() -> Result[RawAnswer]:
        task = asyncio.create_task(sources.query("default", promql="up", at=AT))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return await sources.query("default", promql="up", at=AT)

    with opened(source(server, "good")) as sources:
        assert isinstance(asyncio.run(scenario()), Ok)


def test_after_repeated_failures_the_source_is_left_alone_and_tried_once(
    server: Server,
) -> None:
    clock = port_fakes.ManualClock()

    async def scenario() -> list[Any]:
        answers = [await sources.query("default", promql="up", at=AT) for _ in range(7)]
        await clock.advance(prometheus.BREAKER_SECONDS)
        answers += await asyncio.gather(
            *(sources.query("default", promql="up", at=AT) for _ in range(3))
        )
        return answers

    with opened(source(server, "unavailable"), clock=clock) as sources:
        answers = asyncio.run(scenario())

    assert all(isinstance(answer, Retryable) for answer in answers)
    assert len(server.seen) == prometheus.BREAKER_FAILURES + 1
    assert answers[6].after_seconds == prometheus.BREAKER_SECONDS


def test_a_success_closes_the_breaker() -> None:
    breaker = prometheus.Breaker()
    for _ in range(prometheus.BREAKER_FAILURES):
        breaker.record(failed=True, now=0.0)
    assert breaker.wait_seconds(1.0) == pytest.approx(9.0)
    assert breaker.wait_seconds(10.0) == 0.0
    breaker.record(failed=False, now=10.5)
    assert breaker.wait_seconds(10.5) == 0.0
