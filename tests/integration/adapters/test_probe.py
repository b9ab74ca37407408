"""The ready probe against a local pod: one that answers, and whatever else a network does."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from local_http import Handler, serving

from tidegate.adapters import probe
from tidegate.ports import NotReady, Ready, ReadyAnswer, Unreachable

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def check(port: int, *, path: str = "/ready", address: str = "127.0.0.1") -> ReadyAnswer:
    async with probe.session() as session:
        return await probe.HttpReadyProbe(session).check(address=address, port=port, path=path)


def ask(handler: Handler, *, path: str = "/ready", address: str = "127.0.0.1") -> ReadyAnswer:
    async def asked() -> ReadyAnswer:
        async with serving(handler, address=address, method="GET") as port:
            return await check(port, path=path, address=address)

    return asyncio.run(asked())


def ask_raw(talk: Talk, *, tls: ssl.SSLContext | None = None) -> ReadyAnswer:
    """Before a server that speaks anything but plain HTTP."""

    async def asked() -> ReadyAnswer:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
        async with server:
            return await check(server.sockets[0].getsockname()[1])

    return asyncio.run(asked())


def answering(status: int, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text="a tenant's text")

    return answer


@pytest.mark.parametrize("status", [200, 204])
def test_success_is_ready(status: int) -> None:
    assert ask(answering(status)) == Ready()


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
def test_only_another_answer_is_not_ready_and_its_text_is_not_repeated(status: int) -> None:
    answer = ask(answering(status, Location="http://127.0.0.1:1/"))

    assert isinstance(answer, NotReady)
    assert answer.message.endswith(f"/ready answered {status}")


def test_path_without_slash_is_below_the_pod() -> None:
    async def only_ready(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.path == "/v2/health/ready" else 404)

    assert ask(only_ready, path="v2/health/ready") == Ready()


def test_address_of_version_6_is_bracketed() -> None:
    assert ask(answering(200), address="::1") == Ready()


def test_a_pod_that_hangs_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_TIMEOUT", aiohttp.ClientTimeout(total=0.1))

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    answer = ask(silent)

    assert isinstance(answer, Unreachable)
    assert not answer.refused
    assert "did not answer within 0.1 s" in answer.message


def test_a_refused_connection_is_told_apart() -> None:
    answer = asyncio.run(check(1))

    assert answer == Unreachable(
        "GET http://127.0.0.1:1/ready failed: connection refused", refused=True
    )


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


async def _gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x32 a tenant's text\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (_close, "connection closed without an answer"),
        (_reset, "connection closed without an answer"),
        (_gibberish, "the answer is not HTTP"),
    ],
)
def test_what_is_no_http_answer_says_nothing_of_the_model(talk: Talk, why: str) -> None:
    answer = ask_raw(talk)

    assert isinstance(answer, Unreachable)
    assert not answer.refused
    assert answer.message.endswith(f"/ready failed: {why}")


def test_a_pod_that_speaks_tls_is_unreachable(tmp_path: Path) -> None:
    """Plain HTTP to a sidecar with strict mTLS."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=pod", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    answer = ask_raw(_close, tls=tls)

    assert isinstance(answer, Unreachable)
    assert not answer.refused
