"""The inference probe against a local pod: what it sends, what it takes for an answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from local_http import Handler, serving

from tidegate import model
from tidegate.adapters import inference, probe
from tidegate.ports import NotReady, Ready, ReadyAnswer, Unreachable

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SCORE = model.ExpectedValue(pointer="/outputs/0/data/0", min=0.0, max=1.0)
ASKED = model.Probe(path="/infer", body='{"inputs": []}', timeout_seconds=60.0, values=(SCORE,))


async def infer(port: int, asked: model.Probe, *, address: str = "127.0.0.1") -> ReadyAnswer:
    async with probe.session() as session:
        return await inference.HttpInferenceProbe(session).infer(
            address=address, port=port, probe=asked
        )


def ask(handler: Handler, asked: model.Probe = ASKED) -> ReadyAnswer:
    async def play() -> ReadyAnswer:
        async with serving(handler) as port:
            return await infer(port, asked)

    return asyncio.run(play())


def ask_raw(talk: Talk, asked: model.Probe = ASKED) -> ReadyAnswer:
    """Before a server that speaks anything but whole HTTP answers."""

    async def play() -> ReadyAnswer:
        over = asyncio.Event()

        async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await talk(reader, writer)
            writer.close()
            over.set()

        server = await asyncio.start_server(talked, "127.0.0.1", 0)
        async with server:
            answer = await infer(server.sockets[0].getsockname()[1], asked)
            async with asyncio.timeout(120):
                await over.wait()
        return answer

    return asyncio.run(play())


def answering(text: str | bytes, *, status: int = 200, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        body = text.encode() if isinstance(text, str) else text
        return web.Response(status=status, headers=headers, body=body)

    return answer


def scored(score: object) -> str:
    return json.dumps({"outputs": [{"name": "score", "data": [score]}]})


def test_the_request_is_sent_as_it_was_written() -> None:
    seen: list[tuple[str, str, str, str, str]] = []

    async def look(request: web.Request) -> web.StreamResponse:
        headers = request.headers
        seen.append(
            (
                request.method,
                request.path_qs,
                headers["Content-Type"],
                headers["x-tenant"],
                await request.text(),
            )
        )
        assert "Accept-Encoding" not in headers
        return web.Response(text=scored(0.5))

    asked = model.Probe(
        path="/v2/infer?mode=dry",
        headers=(("x-tenant", "probe"), ("Content-Type", "application/json")),
        body='{"x": "ä"}',
        values=(SCORE,),
    )
    assert ask(look, asked) == Ready()
    assert seen == [
        ("POST", "/v2/infer?mode=dry", "application/json", "probe", '{"x": "ä"}'),
    ]


def test_a_get_has_no_body() -> None:
    async def look(request: web.Request) -> web.StreamResponse:
        assert not request.can_read_body
        return web.Response(status=204 if request.method == "GET" else 405)

    assert ask(look, model.Probe(path="/score", method="GET")) == Ready()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (scored(0.5), ""),
        (scored(1), ""),
        (scored(7.5), "in the answer /outputs/0/data/0 is above 1"),
        (scored("7.5"), "in the answer /outputs/0/data/0 is not a number"),
        (
            '{"outputs": [{"data": [NaN]}]}',
            "in the answer /outputs/0/data/0 is not a finite number",
        ),
        ('{"outputs": []}', "in the answer /outputs/0/data/0 is missing"),
        ("a tenant's text", "the answer is not JSON"),
        ("", "the answer is not JSON"),
        (b"\xff\xfe\xff", "the answer is not JSON"),
        ("[" * 100_000, "the answer is not JSON"),
        (gzip.compress(b"a tenant's text", mtime=0), "the answer is not JSON"),
    ],
)
def test_what_is_answered_is_held_against_what_is_expected(text: str | bytes, says: str) -> None:
    answer = ask(answering(text))
    assert answer == (NotReady(says) if says else Ready())


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_another_status_is_wrong_and_its_text_is_not_repeated(status: int) -> None:
    answer = ask(answering(scored(0.5), status=status, Location="http://127.0.0.1:1/"))
    assert answer == NotReady(f"answered {status} where 2xx is expected")


def test_an_error_may_be_what_is_expected() -> None:
    """Such as a server that has to refuse a request without a token."""
    asked = model.Probe(path="/", status=401)
    assert ask(answering("", status=401), asked) == Ready()
    assert ask(answering(""), asked) == NotReady("answered 200 where 401 is expected")


def test_an_answer_that_nobody_looks_into_is_not_read() -> None:
    asked = model.Probe(path="/")
    assert ask(answering(b"x" * (inference.LONGEST_ANSWER * 8)), asked) == Ready()


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_an_answer_has_a_longest_length(more: int, *, fits: bool) -> None:
    text = scored(0.5)
    padded = text + " " * (inference.LONGEST_ANSWER - len(text) + more)
    answer = ask(answering(padded))
    assert answer == (Ready() if fits else NotReady("answered more than 262144 bytes"))


def test_a_packed_answer_is_bounded_too() -> None:
    packed = gzip.compress(b"0" * (64 * 1024 * 1024))
    answer = ask(answering(packed, **{"Content-Encoding": "gzip"}))
    assert isinstance(answer, NotReady)


@pytest.mark.parametrize("begins", [False, True])
def test_a_pod_that_hangs_has_answered_wrong(*, begins: bool) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if begins:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{")
        await reader.read()  # until the other side has given up

    asked = model.Probe(path="/", timeout_seconds=0.3, values=(SCORE,))
    assert ask_raw(silent, asked) == NotReady("no answer within 0.3 s")


def test_an_answer_that_breaks_off_is_wrong() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
        await writer.drain()

    assert ask_raw(half) == NotReady("the answer broke off")


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x32 a tenant's text\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("talk", "wanted"),
    [
        (_close, Unreachable("connection closed without an answer", closed=True)),
        (_gibberish, Unreachable("the answer is not HTTP")),
    ],
)
def test_what_is_no_http_answer_says_nothing_of_the_model_by_itself(
    talk: Talk, wanted: Unreachable
) -> None:
    assert ask_raw(talk) == wanted


def test_a_refused_connection_is_told_apart() -> None:
    assert asyncio.run(infer(1, ASKED)) == Unreachable("connection refused", refused=True)


def test_a_connection_that_is_never_made_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NetworkPolicy that drops packets: a listener whose queue is full does the same."""
    monkeypatch.setattr(inference, "_CONNECT_SECONDS", 0.2)

    async def play() -> ReadyAnswer:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            return await infer(listener.getsockname()[1], ASKED)
        finally:
            for one in (*fillers, listener):
                one.close()

    assert asyncio.run(play()) == Unreachable("no connection in time")
