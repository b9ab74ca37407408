"""The feeder on a real API server: listed, added, modified and deleted objects reach the sink."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from tests.cluster.api import ControlPlane
from widgets import WIDGET, widget

from tidegate import ports
from tidegate.adapters import kopf_feed, kube

pytestmark = pytest.mark.apiserver

Connect = Callable[..., AbstractAsyncContextManager[kube.Kube]]
WATCH = "tidegate.dev/watch=true"
NAMESPACE = ports.Kind(
    group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False
)


class Sink:
    """`ports.EventSink` that notes what it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.bodies: dict[str, ports.Object] = {}
        self._news = asyncio.Event()

    def changed(self, kind: ports.Kind, body: ports.Object) -> None:
        self.bodies[body["metadata"]["name"]] = body
        self._note(f"changed {kind.kind} {body['metadata']['name']}")

    def deleted(self, kind: ports.Kind, body: ports.Object) -> None:
        self._note(f"deleted {kind.kind} {body['metadata']['name']}")

    async def until(self, *expected: str) -> None:
        """Wait until the newest events are these."""
        await self._wait(lambda: self.seen[-len(expected) :] == list(expected))

    async def until_all(self, *expected: str) -> None:
        """Wait until all these events were seen, in any order."""
        await self._wait(lambda: set(expected) <= set(self.seen))

    async def _wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def _note(self, event: str) -> None:
        self.seen.append(event)
        self._news.set()


@pytest.fixture
def play(
    apiserver: ControlPlane, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Run a scenario while a feeder watches."""
    monkeypatch.setenv("KUBECONFIG", str(apiserver.kubeconfig))

    def played(
        scenario: Callable[[kube.Kube, Sink], Coroutine[Any, Any, None]],
        *,
        watched: Sequence[tuple[ports.Kind, str]],
        namespaces: Sequence[str] = (),
    ) -> None:
        async def run() -> None:
            sink = Sink()
            feeder = kopf_feed.Feeder(
                sink, watched=watched, namespaces=namespaces, use_kubeconfig=True
            )
            async with connect() as api:
                running = asyncio.create_task(feeder.run())
                started = asyncio.create_task(feeder.started.wait())
                await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
                try:
                    await scenario(api, sink)
                finally:
                    feeder.stop()
                    await asyncio.wait_for(running, timeout=120)

        asyncio.run(run())

    return played


async def create(api: kube.Kube, kind: ports.Kind, body: ports.Object) -> ports.Object:
    created = await api.create(kind, namespace=body["metadata"]["namespace"], body=body)
    assert isinstance(created, ports.Ok), created
    return created.value


def service(namespace: str, name: str, **labels: str) -> ports.Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"port": 80}]},
    }


def test_life_of_an_object_reaches_the_sink(
    play: Callable[..., None], namespace: str, apiserver: ControlPlane
) -> None:
    apiserver.kubectl("create", "service", "clusterip", "unlabelled", "--tcp=80", "-n", namespace)

    async def scenario(api: kube.Kube, sink: Sink) -> None:
        await sink.until("changed Widget listed")
        created = await create(api, WIDGET, widget(namespace, "w"))
        await sink.until("changed Widget listed", "changed Widget w")
        await api.json_patch(
            WIDGET,
            namespace=namespace,
            name="w",
            operations=[{"op": "replace", "path": "/spec/size", "value": 5}],
        )
        await sink.until("changed Widget w", "changed Widget w")
        assert sink.bodies["w"]["spec"] == {"size": 5}
        assert sink.bodies["w"]["kind"] == "Widget"
        uid = created["metadata"]["uid"]
        await api.delete(WIDGET, namespace=namespace, name="w", uid=uid)
        await sink.until("changed Widget w", "changed Widget w", "deleted Widget w")
        left = await api.get(WIDGET, namespace=namespace, name="listed")
        assert isinstance(left, ports.Ok)
        assert left.value is not None
        managers = {it["manager"] for it in left.value["metadata"]["managedFields"]}
        assert managers == {"kubectl-create"}, "the feeder writes nothing"
        assert "finalizers" not in left.value["metadata"]

    _create_widget(apiserver, namespace, "listed")
    play(scenario, watched=[(WIDGET, "")], namespaces=[namespace])


def test_selector_is_applied_by_the_server_and_losing_the_label_is_a_deletion(
    play: Callable[..., None], namespace: str
) -> None:
    async def scenario(api: kube.Kube, sink: Sink) -> None:
        await create(api, ports.SERVICE, service(namespace, "other"))
        await create(
            api, ports.SERVICE, service(namespace, "ours", **{"tidegate.dev/watch": "true"})
        )
        await sink.until("changed Service ours")
        await api.json_patch(
            ports.SERVICE,
            namespace=namespace,
            name="ours",
            operations=[{"op": "remove", "path": "/metadata/labels/tidegate.dev~1watch"}],
        )
        await sink.until("changed Service ours", "deleted Service ours")
        assert sink.seen == ["changed Service ours", "deleted Service ours"]

    play(scenario, watched=[(ports.SERVICE, WATCH)], namespaces=[namespace])


def test_cluster_scoped_and_namespaced_kinds_are_watched_side_by_side(
    play: Callable[..., None], namespace: str
) -> None:
    async def scenario(api: kube.Kube, sink: Sink) -> None:
        body: ports.Object = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": f"{namespace}-x", "namespace": ""},
        }
        await create(api, NAMESPACE, body)
        await create(api, WIDGET, widget(namespace, "w"))
        await sink.until_all(f"changed Namespace {namespace}-x", "changed Widget w")

    play(scenario, watched=[(WIDGET, ""), (NAMESPACE, "")], namespaces=[namespace])


def test_whole_cluster_is_watched_without_namespaces(
    play: Callable[..., None], namespace: str
) -> None:
    async def scenario(api: kube.Kube, sink: Sink) -> None:
        await create(api, WIDGET, widget(namespace, f"w-{namespace}"))
        await sink.until(f"changed Widget w-{namespace}")

    play(scenario, watched=[(WIDGET, "")])


def _create_widget(apiserver: ControlPlane, namespace: str, name: str) -> None:
    manifest = (
        f"{{apiVersion: {WIDGET.api_version}, kind: Widget, metadata: {{name: {name}}},"
        " spec: {size: 1}}"
    )
    apiserver.kubectl("create", "-n", namespace, "-f", "-", input=manifest)


def test_starts_for_a_user_without_a_name(
    play: Callable[..., None], namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the image: the user has a number and stands in no list of users."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 65532)

    async def scenario(api: kube.Kube, sink: Sink) -> None:
        await create(api, WIDGET, widget(namespace, "w"))
        await sink.until("changed Widget w")

    play(scenario, watched=[(WIDGET, "")], namespaces=[namespace])
