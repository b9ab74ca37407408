"""Clients that speak gRPC: a GRPCRoute gives each version its share of the calls, and none fails."""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed, assert_only_failed_by, assert_shares
from cluster_client import Object
from cluster_scene import SERVER_PORT, Model, Scene, gateway_traffic, model_server
from cluster_users import Load, start_load

pytestmark = pytest.mark.cluster

GRPC_PORT = 9000
SERVER: Object = {
    "preset": "HTTP",
    "port": GRPC_PORT,
    "metricsPort": SERVER_PORT,
    "readyPath": "Off",  # over HTTP it would be asked at another port
}


def _workload(**env: str) -> Object:
    template = model_server(GRPC_PORT=str(GRPC_PORT), **env)
    template["spec"]["containers"][0]["ports"].append({"containerPort": GRPC_PORT})
    return {"replicas": 1, "template": template}


def _model(scene: Scene) -> Model:
    traffic = gateway_traffic("m", namespace=scene.namespace, gateway=scene.gateway)
    traffic["gatewayAPI"]["routeKind"] = "GRPCRoute"
    return scene.model(
        traffic=traffic,
        server=SERVER,
        service={"port": GRPC_PORT, "appProtocol": "kubernetes.io/h2c"},
        workload=_workload(),
    )


def _serve_first(model: Model) -> Load:
    model.apply("1")
    model.wait_for_phase("Healthy", seconds=120)
    return start_load(model, grpc=True)


def test_calls_are_shared_and_a_bad_version_is_rolled_back(scene: Scene) -> None:
    model = _model(scene)
    load = _serve_first(model)
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=240, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=promoted.at)
    books = load.books()
    assert_nobody_failed(books)
    assert_shares(promoted, books, version="2", steps=2)

    bad_at = model.apply("3", workload=_workload(FAIL_RATIO="0.5"))
    back = model.wait_for_phase("RolledBack", seconds=240, since=bad_at)
    assert (back.stable_version, back.rejected_versions) == ("2", ["3"])
    load.wait_until_only("2", since=back.at)
    assert_only_failed_by(load.books(), version="3")
