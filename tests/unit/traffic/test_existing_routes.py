"""Routes of the user: two weights change, everything else stays as it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_examples import CANDIDATE, META, SPEC, STABLE, stored, target

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import (
    Mechanism,
    Reference,
    WantedDocument,
    is_current,
    patch_operations,
    plane_of,
)

REF = model.RouteRef(kind="HTTPRoute", name="shop")
TRAFFIC = model.Traffic(provider=model.Provider.GATEWAY_API, routes=(REF,))
STEPS = (
    model.Step(name="a", weight_percent=12.5, hold_seconds=1, deadline_seconds=2, min_requests=1),
)
EXISTING = replace(SPEC, traffic=TRAFFIC, steps=STEPS)
GRPC = replace(
    EXISTING, traffic=replace(TRAFFIC, routes=(model.RouteRef(kind="GRPCRoute", name="shop"),))
)
PLANE = plane_of(TRAFFIC)
Key = tuple[str, str]


def backend(name: str, weight: int, **more: Any) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight, **more}


def rule(*backends: dict[str, Any], path: str = "/") -> dict[str, Any]:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}],
        "backendRefs": list(backends),
    }


def pair(stable: int = 100, candidate: int = 0) -> list[dict[str, Any]]:
    return [backend("iris", stable), backend("iris-candidate", candidate)]


def user_route(*rules: dict[str, Any], accepted: bool = True) -> dict[str, Any]:
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
    conditions = [
        {"type": kind, "status": "True" if accepted else "False", "observedGeneration": 1}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": "shop",
            "namespace": "ml",
            "uid": "uid-9",
            "resourceVersion": "7",
            "generation": 1,
            "labels": {"argocd": "shop"},
        },
        "spec": {"parentRefs": [parent], "hostnames": ["shop.example.com"], "rules": list(rules)},
        "status": {"parents": [{"parentRef": parent, "conditions": conditions}]},
    }


class Cluster:
    """Objects by kind and name, to which the documents of the plane are written as they ask."""

    def __init__(self, route: Mapping[str, Any] | None, *, spec: model.Spec = EXISTING) -> None:
        self.spec = spec
        self.objects: dict[Key, model.Document] = {}
        self.written: list[tuple[Key, model.Document]] = []
        if route is not None:
            kind = spec.traffic.routes[0].kind
            self.objects[kind, "shop"] = copy.deepcopy({**route, "kind": kind})

    def read(self) -> model.TrafficState:
        found = self.found(PLANE.references(meta=META, spec=self.spec))
        found |= self.found(PLANE.noted(found, spec=self.spec))
        return PLANE.read(found, meta=META, spec=self.spec, ready_pods={})

    def found(self, references: Iterable[Reference]) -> dict[Reference, model.Document]:
        known = {one: self.objects.get((one.kind, one.name)) for one in references}
        return {one: live for one, live in known.items() if live is not None}

    def documents(
        self, *, stable: str = STABLE, percent: float = 0.0, candidate: str = "", **more: Any
    ) -> tuple[WantedDocument, ...]:
        wanted = target(self.spec, weight_percent=percent, candidate=candidate)
        return PLANE.documents(
            replace(
                wanted,
                stable=stable,
                live=self.objects,
                accepted=self.read().accepted,
                **more,
            )
        )

    def write(self, **wanted: Any) -> bool:
        """One pass; False where nothing was left to write."""
        before = len(self.written)
        for document in self.documents(**wanted):
            key = (document.reference.kind, document.reference.name)
            live = self.objects.get(key)
            if live is None:
                self.objects[key] = stored(document)
                self.written.append((key, self.objects[key]))
            elif not is_current(live, document):
                self.objects[key] = patched(live, patch_operations(live, document))
                self.written.append((key, self.objects[key]))
        return len(self.written) > before

    def walk(self, **wanted: Any) -> None:
        for _ in range(8):
            if not self.write(**wanted):
                return
        raise AssertionError("it never comes to rest")

    @property
    def route(self) -> dict[str, Any]:
        return dict(self.objects[self.spec.traffic.routes[0].kind, "shop"])

    def weights(self, at: int = 0, *, of: str = "shop") -> list[int]:
        route: Any = self.objects[self.spec.traffic.routes[0].kind, of]
        return [it["weight"] for it in route["spec"]["rules"][at]["backendRefs"]]

    def selects(self, name: str) -> str:
        service = self.objects["Service", name]
        return objects.text(objects.at(service, "spec", "selector", objects.LABEL_REVISION))


def patched(live: model.Document, operations: tuple[model.Document, ...]) -> model.Document:
    """JSON Patch as an API server carries it out; a `test` that fails is an error."""
    body: Any = copy.deepcopy(dict(live))
    for operation in operations:
        parts = str(operation["path"]).split("/")[1:]
        *parents, last = [it.replace("~1", "/") for it in parts]
        node = body
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if operation["op"] == "test":
            assert node[last] == operation["value"]
        elif operation["op"] == "remove":
            del node[last]
        else:
            node[last] = copy.deepcopy(operation["value"])
    return body  # type: ignore[no-any-return]


def without_weights(route: Mapping[str, Any]) -> Any:
    body = copy.deepcopy(dict(route))
    for one in body["spec"]["rules"]:
        for it in one["backendRefs"]:
            if it["name"] in {"iris", "iris-candidate"}:
                del it["weight"]
    return body


@pytest.mark.parametrize("spec", [EXISTING, GRPC], ids=["HTTPRoute", "GRPCRoute"])
def test_a_rollout_changes_two_weights_and_in_the_end_nothing(spec: model.Spec) -> None:
    given_ = user_route(rule(*pair()), rule(backend("other", 1), path="/other"))
    given_["kind"] = spec.traffic.routes[0].kind
    cluster = Cluster(given_, spec=spec)
    cluster.walk()
    assert cluster.route == given_, "at rest it is as its owner wrote it"
    cluster.walk(candidate=CANDIDATE, percent=20.0)
    assert cluster.read().weights == {STABLE: 80.0, CANDIDATE: 20.0}
    assert cluster.weights() == [80, 20]
    assert cluster.read().owed
    assert without_weights(cluster.route) == without_weights(given_)
    cluster.walk(candidate=CANDIDATE, percent=100.0)
    assert cluster.read().weights == {STABLE: 0.0, CANDIDATE: 100.0}
    cluster.walk(stable=CANDIDATE)
    assert cluster.read().weights == {CANDIDATE: 100.0}
    assert cluster.selects("iris") == cluster.selects("iris-candidate") == CANDIDATE
    assert cluster.route == given_
    assert not cluster.read().owed


WEIGHTS = st.integers(1, 1000)


@given(
    sums=st.lists(WEIGHTS, min_size=1, max_size=3),
    percent=st.sampled_from([0.0001, 0.5, 10.0, 12.5, 33.3333, 99.9, 100.0]),
)
def test_whatever_the_sums_are_the_share_is_exact_and_they_come_back(
    sums: list[int], percent: float
) -> None:
    given_ = user_route(*(rule(*pair(total), path=f"/{at}") for at, total in enumerate(sums)))
    cluster = Cluster(given_)
    cluster.walk()
    cluster.walk(candidate=CANDIDATE, percent=percent)
    assert cluster.read().weights[CANDIDATE] == pytest.approx(percent, abs=1e-4)
    for at, total in enumerate(sums):
        if (total * percent / 100).is_integer() and percent >= 1:
            assert sum(cluster.weights(at)) == total, "a sum that can give it is kept"
    assert without_weights(cluster.route) == without_weights(given_)
    cluster.walk()
    assert cluster.route == given_


def test_a_third_backend_keeps_its_share() -> None:
    spec = replace(EXISTING, steps=(replace(STEPS[0], weight_percent=25.0),))
    given_ = user_route(rule(*pair(80), backend("legacy", 20)))
    cluster = Cluster(given_, spec=spec)
    cluster.walk()
    assert cluster.read().obstacle == ""
    cluster.walk(candidate=CANDIDATE, percent=25.0)
    assert cluster.weights() == [60, 20, 20]
    assert cluster.read().weights == {STABLE: 75.0, CANDIDATE: 25.0}
    cluster.walk()
    assert cluster.route == given_


def test_weights_of_several_routes_move_together() -> None:
    spec = replace(
        EXISTING,
        traffic=replace(TRAFFIC, routes=(REF, model.RouteRef(kind="HTTPRoute", name="web"))),
    )
    cluster = Cluster(user_route(rule(*pair())), spec=spec)
    assert "HTTPRoute web does not exist" in cluster.read().obstacle
    web = user_route(rule(*pair(10)))
    web["metadata"] = {**web["metadata"], "name": "web"}
    cluster.objects["HTTPRoute", "web"] = web
    cluster.walk(candidate=CANDIDATE, percent=10.0)
    assert cluster.read().weights == {STABLE: 90.0, CANDIDATE: 10.0}
    assert [it["weight"] for it in web["spec"]["rules"][0]["backendRefs"]] == [10, 0]
    found = cluster.objects["HTTPRoute", "web"]["spec"]["rules"][0]["backendRefs"]
    assert [it["weight"] for it in found] == [9, 1]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        (None, "HTTPRoute shop does not exist: create it"),
        (user_route(), "no rule of HTTPRoute shop names the Services iris and iris-candidate"),
        (user_route(rule(backend("iris", 1))), "no rule of HTTPRoute shop names"),
        (
            user_route(rule(backend("iris", 1), backend("iris-candidate", 1, namespace="x"))),
            "no rule of HTTPRoute shop names",
        ),
        (
            user_route(rule(backend("iris", 1), backend("iris-candidate", 1, kind="Pool"))),
            "no rule of HTTPRoute shop names",
        ),
        (user_route(rule(*pair(0))), "no weight: give iris one, such as 100"),
        (
            user_route(rule(*pair(10), backend("legacy", 1))),
            "must keep their sum 10, which cannot give 12.5 %: use larger numbers",
        ),
    ],
    ids=[
        "missing",
        "no rules",
        "one Service",
        "other namespace",
        "no Service",
        "weight 0",
        "third",
    ],
)
def test_a_route_without_a_place_for_us_is_told_and_not_touched(
    route: dict[str, Any] | None, told: str
) -> None:
    cluster = Cluster(route)
    state = cluster.read()
    assert told in state.obstacle
    assert not state.accepted
    assert told in state.pending_message
    cluster.walk(candidate=CANDIDATE, percent=0.0)
    assert cluster.selects("iris") == STABLE, "the Services are there before the route"
    assert [key for key, _ in cluster.written if key[0] == "HTTPRoute"] == []


def test_a_route_that_is_not_accepted_says_so() -> None:
    state = Cluster(user_route(rule(*pair()), accepted=False)).read()
    assert (state.exists, state.accepted, state.obstacle) == (True, False, "")


def test_every_write_is_guarded_and_says_nothing_but_weights() -> None:
    cluster = Cluster(user_route(rule(*pair())))
    cluster.walk()
    cluster.write(candidate=CANDIDATE, percent=10.0)  # selects it
    document = next(
        it
        for it in cluster.documents(candidate=CANDIDATE, percent=10.0)
        if it.mechanism is Mechanism.PATCH_WEIGHTS
    )
    assert document.reference == Reference(kind="HTTPRoute", name="shop", owned=False)
    operations = patch_operations(cluster.route, document)
    tests = {it["path"]: it["value"] for it in operations if it["op"] == "test"}
    assert tests == {
        "/metadata/uid": "uid-9",
        "/metadata/resourceVersion": "7",
        "/spec/rules/0/backendRefs/0/name": "iris",
        "/spec/rules/0/backendRefs/1/name": "iris-candidate",
    }
    assert {it["path"]: it["value"] for it in operations if it["op"] != "test"} == {
        "/spec/rules/0/backendRefs/0/weight": 90,
        "/spec/rules/0/backendRefs/1/weight": 10,
    }


def test_the_mark_of_a_rollback_stands_on_a_service_of_ours_and_comes_first() -> None:
    cluster = Cluster(user_route(rule(*pair())))
    cluster.walk(candidate=CANDIDATE, percent=50.0)
    cluster.written.clear()
    cluster.write(marker=CANDIDATE, fence="iris-1")
    assert [key for key, _ in cluster.written] == [
        ("Service", "iris-candidate"),
        ("HTTPRoute", "shop"),
    ]
    state = cluster.read()
    assert (state.rolled_back_revision, state.lowered_rollout) == (CANDIDATE, "iris-1")
    assert state.weights == {STABLE: 100.0, CANDIDATE: 0.0}
    assert cluster.route["metadata"] == user_route()["metadata"]
    cluster.walk(marker=CANDIDATE)
    assert cluster.read().weights == {STABLE: 100.0}


def test_a_service_of_somebody_else_is_a_conflict() -> None:
    cluster = Cluster(user_route(rule(*pair())))
    cluster.walk()
    service = cluster.objects["Service", "iris-candidate"]
    foreign = {**objects.mapping(service["metadata"]), "ownerReferences": []}
    cluster.objects["Service", "iris-candidate"] = {**service, "metadata": foreign}
    assert "NameConflict: Service iris-candidate" in cluster.read().conflict


@pytest.mark.parametrize(
    "note", ["garbage", "[]", '{"HTTPRoute/shop": 1}', '{"HTTPRoute/shop": {"0": "x"}}']
)
def test_a_note_that_cannot_be_read_says_nothing(note: str) -> None:
    cluster = Cluster(user_route(rule(*pair())))
    cluster.walk()
    service = copy.deepcopy(dict(cluster.objects["Service", "iris-candidate"]))
    service["metadata"] = {
        **objects.mapping(service["metadata"]),
        "annotations": {objects.ANNOTATION_SUMS: note},
    }
    cluster.objects["Service", "iris-candidate"] = service
    assert not cluster.read().owed
    cluster.walk()
    assert (
        objects.annotation(cluster.objects["Service", "iris-candidate"], objects.ANNOTATION_SUMS)
        == ""
    )


# --- routes that spec does not name any more ------------------------------------------------------

OTHER = model.RouteRef(kind="HTTPRoute", name="other")


def with_two(*, sums: int = 100, percent: float = 20.0) -> Cluster:
    """Two routes in a step, one of which spec then no longer names."""
    spec = replace(EXISTING, traffic=replace(TRAFFIC, routes=(REF, OTHER)))
    given_ = user_route(rule(*pair(sums)))
    cluster = Cluster(user_route(rule(*pair())), spec=spec)
    metadata = {**given_["metadata"], "name": "other", "uid": "uid-8"}
    cluster.objects["HTTPRoute", "other"] = {**given_, "metadata": metadata}
    cluster.walk()
    cluster.walk(candidate=CANDIDATE, percent=percent)
    assert cluster.read().weights == {STABLE: 100 - percent, CANDIDATE: percent}
    return cluster


def note(cluster: Cluster) -> str:
    return objects.annotation(cluster.objects["Service", "iris-candidate"], objects.ANNOTATION_SUMS)


@pytest.mark.parametrize("sums", [100, 1])
def test_one_that_is_dropped_in_a_step_has_its_own_weights_again(sums: int) -> None:
    cluster = with_two(sums=sums)
    cluster.spec = EXISTING
    assert cluster.read().owed
    cluster.walk(candidate=CANDIDATE, percent=20.0)
    assert cluster.weights(of="other") == [sums, 0]
    assert cluster.weights() == [80, 20]
    assert cluster.read().weights == {STABLE: 80.0, CANDIDATE: 20.0}
    assert "other" not in note(cluster)
    cluster.objects["HTTPRoute", "other"] = user_route(rule(*pair(3, 4)))
    cluster.walk(candidate=CANDIDATE, percent=50.0)
    assert cluster.weights(of="other") == [3, 4], "it is its owner's affair"


def test_one_that_is_exchanged_for_another_is_given_back_first() -> None:
    cluster = with_two()
    cluster.objects.pop(("HTTPRoute", "other"))
    cluster.spec = replace(EXISTING, traffic=replace(TRAFFIC, routes=(OTHER,)))
    state = cluster.read()
    assert state.exists, "what has weights of ours is there"
    assert state.owed
    assert "HTTPRoute other does not exist" in state.obstacle
    cluster.walk(candidate=CANDIDATE, percent=20.0)
    assert cluster.weights(of="shop") == [100, 0]
    assert not cluster.read().exists


def test_the_users_of_one_that_is_dropped_in_a_bake_stay_until_stable_is_the_new_one() -> None:
    cluster = with_two(percent=100.0)
    cluster.spec = EXISTING
    cluster.walk(candidate=CANDIDATE, percent=100.0)
    assert cluster.weights(of="other") == [0, 100]
    cluster.walk(stable=CANDIDATE)
    assert cluster.weights(of="other") == cluster.weights() == [100, 0]
    assert cluster.selects("iris") == cluster.selects("iris-candidate") == CANDIDATE
    assert not cluster.read().owed
    assert note(cluster) == ""


def test_one_that_is_dropped_and_deleted_owes_nothing() -> None:
    cluster = with_two()
    cluster.objects.pop(("HTTPRoute", "other"))
    cluster.spec = EXISTING
    cluster.walk(candidate=CANDIDATE, percent=20.0)
    assert cluster.read().weights == {STABLE: 80.0, CANDIDATE: 20.0}
    assert "other" not in note(cluster)


@pytest.mark.parametrize("key", ["Secret/iris", "HTTPRoute/", "HTTPRoute", "/shop"])
def test_a_note_leads_to_routes_only(key: str) -> None:
    cluster = with_two()
    service = copy.deepcopy(dict(cluster.objects["Service", "iris-candidate"]))
    service["metadata"] = {
        **objects.mapping(service["metadata"]),
        "annotations": {objects.ANNOTATION_SUMS: json.dumps({key: {}})},
    }
    cluster.objects["Service", "iris-candidate"] = service
    found = cluster.found(PLANE.references(meta=META, spec=cluster.spec))
    assert PLANE.noted(found, spec=cluster.spec) == ()
