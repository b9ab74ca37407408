"""A GRPCRoute of ours: the same plane, without the paths and timeouts that it does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from traffic_examples import CANDIDATE, GATEWAY, GATEWAY_SPEC, META, STABLE, found, stored, target

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import Reference, is_current, plane_of

TESTER = model.Header(name="x-tester", value="1", match=model.HeaderMatch.EXACT)
ROUTES = (model.HeaderRoute(name="testers", headers=(TESTER,)),)
FILTER = model.HeaderFilter(side=model.HeaderSide.REQUEST, remove=("x-debug",))
GRPC = replace(
    GATEWAY_SPEC,
    traffic=replace(
        GATEWAY_SPEC.traffic,
        gateway=replace(GATEWAY, kind="GRPCRoute", filters=(FILTER,), request_timeout="1m"),
    ),
)
PLANE = plane_of(GRPC.traffic)


def backend(revision: str, weight: int) -> model.Document:
    service = {"group": "", "kind": "Service", "name": f"iris-{revision}"}
    return {**service, "port": 80, "weight": weight}


def test_it_has_weights_hosts_and_filters_and_nothing_that_grpc_lacks() -> None:
    route, _ = PLANE.documents(target(GRPC, weight_percent=12.5))
    assert route.reference == Reference(kind="GRPCRoute", name="iris")
    assert (route.body["kind"], route.body["apiVersion"]) == (
        "GRPCRoute",
        "gateway.networking.k8s.io/v1",
    )
    assert objects.at(route.body, "spec", "hostnames") == ["iris.example.com"]
    assert objects.at(route.body, "spec", "rules") == [
        {
            "filters": [
                {
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {"remove": ["x-debug"]},
                }
            ],
            "backendRefs": [backend(STABLE, 875), backend(CANDIDATE, 125)],
        }
    ]


@pytest.mark.parametrize("percent", [0.0, 20.0])
def test_what_is_written_is_read_back(percent: float) -> None:
    wanted = replace(target(GRPC), exposure=model.Exposure(live_percent=percent, routes=ROUTES))
    route, service = PLANE.documents(wanted)
    _, last = objects.items(objects.at(route.body, "spec", "rules"))
    header = {"type": "Exact", "name": "x-tester", "value": "1"}
    assert objects.at(last, "matches") == [{"headers": [header]}]
    live = stored(route)
    assert is_current(live, route)
    state = PLANE.read(
        found((route, live), (service, stored(service))), meta=META, spec=GRPC, ready_pods={}
    )
    assert state.exists
    assert state.weights.get(CANDIDATE, 0.0) == percent
    assert state.by_header == {CANDIDATE: ((TESTER,),)}


def test_route_of_somebody_else_under_our_name_is_told_by_its_kind() -> None:
    route, _ = PLANE.documents(target(GRPC))
    live = stored(route, uid="somebody")
    state = PLANE.read(found((route, live)), meta=META, spec=GRPC, ready_pods={})
    assert "GRPCRoute iris exists" in state.conflict
