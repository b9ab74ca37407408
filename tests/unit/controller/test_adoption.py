"""A Service that people use already is taken over by one guarded write, or not at all."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from rollout_world import serving
from traffic_examples import CANDIDATE, GATEWAY_SPEC, META, SPEC, STABLE, target

from tidegate import model, ports
from tidegate.controller import adoption
from tidegate.controller.documents import plain
from tidegate.model import objects
from tidegate.traffic.plane import WantedDocument, plane_of
from tidegate.traffic.planes import entry

OFFER = {objects.ANNOTATION_ADOPT: "iris"}


def wanted() -> WantedDocument:
    return plane_of(SPEC.traffic).documents(target())[0]


def service(*given: dict[str, Any], **spec: Any) -> ports.Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "iris",
            "namespace": "ml",
            "uid": "theirs",
            "resourceVersion": "7",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {**OFFER, "note": "kept"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.0.0.7",
            "sessionAffinity": "ClientIP",
            "selector": {"app": "iris"},
            "ports": list(given) or [{"port": 80, "protocol": "TCP", "targetPort": 8080}],
            **spec,
        },
    }


def patched(live: ports.Object) -> ports.Object:
    """The Service after the patch, whose guard holds."""
    guard, *changes = (plain(it) for it in adoption.operations(live, wanted(), META))
    assert guard == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    made = copy.deepcopy(live)
    for change in changes:
        assert change["op"] == "add"
        _, part, member = change["path"].split("/")
        made[part][member] = change["value"]
    return made


def test_the_whole_takeover_is_one_write_and_the_rest_of_the_service_stays() -> None:
    live = service()
    made = patched(live)
    assert objects.is_controlled_by(made, uid=META.uid)
    assert entry.read({wanted().reference: made}, meta=META, spec=SPEC).revision == STABLE
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "Helm",
        objects.LABEL_MODEL_DEPLOYMENT: "iris",
        objects.LABEL_WATCH: "true",
    }
    assert made["metadata"]["annotations"] == live["metadata"]["annotations"]
    for member in ("type", "clusterIP", "sessionAffinity"):
        assert made["spec"][member] == live["spec"][member]
    assert made["spec"]["selector"] == objects.revision_selector("iris", revision=STABLE)


def test_a_port_of_the_nodes_stays_and_other_owners_stay() -> None:
    live = service({"port": 80, "nodePort": 30080, "targetPort": "web"}, type="NodePort")
    live["metadata"]["ownerReferences"] = [{"kind": "Team", "uid": "t"}]
    made = patched(live)
    [port] = made["spec"]["ports"]
    assert port["nodePort"] == 30080
    assert [owner["kind"] for owner in made["metadata"]["ownerReferences"]] == [
        "Team",
        objects.KIND,
    ]


@pytest.mark.parametrize("name", [{}, {"name": "http"}])
def test_the_port_keeps_its_name_by_which_the_nodes_know_it(name: dict[str, str]) -> None:
    """With another name no node has a pod for it until the slices of the Service follow."""
    [port] = patched(service({"port": 80, "targetPort": 8080, **name}))["spec"]["ports"]
    assert port.get("name") == name.get("name")
    assert port["targetPort"] == objects.at(wanted().body, "spec", "ports")[0]["targetPort"]


@pytest.mark.parametrize(
    ("ports_", "says"),
    [
        ([{"port": 80}], ""),
        ([{"port": 80, "name": "http"}], ""),
        ([{"port": 80, "name": "web"}], "has the ports 80 web"),
        ([{"port": 8080}], "has the ports 8080 and"),
        (
            [{"port": 80, "name": "http"}, {"port": 9090, "name": "m"}],
            "has the ports 80 http, 9090 m",
        ),
    ],
)
def test_only_a_service_whose_clients_lose_nothing_is_taken_over(
    ports_: list[dict[str, Any]], says: str
) -> None:
    why = adoption.unlike(service(*ports_), wanted())
    assert why.startswith(says)
    assert bool(why) is bool(says)


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"type": "NodePort"}, True),
        ({"type": "LoadBalancer"}, True),
        ({"clusterIP": "None"}, False),
        ({"type": "ExternalName"}, False),
    ],
)
def test_only_a_service_with_an_address_is_taken_over(spec: dict[str, Any], *, taken: bool) -> None:
    assert (adoption.unlike(service(**spec), wanted()) == "") is taken


@pytest.mark.parametrize(
    ("annotations", "controller", "offered"),
    [
        (OFFER, None, True),
        ({}, None, False),
        ({objects.ANNOTATION_ADOPT: "other"}, None, False),
        (OFFER, "somebody", False),
        (OFFER, META.uid, False),
    ],
)
@pytest.mark.parametrize("spec", [SPEC, GATEWAY_SPEC], ids=["ReplicaRatio", "GatewayAPI"])
def test_only_what_its_owner_offers_to_this_object_is_no_conflict(
    spec: model.Spec, annotations: dict[str, str], controller: str | None, *, offered: bool
) -> None:
    live = service()
    live["metadata"]["annotations"] = annotations
    if controller:
        live["metadata"]["ownerReferences"] = [{"uid": controller, "controller": True}]
    assert objects.is_offered(live, name="iris") is offered
    state = plane_of(spec.traffic).read(
        {entry.reference(meta=META, spec=spec): live},
        meta=META,
        spec=spec,
        ready_pods={STABLE: 4, CANDIDATE: 0},
    )
    ours = controller == META.uid
    assert state.entry_exists is ours
    assert bool(state.conflict) is not (offered or ours)


@pytest.mark.parametrize("ready", [1, 0])
def test_clients_move_to_ready_pods_of_the_revision_only(ready: int) -> None:
    seen = serving(provider=model.Provider.REPLICA_RATIO).observe()
    (state,) = seen.revisions.values()
    selected = str(objects.at(plain(wanted().body), "spec", "selector", objects.LABEL_REVISION))
    others = {selected: replace(state, ready=ready), "other": replace(state, ready=1)}
    found = adoption.has_ready_pods(wanted(), replace(seen, revisions=others))
    assert found is bool(ready)
