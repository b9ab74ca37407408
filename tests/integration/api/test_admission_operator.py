"""The operator's account is bound to what has a ModelDeployment as its controller.

Its roles are those of the chart, and all that it writes here is what its own code writes.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from typing import Any

import helm_chart
import pytest
from api_client import Answer
from api_examples import REMOVED, SMALLEST, place
from impersonated import NAMESPACE, Impersonated
from rendered import REVISION, deployment, rendered_service
from status_examples import FULL_STATUS, NOON
from tests.cluster import kubectl
from tests.cluster.api import ControlPlane
from traffic_examples import (
    CONTOUR_SPEC,
    GATEWAY_SPEC,
    ISTIO_SPEC,
    META,
    NGINX_SPEC,
    SPEC,
    TRAEFIK_SPEC,
    target,
)

from tidegate import model, ports
from tidegate.api import frozen, record
from tidegate.controller import adoption
from tidegate.controller.documents import plain
from tidegate.controller.plane_kinds import KINDS
from tidegate.model import objects
from tidegate.revisions import autoscaler, isolation, render, smoke_test
from tidegate.traffic.plane import plane_of

pytestmark = pytest.mark.apiserver

Object = dict[str, Any]
ACCOUNT = "system:serviceaccount:tidegate-system:tidegate"
MODEL = place(SMALLEST, "metadata", {"name": META.name, "namespace": NAMESPACE})


def records() -> list[tuple[ports.Kind, Object]]:
    """What a revision and an ended rollout leave, beside the data plane."""
    made = render.freeze(META, SPEC, REVISION)
    job = model.SmokeTestJob(
        template={"spec": {"containers": [{"name": "ask", "image": "ask:1"}]}},
        timeout_seconds=60.0,
        backoff_limit=0,
    )
    limits = model.Autoscaler(least=1, most=3, cpu_percent=80)
    last = model.LastRollout(
        id="iris-1",
        result=model.RolloutResult.ROLLED_BACK,
        finished_at=NOON,
        reason="worse",
        by="Analysis",
        revision=REVISION.hash,
        attempt=1,
        record="iris-1",
    )
    return [
        (ports.CONTROLLER_REVISION, frozen.write_revision(META, made)),
        (ports.ROLLOUT_RECORD, record.write_record(META, last=last, rollout=FULL_STATUS.rollout)),
        (ports.JOB, plain(smoke_test.render(META, name="smoke", revision=REVISION, asked=job))),
        (ports.AUTOSCALER, plain(autoscaler.render(META, revision=REVISION.hash, limits=limits))),
        (ports.NETWORK_POLICY, plain(isolation.render(META, revision=REVISION, allow=()))),
        (ports.DEPLOYMENT, plain(deployment())),
        (ports.SERVICE, plain(rendered_service())),
    ]


def traffic(spec: model.Spec) -> list[tuple[ports.Kind, Object]]:
    return [
        (KINDS[it.reference.kind], plain(it.body))
        for it in plane_of(spec.traffic).documents(target(spec))
    ]


MADE = [
    *records(),
    *traffic(GATEWAY_SPEC),
    *traffic(CONTOUR_SPEC),
    *traffic(ISTIO_SPEC),
    *traffic(TRAEFIK_SPEC),
    *traffic(NGINX_SPEC),
]


@pytest.fixture(scope="module")
def admin(chart_plane: ControlPlane) -> Iterator[Impersonated]:
    client = Impersonated(chart_plane)
    with client.held(ports.MODEL_DEPLOYMENT, MODEL):
        yield client
    client.close()


@pytest.fixture(scope="module")
def operator(chart_plane: ControlPlane, admin: Impersonated) -> Iterator[Impersonated]:  # noqa: ARG001
    client = Impersonated(chart_plane, ACCOUNT)
    stray = disowned(plain(rendered_service()))

    def in_force() -> bool:
        return client.create(ports.SERVICE, stray, dry_run=True).code == 403

    kubectl.wait_for("the policy of the operator's account", in_force, timeout_seconds=120)
    yield client
    client.close()


def disowned(body: Object) -> Object:
    return place(body, "metadata.ownerReferences", REMOVED)


def refused(answer: Answer) -> bool:
    """Forbidden by the policy, not by a role."""
    assert answer.code == 403, answer
    return "tidegate-operator" in answer.body["message"]


@pytest.mark.parametrize(("kind", "body"), MADE, ids=[it.plural for it, _ in MADE])
def test_it_creates_what_a_model_deployment_controls_and_nothing_else(
    operator: Impersonated, kind: ports.Kind, body: Object
) -> None:
    made = operator.create(kind, body, dry_run=True)
    assert made.code == 201, made
    owner = body["metadata"]["ownerReferences"][0]
    for others in (
        [],
        [owner | {"kind": "ReplicaSet"}],
        [owner | {"apiVersion": "example.com/v1"}],
        [{it: owner[it] for it in owner if it != "controller"}],
    ):
        stray = place(body, "metadata.ownerReferences", others)
        assert refused(operator.create(kind, stray, dry_run=True)), others


@pytest.mark.parametrize(("kind", "body"), MADE, ids=[it.plural for it, _ in MADE])
def test_it_deletes_its_own_and_nobody_elses(
    operator: Impersonated, admin: Impersonated, kind: ports.Kind, body: Object
) -> None:
    name = body["metadata"]["name"]
    with admin.held(kind, disowned(body)):
        assert refused(operator.delete(kind, name))
    with admin.held(kind, body):
        assert operator.delete(kind, name).code == 200


def owned_by(owners: list[Object]) -> Object:
    return {"op": "add", "path": "/metadata/ownerReferences", "value": owners}


SCALE = [{"op": "replace", "path": "/spec/replicas", "value": 7}]


def test_it_changes_its_own_deployment_and_nobody_elses(
    operator: Impersonated, admin: Impersonated
) -> None:
    kind, body = ports.DEPLOYMENT, plain(deployment())
    name = body["metadata"]["name"]
    owners = body["metadata"]["ownerReferences"]
    with admin.held(kind, disowned(body)):
        assert refused(operator.patch(kind, name, SCALE))
        # Neither by making it its own first.
        assert refused(operator.patch(kind, name, [owned_by(owners), *SCALE]))
    with admin.held(kind, body):
        assert operator.patch(kind, name, SCALE).code == 200
        for left in ([], [owners[0] | {"uid": "another"}]):
            assert refused(operator.patch(kind, name, [owned_by(left)]))


@pytest.mark.parametrize(
    "spec",
    [GATEWAY_SPEC, CONTOUR_SPEC, ISTIO_SPEC, TRAEFIK_SPEC, NGINX_SPEC],
    ids=["gateway", "contour", "istio", "traefik", "nginx"],
)
def test_it_moves_the_weights_of_its_own_route(
    operator: Impersonated, admin: Impersonated, spec: model.Spec
) -> None:
    for percent in (0.0, 20.0, 100.0):
        for wanted in plane_of(spec.traffic).documents(target(spec, weight_percent=percent)):
            answer = operator.apply(KINDS[wanted.reference.kind], plain(wanted.body))
            assert answer.code in {200, 201}, answer
    for wanted in plane_of(spec.traffic).documents(target(spec)):
        admin.delete(KINDS[wanted.reference.kind], wanted.reference.name)


def offered(**metadata: Any) -> Object:
    """A Service that was there before."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": META.name, "namespace": NAMESPACE, **metadata},
        "spec": {"selector": {"app": "iris"}, "ports": [{"port": 80}]},
    }


