from __future__ import annotations

import copy
from typing import Any

import pytest
from api_examples import FULL, REMOVED, SMALLEST, place
from hypothesis import given
from json_values import ANY_JSON

from tidegate.api import revision
from tidegate.model import objects


def hash_of(body: Any) -> str:
    return revision.revision_of(body).hash


PINNED_SMALL = {
    "metadata": {"name": "iris"},
    "spec": {
        "model": {"version": "1.4.0"},
        "workload": {"template": {"spec": {"containers": [{"name": "server", "image": "i:1"}]}}},
    },
}
PINNED_LARGE = {
    "metadata": {"name": "fraud", "namespace": "ml", "generation": 3},
    "spec": {
        "model": {
            "name": "Betr\u00fcger \U0001f600",
            "version": "2026.11.1",
            "uri": "s3://models/fraud/2026.11.1",
            "digest": "sha256:" + "0123456789abcdef" * 4,
            "artifacts": [{"name": "scaler", "uri": "s3://models/scaler/7"}],
        },
        "server": {"preset": "MLServer"},
        "workload": {
            "replicas": 6,
            "template": {
                "metadata": {
                    "labels": {"team": "risk"},
                    "annotations": {"b": "2", "a": "1"},
                    "creationTimestamp": None,
                },
                "spec": {
                    "terminationGracePeriodSeconds": 30,
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                    "containers": [
                        {
                            "name": "server",
                            "image": "images.example.com/mlserver:1.7.1",
                            "args": [],
                            "securityContext": {"readOnlyRootFilesystem": True},
                            "resources": {"limits": {"cpu": 0.5, "memory": "1Gi"}},
                        }
                    ],
                },
            },
        },
    },
}


# These hashes stand in users' clusters. A change of any of them starts a rollout of every model
# when the operator is upgraded: raise HASH_VERSION instead, and keep comparing by the stored one.
@pytest.mark.parametrize(
    ("body", "digest"),
    [
        ({}, "e796a456e23cafb580130fc3857aa5e3bec5a9769ffa477f4550bbe82b3b3c57"),
        (PINNED_SMALL, "ba73ac5ba70b7fea7db38cfa1a30547beda12092f32e10bdc27600ff35afb4a2"),
        (PINNED_LARGE, "fea45e74555b229e192216c3b232738385b7834caedf70c965c4e204eedbb7d0"),
    ],
    ids=["empty", "small", "large"],
)
def test_hash_is_the_same_in_every_version_of_the_operator(
    body: dict[str, Any], digest: str
) -> None:
    assert objects.HASH_VERSION == "1"
    found = revision.revision_of(body)
    assert found.digest == digest
    assert found.hash == digest[:10]


def test_revision_carries_the_version_of_the_model() -> None:
    assert revision.revision_of(FULL).model_version == "2026.11.1"


CONTAINER = "spec.workload.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.model.name", "iris"),  # the default
        ("spec.model.uri", None),
        ("spec.model.digest", ""),
        ("spec.model.artifacts", []),
        ("spec.model.provenance", {"trainingRun": "run-1"}),
        ("spec.workload.template.metadata", {}),
        ("spec.workload.template.metadata", None),
        ("spec.workload.template.metadata", {"creationTimestamp": None}),
        ("spec.workload.template.metadata", {"creationTimestamp": "2026-01-01T00:00:00Z"}),
        ("spec.workload.template.metadata", {"labels": {}, "annotations": None}),
        (f"{CONTAINER}.resources", None),
    ],
)
def test_equal_spellings_have_equal_hashes(path: str, value: object) -> None:
    assert hash_of(place(SMALLEST, path, value)) == hash_of(SMALLEST)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels", {"a": "b"}),
        ("metadata.annotations", {"a": "b"}),
        ("spec.workload.replicas", 9),
        ("spec.server", {"preset": "MLServer"}),
        ("spec.service", {"port": 81}),
        ("spec.traffic", {"verify": {"timeout": "5s"}}),
        ("spec.strategy", {"scaleDownDelay": "1h"}),
        ("spec.analysis", {"warmup": "0s"}),
        ("spec.rollback", {"reportAs": "Healthy"}),
        ("spec.paused", True),
        ("spec.automation", {"level": "Manual"}),
        ("spec.automation", {"level": "Gated", "decisionMode": None}),
        ("spec.automation", "unreadable"),
        ("spec.aFieldOfNextYear", 1),
        ("status", {"phase": "Healthy"}),
    ],
)
def test_other_fields_never_make_a_revision(path: str, value: object) -> None:
    assert hash_of(place(SMALLEST, path, value)) == hash_of(SMALLEST)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.model.version", "1.4.1"),
        ("spec.model.name", "other"),
        ("spec.model.uri", "s3://x"),
        ("spec.model.artifacts", [{"name": "a"}]),
        (f"{CONTAINER}.image", "images.example.com/iris:2"),
        (f"{CONTAINER}.env", [{"name": "A", "value": "1"}]),
        ("spec.workload.template.metadata.labels", {"a": "b"}),
        ("spec.workload.template.spec.volumes", [{"name": "v", "emptyDir": {}}]),
        ("spec.workload.template.spec.newField", False),
        ("spec.automation", {"decisionMode": "HumanOnly"}),
    ],
)
def test_model_and_template_make_a_revision(path: str, value: object) -> None:
    assert hash_of(place(SMALLEST, path, value)) != hash_of(SMALLEST)


