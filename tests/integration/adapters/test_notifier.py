"""News against a local receiver: what is sent along, whom it may go to, and how answers are judged."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from local_http import Handler, serving

from tidegate import model, ports
from tidegate.adapters import hooks, notifier, outgoing
from tidegate.settings import HookReceiverSettings, NotificationReceiverSettings

BODY = b'{"text": "a"}'
CHAT = model.Recipient(receiver="chat")


class Place:
    """The files of a receiver, as an administrator mounts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.settings = NotificationReceiverSettings(
            name="chat", url_file=str(folder / "url"), plain_http=True
        )

    def put(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def post(
    handler: Handler,
    place: Place,
    *,
    url: str = "http://127.0.0.1:{port}/services/T0/S3CRET",
    to: model.Recipient = CHAT,
    timeout_seconds: float = 60.0,
    namespace: str = "ml",
) -> ports.Result[None]:
    async def play() -> ports.Result[None]:
        async with serving(handler) as port, outgoing.session() as session:
            place.put("url", url.format(port=port) + "\n")
            key = place.put("hook-key", "k")
            host = HookReceiverSettings(host="127.0.0.1", signing_key_file=key, plain_http=True)
            made = notifier.HttpNotifier(
                session,
                hooks=hooks.HttpHooks(session, receivers=[host]),
                receivers=[place.settings],
            )
            return await made.post(
                replace(to, url=to.url.format(port=port)),
                namespace=namespace,
                media_type="application/json",
                body=BODY,
                timeout_seconds=timeout_seconds,
            )

    return asyncio.run(play())


async def nobody(_: web.Request) -> web.Response:
    raise AssertionError("nothing may be sent")


def test_it_arrives_at_the_url_of_the_file_with_what_the_receiver_asks_for(place: Place) -> None:
    heard: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        heard.append((request.method, request.path, await request.read(), dict(request.headers)))
        return web.Response(text="ok")

    place.settings = replace(
        place.settings,
        signing_key_file=place.put("key", "k3y\n"),
        bearer_token_file=place.put("token", "t0ken\n"),
    )
    assert post(take, place) == ports.Ok(None)
    [(method, path, body, headers)] = heard
    assert (method, path, body) == ("POST", "/services/T0/S3CRET", BODY)
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer t0ken"
    wanted = hmac.new(b"k3y", BODY, hashlib.sha256).hexdigest()
    assert headers["X-Tidegate-Signature"] == f"sha256={wanted}"


def test_without_key_and_token_none_is_sent(place: Place) -> None:
    heard: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        heard.append(dict(request.headers))
        return web.Response()

    assert post(take, place) == ports.Ok(None)
    assert not {"Authorization", "X-Tidegate-Signature"} & heard[0].keys()


def test_a_url_of_a_host_of_hooks_goes_their_way(place: Place) -> None:
    heard: list[str] = []

    async def take(request: web.Request) -> web.Response:
        heard.append(request.headers["X-Tidegate-Signature"])
        return web.Response()

    to = model.Recipient(url="http://127.0.0.1:{port}/a")
    assert post(take, place, to=to) == ports.Ok(None)
    assert heard == [outgoing.signature(BODY, key=b"k")]
    elsewhere = post(nobody, place, to=model.Recipient(url="http://localhost:{port}/a"))
    assert isinstance(elsewhere, ports.Fatal)
    assert elsewhere.reason == "HostNotAllowed"


def test_one_that_hangs_is_given_up_and_names_no_secret(place: Place) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.get_running_loop().create_future()
        return web.Response()

    found = post(hang, place, timeout_seconds=0.2)
    assert found == ports.Retryable(message="no answer within 0.2 s")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("99999999999999999999", 300.0),
        ("0", None),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("\u0667", None),
    ],
)
def test_a_busy_one_says_when_to_come_again(
    header: str, seconds: float | None, place: Place
) -> None:
    async def busy(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": header}, text="no word of it")

    assert post(busy, place) == ports.Retryable(
        message="answered 429 where 2xx is expected", after_seconds=seconds
    )


def test_a_redirect_is_not_followed(place: Place) -> None:
    paths: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/other"})

    assert isinstance(post(elsewhere, place), ports.Fatal)
    assert paths == ["/services/T0/S3CRET"]


def test_one_that_is_not_there_is_tried_again_and_its_url_stays_a_secret(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = post(nobody, place, url=f"http://127.0.0.1:{port}/services/T0/S3CRET")
    assert found == ports.Retryable(message="not reached: connection refused")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http:///S3CRET",
        "file:///etc/S3CRET",
        "hooks.example.com/S3CRET",
        "https://hooks.example.com/S3CRET\nhttps://b",
        "https://ex\u00e4mple.com/S3CRET",
        "http://[S3CRET",
    ],
)
def test_a_file_that_cannot_be_used_is_told_without_what_is_in_it(url: str, place: Place) -> None:
    found = post(nobody, place, url=url)
    assert isinstance(found, ports.Fatal)
    assert found.reason == "Credentials"
    assert "receiver chat" in found.message
    assert "S3CRET" not in repr(found)


