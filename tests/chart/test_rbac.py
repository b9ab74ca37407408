"""The rights that the chart grants are those of reliability.md, 6.3, and no others.

Pods may be read besides: the reason why a pod is not ready stands nowhere else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

Object = dict[str, Any]
Render = Callable[..., list[Object]]
READ = {"get", "list", "watch"}
WRITE = {"create", "patch", "delete"}
ALLOWED = {
    ("tidegate.dev", "modeldeployments"): READ | {"patch"},
    ("tidegate.dev", "modeldeployments/status"): {"patch"},
    ("tidegate.dev", "metrictemplates"): READ,
    ("tidegate.dev", "rolloutrecords"): READ | {"create", "delete"},
    ("tidegate.dev", "clustermetrictemplates"): READ,
    ("apps", "deployments"): READ | WRITE,
    ("apps", "controllerrevisions"): READ | {"create", "delete"},
    ("", "services"): READ | WRITE,
    ("gateway.networking.k8s.io", "httproutes"): READ | WRITE,
    ("gateway.networking.k8s.io", "grpcroutes"): READ | WRITE,
    ("autoscaling", "horizontalpodautoscalers"): READ | WRITE,
    ("gateway.networking.k8s.io", "gateways"): {"get"},
    ("gateway.networking.k8s.io", "gatewayclasses"): {"get"},
    ("discovery.k8s.io", "endpointslices"): READ,
    ("", "pods"): {"get", "list"},
    ("events.k8s.io", "events"): {"create", "patch"},
    ("coordination.k8s.io", "leases"): {"get", "update", "patch", "create"},
}
NAMESPACES = {("", "namespaces"): READ}
OPERATOR_ROLES = {f"tidegate-{name}" for name in ("reader", "cluster-reader", "writer", "leader")}
VALUES = [
    {},
    {"namespaces": ["ml", "ml-prod"]},
    {"networkPolicy": {"enabled": True}},
    {"namespaceSelector": "served=yes"},
]


def roles(objects: list[Object]) -> list[Object]:
    return [item for item in objects if item["kind"] in {"Role", "ClusterRole"}]


def grants(*of_roles: Object) -> dict[tuple[str, str], set[str]]:
    """Verbs by (group, resource), of all rules together."""
    granted: dict[tuple[str, str], set[str]] = {}
    for rule in (rule for role in of_roles for rule in role["rules"]):
        assert "nonResourceURLs" not in rule
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            granted.setdefault((group, resource), set()).update(rule["verbs"])
    return granted


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_operator_gets_no_right_outside_the_table(render: Render, values: Object) -> None:
    operator = [
        item for item in roles(render(**values)) if item["metadata"]["name"] in OPERATOR_ROLES
    ]
    assert {item["metadata"]["name"] for item in operator} == OPERATOR_ROLES
    more = NAMESPACES if "namespaceSelector" in values else {}
    assert grants(*operator) == ALLOWED | more


def test_people_get_our_kinds_only(render: Render) -> None:
    names = OPERATOR_ROLES | {"tidegate-test"}
    people = [item for item in roles(render()) if item["metadata"]["name"] not in names]
    assert {item["metadata"]["name"] for item in people} == {
        "tidegate-view",
        "tidegate-edit",
        "tidegate-admin",
    }
    for role in people:
        assert {group for group, _ in grants(role)} == {"tidegate.dev"}
        parts = {resource for _, resource in grants(role) if "/" in resource}
        assert parts == {"modeldeployments/scale"}, "status is ours alone"


def test_who_may_edit_may_scale(render: Render) -> None:
    scale = ("tidegate.dev", "modeldeployments/scale")
    granted = {item["metadata"]["name"]: grants(item).get(scale) for item in roles(render())}
    assert granted["tidegate-view"] == {"get"}
    assert granted["tidegate-edit"] == granted["tidegate-admin"] == {"get", "update", "patch"}
    assert not any(granted.get(name) for name in OPERATOR_ROLES)


def test_people_read_records_and_only_the_operator_writes_them(render: Render) -> None:
    for role in roles(render()):
        name, granted = role["metadata"]["name"], grants(role)
        verbs = granted.get(("tidegate.dev", "rolloutrecords"), set())
        assert verbs <= READ or name == "tidegate-writer", name
        assert name != "tidegate-view" or verbs == READ


def test_lease_rights_stop_at_the_own_lease(render: Render) -> None:
    [leader] = [item for item in roles(render()) if item["metadata"]["name"] == "tidegate-leader"]
    assert leader["kind"] == "Role"
    assert leader["metadata"]["namespace"] == "tidegate-system"
    for rule in leader["rules"]:
        named = rule.get("resourceNames") == ["tidegate-controller"]
        assert named or rule["verbs"] == ["create"]


def bindings(objects: list[Object], kind: str) -> set[tuple[str | None, str]]:
    return {
        (item["metadata"].get("namespace"), item["roleRef"]["name"])
        for item in objects
        if item["kind"] == kind
    }


def test_whole_cluster_by_default(render: Render) -> None:
    objects = render()
    assert bindings(objects, "ClusterRoleBinding") == {
        (None, f"tidegate-{role}") for role in ("reader", "cluster-reader", "writer")
    }


def test_named_namespaces_only(render: Render) -> None:
    objects = render(namespaces=["ml", "ml-prod"])
    assert bindings(objects, "ClusterRoleBinding") == {(None, "tidegate-cluster-reader")}
    assert bindings(objects, "RoleBinding") >= {
        (namespace, f"tidegate-{role}")
        for namespace in ("ml", "ml-prod")
        for role in ("reader", "writer")
    }


@pytest.mark.parametrize("values", [{"rbac": {"create": False}}, {"rbac": {"aggregate": False}}])
def test_roles_can_be_left_to_the_administrator(render: Render, values: Object) -> None:
    names = {item["metadata"]["name"] for item in roles(render(**values))}
    assert "tidegate-view" not in names
    assert ("tidegate-writer" in names) == values["rbac"].get("create", True)