OFFER = {objects.ANNOTATION_ADOPT: META.name}
CONTROLLED = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "name": "x",
    "uid": "x",
    "controller": True,
}


@pytest.mark.parametrize(
    ("metadata", "may"),
    [
        ({"annotations": OFFER}, True),
        ({"annotations": OFFER, "ownerReferences": [CONTROLLED | {"controller": False}]}, True),
        ({"annotations": {objects.ANNOTATION_ADOPT: "another"}}, False),
        ({}, False),
    ],
)
def test_it_takes_over_a_service_only_where_that_is_offered(
    operator: Impersonated, admin: Impersonated, metadata: Object, may: object
) -> None:
    [wanted] = plane_of(SPEC.traffic).documents(target())
    with admin.held(ports.SERVICE, offered(**metadata)) as live:
        operations = [plain(it) for it in adoption.operations(live, wanted, META)]
        answer = operator.patch(ports.SERVICE, META.name, operations)
        assert answer.code == 200 if may else refused(answer)


def test_an_offer_of_what_somebody_else_controls_is_none(
    operator: Impersonated, admin: Impersonated
) -> None:
    body = offered(annotations=OFFER, ownerReferences=[CONTROLLED])
    ours = dict(objects.owner_reference(META))
    with admin.held(ports.SERVICE, body):
        assert refused(operator.patch(ports.SERVICE, META.name, [owned_by([ours])]))


