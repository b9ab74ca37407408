"""What the simulation takes for granted about an API server, asserted on both servers alike.

A difference is a bug of the fake. Objects are of the kinds that the operator writes and every API
server of the tests serves.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from tests.sim.people import manifest

from tidegate import ports
from tidegate.adapters import kube

Connect = Callable[..., AbstractAsyncContextManager[kube.Kube]]
MD = ports.MODEL_DEPLOYMENT


def play(connect: Connect, scenario: Callable[[kube.Kube], Coroutine[Any, Any, None]]) -> None:
    async def played() -> None:
        async with connect() as api:
            await scenario(api)

    asyncio.run(played())


def value(result: ports.Result[Any]) -> Any:
    assert isinstance(result, ports.Ok), result
    return result.value


def object_in(namespace: str, **metadata: Any) -> ports.Object:
    body = manifest("v1")
    body["metadata"] = {"name": "iris", "namespace": namespace, **metadata}
    return body


def service(namespace: str, **annotations: str) -> ports.Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": namespace, "annotations": annotations},
        "spec": {"selector": {"a": "1"}, "ports": [{"port": 80}]},
    }


def status_of(body: ports.Object, **status: Any) -> ports.Object:
    metadata = {key: body["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return {
        "apiVersion": MD.api_version,
        "kind": MD.kind,
        "metadata": metadata,
        "status": status,
    }


async def patch(
    api: kube.Kube, kind: ports.Kind, namespace: str, name: str, *operations: ports.Object
) -> ports.Result[ports.Object]:
    return await api.json_patch(kind, namespace=namespace, name=name, operations=operations)


def put(path: str, to: Any) -> ports.Object:
    return {"op": "add", "path": path, "value": to}


def test_creation_numbers_the_object_and_ignores_its_status(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        body = object_in(namespace) | {"status": {"phase": "Healthy"}}
        made = value(await api.create(MD, namespace=namespace, body=body))
        assert made["metadata"]["generation"] == 1
        assert made["metadata"]["uid"]
        assert "phase" not in (made.get("status") or {})
        again = await api.create(MD, namespace=namespace, body=body)
        assert isinstance(again, ports.Conflict)
        nowhere = await api.create(MD, namespace="nowhere", body=object_in("nowhere"))
        assert isinstance(nowhere, ports.Conflict)

    play(connect, scenario)


def test_only_the_spec_raises_the_generation(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        labelled = value(
            await patch(api, MD, namespace, "iris", put("/metadata/labels", {"a": "b"}))
        )
        assert labelled["metadata"]["generation"] == 1
        assert labelled["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
        body = status_of(labelled, phase="Healthy", observedGeneration=1)
        written = value(await api.apply_status(MD, namespace=namespace, body=body))
        assert written["metadata"]["generation"] == 1
        edited = value(await patch(api, MD, namespace, "iris", put("/spec/paused", to=True)))
        assert edited["metadata"]["generation"] == 2
        assert edited["status"]["phase"] == "Healthy"

    play(connect, scenario)


def test_writing_what_is_there_changes_no_version(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        same = value(
            await patch(api, MD, namespace, "iris", put("/spec/model", made["spec"]["model"]))
        )
        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        body = status_of(made, phase="Healthy")
        first = value(await api.apply_status(MD, namespace=namespace, body=body))
        again = value(
            await api.apply_status(MD, namespace=namespace, body=status_of(first, phase="Healthy"))
        )
        assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    play(connect, scenario)


def test_status_is_guarded_and_loses_what_is_no_longer_applied(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        body = status_of(made, phase="Healthy", message="well")
        first = value(await api.apply_status(MD, namespace=namespace, body=body))
        assert first["spec"] == made["spec"]
        stale = await api.apply_status(MD, namespace=namespace, body=body)
        assert isinstance(stale, ports.Conflict)
        second = value(
            await api.apply_status(MD, namespace=namespace, body=status_of(first, phase="Failed"))
        )
        assert second["status"] == {"phase": "Failed"}
        gone = await api.apply_status(
            MD,
            namespace=namespace,
            body=status_of(second | {"metadata": second["metadata"] | {"name": "none"}}),
        )
        assert isinstance(gone, ports.Conflict)

    play(connect, scenario)


def test_the_main_resource_cannot_change_the_status(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        await api.apply_status(MD, namespace=namespace, body=status_of(made, phase="Healthy"))
        after = value(await patch(api, MD, namespace, "iris", put("/status", {"phase": "Failed"})))
        assert after["status"]["phase"] == "Healthy"

    play(connect, scenario)


def test_a_patch_whose_test_fails_changes_nothing(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        guard = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
        refused = await patch(api, MD, namespace, "iris", put("/spec/paused", to=True), guard)
        assert isinstance(refused, ports.Conflict)
        missing = {"op": "remove", "path": "/metadata/annotations/none"}
        assert isinstance(await patch(api, MD, namespace, "iris", missing), ports.Conflict)
        assert isinstance(await patch(api, MD, namespace, "none", put("/a", 1)), ports.Conflict)
        kept = value(await api.get(MD, namespace=namespace, name="iris"))
        assert kept["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    play(connect, scenario)


def test_deletion_waits_for_finalizers(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        body = object_in(namespace, finalizers=["tidegate.dev/traffic-restore"])
        made = value(await api.create(MD, namespace=namespace, body=body))
        uid = made["metadata"]["uid"]
        assert await api.delete(MD, namespace=namespace, name="iris", uid=uid) == ports.Ok(None)
        going = value(await api.get(MD, namespace=namespace, name="iris"))
        assert going["metadata"]["deletionTimestamp"]
        assert going["metadata"]["generation"] == 2
        more = await patch(
            api, MD, namespace, "iris", put("/metadata/finalizers/-", "example.com/other")
        )
        assert isinstance(more, ports.Fatal)
        written = await api.apply_status(
            MD, namespace=namespace, body=status_of(going, phase="Terminating")
        )
        assert isinstance(written, ports.Ok)
        last = await patch(
            api, MD, namespace, "iris", {"op": "remove", "path": "/metadata/finalizers/0"}
        )
        assert isinstance(last, ports.Ok)
        assert value(await api.get(MD, namespace=namespace, name="iris")) is None

    play(connect, scenario)


def test_deletion_is_bound_to_the_uid_and_repeatable(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        other = await api.delete(MD, namespace=namespace, name="iris", uid=str(uuid.uuid4()))
        assert isinstance(other, ports.Conflict)
        for _ in range(2):
            uid = made["metadata"]["uid"]
            assert await api.delete(MD, namespace=namespace, name="iris", uid=uid) == ports.Ok(None)
        anew = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        assert anew["metadata"]["uid"] != made["metadata"]["uid"]

    play(connect, scenario)


def test_deletion_can_be_bound_to_the_version(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.create(MD, namespace=namespace, body=object_in(namespace)))
        uid, old = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
        operations = [{"op": "add", "path": "/metadata/labels", "value": {"a": "1"}}]
        changed = value(
            await api.json_patch(MD, namespace=namespace, name="iris", operations=operations)
        )
        address = {"namespace": namespace, "name": "iris", "uid": uid}
        late = await api.delete(MD, **address, version=old)
        assert isinstance(late, ports.Conflict)
        now = changed["metadata"]["resourceVersion"]
        assert await api.delete(MD, **address, version=now) == ports.Ok(None)

    play(connect, scenario)


def test_apply_disputes_fields_that_somebody_else_changed(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        value(await api.apply(ports.SERVICE, namespace=namespace, body=service(namespace, a="1")))
        async with connect(field_manager="somebody") as other:
            value(
                await patch(
                    other, ports.SERVICE, namespace, "s", put("/metadata/annotations/a", "2")
                )
            )
        refused = await api.apply(
            ports.SERVICE, namespace=namespace, body=service(namespace, a="1")
        )
        assert isinstance(refused, ports.Fatal)
        assert refused.reason == "FieldConflict"
        agreed = value(
            await api.apply(ports.SERVICE, namespace=namespace, body=service(namespace, a="2"))
        )
        assert agreed["metadata"]["annotations"]["a"] == "2"
        forced = value(
            await api.apply(
                ports.SERVICE, namespace=namespace, body=service(namespace, a="3"), force=True
            )
        )
        assert forced["metadata"]["annotations"]["a"] == "3"
        value(await api.apply(ports.SERVICE, namespace=namespace, body=service(namespace, a="4")))

    play(connect, scenario)


def test_apply_takes_away_what_it_alone_had_put_there(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        value(
            await api.apply(
                ports.SERVICE, namespace=namespace, body=service(namespace, a="1", b="1")
            )
        )
        async with connect(field_manager="somebody") as other:
            value(
                await patch(
                    other, ports.SERVICE, namespace, "s", put("/metadata/annotations/c", "1")
                )
            )
        after = value(
            await api.apply(ports.SERVICE, namespace=namespace, body=service(namespace, a="1"))
        )
        assert after["metadata"]["annotations"] == {"a": "1", "c": "1"}

    play(connect, scenario)


def test_force_overrules_owners_but_no_version(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        made = value(await api.apply(ports.SERVICE, namespace=namespace, body=service(namespace)))
        value(await patch(api, ports.SERVICE, namespace, "s", put("/spec/selector", {"a": "2"})))
        body = service(namespace)
        body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        late = await api.apply(ports.SERVICE, namespace=namespace, body=body, force=True)
        assert isinstance(late, ports.Conflict)

    play(connect, scenario)


def test_only_the_uid_keeps_apply_from_creating_anew(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        for kind, body in ((ports.SERVICE, service(namespace)), (MD, object_in(namespace))):
            made = value(await api.create(kind, namespace=namespace, body=body))
            seen = {key: made["metadata"][key] for key in ("uid", "resourceVersion")}
            name = body["metadata"]["name"]
            await api.delete(kind, namespace=namespace, name=name, uid=seen["uid"])
            bound = body | {"metadata": body["metadata"] | seen}
            late = await api.apply(kind, namespace=namespace, body=bound, force=True)
            assert isinstance(late, ports.Conflict)
            del bound["metadata"]["uid"]
            assert isinstance(await api.apply(kind, namespace=namespace, body=bound), ports.Ok)

    play(connect, scenario)


def test_a_version_that_nothing_has_makes_apply_create_only(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        for kind, plain in ((ports.SERVICE, service(namespace)), (MD, object_in(namespace))):
            body = plain | {"metadata": plain["metadata"] | {"resourceVersion": "1"}}
            value(await api.apply(kind, namespace=namespace, body=body, force=True))
            again = await api.apply(kind, namespace=namespace, body=body, force=True)
            assert isinstance(again, ports.Conflict)

    play(connect, scenario)


def test_lists_select_by_label_and_show_only_what_is_asked(
    connect: Connect, namespace: str
) -> None:
    async def scenario(api: kube.Kube) -> None:
        body = service(namespace)
        body["metadata"]["labels"] = {"tidegate.dev/watch": "true"}
        value(await api.create(ports.SERVICE, namespace=namespace, body=body))
        for selector, names in (("tidegate.dev/watch=true", ["s"]), ("tidegate.dev/watch=no", [])):
            whole = value(
                await api.list_objects(ports.SERVICE, namespace=namespace, label_selector=selector)
            )
            assert [it["metadata"]["name"] for it in whole] == names
            slim = value(
                await api.list_metadata(ports.SERVICE, namespace=namespace, label_selector=selector)
            )
            assert [it["metadata"]["name"] for it in slim] == names
            assert not any("spec" in it for it in slim)

    play(connect, scenario)


def test_a_lease_is_replaced_only_at_its_version(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        body: ports.Object = {
            "apiVersion": ports.LEASE.api_version,
            "kind": "Lease",
            "metadata": {"name": "l", "namespace": namespace},
            "spec": {"holderIdentity": "a", "leaseTransitions": 1, "leaseDurationSeconds": 15},
        }
        made = value(await api.put_lease(namespace=namespace, name="l", body=body))
        assert isinstance(
            await api.put_lease(namespace=namespace, name="l", body=body), ports.Conflict
        )
        body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        body["spec"] = body["spec"] | {"holderIdentity": "b"}
        taken = value(await api.put_lease(namespace=namespace, name="l", body=body))
        assert taken["spec"]["holderIdentity"] == "b"
        assert isinstance(
            await api.put_lease(namespace=namespace, name="l", body=body), ports.Conflict
        )
        body["metadata"]["resourceVersion"] = taken["metadata"]["resourceVersion"]
        del body["spec"]["holderIdentity"]
        released = value(await api.put_lease(namespace=namespace, name="l", body=body))
        assert "holderIdentity" not in released["spec"]

    play(connect, scenario)


ODD = "<a & b> \u2028 \x85 \x7f \U0001f600 'q' \"p\" \\ \t # : - ~ 1e3 0x1 no"


def controller_revision(namespace: str) -> ports.Object:
    return {
        "apiVersion": ports.CONTROLLER_REVISION.api_version,
        "kind": "ControllerRevision",
        "metadata": {"name": "r", "namespace": namespace},
        "revision": 1,
        "data": {"z": {"port": 8080, "empty": ""}, "a": [1, 0.5, True, None, ODD], "odd": {ODD: 1}},
    }


def test_the_data_of_a_controller_revision_never_changes(connect: Connect, namespace: str) -> None:
    async def scenario(api: kube.Kube) -> None:
        kind, body = ports.CONTROLLER_REVISION, controller_revision(namespace)
        made = value(await api.create(kind, namespace=namespace, body=body))
        assert made["data"] == body["data"]
        edited = await patch(api, kind, namespace, "r", put("/data/z/port", 9000))
        assert isinstance(edited, ports.Fatal)
        assert edited.reason == "Invalid"
        labels = put("/metadata/labels", {"a": "b"})
        labelled = value(await patch(api, kind, namespace, "r", labels))
        assert (labelled["metadata"]["labels"], labelled["data"]) == ({"a": "b"}, body["data"])
        uid = made["metadata"]["uid"]
        value(await api.delete(kind, namespace=namespace, name="r", uid=uid))
        again = {**body, "data": {"server": {"port": 9000}}}
        assert (
            value(await api.create(kind, namespace=namespace, body=again))["data"] == again["data"]
        )

    play(connect, scenario)
