from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from port_fakes import MemoryRecorder

from tidegate import ports
from tidegate.controller.dependencies import Ref
from tidegate.controller.snapshot import slim
from tidegate.controller.store import Intake, Store
from tidegate.controller.workqueue import Key

MD = ports.MODEL_DEPLOYMENT


def obj(
    kind: ports.Kind = ports.SERVICE,
    name: str = "one",
    *,
    version: int | str = 1,
    uid: str = "",
    namespace: str = "ns",
    **more: Any,
) -> ports.Object:
    metadata = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    if kind.namespaced:
        metadata["namespace"] = namespace
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata | more.pop("metadata", {}),
        **more,
    }


def owned_by(name: str, *, uid: str = "md-uid", controller: bool = True) -> dict[str, Any]:
    reference = {
        "apiVersion": MD.api_version,
        "kind": MD.kind,
        "name": name,
        "uid": uid,
        "controller": controller,
    }
    return {"ownerReferences": [reference]}


def using(name: str, *references: dict[str, str], **more: Any) -> ports.Object:
    metrics = [{"name": f"m{i}", "templateRef": ref} for i, ref in enumerate(references)]
    return obj(MD, name, spec={"analysis": {"metrics": metrics}}, **more)


def test_snapshot_is_slim_and_the_input_is_left_alone() -> None:
    annotations = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "tidegate.dev/request": "promote",
    }
    body = obj(metadata={"managedFields": [{}], "annotations": annotations}, spec={"replicas": 1})
    snapshot = slim(ports.SERVICE, body)
    assert "managedFields" not in snapshot["metadata"]
    assert snapshot["metadata"]["annotations"] == {"tidegate.dev/request": "promote"}
    assert snapshot["spec"] == {"replicas": 1}
    assert "managedFields" in body["metadata"]
    assert len(body["metadata"]["annotations"]) == 2


def test_versions_of_one_generation_share_their_spec() -> None:
    one, two, three = (
        obj(MD, version=version, metadata={"generation": generation}, spec={"paused": paused})
        for version, generation, paused in ((1, 7, False), (2, 7, False), (3, 8, True))
    )
    first = slim(MD, one)
    second = slim(MD, two, known=first)
    assert second["spec"] is first["spec"]
    assert second["metadata"]["resourceVersion"] == "2"
    assert slim(MD, three, known=second)["spec"] == {"paused": True}


def test_what_was_kept_in_part_is_no_spec_to_share() -> None:
    """Of a Deployment only the template was kept while nobody of ours owned it."""
    spec, metadata = {"replicas": 3, "template": {}}, {"generation": 7}
    foreign = slim(ports.DEPLOYMENT, obj(ports.DEPLOYMENT, metadata=metadata, spec=spec))
    assert "replicas" not in foreign["spec"]
    ours = obj(ports.DEPLOYMENT, version=2, metadata=metadata | owned_by("iris"), spec=dict(spec))
    assert slim(ports.DEPLOYMENT, ours, known=foreign)["spec"] == spec


def test_of_a_record_only_what_is_asked_of_it_is_kept() -> None:
    spec = {"revision": "77aa01b2c3", "attempt": 2, "result": "Promoted", "steps": [{}] * 30}
    body = obj(ports.ROLLOUT_RECORD, spec={**spec, "finishedAt": "2026-10-21T09:12:00Z"})
    snapshot = slim(ports.ROLLOUT_RECORD, body)
    assert snapshot["spec"] == {
        "revision": "77aa01b2c3",
        "attempt": 2,
        "result": "Promoted",
        "finishedAt": "2026-10-21T09:12:00Z",
    }
    assert "steps" in body["spec"]


