"""The adapter against a local server that misbehaves: what goes over the wire, and what if."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from local_http import Handler, serving
from port_fakes import MemoryRecorder
from widgets import WIDGET, widget

import tidegate
from tidegate import ports
from tidegate.adapters import kube


class Wire:
    """A server with one handler, an adapter that talks to it, and the requests it got."""

    def __init__(self, handler: Handler, folder: Path) -> None:
        self._handler = handler
        self.kubeconfig = folder / "kubeconfig"
        self.seen: list[dict[str, Any]] = []
        self.recorder = MemoryRecorder()
        self.api: kube.Kube

    def log_in_as(self, token: str) -> None:
        document = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
            "users": [{"name": "u", "user": {"token": token}}],
        }
        self.kubeconfig.write_text(json.dumps(document))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "headers": dict(request.headers),
                "body": await request.text(),
            }
        )
        return await self._handler(request)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Wire]:
        async with serving(self._handle) as self._port:
            self.log_in_as("first")
            self.api = await kube.connect(recorder=self.recorder, kubeconfig=str(self.kubeconfig))
            try:
                yield self
            finally:
                await self.api.close()


def play(
    handler: Handler, folder: Path, scenario: Callable[[Wire], Coroutine[Any, Any, None]]
) -> None:
    async def played() -> None:
        async with Wire(handler, folder).opened() as wire:
            await scenario(wire)

    asyncio.run(played())


async def echo(_: web.Request) -> web.StreamResponse:
    return web.json_response({"metadata": {"name": "one"}})


def test_every_request_carries_credentials_user_agent_and_its_content_type(
    tmp_path: Path,
) -> None:
    async def scenario(wire: Wire) -> None:
        api, body = wire.api, widget("ns")
        status = body | {"metadata": body["metadata"] | {"resourceVersion": "1"}}
        operations = [{"op": "test", "path": "/a", "value": 1}]
        await api.get(WIDGET, namespace="ns", name="one")
        await api.get(ports.SERVICE, namespace="ns", name="one")
        await api.list_metadata(WIDGET, namespace="", label_selector="a=b")
        await api.create(WIDGET, namespace="ns", body=body)
        await api.apply(WIDGET, namespace="ns", body=body, urgent=True)
        await api.apply_status(WIDGET, namespace="ns", body=status)
        await api.json_patch(WIDGET, namespace="ns", name="one", operations=operations)
        await api.delete(WIDGET, namespace="ns", name="one", uid="u")
        for seen in wire.seen:
            assert seen["headers"]["Authorization"] == "Bearer first"
            assert seen["headers"]["User-Agent"] == f"tidegate/{tidegate.__version__}"
        assert [(it["method"], it["headers"]["Content-Type"]) for it in wire.seen] == [
            ("GET", "application/json"),
            ("GET", "application/json"),
            ("GET", "application/json"),
            ("POST", "application/json"),
            ("PATCH", "application/apply-patch+yaml"),
            ("PATCH", "application/apply-patch+yaml"),
            ("PATCH", "application/json-patch+json"),
            ("DELETE", "application/json"),
        ]
        assert "PartialObjectMetadataList" in wire.seen[2]["headers"]["Accept"]
        assert wire.seen[2]["query"] == {"labelSelector": "a=b", "limit": "500"}
        assert wire.seen[4]["query"] == {"fieldManager": "tidegate", "force": "false"}
        assert wire.seen[5]["query"] == {"fieldManager": "tidegate", "force": "true"}
        assert wire.seen[5]["path"].endswith("/one/status")
        assert json.loads(wire.seen[6]["body"]) == operations
        assert json.loads(wire.seen[7]["body"])["preconditions"] == {"uid": "u"}

    play(echo, tmp_path, scenario)


def test_unauthorized_leads_to_one_new_login_and_one_repetition(tmp_path: Path) -> None:
    async def picky(request: web.Request) -> web.StreamResponse:
        accepted = request.headers["Authorization"] == "Bearer second"
        return web.json_response({}, status=200 if accepted else 401)

    async def scenario(wire: Wire) -> None:
        refused = await wire.api.get(WIDGET, namespace="ns", name="one")
        assert isinstance(refused, ports.Fatal)
        assert len(wire.seen) == 2
        wire.log_in_as("second")
        together = await asyncio.gather(
            *(wire.api.get(WIDGET, namespace="ns", name="one") for _ in range(5))
        )
        assert together == [ports.Ok({})] * 5
        assert await wire.api.get(WIDGET, namespace="ns", name="one") == ports.Ok({})

    play(picky, tmp_path, scenario)


def test_broken_credentials_file_is_fatal_and_the_next_login_may_work(tmp_path: Path) -> None:
    async def picky(request: web.Request) -> web.StreamResponse:
        accepted = request.headers["Authorization"] == "Bearer second"
        return web.json_response({}, status=200 if accepted else 401)

    async def scenario(wire: Wire) -> None:
        wire.kubeconfig.write_text("{}")
        refused = await wire.api.get(WIDGET, namespace="ns", name="one")
        assert isinstance(refused, ports.Fatal)
        assert "cannot log in" in refused.message
        wire.log_in_as("second")
        assert await wire.api.get(WIDGET, namespace="ns", name="one") == ports.Ok({})

    play(picky, tmp_path, scenario)


def test_overload_is_not_repeated_and_tells_when_to_come_back(tmp_path: Path) -> None:
    async def overloaded(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "busy"}, status=429, headers={"Retry-After": "3"})

    async def scenario(wire: Wire) -> None:
        answer = await wire.api.create(WIDGET, namespace="ns", body=widget("ns"))
        assert answer == ports.Retryable(message="busy", after_seconds=3.0)
        assert len(wire.seen) == 1

    play(overloaded, tmp_path, scenario)


def test_hanging_write_times_out_and_may_have_been_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(kube, "URGENT_TIMEOUT_SECONDS", 0.1)

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario(wire: Wire) -> None:
        body = widget("ns")
        read = await wire.api.get(WIDGET, namespace="ns", name="one")
        assert read == ports.Retryable(message="no answer within 0.5 s")
        urgent = await wire.api.apply(WIDGET, namespace="ns", body=body, urgent=True)
        assert urgent == ports.Retryable(message="no answer within 0.1 s", maybe_applied=True)

    play(hang, tmp_path, scenario)


def test_body_that_never_ends_is_part_of_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "TIMEOUT_SECONDS", 0.2)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"a":')
        await asyncio.Event().wait()
        return response

    async def scenario(wire: Wire) -> None:
        answer = await wire.api.create(WIDGET, namespace="ns", body=widget("ns"))
        assert isinstance(answer, ports.Retryable)
        assert answer.maybe_applied

    play(drip, tmp_path, scenario)


def test_connection_cut_in_the_answer_is_retryable(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"a":')
        assert request.transport is not None
        request.transport.abort()
        return response

    async def scenario(wire: Wire) -> None:
        answer = await wire.api.create(WIDGET, namespace="ns", body=widget("ns"))
        assert isinstance(answer, ports.Retryable)
        assert answer.maybe_applied
        assert "connection failed" in answer.message

    play(cut, tmp_path, scenario)


def test_list_whose_token_expired_starts_over_later(tmp_path: Path) -> None:
    async def forgetful(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return web.json_response({"message": "expired"}, status=410)
        return web.json_response({"items": [{}], "metadata": {"continue": "more"}})

    async def scenario(wire: Wire) -> None:
        answer = await wire.api.list_metadata(WIDGET, namespace="", label_selector="")
        assert answer == ports.Retryable(message="expired")

    play(forgetful, tmp_path, scenario)


def test_endless_list_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "_MOST_CHUNKS", 3)

    async def endless(_: web.Request) -> web.StreamResponse:
        return web.json_response({"items": [{}], "metadata": {"continue": "more"}})

    async def scenario(wire: Wire) -> None:
        answer = await wire.api.list_metadata(WIDGET, namespace="", label_selector="")
        assert isinstance(answer, ports.Fatal)
        assert len(wire.seen) == 3

    play(endless, tmp_path, scenario)


def test_requests_in_flight_are_limited_and_urgent_ones_keep_their_slots(
    tmp_path: Path,
) -> None:
    async def scenario(wire: Wire) -> None:
        async def get() -> None:
            await wire.api.get(WIDGET, namespace="ns", name="one")

        async def apply() -> None:
            await wire.api.apply(WIDGET, namespace="ns", body=widget("ns"), urgent=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(get())
            await until(lambda: len(wire.seen) == 24)
            for _ in range(10):
                group.create_task(apply())
            await until(lambda: len(wire.seen) == 32)
            assert [it["method"] for it in wire.seen].count("PATCH") == 8
            gate.set()
        assert len(wire.seen) == 50

    async def until(condition: Callable[[], bool]) -> None:
        for _ in range(12_000):
            if condition():
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert condition(), "more or fewer requests went out than allowed"

    gate = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await echo(request)

    play(wait, tmp_path, scenario)
