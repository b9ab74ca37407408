from __future__ import annotations

import math
from typing import Any

import port_fakes
import pytest

from tidegate import model, ports
from tidegate.controller.dependencies import Ref
from tidegate.controller.packing import Packer, unpacked
from tidegate.controller.reconciler import REST_SECONDS, Reconciler
from tidegate.controller.store import Entry, Store
from tidegate.controller.workqueue import Key
from tidegate.model import actions, objects

MD = ports.MODEL_DEPLOYMENT
KEY = Key("ns", "one")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [True, False, [], {}],
        {"": "", "\u00fc\n\u2028": "\U0001f600\x00"},
        [2**70, -1, 0.1, 1e300, -0.0],
        {"long": "text " * 20_000},
    ],
    ids=["null", "empty", "texts", "numbers", "long"],
)
def test_what_is_packed_comes_back_equal(value: Any) -> None:
    packer = Packer()
    documents = [{"spec": value}, {"spec": value, "status": [value]}, {"other": 1}]
    for document in documents:
        packed = packer.pack(MD, document)
        assert packed is not None
        assert unpacked(*packed) == document


def test_a_kind_says_its_words_once() -> None:
    packer = Packer()
    bodies = [_child(ports.SERVICE, f"one-{number}") for number in range(3)]
    first, second, _ = (packer.pack(ports.SERVICE, one) for one in bodies)
    other = packer.pack(ports.DEPLOYMENT, bodies[1])
    assert first is not None
    assert second is not None
    assert other is not None
    assert len(second[0]) < len(first[0]) / 2
    assert len(other[0]) > len(second[0])


def _deep() -> Any:
    value: Any = {}
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", [_deep(), math.nan, {1, 2}], ids=["deep", "nan", "set"])
def test_what_is_no_json_stays_as_it_is(value: Any) -> None:
    packer = Packer()
    assert packer.pack(MD, {"spec": value}) is None
    entry = Entry(at_hand={"spec": value}, uid="u", resource_version="1", sequence=1, index_keys=())
    entry.pack(MD, packer)
    assert entry.snapshot["spec"] is value


def _child(kind: ports.Kind, name: str, **metadata: Any) -> ports.Object:
    owner = {
        "apiVersion": MD.api_version,
        "kind": MD.kind,
        "name": "one",
        "uid": "u",
        "controller": True,
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{kind.kind}-{name}"}
        | {"resourceVersion": "1", "ownerReferences": [owner]}
        | metadata,
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }


def _parent(version: str = "1", **status: Any) -> ports.Object:
    metadata = {"name": "one", "namespace": "ns", "uid": "u", "generation": 1}
    return {
        "metadata": metadata | {"resourceVersion": version},
        "spec": {"replicas": 2},
        "status": {"phase": "Healthy", "observedGeneration": 1} | status,
    }


def _rested() -> Store:
    store = Store()
    store.put(MD, _parent())
    store.put(ports.SERVICE, _child(ports.SERVICE, "one-a"))
    labels = {"labels": {objects.LABEL_MODEL_DEPLOYMENT: "one"}, "ownerReferences": []}
    store.put(ports.ENDPOINT_SLICE, _child(ports.ENDPOINT_SLICE, "one-a-x", **labels))
    store.put(ports.SERVICE, _child(ports.SERVICE, "two-a", ownerReferences=[]))
    store.rest(KEY)
    return store


def _entry(store: Store, kind: ports.Kind, name: str) -> Entry:
    found = store.entry(Ref(kind, "ns", name))
    assert found is not None
    return found


def test_at_rest_an_object_and_what_belongs_to_it_is_packed_and_nothing_else() -> None:
    store = _rested()
    packed = {
        ref.name
        for kind in (MD, ports.SERVICE, ports.ENDPOINT_SLICE)
        for ref, entry in store.entries(kind).items()
        if entry.at_hand is None
    }
    assert packed == {"one", "one-a", "one-a-x"}


def test_who_asks_gets_one_document_until_the_next_rest() -> None:
    store = _rested()
    entry = _entry(store, ports.SERVICE, "one-a")
    assert entry.snapshot == _child(ports.SERVICE, "one-a")
    assert entry.snapshot is entry.snapshot
    store.rest(KEY)
    assert entry.at_hand is None
    assert entry.snapshot == _child(ports.SERVICE, "one-a")


def test_a_reading_outlasts_the_rest() -> None:
    store = Store()
    store.put(MD, _parent())
    asked: list[ports.Object] = []
    entry = _entry(store, MD, "one")
    entry.read(asked.append)
    store.rest(KEY)
    entry.read(asked.append)
    assert len(asked) == 1
    assert entry.at_hand is None


@pytest.mark.parametrize("phase", ["Healthy", "Progressing"])
def test_whoever_takes_over_need_not_unpack_what_is_finished(phase: str) -> None:
    store = Store()
    store.put(MD, _parent(phase=phase))
    store.rest(KEY)
    assert store.is_unfinished(KEY) is (phase != "Healthy")
    assert store.unfinished() == ({KEY} if phase != "Healthy" else set())
    assert _entry(store, MD, "one").at_hand is None


def test_a_change_of_what_rests_is_taken_and_is_at_hand() -> None:
    store = _rested()
    assert store.put(MD, _parent("2", phase="Progressing"))
    entry = _entry(store, MD, "one")
    assert entry.at_hand == _parent("2", phase="Progressing")
    assert store.is_unfinished(KEY)


def test_an_object_that_is_gone_has_no_rest() -> None:
    store = _rested()
    store.remove(MD, _parent("2"))
    store.rest(KEY)
    assert store.entry(Ref(MD, "ns", "one")) is None


def test_siblings_share_what_they_are_found_by() -> None:
    store = _rested()
    store.put(ports.SERVICE, _child(ports.SERVICE, "one-b"))
    one, other = (_entry(store, ports.SERVICE, name) for name in ("one-a", "one-b"))
    assert one.index_keys is other.index_keys
    owned = store.owned(ports.SERVICE, namespace="ns", owner_uid="u")
    assert owned == [one, other]


@pytest.mark.parametrize("wait", [1.0, REST_SECONDS - 1.0, REST_SECONDS, 600.0])
def test_a_pass_packs_what_is_not_looked_at_soon(wait: float) -> None:
    store = Store()
    anything: Any = None
    store.put(MD, _parent())
    reconciler = Reconciler(
        api=anything,
        store=store,
        observer=anything,
        smoke_tests=anything,
        ownership=anything,
        isolations=anything,
        line=anything,
        rollbacks=anything,
        config_maps=anything,
        events=anything,
        notifications=anything,
        clock=port_fakes.ManualClock(),
        recorder=port_fakes.MemoryRecorder(),
        leading=lambda: True,
    )
    decision = actions.Decision(
        status=model.Status(), actions=(), events=(), requeue_after_seconds=wait
    )
    reconciler._done(KEY, decision, books_kept=True)
    assert (_entry(store, MD, "one").at_hand is None) is (wait >= REST_SECONDS)
