"""Whoever writes a ModelDeployment must be allowed to make what the operator makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from api_client import Answer, ApiClient
from api_examples import SMALLEST, place
from api_rules_shadow import SHADOW_BODY
from tests.cluster import kubectl
from tests.cluster.api import ControlPlane

pytestmark = pytest.mark.apiserver

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A verb on a resource, perhaps of one name."""

    group: str
    resource: str
    verb: str = "create"
    name: str = ""

    @property
    def rule(self) -> Object:
        """As a role grants it."""
        named = {"resourceNames": [self.name]} if self.name else {}
        return {
            "apiGroups": [self.group],
            "resources": [self.resource],
            "verbs": [self.verb],
        } | named


GATEWAY, CONTOUR, ISTIO = "gateway.networking.k8s.io", "projectcontour.io", "networking.istio.io"
RIGHTS = {
    "deployments": Right(group="apps", resource="deployments"),
    "services": Right(group="", resource="services"),
    "template": Right(group="apps", resource="deployments", verb="get", name="source"),
    "autoscalers": Right(group="autoscaling", resource="horizontalpodautoscalers"),
    "httproutes": Right(group=GATEWAY, resource="httproutes"),
    "grpcroutes": Right(group=GATEWAY, resource="grpcroutes"),
    "weights": Right(group=GATEWAY, resource="httproutes", verb="patch", name="mine-0"),
    "last-weights": Right(group=GATEWAY, resource="grpcroutes", verb="patch", name="mine-7"),
    "httpproxies": Right(group=CONTOUR, resource="httpproxies"),
    "virtualservices": Right(group=ISTIO, resource="virtualservices"),
    "traefikservices": Right(group="traefik.io", resource="traefikservices"),
    "virtualservers": Right(group="k8s.nginx.org", resource="virtualservers"),
    "jobs": Right(group="batch", resource="jobs"),
    "networkpolicies": Right(group="networking.k8s.io", resource="networkpolicies"),
    "copies": Right(group="", resource="configmaps"),
    "profile": Right(group="", resource="configmaps", verb="get", name="training"),
}
ALWAYS = {"deployments", "services"}
# Of the routes between the first and the last everybody may change weights.
BETWEEN = [
    Right(group=GATEWAY, resource="httproutes", verb="patch", name=f"mine-{at}").rule
    for at in range(1, 7)
]
PARENT = {"parentRefs": [{"name": "inference"}]}
REFS = [{"name": f"mine-{at}"} for at in range(7)] + [{"kind": "GRPCRoute", "name": "mine-7"}]
POD = {"spec": {"containers": [{"name": "ask", "image": "ask:1"}]}}
WORKLOAD = SMALLEST["spec"]["workload"]


def with_traffic(**traffic: Any) -> Object:
    return place(SMALLEST, "spec.traffic", traffic)