def test_plain_http_is_refused_unless_the_receiver_says_so(place: Place) -> None:
    place.settings = replace(place.settings, plain_http=False)
    assert isinstance(post(nobody, place), ports.Fatal)


def test_a_key_that_is_not_there_sends_nothing(place: Place) -> None:
    place.settings = replace(place.settings, signing_key_file="/nowhere/key")
    assert isinstance(post(nobody, place), ports.Fatal)


@pytest.mark.parametrize(
    ("to", "namespace", "says"),
    [
        (CHAT, "ml", ""),
        (CHAT, "dev", "receiver chat is not open to namespace dev"),
        (model.Recipient(receiver="other"), "ml", "receiver other is not open to namespace ml"),
        (model.Recipient(url="https://a.example.com/x"), "dev", ""),
        (
            model.Recipient(url="https://b.example.com/x"),
            "dev",
            "host b.example.com is not allowed",
        ),
    ],
)
def test_only_receivers_that_are_open_to_a_namespace_are_told(
    to: model.Recipient, namespace: str, says: str
) -> None:
    session: Any = None
    host = HookReceiverSettings(host="a.example.com", signing_key_file="/k")
    chat = NotificationReceiverSettings(name="chat", url_file="/u", namespaces=("ml",))
    made = notifier.HttpNotifier(
        session, hooks=hooks.HttpHooks(session, receivers=[host]), receivers=[chat]
    )
    found = made.obstacle(to, namespace=namespace)
    assert (says in found) if says else not found
    if says:
        posted = made.post(
            to, namespace=namespace, media_type="text/plain", body=BODY, timeout_seconds=1.0
        )
        assert isinstance(asyncio.run(posted), ports.Fatal)


class Names(AbstractResolver):
    """A name that stands for these addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[Any]:
        rest = {"hostname": host, "port": port, "family": family, "proto": 0, "flags": 0}
        return [rest | {"host": it} for it in self._addresses]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("addresses", "kept"),
    [
        (["10.0.0.1"], ["10.0.0.1"]),
        (["169.254.169.254", "203.0.113.7"], ["203.0.113.7"]),
        (["169.254.169.254"], []),
        (["127.0.0.1", "::1"], []),
        (["fe80::1"], []),
        (["0.0.0.0"], []),
        (["224.0.0.1"], []),
        (["::ffff:169.254.169.254"], []),
    ],
)
def test_a_name_leads_to_no_address_of_this_machine_or_of_metadata(
    addresses: list[str], kept: list[str]
) -> None:
    guarded = outgoing.GuardedResolver(Names(*addresses))
    if kept:
        found = asyncio.run(guarded.resolve("a.example.com", 443))
        assert [it["host"] for it in found] == kept
        return
    with pytest.raises(OSError, match="its name stands for a") as raised:
        asyncio.run(guarded.resolve("a.example.com", 443))
    assert raised.value.errno == errno.EACCES


def test_names_that_hang_take_no_thread_from_the_rest_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answered.wait(60) and [])

    async def another_thread_answers() -> bool:
        resolver = outgoing.ThreadsOfItsOwn()
        hang = [asyncio.create_task(resolver.resolve(f"{it}.example.com")) for it in range(100)]
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(asyncio.to_thread(lambda: True), timeout=30)
        finally:
            answered.set()
            await asyncio.gather(*hang)
            await resolver.close()

    assert asyncio.run(another_thread_answers())


def test_the_session_of_posts_is_guarded(place: Place) -> None:
    place.settings = replace(place.settings, plain_http=True)
    found = post(nobody, place, url="http://localhost:{port}/a")
    assert isinstance(found, ports.Retryable)
    assert "its name stands for a loopback address" in found.message