@pytest.mark.parametrize(
    ("known", "event", "taken"),
    [
        ("9", "10", True),
        ("10", "10", False),
        ("10", "9", False),
        ("100", "99", False),
        ("abc", "9", True),
        ("10", "", True),
    ],
)
def test_older_event_does_not_replace_own_reply(known: str, event: str, taken: bool) -> None:  # noqa: FBT001
    store = Store()
    store.put_own_reply(ports.SERVICE, obj(version=known, spec={"from": "reply"}))
    assert store.put(ports.SERVICE, obj(version=event, spec={"from": "event"})) is taken
    found = store.get(ports.SERVICE, namespace="ns", name="one")
    assert found is not None
    assert found["spec"]["from"] == ("event" if taken else "reply")


def test_own_change_asks_for_one_pass_and_the_event_that_repeats_it_for_none() -> None:
    asked: list[Key] = []
    store = Store()
    store.after_own_change = asked.append
    intake = Intake(store, enqueue=asked.append, recorder=MemoryRecorder())
    store.put_own_reply(ports.SERVICE, obj(version=7, metadata=owned_by("md")))
    assert asked == [Key("ns", "md")]
    intake.changed(ports.SERVICE, obj(version=7, metadata=owned_by("md")))
    store.put_own_reply(ports.SERVICE, obj(version=7, metadata=owned_by("md")))
    assert asked == [Key("ns", "md")]
    intake.changed(ports.SERVICE, obj(version=8, metadata=owned_by("md")))
    assert asked == [Key("ns", "md")] * 2


def test_late_reply_does_not_bring_a_deleted_object_back() -> None:
    store = Store()
    store.put(ports.SERVICE, obj(version=5))
    assert store.remove(ports.SERVICE, obj(version=7))
    store.put_own_reply(ports.SERVICE, obj(version=6))
    assert store.get(ports.SERVICE, namespace="ns", name="one") is None


def test_object_that_got_its_watch_label_back_is_known_again() -> None:
    store = Store()
    store.put(ports.SERVICE, obj(version=5))
    store.remove(ports.SERVICE, obj(version=6))
    assert store.put(ports.SERVICE, obj(version=7))
    assert store.get(ports.SERVICE, namespace="ns", name="one") is not None


def test_deletion_of_a_predecessor_leaves_the_new_object() -> None:
    store = Store()
    store.put_own_reply(ports.SERVICE, obj(version=9, uid="new"))
    assert not store.remove(ports.SERVICE, obj(version=8, uid="old"))
    assert store.get(ports.SERVICE, namespace="ns", name="one") is not None


def test_children_are_found_by_controller_and_by_label() -> None:
    store = Store()
    label = {"labels": {"tidegate.dev/model-deployment": "md"}}
    store.put(ports.SERVICE, obj(name="b", metadata=owned_by("md")))
    store.put(ports.SERVICE, obj(name="a", metadata=owned_by("md") | label))
    store.put(ports.SERVICE, obj(name="c", metadata=owned_by("md", controller=False)))
    store.put(ports.DEPLOYMENT, obj(ports.DEPLOYMENT, "s", metadata=owned_by("md")))
    store.put(ports.SERVICE, obj(name="x", namespace="other", metadata=label))
    owned = store.owned(ports.SERVICE, namespace="ns", owner_uid="md-uid")
    assert [entry.snapshot["metadata"]["name"] for entry in owned] == ["a", "b"]
    labelled = store.labelled(ports.SERVICE, namespace="ns", model_deployment="md")
    assert [entry.snapshot["metadata"]["name"] for entry in labelled] == ["a"]


def test_index_follows_changes_and_frees_memory() -> None:
    store = Store()
    store.put(ports.SERVICE, obj(version=1, metadata=owned_by("md")))
    store.put(ports.SERVICE, obj(version=2))
    assert store.owned(ports.SERVICE, namespace="ns", owner_uid="md-uid") == []
    store.put(ports.SERVICE, obj(version=3, metadata=owned_by("md")))
    store.remove(ports.SERVICE, obj(version=4))
    assert store.owned(ports.SERVICE, namespace="ns", owner_uid="md-uid") == []
    assert store._index == {}
    assert store.entries(ports.SERVICE) == {}