ASKS: dict[str, tuple[Object, set[str]]] = {
    "smallest": (SMALLEST, ALWAYS),
    "replicas": (with_traffic(provider="ReplicaRatio"), ALWAYS),
    "reference": (
        place(SMALLEST, "spec.workload", {"replicas": 1, "workloadRef": {"name": "source"}}),
        ALWAYS | {"template"},
    ),
    "tracked": (
        place(SMALLEST, "spec.workload", WORKLOAD | {"trackConfigMaps": "Snapshot"}),
        ALWAYS | {"copies"},
    ),
    "ignored": (
        place(SMALLEST, "spec.workload", WORKLOAD | {"trackConfigMaps": "Ignore"}),
        ALWAYS,
    ),
    "autoscaling": (
        place(SMALLEST, "spec.workload", WORKLOAD | {"autoscaling": {"maxReplicas": 3}}),
        ALWAYS | {"autoscalers"},
    ),
    "gateway": (with_traffic(provider="GatewayAPI", gatewayAPI=PARENT), ALWAYS | {"httproutes"}),
    "grpc": (
        with_traffic(provider="GatewayAPI", gatewayAPI=PARENT | {"routeKind": "GRPCRoute"}),
        ALWAYS | {"grpcroutes"},
    ),
    "existing": (
        with_traffic(provider="GatewayAPI", gatewayAPI={"mode": "Existing", "routeRefs": REFS}),
        ALWAYS | {"weights", "last-weights"},
    ),
    "contour": (
        with_traffic(provider="Contour", contour={"fqdn": "iris.example.com"}),
        ALWAYS | {"httpproxies"},
    ),
    "istio": (with_traffic(provider="Istio", istio={}), ALWAYS | {"virtualservices"}),
    "traefik": (with_traffic(provider="Traefik"), ALWAYS | {"traefikservices"}),
    "nginx": (
        with_traffic(provider="NGINX", nginx={"host": "iris.example.com"}),
        ALWAYS | {"virtualservers"},
    ),
    "smoke test": (
        place(
            SMALLEST,
            "spec.strategy",
            {"type": "BlueGreen", "blueGreen": {"prePromotion": {"job": {"template": POD}}}},
        ),
        ALWAYS | {"jobs"},
    ),
    "kept from sending": (
        place(SHADOW_BODY, "spec.strategy.shadow.egress", {"allow": []}),
        ALWAYS | {"httproutes", "networkpolicies"},
    ),
    "training data": (
        place(
            SMALLEST,
            "spec.analysis",
            {
                "baseline": {"type": "TrainingReference", "reference": {"name": "training"}},
                "metrics": [{"name": "inputs", "preset": "feature-drift"}],
            },
        ),
        ALWAYS | {"profile"},
    ),
}


def role(name: str, rights: set[str]) -> list[Object]:
    """A user of this name with these rights, who may write ModelDeployments besides."""
    ours = {"apiGroups": ["tidegate.dev"], "resources": ["*"], "verbs": ["*"]}
    group = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": "default"}
    rules = [ours, *BETWEEN, *(RIGHTS[it].rule for it in sorted(rights))]
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
        },
    ]


USERS = {
    "may-all": set(RIGHTS),
    "may-nothing": set[str](),
    **{f"lacks-{it}": set(RIGHTS) - {it} for it in RIGHTS},
}


@pytest.fixture(scope="module")
def plane(chart_plane: ControlPlane) -> ControlPlane:
    """The users are there, and the policy is in force."""
    items = [it for name, rights in USERS.items() for it in role(name, rights)]
    bundle = {"apiVersion": "v1", "kind": "List", "items": items}
    chart_plane.kubectl("apply", "-f", "-", input=json.dumps(bundle))

    def settled() -> bool:
        answers = {name: as_user(chart_plane, name).create(SMALLEST) for name in USERS}
        return all(answers[it].code == 201 for it in USERS if USERS[it] >= ALWAYS) and (
            "spec.workload" in str(answers["may-nothing"].body)
        )

    kubectl.wait_for("roles and policy", settled, timeout_seconds=120)
    return chart_plane


def as_user(plane: ControlPlane, name: str) -> ApiClient:
    return ApiClient(plane, user=name)


@pytest.fixture
def user(plane: ControlPlane) -> Callable[[str], ApiClient]:
    return lambda name: as_user(plane, name)


@pytest.fixture
def stored(plane: ControlPlane) -> Iterator[Callable[[Object], Object]]:
    """Makes a ModelDeployment with full rights, for the time of a test."""
    with closing(ApiClient(plane)) as admin:

        def store(body: Object) -> Object:
            answer = admin.create(body, dry_run=False)
            assert answer.code == 201, answer
            return answer.body

        yield store
        admin.delete(SMALLEST)


def refused(answer: Answer) -> str:
    """Why it was forbidden."""
    assert answer.code == 403, answer
    return str(answer.body["message"])


