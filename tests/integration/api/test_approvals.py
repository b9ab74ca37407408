"""RolloutApproval on a real API server: its schema, and that nobody decides in another's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api_client import ApiClient
from api_examples import REMOVED, place
from approval_examples import APPROVAL, FULL_APPROVAL_STATUS
from tests.cluster.api import ControlPlane

from tidegate.api import approvals, convert, documents

pytestmark = pytest.mark.apiserver
EXAMPLE = Path(__file__).parents[3] / "examples" / "approvals.yaml"


def test_an_approval_is_stored_unchanged(kube_client: ApiClient) -> None:
    answer = kube_client.create(APPROVAL)
    assert answer.code == 201, answer
    assert answer.body["spec"] == APPROVAL["spec"]
    assert approvals.read_approval(answer.body)[1] == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.revision", "latest"),
        ("spec.attempt", 0),
        ("spec.gate", REMOVED),
        ("spec.decision", "Maybe"),
        ("spec.approver", REMOVED),
        ("spec.approver.username", ""),
        ("spec.approver.groups", []),
        ("spec.comment", "x" * 513),
        ("spec.expiresAt", "tomorrow"),
    ],
)
def test_both_refuse_a_value_at_its_field(kube_client: ApiClient, path: str, value: object) -> None:
    body = place(APPROVAL, path, value)
    answer = kube_client.create(body)
    assert answer.code == 422, answer
    assert any(one.path.startswith(path) for one in approvals.read_approval(body)[1])


def test_a_decision_is_never_changed_and_its_status_is_the_operators(
    kube_client: ApiClient,
) -> None:
    body = APPROVAL | {"metadata": {"name": "kept", "namespace": "default"}}
    created = kube_client.create(body, dry_run=False)
    assert created.code == 201, created
    try:
        document = approvals.write_status(FULL_APPROVAL_STATUS)
        address = {key: body[key] for key in ("apiVersion", "kind", "metadata")}
        said = kube_client.apply(
            address | {"status": document}, subresource="/status", force="true"
        )
        assert said.code == 200, said
        assert approvals.read_status(said.body["status"]) == FULL_APPROVAL_STATUS
        changed = kube_client.replace(place(said.body, "spec.decision", "Reject"))
        assert changed.code == 422, changed
        assert "a decision is never changed" in changed.body["message"]
        labelled = kube_client.replace(place(said.body, "metadata.labels", {"seen": "yes"}))
        assert labelled.code == 200, labelled
    finally:
        kube_client.delete(body)


def test_the_example_of_gates_is_taken(kube_client: ApiClient) -> None:
    body = documents.load(EXAMPLE.read_text(encoding="utf-8"))
    assert isinstance(body, dict)
    assert kube_client.create(body).code == 201
    spec, violations = convert.read_spec(body)
    assert violations == ()
    assert spec is not None
    assert [it.gate.min_approvals for it in spec.steps if it.gate] == [2]


# --- who decides ---------------------------------------------------------------------------------

USERS = ("alice", "bob")


@pytest.fixture(scope="module")
def clients(chart_plane: ControlPlane) -> Iterator[dict[str, ApiClient]]:
    """People with the chart's role for approvers."""
    subjects = [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name} for name in USERS
    ]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "approvers", "namespace": "default"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "tidegate-approver",
        },
        "subjects": subjects,
    }
    chart_plane.kubectl("apply", "-f", "-", input=json.dumps(binding))
    found = {name: ApiClient(chart_plane, user=name) for name in (*USERS, "stranger")}
    yield found
    for client in found.values():
        client.close()


def signed(name: str, *groups: str, **changed: Any) -> dict[str, Any]:
    approver = {"username": name, "groups": list(groups or ("system:authenticated",))}
    return place(APPROVAL, "spec", {**APPROVAL["spec"], "approver": approver, **changed})


def test_people_decide_in_their_own_name(clients: dict[str, ApiClient]) -> None:
    for decision in ("Approve", "Reject"):
        answer = clients["alice"].create(signed("alice", decision=decision))
        assert answer.code == 201, answer


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (signed("bob"), "spec.approver.username must be alice"),
        (signed("system:admin"), "nobody decides in the name of somebody else"),
        (signed("alice", "ml-risk"), "alice is not in ml-risk: name groups of your own"),
        (
            signed("alice", "system:authenticated", "system:masters", "ml-risk"),
            "alice is not in system:masters, ml-risk",
        ),
        (signed("bob", decision="Reject"), "spec.approver.username must be alice"),
    ],
)
def test_nobody_decides_as_somebody_else(
    clients: dict[str, ApiClient], body: dict[str, Any], says: str
) -> None:
    answer = clients["alice"].create(body)
    assert answer.code == 403, answer
    assert says in answer.body["message"]


def test_an_administrator_cannot_either(chart_plane: ControlPlane) -> None:
    with closing(ApiClient(chart_plane)) as client:
        answer = client.create(signed("alice"))
    assert answer.code == 403, answer
    assert "must be" in answer.body["message"]


def test_who_has_no_role_for_it_may_not_create_one(clients: dict[str, ApiClient]) -> None:
    answer = clients["stranger"].create(signed("stranger"))
    assert answer.code == 403, answer
    assert "cannot create resource" in answer.body["message"]


def test_an_approver_cannot_change_what_he_has_said(clients: dict[str, ApiClient]) -> None:
    body = signed("bob") | {"metadata": {"name": "bobs", "namespace": "default"}}
    created = clients["bob"].create(body, dry_run=False)
    assert created.code == 201, created
    try:
        assert clients["bob"].replace(place(created.body, "spec.comment", "else")).code == 403
    finally:
        assert clients["bob"].delete(body).code == 200