def test_memory_of_deletions_is_bounded() -> None:
    store = Store()
    for number in range(10_000):
        store.remove(ports.SERVICE, obj(uid=str(number)))
    assert len(store._deleted) <= 4096


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (MD, obj(MD, "md"), {Key("ns", "md")}),
        (ports.SERVICE, obj(metadata=owned_by("md")), {Key("ns", "md")}),
        (
            ports.ENDPOINT_SLICE,
            obj(ports.ENDPOINT_SLICE, metadata={"labels": {"tidegate.dev/model-deployment": "md"}}),
            {Key("ns", "md")},
        ),
        (
            ports.SERVICE,
            obj(
                ports.SERVICE,
                metadata=owned_by("new") | {"labels": {"tidegate.dev/model-deployment": "old"}},
            ),
            {Key("ns", "new"), Key("ns", "old")},
        ),
        (ports.HTTP_ROUTE, obj(ports.HTTP_ROUTE), set()),
        (
            ports.SERVICE,
            obj(
                ports.SERVICE,
                metadata={
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "ModelDeployment", "name": "x"}
                    ]
                },
            ),
            set(),
        ),
    ],
)
def test_change_enqueues_what_depends_on_it(
    kind: ports.Kind, body: ports.Object, expected: set[Key]
) -> None:
    assert Store().dependents(kind, body) == expected


def test_template_enqueues_its_users_only() -> None:
    store = Store()
    own, cluster = ports.METRIC_TEMPLATE, ports.CLUSTER_METRIC_TEMPLATE
    store.put(MD, using("a", {"kind": own.kind, "name": "t"}))
    store.put(MD, using("b", {"kind": cluster.kind, "name": "t"}))
    store.put(MD, using("c", {"kind": own.kind, "name": "t"}, namespace="other"))
    store.put(MD, using("d", {"kind": "Secret", "name": "t"}))
    assert store.dependents(own, obj(own, "t")) == {Key("ns", "a")}
    assert store.dependents(cluster, obj(cluster, "t")) == {Key("ns", "b")}
    store.put(MD, using("a", version=2))
    assert store.dependents(own, obj(own, "t")) == set()


def test_unfinished_are_those_with_something_to_do() -> None:
    done = {"phase": "Healthy", "observedGeneration": 1}
    store = Store()
    bodies: dict[str, dict[str, Any]] = {
        "idle": {"status": done},
        "new": {},
        "edited": {"status": done, "generation": 2},
        "walking": {"status": done | {"phase": "Progressing"}},
        "deleted": {"status": done, "deletionTimestamp": "2026-01-01T00:00:00Z"},
    }
    for name, parts in bodies.items():
        status = parts.pop("status", None)
        body = obj(MD, name, metadata={"generation": 1} | parts)
        store.put(MD, body | ({"status": status} if status else {}))
    assert {key.name for key in store.unfinished()} == {"new", "edited", "walking", "deleted"}
    assert [key.name for key in store.model_deployments()] == sorted(bodies)


def test_intake_enqueues_what_a_taken_event_concerns() -> None:
    enqueued: list[Key] = []
    intake = Intake(Store(), enqueue=enqueued.append, recorder=MemoryRecorder())
    intake.changed(MD, obj(MD, "md", version=5))
    intake.changed(MD, obj(MD, "md", version=4))
    intake.deleted(MD, obj(MD, "md", version=6))
    intake.deleted(MD, obj(MD, "md", version=6))
    assert enqueued == [Key("ns", "md")] * 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None},
        {"metadata": {}},
        {"metadata": {"name": "x"}},
        {"metadata": {"name": "x", "uid": "u", "ownerReferences": 7}},
        {"metadata": {"name": "x", "uid": "u", "ownerReferences": ["x"]}},
        {"metadata": {"name": "x", "uid": "u", "labels": [1]}},
        {"metadata": {"name": "x", "uid": "u", "annotations": 1.5}},
    ],
)
def test_unreadable_event_is_reported_and_leaves_the_store_whole(body: ports.Object) -> None:
    store, recorder = Store(), MemoryRecorder()
    intake = Intake(store, enqueue=lambda _: None, recorder=recorder)
    intake.changed(ports.SERVICE, body)
    assert [event for event, _ in recorder.problems] == ["event_unreadable"]
    assert store._index == {}
    intake.changed(ports.SERVICE, obj())
    assert store.get(ports.SERVICE, namespace="ns", name="one") is not None