def of_a_user(kind: ports.Kind) -> Object:
    """A route with two rules; a backend of the second has no weight yet."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": "shop",
            "namespace": NAMESPACE,
            "labels": {"app": "shop", "tidegate.dev/team": "shop"},
        },
        "spec": {
            "parentRefs": [{"name": "inference"}],
            "hostnames": ["shop.example.com"],
            "rules": [
                {
                    "matches": [{"headers": [{"name": "a", "value": "b"}]}],
                    "backendRefs": [{"name": "iris", "port": 80, "weight": 1}],
                },
                {
                    "backendRefs": [
                        {"name": "iris", "port": 80, "weight": 100},
                        {"name": "iris-candidate", "port": 80},
                    ]
                },
            ],
        },
    }


BACKENDS = "/spec/rules/1/backendRefs"
WEIGHTS = [
    {"op": "add", "path": f"{BACKENDS}/0/weight", "value": 80},
    {"op": "add", "path": f"{BACKENDS}/1/weight", "value": 20},
]
OTHERWISE = {
    "name": {"op": "replace", "path": f"{BACKENDS}/1/name", "value": "mine"},
    "port": {"op": "replace", "path": f"{BACKENDS}/0/port", "value": 81},
    "namespace": {"op": "add", "path": f"{BACKENDS}/0/namespace", "value": "other"},
    "no port": {"op": "remove", "path": f"{BACKENDS}/1/port"},
    "backend": {"op": "add", "path": f"{BACKENDS}/-", "value": {"name": "mine", "port": 80}},
    "no backend": {"op": "remove", "path": f"{BACKENDS}/0"},
    "order": {"op": "move", "from": f"{BACKENDS}/1", "path": f"{BACKENDS}/0"},
    "rule": {"op": "add", "path": "/spec/rules/-", "value": {"backendRefs": []}},
    "no rule": {"op": "remove", "path": "/spec/rules/0"},
    "match": {"op": "remove", "path": "/spec/rules/0/matches"},
    "filter": {"op": "add", "path": "/spec/rules/1/filters", "value": []},
    "host": {"op": "add", "path": "/spec/hostnames/-", "value": "other.example.com"},
    "no host": {"op": "remove", "path": "/spec/hostnames"},
    "new field": {"op": "add", "path": "/spec/more", "value": 1},
    "label": {"op": "replace", "path": "/metadata/labels/tidegate.dev~1team", "value": "x"},
    "no label": {"op": "remove", "path": "/metadata/labels"},
    "annotation": {"op": "add", "path": "/metadata/annotations", "value": OFFER},
    "owner": {
        "op": "add",
        "path": "/metadata/ownerReferences",
        "value": [objects.owner_reference(META)],
    },
}


@pytest.mark.parametrize("kind", [ports.HTTP_ROUTE, ports.GRPC_ROUTE], ids=lambda it: it.kind)
def test_of_a_route_of_the_user_it_changes_weights_and_nothing_else(
    operator: Impersonated, admin: Impersonated, kind: ports.Kind
) -> None:
    with admin.held(kind, of_a_user(kind)):
        assert operator.patch(kind, "shop", WEIGHTS).code == 200
        for said, operation in OTHERWISE.items():
            assert refused(operator.patch(kind, "shop", [*WEIGHTS, plain(operation)])), said
        assert refused(operator.delete(kind, "shop"))


def test_weights_of_the_largest_route_cost_the_api_server_no_more_than_it_allows(
    operator: Impersonated, admin: Impersonated
) -> None:
    kind = ports.HTTP_ROUTE
    backends = [{"name": f"b-{at}", "port": 80, "weight": 1} for at in range(16)]
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}] * 16
    rule = {"backendRefs": [it | {"filters": filters} for it in backends], "filters": filters}
    largest = place(of_a_user(kind), "spec.rules", [rule] * 16)
    last = "/spec/rules/15/backendRefs/15"
    weight = {"op": "add", "path": f"{last}/weight", "value": 3}
    with admin.held(kind, largest):
        answer = operator.patch(kind, "shop", [weight])
        assert answer.code == 200, answer
        port = {"op": "replace", "path": f"{last}/port", "value": 81}
        assert refused(operator.patch(kind, "shop", [port]))


def test_weights_move_in_a_route_that_another_operator_made(
    operator: Impersonated, admin: Impersonated
) -> None:
    kind = ports.HTTP_ROUTE
    owned = place(of_a_user(kind), "metadata.ownerReferences", [CONTROLLED])
    with admin.held(kind, owned):
        assert operator.patch(kind, "shop", WEIGHTS).code == 200
        for said, operation in OTHERWISE.items():
            assert refused(operator.patch(kind, "shop", [*WEIGHTS, plain(operation)])), said
        assert refused(operator.delete(kind, "shop"))


# What a mutating webhook adds to a request of ours arrives here as a part of it.
STAMPS = [
    {"op": "add", "path": "/metadata/annotations", "value": {"policies.example.com/seen": "yes"}},
    {"op": "add", "path": "/metadata/labels", "value": {"team": "x", "tidegate.dev/team": "shop"}},
]


def test_what_a_webhook_stamps_refuses_no_write_of_the_operator(
    operator: Impersonated, admin: Impersonated
) -> None:
    with admin.held(ports.HTTP_ROUTE, of_a_user(ports.HTTP_ROUTE)):
        assert operator.patch(ports.HTTP_ROUTE, "shop", [*WEIGHTS, *STAMPS]).code == 200
    hold = {"op": "add", "path": "/metadata/finalizers", "value": ["tidegate.dev/traffic-restore"]}
    answer = operator.patch(ports.MODEL_DEPLOYMENT, META.name, [hold, STAMPS[0]], dry_run=True)
    assert answer.code == 200, answer


def test_of_a_model_deployment_it_writes_finalizers_and_status_alone(
    operator: Impersonated,
) -> None:
    kind = ports.MODEL_DEPLOYMENT
    hold = [
        {"op": "add", "path": "/metadata/finalizers", "value": ["tidegate.dev/traffic-restore"]}
    ]
    assert operator.patch(kind, META.name, hold).code == 200
    identity = {it: MODEL[it] for it in ("apiVersion", "kind")}
    told = {**identity, "metadata": {"name": META.name}, "status": {"message": "seen"}}
    assert operator.apply(kind, told, below="status").code == 200
    for path, value in (
        ("/spec/model/version", "9"),
        ("/metadata/annotations", {"tidegate.dev/request": "promote"}),
        ("/metadata/labels", {"tidegate.dev/a": "b"}),
        ("/metadata/ownerReferences", [CONTROLLED]),
    ):
        change = [{"op": "add", "path": path, "value": value}]
        assert refused(operator.patch(kind, META.name, change, dry_run=True)), path
    free = [{"op": "remove", "path": "/metadata/finalizers"}]
    assert operator.patch(kind, META.name, free).code == 200


def test_everybody_else_is_left_alone(chart_plane: ControlPlane, admin: Impersonated) -> None:
    stray = disowned(plain(rendered_service()))
    assert admin.create(ports.SERVICE, stray, dry_run=True).code == 201
    other = Impersonated(chart_plane, "system:serviceaccount:other:tidegate")
    answer = other.create(ports.SERVICE, stray, dry_run=True)
    other.close()
    assert answer.code == 403
    assert "tidegate-operator" not in answer.body["message"]


def test_helm_test_has_the_rights_that_its_model_deployment_needs(
    chart_plane: ControlPlane,
) -> None:
    """The author policy holds for it as for everybody."""
    script = runpy.run_path(str(helm_chart.CHART / "files" / "dry_run.py"))
    account = f"system:serviceaccount:{helm_chart.NAMESPACE}:tidegate-test"
    client = Impersonated(chart_plane, account, namespace=helm_chart.NAMESPACE)
    for version, code in (("1.0.0", 201), ("not a label!", 422)):
        body = script["model_deployment"](version=version)
        answer = client.create(ports.MODEL_DEPLOYMENT, body, dry_run=True)
        assert answer.code == code, answer
    client.close()
