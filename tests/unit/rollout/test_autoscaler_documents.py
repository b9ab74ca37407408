"""The autoscaler of a revision as it is written and read, and the note beside `replicas`."""

from __future__ import annotations

import pytest

from tidegate import model
from tidegate.model import objects
from tidegate.revisions import autoscaler, note

META = model.ObjectMeta(namespace="ml", name="iris", uid="u", generation=1, resource_version="1")
LIMITS = model.Autoscaler(least=2, most=9, cpu_percent=70)
REVISION = "0123456789"


def written() -> dict[str, model.Json]:
    return dict(autoscaler.render(META, revision=REVISION, limits=LIMITS))


def test_it_names_the_deployment_of_its_revision_and_belongs_to_the_object() -> None:
    document = written()
    assert objects.object_name(document) == f"iris-{REVISION}" == autoscaler.target(document)
    assert objects.is_controlled_by(document, uid="u")
    assert objects.label(document, objects.LABEL_REVISION) == REVISION


def test_what_was_written_is_read_again() -> None:
    assert autoscaler.read(written()) == LIMITS


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"minReplicas": 2, "maxReplicas": 9},
        {"minReplicas": 2, "maxReplicas": 9, "metrics": [{}]},
        {"minReplicas": "2", "maxReplicas": 9, "metrics": "cpu"},
        {"minReplicas": 2, "maxReplicas": 9, "metrics": [{"type": "Pods"}, {"type": "Pods"}]},
    ],
)
def test_what_somebody_changed_in_it_does_not_read_as_ours(spec: dict[str, model.Json]) -> None:
    assert autoscaler.read({**written(), "spec": spec}) != LIMITS


@pytest.mark.parametrize("kind", ["StatefulSet", "ModelDeployment", None])
def test_only_a_deployment_is_a_target(kind: str | None) -> None:
    reference = {"kind": kind, "name": f"iris-{REVISION}"}
    assert autoscaler.target({"spec": {"scaleTargetRef": reference}}) == ""


@pytest.mark.parametrize(
    ("owners", "named"),
    [
        (None, "HorizontalPodAutoscaler mine"),
        ([{"kind": "Team", "name": "a"}], "HorizontalPodAutoscaler mine"),
        ([{"kind": "ScaledObject", "name": "queue"}], "ScaledObject queue"),
    ],
)
def test_people_read_whose_it_is(owners: model.Json, named: str) -> None:
    metadata: dict[str, model.Json] = {"name": "mine", "ownerReferences": owners}
    assert autoscaler.described({"metadata": metadata}) == named


@pytest.mark.parametrize(
    ("written_", "replicas", "autoscaled"),
    [("4", 4, False), ("4+", 4, True), ("0", 0, False), ("", None, False), ("x+", None, True)],
)
def test_the_note_says_the_number_and_who_may_move_it(
    written_: str, replicas: int | None, *, autoscaled: bool
) -> None:
    deployment = {"metadata": {"annotations": {objects.ANNOTATION_REPLICAS: written_}}}
    assert note.read_replicas(deployment) == replicas
    assert note.may_be_autoscaled(deployment) is autoscaled
    if replicas is not None:
        assert note.of_replicas(replicas, autoscaled=autoscaled) == written_
