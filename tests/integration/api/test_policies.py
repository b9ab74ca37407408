"""RolloutPolicy and ClusterRolloutPolicy on a real API server: the same cases as for our own reader."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_case import Case
from api_client import ApiClient
from api_examples import place
from policy_examples import CLUSTER_POLICY, FULL_POLICY_STATUS, POLICY, POLICY_RULES, UNREADABLE
from tests.cluster.api import ControlPlane

from tidegate.api import documents, policies
from tidegate.policy import origins

pytestmark = pytest.mark.apiserver
BOTH = pytest.mark.parametrize("body", [POLICY, CLUSTER_POLICY], ids=lambda it: it["kind"])


def test_both_kinds_are_established(tidegate_plane: ControlPlane) -> None:
    for plural in ("rolloutpolicies", "clusterrolloutpolicies"):
        found = json.loads(
            tidegate_plane.kubectl("get", "crd", f"{plural}.tidegate.dev", "-o", "json")
        )
        states = {it["type"]: it["status"] for it in found["status"]["conditions"]}
        assert states["Established"] == "True"
        assert "NonStructuralSchema" not in states


@BOTH
def test_a_policy_is_stored_unchanged(kube_client: ApiClient, body: dict[str, Any]) -> None:
    answer = kube_client.create(body)
    assert answer.code == 201, answer
    assert answer.body["spec"] == copy.deepcopy(body["spec"])
    assert policies.read_policy(answer.body)[1] == ()


@BOTH
def test_a_policy_without_anything_is_one(kube_client: ApiClient, body: dict[str, Any]) -> None:
    assert kube_client.create(place(body, "spec", {})).code == 201


@pytest.mark.parametrize("case", POLICY_RULES, ids=lambda case: case.rule)
def test_server_and_reader_agree_on_rules(kube_client: ApiClient, case: Case) -> None:
    for value in case.good:
        body = place(case.body, case.at, value)
        assert kube_client.create(body).code == 201, value
        assert policies.read_policy(body)[1] == (), value
    for value in case.bad:
        body = place(case.body, case.at, value)
        answer = kube_client.create(body)
        assert answer.code == 422, value
        assert any(
            where.startswith(case.blames) and case.says in text for where, text in answer.causes
        ), answer.causes
        assert any(
            one.path.startswith(case.blames) and case.says in one.message
            for one in policies.read_policy(body)[1]
        ), value


@pytest.mark.parametrize(("path", "value", "says"), UNREADABLE)
def test_what_the_server_cannot_tell_is_left_to_the_operator(
    kube_client: ApiClient, path: str, value: object, says: str
) -> None:
    body = place(POLICY, path, value)
    assert kube_client.create(body).code == 201
    policy, found = policies.read_policy(body)
    assert [one.path for one in found] == [path]
    assert says in found[0].message
    assert says in policy.problem


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.enforcementAction", "Deny"),
        ("spec.ruleActions[0].rule", "minNothing"),
        ("spec.constraints.maxInitialWeight", 0),
        ("spec.constraints.maxStepIncrease", 101),
        ("spec.constraints.minHold", "1d"),
        ("spec.constraints.minReplicas", 0),
        ("spec.constraints.allowedStrategies", []),
        ("spec.constraints.allowedTrafficProviders[0]", "Magic"),
        ("spec.freezeWindows[0].schedule", "0 18 * *"),
        ("spec.freezeWindows[1].hours.from", "9:00"),
        ("spec.freezeWindows[2].from", "2026-12-18"),
        ("spec.freezeWindows[0].inFlight", "Rollback"),
        ("spec.selector.matchLabels", {"a": "-b"}),
    ],
)
def test_both_refuse_a_value_at_its_field(kube_client: ApiClient, path: str, value: object) -> None:
    body = place(POLICY, path, value)
    answer = kube_client.create(body)
    assert answer.code == 422, answer
    found = policies.read_policy(body)[1]
    assert any(one.path.startswith(path) for one in found), found


def test_a_namespace_cannot_select_others(kube_client: ApiClient) -> None:
    answer = kube_client.create(place(POLICY, "spec.namespaceSelector", {}))
    assert answer.code == 400
    assert 'unknown field "spec.namespaceSelector"' in answer.body["message"]


def test_the_whole_status_is_taken(kube_client: ApiClient) -> None:
    body = POLICY | {"metadata": {"name": "with-status", "namespace": "default"}}
    created = kube_client.create(body, dry_run=False)
    assert created.code == 201
    metadata = {key: created.body["metadata"][key] for key in ("name", "namespace")}
    document = policies.write_status(FULL_POLICY_STATUS)
    try:
        answer = kube_client.apply(
            {
                "apiVersion": body["apiVersion"],
                "kind": body["kind"],
                "metadata": metadata,
                "status": document,
            },
            subresource="/status",
            force="true",
        )
        assert answer.code == 200, answer
        assert policies.read_status(answer.body["status"]) == FULL_POLICY_STATUS
    finally:
        kube_client.delete(body)


COOKBOOK = sorted((Path(__file__).parents[3] / "examples" / "policies").glob("*.yaml"))


@pytest.mark.parametrize("path", COOKBOOK, ids=lambda it: it.stem)
def test_the_cookbook_is_taken_and_read(kube_client: ApiClient, path: Path) -> None:
    body = documents.load(path.read_text(encoding="utf-8"))
    assert isinstance(body, dict)
    answer = kube_client.create(body)
    assert answer.code == 201, answer
    assert policies.read_policy(answer.body)[1] == ()


def test_the_how_to_names_every_example() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "policies.md").read_text()
    assert COOKBOOK
    assert [it.name for it in COOKBOOK if f"examples/policies/{it.name}" not in page] == []


def test_every_image_of_a_pod_is_one_that_policies_see(tidegate_plane: ControlPlane) -> None:
    """Whatever Kubernetes adds to PodSpec has to be judged by `images.requireDigest` as well."""
    answer = json.loads(tidegate_plane.kubectl("get", "--raw", "/openapi/v3/api/v1"))
    schemas = answer["components"]["schemas"]
    found = set(_images(schemas, "io.k8s.api.core.v1.PodSpec", ()))
    assert found == {(part, *path) for part, path in origins.IMAGES_OF_PODS}


# Of a Ceph volume it is the name of a block device.
_NO_IMAGES = {("volumes", "rbd", "image")}


def _images(schemas: Any, name: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths of the texts that name an image: `image`, or `reference` in an object of that name."""
    for member, value in schemas[name]["properties"].items():
        here = (*path, member)
        for part in (value, value.get("items", {})):
            refs = [part, *part.get("allOf", [])]
            for inner in (it["$ref"].rpartition("/")[2] for it in refs if "$ref" in it):
                if "properties" in schemas[inner]:
                    yield from _images(schemas, inner, here)
        named = member == "image" or here[-2:] == ("image", "reference")
        if named and value.get("type") == "string" and here not in _NO_IMAGES:
            yield here
