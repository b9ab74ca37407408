"""The rights that the chart grants are those of reliability.md, 6.3, and no others.

Pods may be read besides: the reason why a pod is not ready stands nowhere else. So may a ConfigMap, by
its name, in which a profile of training data stands or which a template names, and what quotas and nodes
have left. A tracked ConfigMap is copied for each revision.
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
    ("tidegate.dev", "rolloutpolicies"): READ,
    ("tidegate.dev", "rolloutpolicies/status"): {"patch"},
    ("tidegate.dev", "clusterrolloutpolicies"): READ,
    ("tidegate.dev", "clusterrolloutpolicies/status"): {"patch"},
    ("tidegate.dev", "rolloutapprovals"): READ,
    ("tidegate.dev", "rolloutapprovals/status"): {"patch"},
    ("tidegate.dev", "notificationproviders"): READ,
    ("tidegate.dev", "notificationproviders/status"): {"patch"},
    ("", "namespaces"): {"get"},
    ("tidegate.dev", "clustermetrictemplates"): READ,
    ("apps", "deployments"): READ | WRITE,
    ("apps", "controllerrevisions"): READ | {"create", "delete"},
    ("", "services"): READ | WRITE,
    ("gateway.networking.k8s.io", "httproutes"): READ | WRITE,
    ("gateway.networking.k8s.io", "grpcroutes"): READ | WRITE,
    ("projectcontour.io", "httpproxies"): READ | WRITE,
    ("networking.istio.io", "virtualservices"): READ | WRITE,
    ("traefik.io", "traefikservices"): READ | WRITE,
    ("k8s.nginx.org", "virtualservers"): READ | WRITE,
    ("autoscaling", "horizontalpodautoscalers"): READ | WRITE,
    ("gateway.networking.k8s.io", "gateways"): {"get"},
    ("gateway.networking.k8s.io", "gatewayclasses"): {"get"},
    ("discovery.k8s.io", "endpointslices"): READ,
    ("", "pods"): {"get", "list"},
    ("", "configmaps"): {"get", "create", "delete"},
    ("", "resourcequotas"): {"list"},
    ("", "nodes"): {"list"},
    ("events.k8s.io", "events"): {"create", "patch"},
    ("batch", "jobs"): {"get", "create", "delete"},
    ("networking.k8s.io", "networkpolicies"): {"list", "create", "delete"},
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
    allowed = ALLOWED | more
    if "namespaces" in values:  # then cluster-wide policies are left to others
        del allowed["tidegate.dev", "clusterrolloutpolicies/status"]
    assert grants(*operator) == allowed


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("smokeTests", {("batch", "jobs")}),
        ("shadowEgress", {("networking.k8s.io", "networkpolicies")}),
        ("room", {("", "resourcequotas"), ("", "nodes")}),
    ],
)
def test_what_is_none_of_its_business_where_the_chart_says_so(
    render: Render, value: str, kinds: set[tuple[str, str]]
) -> None:
    granted = grants(*roles(render(rbac={value: False}))).keys()
    assert granted & ALLOWED.keys() == ALLOWED.keys() - kinds


@pytest.mark.parametrize(
    ("values", "verbs"),
    [
        ({"configMaps": False}, {"get"}),
        ({"trainingReferences": False}, {"get", "create", "delete"}),
        ({"configMaps": False, "trainingReferences": False}, None),
    ],
    ids=["profiles", "copies", "neither"],
)
def test_config_maps_are_read_for_profiles_and_copied_for_revisions(
    render: Render, values: Object, verbs: set[str] | None
) -> None:
    """Each of the two can be left out, and none of them lists any."""
    assert grants(*roles(render(rbac=values))).get(("", "configmaps")) == verbs


def test_people_get_our_kinds_only(render: Render) -> None:
    names = OPERATOR_ROLES | {"tidegate-test"}
    people = [item for item in roles(render()) if item["metadata"]["name"] not in names]
    assert {item["metadata"]["name"] for item in people} == {
        "tidegate-view",
        "tidegate-edit",
        "tidegate-admin",
        "tidegate-approver",
    }
    for role in people:
        assert {group for group, _ in grants(role)} == {"tidegate.dev"}
        parts = {resource for _, resource in grants(role) if "/" in resource}
        assert parts <= {"modeldeployments/scale"}, "status is ours alone"


def test_nobody_approves_by_a_role_for_something_else(render: Render) -> None:
    decides = {
        item["metadata"]["name"]: grants(item).get(("tidegate.dev", "rolloutapprovals"), set())
        for item in roles(render())
    }
    able = {name for name, verbs in decides.items() if verbs - READ}
    assert able == {"tidegate-approver"}
    assert decides["tidegate-approver"] == READ | {"create", "delete"}, "none is ever changed"
    [approver] = [it for it in roles(render()) if it["metadata"]["name"] == "tidegate-approver"]
    others = {key: it - READ for key, it in grants(approver).items()}
    assert not any(it for key, it in others.items() if key[1] != "rolloutapprovals")


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
