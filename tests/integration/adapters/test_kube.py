"""The adapter on a real API server: verbs, guards and the four outcomes."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from port_fakes import MemoryRecorder
from tests.cluster.api import ControlPlane
from widgets import WIDGET, widget

from tidegate import ports
from tidegate.adapters import kube

pytestmark = pytest.mark.apiserver

Connect = Callable[..., AbstractAsyncContextManager[kube.Kube]]


def play(connect: Connect, scenario: Callable[[kube.Kube], Coroutine[Any, Any, None]]) -> None:
    async def played() -> None:
        async with connect() as api:
            await scenario(api)

    asyncio.run(played())


def value(result: ports.Result[Any]) -> Any:
    assert isinstance(result, ports.Ok), result
    return result.value


def test_served_kinds_are_told_from_unknown_ones(connect: Connect) -> None:
    async def scenario(api: kube.Kube) -> None:
        assert await api.serves(ports.SERVICE) == ports.Ok(True)
        assert await api.serves(WIDGET) == ports.Ok(True)
        assert await api.serves(ports.HTTP_ROUTE) == ports.Ok(False)

    play(connect, scenario)


def test_absent_object_is_a_normal_answer(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        for kind in (WIDGET, ports.SERVICE, ports.DEPLOYMENT):
            assert await api.get(kind, namespace=namespace, name="none") == ports.Ok(None)
        unserved = await api.get(ports.HTTP_ROUTE, namespace=namespace, name="none")
        assert isinstance(unserved, ports.Fatal), "a kind that is not served is no absent object"
        assert unserved.reason == "NotServed"
        assert await api.get_lease(namespace=namespace, name="none") == ports.Ok(None)
        assert await api.delete(
            WIDGET, namespace=namespace, name="none", uid=str(uuid.uuid4())
        ) == ports.Ok(None)

    play(connect, scenario)


def test_create_names_the_field_manager_and_refuses_a_second_one(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        body = widget(namespace)
        created = value(await api.create(WIDGET, namespace=namespace, body=body))
        assert created["metadata"]["managedFields"][0]["manager"] == "tidegate"
        again = await api.create(WIDGET, namespace=namespace, body=body)
        assert isinstance(again, ports.Conflict)
        assert "already exists" in again.message

    play(connect, scenario)


def test_dry_run_validates_and_creates_nothing(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        value(await api.create(WIDGET, namespace=namespace, body=widget(namespace), dry_run=True))
        assert await api.get(WIDGET, namespace=namespace, name="one") == ports.Ok(None)

    play(connect, scenario)


def test_invalid_document_is_fatal_with_the_field_in_the_message(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        body = widget(namespace, size=100)
        for refused in (
            await api.create(WIDGET, namespace=namespace, body=body),
            await api.apply(WIDGET, namespace=namespace, body=body),
        ):
            assert isinstance(refused, ports.Fatal)
            assert refused.reason == "Invalid"
            assert "spec.size" in refused.message

    play(connect, scenario)


def test_write_into_an_absent_namespace_is_a_conflict(connect: Connect) -> None:
    async def scenario(api: kube.Kube) -> None:
        body = widget("nowhere")
        refused = await api.create(WIDGET, namespace="nowhere", body=body)
        assert isinstance(refused, ports.Conflict)

    play(connect, scenario)


def test_json_patch_is_sent_as_such_and_guarded_by_its_test(
    connect: Connect, namespace: str
) -> None:
    def operations(old: int, new: int) -> list[ports.Object]:
        return [
            {"op": "test", "path": "/spec/size", "value": old},
            {"op": "replace", "path": "/spec/size", "value": new},
        ]

    async def scenario(api: kube.Kube) -> None:
        await api.create(WIDGET, namespace=namespace, body=widget(namespace))

        async def patch(old: int, new: int, name: str = "one") -> ports.Result[ports.Object]:
            return await api.json_patch(
                WIDGET, namespace=namespace, name=name, operations=operations(old, new)
            )

        assert value(await patch(1, 2))["spec"]["size"] == 2
        assert isinstance(await patch(1, 3), ports.Conflict)
        assert isinstance(await patch(2, 3, name="none"), ports.Conflict)
        refused = await patch(2, 200)
        assert isinstance(refused, ports.Fatal)
        assert "spec.size" in refused.message

    play(connect, scenario)


def test_core_group_is_served_like_any_other(connect: Connect, namespace: str) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": namespace, "labels": {"tidegate.dev/watch": "true"}},
        "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}},
    }

    async def scenario(api: kube.Kube) -> None:
        value(await api.create(ports.SERVICE, namespace=namespace, body=service))
        patched = await api.json_patch(
            ports.SERVICE,
            namespace=namespace,
            name="s",
            operations=[{"op": "replace", "path": "/spec/selector", "value": {"c": "d"}}],
            urgent=True,
        )
        assert value(patched)["spec"]["selector"] == {"c": "d"}
        listed = await api.list_objects(
            ports.SERVICE, namespace=namespace, label_selector="tidegate.dev/watch=true"
        )
        assert [item["metadata"]["name"] for item in value(listed)] == ["s"]
        assert (value(listed)[0]["apiVersion"], value(listed)[0]["kind"]) == ("v1", "Service")
        others = await api.list_objects(
            ports.SERVICE, namespace=namespace, label_selector="tidegate.dev/watch=false"
        )
        assert value(others) == []

    play(connect, scenario)


def test_apply_reports_another_owner_and_force_overrules_only_ownership(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        async with connect(field_manager="somebody") as other:
            value(await other.apply(WIDGET, namespace=namespace, body=widget(namespace, size=1)))
        body = widget(namespace, size=2)
        refused = await api.apply(WIDGET, namespace=namespace, body=body)
        assert isinstance(refused, ports.Fatal)
        assert refused.reason == "FieldConflict"
        assert "somebody" in refused.message
        applied = value(await api.apply(WIDGET, namespace=namespace, body=body, force=True))
        assert applied["spec"]["size"] == 2
        body["metadata"]["resourceVersion"] = applied["metadata"]["resourceVersion"]
        body["spec"]["size"] = 3
        value(await api.apply(WIDGET, namespace=namespace, body=body, urgent=True))
        body["spec"]["size"] = 4
        stale = await api.apply(WIDGET, namespace=namespace, body=body, force=True)
        assert isinstance(stale, ports.Conflict)

    play(connect, scenario)


def test_status_write_is_guarded_by_the_version(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        created = value(await api.create(WIDGET, namespace=namespace, body=widget(namespace)))
        body: ports.Object = {
            "apiVersion": WIDGET.api_version,
            "kind": WIDGET.kind,
            "metadata": {
                "name": "one",
                "namespace": namespace,
                "resourceVersion": created["metadata"]["resourceVersion"],
            },
            "status": {"phase": "Ready"},
        }
        written = value(await api.apply_status(WIDGET, namespace=namespace, body=body))
        assert written["status"] == {"phase": "Ready"}
        assert written["spec"] == {"size": 1}
        body["status"] = {"phase": "Late"}
        stale = await api.apply_status(WIDGET, namespace=namespace, body=body)
        assert isinstance(stale, ports.Conflict)
        body["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"]
        body["status"] = {"phase": "Late", "unknown": 1}
        unknown = await api.apply_status(WIDGET, namespace=namespace, body=body)
        assert isinstance(unknown, ports.Fatal)
        assert unknown.reason == "UnknownField"

    play(connect, scenario)


def test_delete_is_bound_to_the_uid(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        created = value(await api.create(WIDGET, namespace=namespace, body=widget(namespace)))
        other = await api.delete(WIDGET, namespace=namespace, name="one", uid=str(uuid.uuid4()))
        assert isinstance(other, ports.Conflict)
        uid = created["metadata"]["uid"]
        assert await api.delete(WIDGET, namespace=namespace, name="one", uid=uid) == ports.Ok(None)
        assert await api.get(WIDGET, namespace=namespace, name="one") == ports.Ok(None)

    play(connect, scenario)


def test_metadata_list_has_no_spec_and_joins_its_chunks(
    connect: Connect, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "_CHUNK", 2)

    async def scenario(api: kube.Kube) -> None:
        names = [f"w{number}" for number in range(5)]
        for name in names:
            await api.create(WIDGET, namespace=namespace, body=widget(namespace, name))
        listed = value(await api.list_metadata(WIDGET, namespace=namespace, label_selector=""))
        assert [item["metadata"]["name"] for item in listed] == names
        assert all(set(item) == {"apiVersion", "kind", "metadata"} for item in listed)
        assert all(item["metadata"]["resourceVersion"] for item in listed)
        everywhere = value(await api.list_metadata(WIDGET, namespace="", label_selector=""))
        assert len(everywhere) >= 5

    play(connect, scenario)


def test_list_of_an_unknown_kind_is_fatal(connect: Connect) -> None:
    async def scenario(api: kube.Kube) -> None:
        listed = await api.list_metadata(ports.HTTP_ROUTE, namespace="", label_selector="")
        assert isinstance(listed, ports.Fatal)
        assert listed.reason == "NotServed"

    play(connect, scenario)


def test_lease_is_created_replaced_and_guarded(connect: Connect, namespace: str) -> None:
    body: ports.Object = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l", "namespace": namespace},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 1},
    }

    async def scenario(api: kube.Kube) -> None:
        created = value(await api.put_lease(namespace=namespace, name="l", body=body))
        assert isinstance(
            await api.put_lease(namespace=namespace, name="l", body=body), ports.Conflict
        )
        del created["spec"]["holderIdentity"]
        released = value(await api.put_lease(namespace=namespace, name="l", body=created))
        assert "holderIdentity" not in released["spec"]
        stale = await api.put_lease(namespace=namespace, name="l", body=created)
        assert isinstance(stale, ports.Conflict)

    play(connect, scenario)


def test_event_is_accepted_and_counted(
    connect: Connect, namespace: str, apiserver: ControlPlane
) -> None:
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e.1", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tidegate.dev/controller",
        "reportingInstance": "pod",
        "action": "Promote",
        "reason": "Promoted",
        "type": "Normal",
        "note": "text",
        "regarding": {"kind": "ModelDeployment", "namespace": namespace, "name": "md"},
    }

    async def scenario(api: kube.Kube) -> None:
        assert await api.create_event(namespace=namespace, body=event) == ports.Ok(None)
        series = {"count": 3, "lastObservedTime": "2026-01-01T00:05:00.000000Z"}
        told = await api.repeat_event(namespace=namespace, name="e.1", series=series)
        assert told == ports.Ok(None)
        gone = await api.repeat_event(namespace=namespace, name="e.2", series=series)
        assert isinstance(gone, ports.Conflict)

    play(connect, scenario)
    assert "Promoted" in apiserver.kubectl("get", "events", "-n", namespace)
    counted = apiserver.kubectl(
        "get", "events.v1.events.k8s.io", "e.1", "-n", namespace, "-o", "jsonpath={.series.count}"
    )
    assert counted == "3"


def test_missing_right_is_fatal_and_names_verb_and_resource(
    apiserver: ControlPlane, connect: Connect, namespace: str, tmp_path: Path
) -> None:
    apiserver.kubectl("create", "serviceaccount", "weak", "-n", namespace)
    token = apiserver.kubectl("create", "token", "weak", "-n", namespace).strip()
    kubeconfig = _with_token(apiserver, token=token, path=tmp_path / "kubeconfig")

    async def played() -> None:
        async with connect(kubeconfig=str(kubeconfig)) as api:
            for refused in (
                await api.get(WIDGET, namespace=namespace, name="one"),
                await api.create(WIDGET, namespace=namespace, body=widget(namespace)),
                await api.list_metadata(WIDGET, namespace="", label_selector=""),
            ):
                assert isinstance(refused, ports.Fatal)
                assert refused.reason == "Forbidden"
                assert "weak" in refused.message
                assert "widgets" in refused.message
            assert await api.serves(WIDGET) == ports.Ok(True), "discovery needs no rights"

    asyncio.run(played())


def test_credentials_that_became_valid_again_are_read_once_more(
    apiserver: ControlPlane, connect: Connect, namespace: str, tmp_path: Path
) -> None:
    apiserver.kubectl("create", "serviceaccount", "late", "-n", namespace)
    good = apiserver.kubectl("create", "token", "late", "-n", namespace).strip()
    kubeconfig = _with_token(apiserver, token="expired", path=tmp_path / "kubeconfig")

    async def played() -> None:
        async with connect(kubeconfig=str(kubeconfig)) as api:
            refused = await api.get(WIDGET, namespace=namespace, name="one")
            assert isinstance(refused, ports.Fatal)
            assert refused.reason == "Unauthorized"
            _with_token(apiserver, token=good, path=kubeconfig)
            accepted = await api.get(WIDGET, namespace=namespace, name="one")
            assert isinstance(accepted, ports.Fatal)
            assert accepted.reason == "Forbidden", "known now, though without rights"

    asyncio.run(played())


def test_requests_are_counted_by_verb_and_outcome(
    connect: Connect, namespace: str, recorder: MemoryRecorder
) -> None:
    async def scenario(api: kube.Kube) -> None:
        await api.create(WIDGET, namespace=namespace, body=widget(namespace))
        await api.create(WIDGET, namespace=namespace, body=widget(namespace))
        await api.get(WIDGET, namespace=namespace, name="none")

    play(connect, scenario)
    assert recorder.requests == {
        ("create", "Ok"): 1,
        ("create", "Conflict"): 1,
        ("get", "NotFound"): 1,
    }


def test_dead_api_server_is_retryable(
    connect: Connect, apiserver: ControlPlane, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    document = apiserver.kubeconfig.read_text()
    kubeconfig.write_text(document.replace(apiserver.server_url, "https://127.0.0.1:1"))

    async def played() -> None:
        async with connect(kubeconfig=str(kubeconfig)) as api:
            refused = await api.get(WIDGET, namespace="default", name="one")
            assert isinstance(refused, ports.Retryable)
            assert "connection failed" in refused.message

    asyncio.run(played())


def test_unusable_kubeconfig_is_one_sentence(recorder: MemoryRecorder, tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text(json.dumps({"kind": "Config"}))
    for path in (broken, tmp_path / "absent"):
        with pytest.raises(kube.LoginError, match="no usable credentials"):
            asyncio.run(kube.connect(recorder=recorder, kubeconfig=str(path)))


def _with_token(apiserver: ControlPlane, *, token: str, path: Path) -> Path:
    """A kubeconfig for the same server with this token only."""
    admin = json.loads(
        apiserver.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    )
    document = admin | {"users": [{"name": admin["users"][0]["name"], "user": {"token": token}}]}
    path.write_text(json.dumps(document))
    return path