def test_empty_object_in_a_pod_spec_means_something() -> None:
    path = "spec.workload.template.spec.affinity"
    assert hash_of(place(SMALLEST, path, {})) != hash_of(SMALLEST)


def test_whole_number_is_one_number_in_both_spellings() -> None:
    path = "spec.workload.template.spec.terminationGracePeriodSeconds"
    assert hash_of(place(SMALLEST, path, 30)) == hash_of(place(SMALLEST, path, 30.0))
    assert hash_of(place(SMALLEST, path, True)) != hash_of(place(SMALLEST, path, 1))


def _reversed(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _reversed(node[key]) for key in reversed(node)}
    return [_reversed(item) for item in node] if isinstance(node, list) else node


def test_order_of_keys_does_not_count_and_order_of_lists_does() -> None:
    assert hash_of(_reversed(FULL)) == hash_of(FULL)
    ports = f"{CONTAINER}.ports"
    swapped = FULL["spec"]["workload"]["template"]["spec"]["containers"][0]["ports"][::-1]
    assert hash_of(place(FULL, ports, swapped)) != hash_of(FULL)


def test_hashing_leaves_the_object_as_it_is() -> None:
    body = copy.deepcopy(FULL)
    hash_of(body)
    assert body == FULL


@given(body=ANY_JSON)
def test_any_json_has_a_hash(body: Any) -> None:
    assert len(hash_of(body)) == 10


@given(value=ANY_JSON)
def test_any_json_in_model_and_template_has_a_hash(value: object) -> None:
    for path in ("spec", "spec.model", "spec.workload", "spec.workload.template", "metadata"):
        assert len(hash_of(place(SMALLEST, path, value))) == 10


@given(value=ANY_JSON)
def test_canonical_form_is_stable(value: object) -> None:
    once = revision.canonical(value)
    assert revision.canonical(once) == once


@given(value=ANY_JSON)
def test_what_is_canonical_already_is_shared_and_nothing_is_changed(value: object) -> None:
    before = copy.deepcopy(value)
    once = revision.canonical(value)
    assert revision.canonical(once) is once
    revision.revision_of({"spec": {"model": value, "workload": {"template": value}}})
    assert repr(value) == repr(before)


def test_an_object_with_another_spelling_in_it_is_not_shared() -> None:
    given = {"same": {"a": 1}, "spelled": [1.0], "none": {"a": None}}
    once = revision.canonical(given)
    assert repr(once) == "{'same': {'a': 1}, 'spelled': [1], 'none': {}}"
    assert once["same"] is given["same"]


def test_what_is_no_json_becomes_a_text() -> None:
    assert revision.canonical({1: {"a", "b"} - {"b"}, "t": (1.0, None)}) == {
        "1": "{'a'}",
        "t": [1, None],
    }


def test_deep_nesting_has_a_hash() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = {"a": deep}
    assert len(hash_of(place(SMALLEST, "spec.model", REMOVED) | {"spec": deep})) == 10
    assert len(hash_of({"spec": {"model": deep}})) == 10
