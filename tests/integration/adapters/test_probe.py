"""The ready probe against a local pod."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from tidegate.adapters import probe

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ask(handler: Handler, *, path: str = "/ready", address: str = "127.0.0.1") -> str:
    async def asked() -> str:
        application = web.Application()
        application.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, 0).start()
        port = runner.addresses[0][1]
        try:
            async with probe.session() as session:
                checker = probe.HttpReadyProbe(session)
                answer = await checker.check(address=address, port=port, path=path)
                return answer.replace(str(port), "PORT")
        finally:
            await runner.cleanup()

    return asyncio.run(asked())


def answering(status: int, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text="a tenant's text")

    return answer


@pytest.mark.parametrize("status", [200, 204])
def test_success_is_ready(status: int) -> None:
    assert ask(answering(status)) == ""


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_other_answers_are_not_ready_and_their_text_is_not_repeated(status: int) -> None:
    assert ask(answering(status)) == f"GET http://127.0.0.1:PORT/ready answered {status}"


def test_redirect_is_not_followed() -> None:
    assert "answered 302" in ask(answering(302, Location="http://127.0.0.1:1/"))


def test_path_without_slash_is_below_the_pod() -> None:
    async def only_ready(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.path == "/v2/health/ready" else 404)

    assert ask(only_ready, path="v2/health/ready") == ""


def test_address_of_version_6_is_bracketed() -> None:
    assert ask(answering(200), address="::1") == ""


def test_silent_pod_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_TIMEOUT", aiohttp.ClientTimeout(total=0.1))

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    assert "did not answer within 0.1 s" in ask(silent)


def test_refused_connection_is_not_ready() -> None:
    async def refused() -> str:
        async with probe.session() as session:
            return await probe.HttpReadyProbe(session).check(
                address="127.0.0.1", port=1, path="/ready"
            )

    assert asyncio.run(refused()) == ("GET http://127.0.0.1:1/ready failed: ClientConnectorError")