@pytest.mark.parametrize("asked", ASKS)
def test_exactly_what_the_operator_makes_is_asked_of_its_author(
    user: Callable[[str], ApiClient], asked: str
) -> None:
    body, needed = ASKS[asked]
    assert user("may-all").create(body).code == 201
    for lacking, right in RIGHTS.items():
        answer = user(f"lacks-{lacking}").create(body)
        if lacking not in needed:
            assert answer.code == 201, (lacking, answer.body["message"])
            continue
        said = refused(answer)
        assert f"user lacks-{lacking} may not {right.verb}" in said
        assert "in namespace default, as spec." in said
        assert right.name in said
        assert right.resource in said or right.name.startswith("mine")


EDITS: dict[str, tuple[str, str, Any, set[str]]] = {
    "new version": ("smallest", "spec.model.version", "1.5.0", {"deployments"}),
    "more pods": ("smallest", "spec.workload.replicas", 3, set()),
    "another port": ("smallest", "spec.server", {"port": 9000}, {"deployments"}),
    "another address of metrics": (
        "smallest",
        "spec.server",
        {"metricsPath": "/prom"},
        {"deployments"},
    ),
    "no ready path": ("smallest", "spec.server", {"readyPath": "Off"}, set()),
    "other pods": ("smallest", "spec.workload.template", POD, {"deployments"}),
    "tracked": ("smallest", "spec.workload.trackConfigMaps", "Snapshot", {"deployments"}),
    "more pods at most": (
        "autoscaling",
        "spec.workload.autoscaling.maxReplicas",
        9,
        {"autoscalers"},
    ),
    "no autoscaling": ("autoscaling", "spec.workload", WORKLOAD, set()),
    "another preview": (
        "smoke test",
        "spec.strategy.blueGreen.preview",
        {"serviceName": "ledger"},
        {"services"},
    ),
    "a smaller preview": (
        "smoke test",
        "spec.strategy.blueGreen.preview",
        {"replicasPercent": 50},
        set(),
    ),
    "another template": (
        "reference",
        "spec.workload.workloadRef.name",
        "mine",
        {"deployments", "get"},
    ),
    "another Service": ("smallest", "spec.service", {"port": 81}, {"services"}),
    "another host": ("gateway", "spec.traffic.gatewayAPI.hostnames", ["a.example"], {"httproutes"}),
    "steps": (
        "gateway",
        "spec.strategy",
        {"type": "Canary", "canary": {"steps": [{"name": "half", "weight": 50}]}},
        set(),
    ),
    "pause": ("contour", "spec.paused", True, set()),
    "limits": ("training data", "spec.analysis.minRequests", 7, set()),
    "labels": ("existing", "metadata.labels", {"team": "risk"}, set()),
    "finalizer": ("smoke test", "metadata.finalizers", ["example.com/mine"], set()),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_asks_for_the_rights_of_what_it_changes(
    user: Callable[[str], ApiClient], stored: Callable[[Object], Object], edit: str
) -> None:
    """So whoever may only steer rollouts can go on doing that."""
    asked, field, value, needed = EDITS[edit]
    before = stored(ASKS[asked][0])
    after = place(before, field, value)
    answer = user("may-nothing").replace(after, dry_run=True)
    if needed:
        assert any(it in refused(answer) for it in needed)
    else:
        assert answer.code == 200, answer


def test_status_and_deletion_ask_for_nothing(
    plane: ControlPlane,
    user: Callable[[str], ApiClient],
    stored: Callable[[Object], Object],
) -> None:
    body = stored(place(ASKS["gateway"][0], "metadata.finalizers", ["example.com/held"]))
    client = user("may-nothing")
    status = {"status": {"message": "seen"}}
    identity = {it: body[it] for it in ("apiVersion", "kind")}
    metadata = {"name": body["metadata"]["name"], "namespace": "default"}
    told = client.apply({**identity, "metadata": metadata, **status}, subresource="/status")
    assert told.code == 200, told
    assert client.delete(body).code == 200
    # What is being deleted can be let go, whatever else its writer sends along.
    name = f"modeldeployment/{metadata['name']}"
    held = json.loads(plane.kubectl("get", name, "-o", "json"))
    assert held["metadata"]["deletionTimestamp"]
    freed = place(place(held, "metadata.finalizers", []), "spec.model.version", "9")
    assert client.replace(freed).code == 200
