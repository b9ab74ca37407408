"""Hooks against a local receiver: signed, to allowed hosts only, and every answer is judged."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from local_http import Handler, serving

from tidegate import ports
from tidegate.adapters import hooks, probe
from tidegate.settings import HookReceiverSettings

BODY = b'{"id": "a"}'
KEY = "s3cret"


@pytest.fixture
def receiver(tmp_path: Path) -> HookReceiverSettings:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return HookReceiverSettings(host="127.0.0.1", signing_key_file=str(path), plain_http=True)


def post(
    handler: Handler, receiver: HookReceiverSettings, *, timeout_seconds: float = 60.0
) -> ports.Result[None]:
    async def play() -> ports.Result[None]:
        async with serving(handler) as port, probe.session() as session:
            return await hooks.HttpHooks(session, receivers=[receiver]).post(
                f"http://127.0.0.1:{port}/start?by=tidegate",
                namespace="ml",
                media_type="application/cloudevents+json",
                body=BODY,
                timeout_seconds=timeout_seconds,
            )

    return asyncio.run(play())


def test_the_body_arrives_as_it_is_with_its_signature(receiver: HookReceiverSettings) -> None:
    heard: list[tuple[str, str, bytes, str, str]] = []

    async def take(request: web.Request) -> web.Response:
        said = request.headers
        heard.append(
            (
                request.method,
                request.path_qs,
                await request.read(),
                said["Content-Type"],
                said["X-Tidegate-Signature"],
            )
        )
        return web.Response(status=202)

    assert post(take, receiver) == ports.Ok(None)
    wanted = hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest()
    media_type = "application/cloudevents+json"
    assert heard == [("POST", "/start?by=tidegate", BODY, media_type, f"sha256={wanted}")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, ports.Ok),
        (204, ports.Ok),
        (302, ports.Fatal),
        (401, ports.Fatal),
        (404, ports.Fatal),
        (408, ports.Retryable),
        (429, ports.Retryable),
        (500, ports.Retryable),
        (503, ports.Retryable),
    ],
)
def test_every_answer_is_judged_by_its_status(
    status: int, kind: type, receiver: HookReceiverSettings
) -> None:
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"}, text="no word of it")

    found = post(answer, receiver)
    assert isinstance(found, kind)
    assert paths == ["/start"], "a redirect is not followed"
    assert "no word of it" not in repr(found)


def test_one_that_hangs_is_given_up(receiver: HookReceiverSettings) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.get_running_loop().create_future()
        return web.Response()

    found = post(hang, receiver, timeout_seconds=0.2)
    assert found == ports.Retryable(message="no answer within 0.2 s")


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_without_a_key_nothing_is_sent(
    text: str | None, receiver: HookReceiverSettings, tmp_path: Path
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        raise AssertionError("nothing may be sent")

    path = tmp_path / "other"
    if text is not None:
        path.write_text(text)
    found = post(refuse, replace(receiver, signing_key_file=str(path)))
    assert isinstance(found, ports.Fatal)
    assert found.reason == "Credentials"


@pytest.mark.parametrize(
    ("host", "url", "says"),
    [
        ("train.example.com", "https://train.example.com/a", ""),
        ("train.example.com", "https://TRAIN.example.com:8443/a", ""),
        ("*.example.com", "https://train.example.com/a", ""),
        ("*.example.com", "https://a.b.example.com", ""),
        ("*.example.com", "https://example.com/a", "is not allowed"),
        ("*.example.com", "https://badexample.com/a", "is not allowed"),
        ("train.example.com", "https://train.example.com.evil.org/a", "is not allowed"),
        ("train.example.com", "https://evil.org/train.example.com", "is not allowed"),
        ("train.example.com", "http://train.example.com/a", "by https"),
    ],
)
def test_only_allowed_hosts_are_called(host: str, url: str, says: str) -> None:
    receivers = [HookReceiverSettings(host=host, signing_key_file="/key")]
    made = hooks.HttpHooks(session=None, receivers=receivers)  # type: ignore[arg-type]
    found = made.obstacle(url, namespace="ml")
    assert (says in found) if says else not found
    if says:
        posted = made.post(
            url, namespace="ml", media_type="text/plain", body=BODY, timeout_seconds=1.0
        )
        assert isinstance(asyncio.run(posted), ports.Fatal)


def test_a_receiver_of_some_namespaces_is_none_of_others() -> None:
    near = HookReceiverSettings(host="a.example.com", signing_key_file="/a", namespaces=("ml",))
    wide = HookReceiverSettings(host="*.example.com", signing_key_file="/b")
    made = hooks.HttpHooks(session=None, receivers=[wide, near])  # type: ignore[arg-type]
    assert not made.obstacle("https://a.example.com", namespace="ml")
    assert "not open to namespace dev" in made.obstacle("https://a.example.com", namespace="dev")
    assert not made.obstacle("https://b.example.com", namespace="dev")
