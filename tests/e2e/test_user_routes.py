"""A route that its user keeps: its weights move, and nothing else of it ever differs; S24."""

from __future__ import annotations

import copy

import pytest
from cluster_checks import assert_only_failed_by, assert_shares
from cluster_client import Object
from cluster_scene import Model, Scene
from cluster_users import serve_first

from tidegate import ports

pytestmark = pytest.mark.cluster

ROUTE = "shop"
BROKEN = {"FAIL_RATIO": "0.5"}


def _route(scene: Scene, model: Model) -> Object:
    """Two rules with filters of their own; the second has another backend beside."""
    parent = {"name": scene.gateway.name, "namespace": scene.gateway.namespace}
    header = {"name": "x-shop", "value": "1"}
    first = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/predict"}}],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [header]}}],
        "backendRefs": [
            {"name": model.name, "port": 80, "weight": 100},
            {"name": f"{model.name}-candidate", "port": 80, "weight": 0},
        ],
        "timeouts": {"request": "20s"},
    }
    other = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/about"}}],
        "backendRefs": [{"name": model.name, "port": 80, "weight": 7}],
    }
    return {
        "metadata": {
            "namespace": scene.namespace,
            "name": ROUTE,
            "labels": {"tidegate.dev/watch": "true"},
            "annotations": {"example.com/owner": "shop"},
        },
        "spec": {"parentRefs": [parent], "hostnames": [model.host], "rules": [first, other]},
    }


def _of_the_user(body: Object, *, weights: bool) -> Object:
    """What its user wrote; the API server counts versions, and the Gateway writes status."""
    kept = ("name", "labels", "annotations", "ownerReferences", "finalizers")
    metadata = {key: value for key, value in body["metadata"].items() if key in kept}
    spec = copy.deepcopy(body["spec"])
    for backend in spec["rules"][0]["backendRefs"]:
        backend["weight"] = backend["weight"] if weights else None
    return {"metadata": metadata, "spec": spec}


def _told_until(scene: Scene, written: Object) -> list[Object]:
    """All versions of the route, up to one that is again as its user wrote it: watches tell later."""
    wanted = _of_the_user(written, weights=True)

    def told() -> list[Object] | None:
        found = [seen.body for seen in scene.history.of(ports.HTTP_ROUTE, ROUTE)]
        return found if _of_the_user(found[-1], weights=True) == wanted else None

    return scene.history.wait_for(
        told, seconds=90, explain=lambda: f"the route is not as its user wrote it: {wanted}"
    )


def test_only_the_two_weights_of_a_users_route_ever_change(scene: Scene) -> None:
    existing = {"mode": "Existing", "routeRefs": [{"name": ROUTE}]}
    model = scene.model(traffic={"provider": "GatewayAPI", "gatewayAPI": existing})
    written = scene.client.apply(ports.HTTP_ROUTE, _route(scene, model))
    load = serve_first(model)
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=180, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=promoted.at)
    assert_shares(promoted, load.books(), version="2", steps=2)

    back = model.wait_for_phase("RolledBack", seconds=180, since=model.apply("3", env=BROKEN))
    assert back.stable_version == "2"
    load.wait_until_only("2", since=back.at)
    assert_only_failed_by(load.books(), version="3")
    told = _told_until(scene, written)
    shares = {body["spec"]["rules"][0]["backendRefs"][1]["weight"] for body in told}
    assert shares >= {0, 20, 60}
    own = _of_the_user(written, weights=False)
    assert [body for body in told if _of_the_user(body, weights=False) != own] == []
