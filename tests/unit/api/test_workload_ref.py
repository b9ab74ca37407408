"""The pod template of an existing Deployment, as if it stood in the ModelDeployment."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from api_examples import SMALLEST, place

from tidegate import model
from tidegate.api import convert, workload_ref
from tidegate.api.revision import revision_of
from tidegate.model import objects

REFERRING = place(SMALLEST, "spec.workload", {"replicas": 3, "workloadRef": {"name": "old"}})
POD = {"containers": [{"name": "server", "image": "images.example.com/iris:1"}]}


def source(
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    selector: dict[str, Any] | None = None,
    own_labels: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    metadata = {"labels": labels or {}, "annotations": annotations or {}, "name": "ignored"}
    return {
        "metadata": {"name": "old", "labels": own_labels or {}},
        "spec": {
            "selector": selector or {"matchLabels": {}},
            "template": {"metadata": metadata, "spec": POD},
            **spec,
        },
    }


def template(found: dict[str, Any] | model.Violation) -> dict[str, Any]:
    assert isinstance(found, dict)
    assert "workloadRef" not in found["spec"]["workload"]
    assert found["spec"]["workload"]["replicas"] == 3
    return dict(found["spec"]["workload"]["template"])


def test_its_template_stands_where_the_reference_stood_and_both_inputs_stay() -> None:
    body, deployment = copy.deepcopy(REFERRING), source()
    made = workload_ref.with_template(body, deployment)
    assert template(made)["spec"] == POD
    assert body == REFERRING
    assert deployment == source()
    spec, violations = convert.read_spec(made)  # type: ignore[arg-type]
    assert spec is not None
    assert violations == ()


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ({"matchLabels": {"app": "iris"}}, {"tier": "ml", "team": "risk"}),
        ({"matchLabels": {"app": "iris", "tier": "ml"}}, {"team": "risk"}),
        (
            {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["ml"]}]},
            {"app": "iris", "team": "risk"},
        ),
        ({"matchLabels": {"elsewhere": "x"}}, {"app": "iris", "tier": "ml", "team": "risk"}),
    ],
)
def test_labels_by_which_its_owner_finds_its_pods_are_left_out(
    selector: dict[str, Any], kept: dict[str, str]
) -> None:
    labels = {"app": "iris", "tier": "ml", "team": "risk"}
    found = template(
        workload_ref.with_template(REFERRING, source(labels=labels, selector=selector))
    )
    assert found["metadata"]["labels"] == kept


def test_notes_of_tools_are_left_out_and_the_user_s_are_kept() -> None:
    notes = {
        "kubectl.kubernetes.io/restartedAt": "now",
        "argocd.argoproj.io/sync-wave": "1",
        "deployment.kubernetes.io/revision": "4",
        "prometheus.io/port": "9000",
    }
    found = template(workload_ref.with_template(REFERRING, source(annotations=notes)))
    assert found["metadata"]["annotations"] == {"prometheus.io/port": "9000"}


def hashed(deployment: dict[str, Any]) -> str:
    made = workload_ref.with_template(REFERRING, deployment)
    assert isinstance(made, dict)
    return revision_of(made).hash


def test_only_a_change_of_its_pods_is_another_revision() -> None:
    known = hashed(source(labels={"app": "iris"}, selector={"matchLabels": {"app": "iris"}}))
    renamed = source(labels={"app": "x"}, selector={"matchLabels": {"app": "x"}})
    assert hashed(renamed) == known
    assert hashed(source(replicas=9, paused=True)) == known
    assert hashed(source(own_labels={"owner": "somebody"})) == known
    assert hashed(source(annotations={"kubectl.kubernetes.io/restartedAt": "now"})) == known
    assert hashed(source(annotations={"mine": "1"})) != known
    other = source()
    other["spec"]["template"]["spec"] = {"containers": [{"name": "server", "image": "other"}]}
    assert hashed(other) != known


def test_an_equal_template_in_the_spec_is_the_same_revision() -> None:
    assert hashed(source()) == revision_of(SMALLEST).hash


def test_a_source_that_is_not_there_is_named_with_the_way_out() -> None:
    found = workload_ref.with_template(REFERRING, None)
    assert isinstance(found, model.Violation)
    assert found.path == "spec.workload.workloadRef.name"
    assert found.reason == "SourceNotFound"
    assert found.message.startswith("Deployment old does not exist")


def test_a_revision_of_tidegate_is_no_source() -> None:
    found = workload_ref.with_template(
        REFERRING, source(own_labels={objects.LABEL_REVISION: "aaaaaaaaaa"})
    )
    assert isinstance(found, model.Violation)
    assert found.reason == "SourceUnusable"


def test_what_is_wrong_with_its_template_is_said_of_the_deployment() -> None:
    made = workload_ref.with_template(REFERRING, source(labels={"tidegate.dev/role": "x"}))
    _, violations = convert.read_spec(made)  # type: ignore[arg-type]
    blamed = workload_ref.blamed(violations, name="old")
    assert [one.path for one in blamed] == ["spec.workload.workloadRef"]
    assert blamed[0].message.startswith("Deployment old: template.metadata.labels: ")
    elsewhere = model.Violation(path="spec.server.port", message="is 1")
    assert workload_ref.blamed([elsewhere], name="old") == ()


@pytest.mark.parametrize(
    ("workload", "name"),
    [
        ({"workloadRef": {"name": "old"}}, "old"),
        ({"workloadRef": {"name": 5}}, ""),
        ({"workloadRef": "old"}, ""),
        ({"template": {}}, ""),
        ([], ""),
    ],
)
def test_the_name_of_the_source_is_read_from_anything(workload: object, name: str) -> None:
    body = {"spec": {"workload": workload}}
    assert workload_ref.source_name(body) == name
    path = "spec.workload.workloadRef" if name else "spec.workload.template"
    assert workload_ref.template_path(body) == path


def test_a_reference_alone_is_a_whole_spec_without_a_template() -> None:
    spec, violations = convert.read_spec(REFERRING)
    assert violations == ()
    assert spec is not None
    assert spec.template == {}
