"""`workload.trackConfigMaps`: which ConfigMaps belong to a revision, and what stands against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_examples import SMALLEST, Object, place

from tidegate import model
from tidegate.api import config_maps as tracking
from tidegate.api import convert, frozen
from tidegate.api.config_maps import ABSENT, Held
from tidegate.api.revision import revision_of
from tidegate.model import config_maps as references
from tidegate.model import objects
from tidegate.revisions import config_maps as copies
from tidegate.revisions import render

META = model.ObjectMeta(namespace="ml", name="iris", uid="u1", generation=3, resource_version="1")


def pod(**members: Any) -> Object:
    return {"containers": [{"name": "server", "image": "x"}], **members}


def container(member: str = "containers", **members: Any) -> Object:
    return pod(**{member: [{"name": "server", "image": "x", **members}]})


EVERYWHERE = [
    pytest.param(pod(volumes=[{"name": "v", "configMap": {"name": "a"}}]), id="volume"),
    pytest.param(
        pod(volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "a"}}]}}]),
        id="projected volume",
    ),
    *(
        pytest.param(container(member, **{where: [reference]}), id=f"{member} {where}")
        for member in ("containers", "initContainers")
        for where, reference in (
            ("envFrom", {"prefix": "P_", "configMapRef": {"name": "a"}}),
            ("env", {"name": "E", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}),
        )
    ),
]
NOWHERE = [
    pod(volumes=[{"name": "a", "secret": {"secretName": "a"}}, {"name": "b", "emptyDir": {}}]),
    pod(volumes=[{"name": "v", "configMap": {}}]),
    container(envFrom=[{"secretRef": {"name": "a"}}]),
    container(env=[{"name": "E", "value": "a"}, {"name": "F", "valueFrom": {"fieldRef": {}}}]),
    container(env=[{"name": "E", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]),
    pod(volumes="a", initContainers=[7, None]),
    {},
]


@pytest.mark.parametrize("spec", EVERYWHERE)
def test_a_reference_is_found_and_renamed_wherever_it_may_stand(spec: Object) -> None:
    assert references.named(spec) == {"a": True}
    renamed = references.renamed(spec, {"a": "a-1"})
    assert references.named(renamed) == {"a-1": True}
    assert references.renamed(renamed, {"a-1": "a"}) == spec


@pytest.mark.parametrize("spec", NOWHERE, ids=str)
def test_nothing_else_is_a_reference(spec: Object) -> None:
    assert references.named(spec) == {}
    assert references.renamed(spec, {"a": "b"}) == spec


@pytest.mark.parametrize(
    ("optional", "needed"), [((True,), False), ((False,), True), ((True, None), True)]
)
def test_one_reference_that_needs_it_is_enough(optional: tuple[Any, ...], needed: bool) -> None:  # noqa: FBT001
    volumes = [
        {"name": f"v{at}", "configMap": {"name": "a", "optional": it}}
        for at, it in enumerate(optional)
    ]
    assert references.named(pod(volumes=volumes)) == {"a": needed}


def body(tracks: str | None = "Snapshot", **members: Any) -> Object:
    spec = pod(volumes=[{"name": "v", "configMap": {"name": "a"}}], **members)
    found = place(SMALLEST, "spec.workload.template.spec", spec)
    return found if tracks is None else place(found, "spec.workload.trackConfigMaps", tracks)


@pytest.mark.parametrize(
    ("tracks", "expected"), [("Snapshot", {"a": True}), ("Ignore", {}), (None, {})]
)
def test_only_where_it_is_asked_for(tracks: str | None, expected: dict[str, bool]) -> None:
    assert tracking.tracked(body(tracks)) == expected


def test_what_they_hold_is_a_part_of_the_revision_and_nothing_else_of_them() -> None:
    plain = revision_of(body(None))
    assert revision_of(body()) == plain
    assert revision_of(body(), config_maps={}) == plain
    one, other = (revision_of(body(), config_maps={"a": digest}) for digest in ("x", "y"))
    assert len({plain.hash, one.hash, other.hash}) == 3


def test_a_digest_is_of_the_content_alone() -> None:
    source = {"metadata": {"name": "a", "resourceVersion": "1"}, "data": {"k": "v", "l": "w"}}
    same = {"metadata": {"name": "b"}, "data": {"l": "w", "k": "v"}, "binaryData": {}}
    assert tracking.digest_of(source) == tracking.digest_of(same)
    others = ({"data": {"k": "v"}}, {"binaryData": {"k": "v", "l": "w"}}, {})
    digests = {tracking.digest_of(it) for it in (source, *others)}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("wanted", "held", "reason", "part"),
    [
        ({"a": True}, {"a": Held()}, "SourceNotFound", "ConfigMap a, which the template names"),
        ({"a": False, "b": True}, {"a": Held(), "b": Held()}, "SourceNotFound", "ConfigMap b"),
        ({"a": False}, {"a": Held(failure="forbidden")}, "SourceUnusable", "forbidden"),
        ({"a": True}, {}, "SourceUnusable", "not read yet"),
        ({f"a{it}": True for it in range(17)}, {}, "SourceUnusable", "at most 16"),
    ],
)
def test_what_stands_against_a_revision(
    wanted: dict[str, bool], held: dict[str, Held], reason: str, part: str
) -> None:
    found = tracking.violation(wanted, held)
    assert found is not None
    assert (found.path, found.reason) == ("spec.workload.trackConfigMaps", reason)
    assert part in found.message
    assert found.blocks


@pytest.mark.parametrize(
    ("wanted", "held"),
    [({}, {}), ({"a": False}, {"a": Held()}), ({"a" * 253: True}, {"a" * 253: Held(digest="d")})],
)
def test_nothing_stands_against_it(wanted: dict[str, bool], held: dict[str, Held]) -> None:
    assert tracking.violation(wanted, held) is None


def made(digests: dict[str, str]) -> model.FrozenRevision:
    spec, violations = convert.read_spec(body())
    assert violations == ()
    assert spec is not None
    wanted = revision_of(body(), config_maps=digests)
    return render.freeze(META, replace(spec, config_maps=digests), wanted)


def test_pods_of_a_revision_are_given_its_copies() -> None:
    frozen_ = made({"a": "digest"})
    (volume,) = objects.items(objects.at(frozen_.template, "spec", "volumes"))
    assert objects.at(volume, "configMap", "name") == f"iris-{frozen_.revision.hash}-a"
    assert frozen_.config_maps == {"a": "digest"}


@pytest.mark.parametrize("digests", [{}, {"a": "digest"}, {"a": ABSENT}])
def test_the_frozen_revision_keeps_the_digests(digests: dict[str, str]) -> None:
    document = frozen.write_revision(META, made(digests))
    assert ("configMaps" in document["data"]) is bool(digests)
    found = frozen.read_revision(document)
    assert found is not None
    assert found.config_maps == digests


def test_a_copy_has_the_content_and_an_owner_and_nobody_can_change_it() -> None:
    revision = model.Revision(hash="0123456789", digest="d", model_version="1")
    source = {
        "metadata": {"name": "a", "namespace": "ml", "labels": {"team": "x"}},
        "data": {"k": "v"},
        "binaryData": {"b": "AA=="},
    }
    copy = copies.render(META, source, revision=revision, digest="digest")
    assert (copy["data"], copy["binaryData"]) == (source["data"], source["binaryData"])
    assert copy["immutable"] is True
    assert objects.object_name(copy) == "iris-0123456789-a"
    assert copies.is_copy(copy, META, digest="digest")
    assert not copies.is_copy(copy, META, digest="other")
    assert not copies.is_copy(copy, replace(META, uid="another"), digest="digest")
    assert not objects.label(copy, "team")