@pytest.mark.parametrize(
    "spec",
    [None, 7, {"analysis": []}, {"analysis": {"metrics": [1, {"templateRef": []}]}}],
)
def test_malformed_spec_names_no_templates(spec: Any) -> None:
    assert Store().put(MD, obj(MD, "md", spec=spec))


events = st.lists(
    st.tuples(st.sampled_from(["put", "remove"]), st.integers(0, 3), st.integers(1, 30)),
    max_size=60,
)


@given(events)
def test_index_always_agrees_with_the_snapshots(script: list[tuple[str, int, int]]) -> None:
    store = Store()
    newest: dict[str, int] = {}
    for action, number, version in script:
        owner = owned_by("md", uid=f"owner-{version % 2}")
        body = obj(name=str(number), version=version, metadata=owner)
        if action == "put":
            store.put(ports.SERVICE, body)
        else:
            store.remove(ports.SERVICE, body)
        entry = store.entry(Ref(ports.SERVICE, "ns", str(number)))
        if entry is not None:
            assert int(entry.resource_version) >= newest.get(str(number), 0)
            newest[str(number)] = int(entry.resource_version)
    for uid in ("owner-0", "owner-1"):
        expected = [
            ref.name
            for ref, entry in sorted(
                store.entries(ports.SERVICE).items(), key=lambda pair: pair[0].name
            )
            if entry.snapshot["metadata"]["ownerReferences"][0]["uid"] == uid
        ]
        found = store.owned(ports.SERVICE, namespace="ns", owner_uid=uid)
        assert [entry.snapshot["metadata"]["name"] for entry in found] == expected


def test_a_namespace_that_changes_has_its_own_model_deployments_looked_at() -> None:
    store, enqueued = Store(), list[Key]()
    intake = Intake(store, enqueue=enqueued.append, recorder=MemoryRecorder())
    store.put(MD, obj(MD, "iris", namespace="ml"))
    store.put(MD, obj(MD, "iris", uid="other", namespace="ml-prod"))
    namespace = obj(ports.NAMESPACE, "ml")
    intake.changed(ports.NAMESPACE, namespace)
    assert enqueued == [Key("ml", "iris")]
    assert store.get(ports.NAMESPACE, namespace="", name="ml") is not None
    intake.deleted(ports.NAMESPACE, obj(ports.NAMESPACE, "ml", version=2))
    assert enqueued == [Key("ml", "iris")] * 2
    assert store.get(ports.NAMESPACE, namespace="", name="ml") is None


def test_own_deletion_is_known_at_once_and_a_successor_is_left_alone() -> None:
    store, asked = Store(), list[Key]()
    store.after_own_change = asked.append
    child = obj(ports.CONTROLLER_REVISION, "one", uid="old", metadata=owned_by("iris"), data={})
    store.put(ports.CONTROLLER_REVISION, child)
    store.remove_own(ports.CONTROLLER_REVISION, child["metadata"])
    assert store.get(ports.CONTROLLER_REVISION, namespace="ns", name="one") is None
    assert asked == [Key("ns", "iris")]
    assert not store.put(ports.CONTROLLER_REVISION, child), "an event that was on its way"
    store.put(ports.CONTROLLER_REVISION, {**child, "metadata": {**child["metadata"], "uid": "new"}})
    store.remove_own(ports.CONTROLLER_REVISION, child["metadata"])
    assert store.get(ports.CONTROLLER_REVISION, namespace="ns", name="one") is not None
