"""What `tidegate doctor` finds: a healthy cluster, and one thing after another gone wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import cli_world as world
import pytest
from doctor_world import (
    EXISTING,
    FOUND,
    GATEWAY,
    SERVING,
    Cluster,
    bad,
    examined,
    iris,
)

from tidegate import model, ports
from tidegate.cli import findings, outcome, views
from tidegate.model import PreflightReason


def test_a_healthy_cluster_has_no_problem() -> None:
    code, text = examined(Cluster(iris()))
    checks = {it["check"]: it["result"] for it in json.loads(text)["findings"]}

    assert code == outcome.DONE
    names = ("kinds", "clock", "operator", "rights", "rollout", "room", "evidence")
    assert checks == dict.fromkeys(names, "ok")


def test_the_table_counts_what_would_stop_a_rollout() -> None:
    _, text = examined(Cluster(iris()), output="table")
    first, *_, last = text.splitlines()
    assert first.split() == ["CHECK", "OF", "RESULT", "MESSAGE"]
    assert last.startswith("0 of ")


def without_field(api: Cluster) -> None:
    manifest = api.objects[ports.DEFINITION, "modeldeployments.tidegate.dev"]
    schema = manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["status"]["properties"]["evidence"]


def without_kind(api: Cluster) -> None:
    del api.objects[ports.DEFINITION, "metrictemplates.tidegate.dev"]


def skewed(api: Cluster) -> None:
    api.time = ports.Ok(world.NOW + timedelta(seconds=90))
    assert api.lease is not None
    api.lease["spec"]["renewTime"] = (world.NOW + timedelta(seconds=88)).isoformat()


def renewed(seconds_ago: float) -> Callable[[Cluster], None]:
    def spoil(api: Cluster) -> None:
        assert api.lease is not None
        api.lease["spec"]["renewTime"] = (world.NOW - timedelta(seconds=seconds_ago)).isoformat()

    return spoil


def without_lease(api: Cluster) -> None:
    api.lease = None


def denied(*right: str) -> Callable[[Cluster], None]:
    return lambda api: api.denied.add((right[0], right[1]))


def gone(kind: ports.Kind, name: str) -> Callable[[Cluster], None]:
    return lambda api: api.objects.update({(kind, name): None})  # type: ignore[dict-item]


def refused(api: Cluster) -> None:
    condition = {"type": "Accepted", "status": "False", "reason": "Invalid", "message": "no port"}
    api.objects[ports.GATEWAY, "edge"]["status"] = {"conditions": [condition]}


def not_served(api: Cluster) -> None:
    api.served = False


@pytest.mark.parametrize(
    ("spoil", "check", "of", "part"),
    [
        (without_field, "kinds", "modeldeployments.tidegate.dev", "lacks status.evidence"),
        (without_kind, "kinds", "metrictemplates.tidegate.dev", "not installed"),
        (skewed, "clock", "API server", "90 s behind"),
        (renewed(120), "operator", "tidegate-system/tidegate-controller", "120 s ago"),
        (renewed(-60), "operator", "tidegate-system/tidegate-controller", "60 s ahead"),
        (without_lease, "operator", "tidegate-system/tidegate-controller", "nobody leads"),
        (
            denied("create", "deployments"),
            "rights",
            "system:serviceaccount:tidegate-system:tidegate",
            "may not create deployments.apps",
        ),
        (
            denied("patch", "httproutes"),
            "rights",
            "system:serviceaccount:tidegate-system:tidegate",
            "may not patch httproutes.gateway.networking.k8s.io",
        ),
        (gone(ports.GATEWAY, "edge"), "gateway", "Gateway ml/edge", "does not exist"),
        (gone(ports.GATEWAY_CLASS, "envoy"), "gateway", "GatewayClass envoy", "does not exist"),
        (refused, "gateway", "Gateway ml/edge", "not Accepted: Invalid: no port"),
        (not_served, "kinds", "HTTPRoute", "does not serve HTTPRoute"),
    ],
)
def test_one_thing_wrong_is_the_one_problem(
    spoil: Callable[[Cluster], None], check: str, of: str, part: str
) -> None:
    api = Cluster(iris(traffic=GATEWAY))
    assert examined(api)[0] == outcome.DONE
    spoil(api)
    code, text = examined(api)
    found = bad(text)

    assert code == outcome.NEGATIVE
    assert [it[:2] for it in found] == [(check, of)]
    assert part in found[0][2]


@pytest.mark.parametrize(
    ("traffic", "kind"),
    [
        (GATEWAY, ports.HTTP_ROUTE),
        ({"provider": "GatewayAPI", "gatewayAPI": EXISTING}, ports.GRPC_ROUTE),
        ({"provider": "Contour", "contour": {"fqdn": "a.example"}}, ports.HTTP_PROXY),
        ({"provider": "Istio", "istio": {}}, ports.VIRTUAL_SERVICE),
        ({"provider": "Traefik"}, ports.TRAEFIK_SERVICE),
        ({"provider": "NGINX", "nginx": {"host": "iris.example.com"}}, ports.VIRTUAL_SERVER),
    ],
    ids=["Managed", "Existing", "Contour", "Istio", "Traefik", "NGINX"],
)
def test_the_kinds_of_a_data_plane_are_asked_for_and_what_may_be_done_with_them(
    traffic: dict[str, Any], kind: ports.Kind
) -> None:
    api = Cluster(iris(traffic=traffic))
    assert examined(api)[0] == outcome.DONE
    assert {f"{verb} {kind.plural}" for verb in ("create", "patch", "delete")} <= set(api.asked)
    api.denied.add(("delete", kind.plural))
    not_served(api)
    found = bad(examined(api)[1])
    assert [it[:2] for it in found] == [
        ("rights", "system:serviceaccount:tidegate-system:tidegate"),
        ("kinds", kind.kind),
    ]
    assert f"delete {kind.plural}.{kind.group}" in found[0][2]


def test_without_routes_nobody_asks_for_gateways() -> None:
    api = Cluster(iris())
    _, text = examined(api)
    assert "gateway" not in text
    assert "create httproutes" not in api.asked


def test_what_the_caller_may_not_see_is_unknown_and_stops_nothing() -> None:
    api = Cluster(iris())
    api.reviews = ports.Fatal(reason="Forbidden", message="you may not")
    api.time = ports.Retryable(message="no answer")
    code, text = examined(api)
    results = {it["check"]: it["result"] for it in json.loads(text)["findings"]}
    assert code == outcome.DONE
    assert results["rights"] == results["clock"] == "unknown"


def test_an_operator_that_is_not_there_is_asked_for_by_its_namespace() -> None:
    code, text = examined(Cluster(iris()), operator_namespace="elsewhere")
    found = [it for it in json.loads(text)["findings"] if it["check"] == "rights"]
    assert code == outcome.NEGATIVE, "nobody leads there"
    assert found[0]["result"] == "unknown"
    assert "--operator-namespace" in found[0]["message"]


WAITING = dataclasses.replace(
    world.ROLLOUT,
    waiting_for=model.WaitingFor(
        reason=model.Waiting.PODS_NOT_READY,
        since=world.NOW,
        message="/ready of pod 10.0.0.1: timed out",
    ),
)


@pytest.mark.parametrize(
    ("status", "check", "part"),
    [
        (None, "rollout", "not seen by the operator yet"),
        (
            dataclasses.replace(SERVING, rollout=WAITING),
            "rollout",
            "waits for PodsNotReady: /ready of pod 10.0.0.1: timed out",
        ),
        (
            dataclasses.replace(
                SERVING,
                evidence=(
                    dataclasses.replace(
                        FOUND, reason=PreflightReason.LABELS_MISSING, ready=False, message="no pod"
                    ),
                ),
            ),
            "evidence",
            "LabelsMissing: no pod",
        ),
        (
            dataclasses.replace(
                SERVING,
                conditions=(
                    model.Condition(
                        type="TrafficProgrammed",
                        status="False",
                        reason="RouteNotProgrammed",
                        message="silent",
                        last_transition_at=world.NOW,
                        observed_generation=2,
                    ),
                ),
            ),
            "rollout",
            "TrafficProgrammed is False: RouteNotProgrammed: silent",
        ),
    ],
)
def test_what_the_operator_says_of_an_object(
    status: model.Status | None, check: str, part: str
) -> None:
    code, text = examined(Cluster(iris(status)), name="iris")
    assert code == outcome.NEGATIVE
    assert [(it[0], part in it[2]) for it in bad(text)] == [(check, True)]


def test_traffic_that_is_still_to_come_and_dry_runs_stop_nothing() -> None:
    idle = dataclasses.replace(FOUND, reason=PreflightReason.NO_TRAFFIC, ready=None)
    tried = dataclasses.replace(
        FOUND, reason=PreflightReason.METRIC_MISSING, ready=False, dry_run=True
    )
    seen = views.read(iris(dataclasses.replace(SERVING, evidence=(idle, tried))))
    grades = [it.grade for it in findings.of_object(seen) if it.check == "evidence"]
    assert grades == [findings.Grade.UNKNOWN, findings.Grade.UNKNOWN]


def test_the_lease_is_that_of_the_installation_whatever_its_name() -> None:
    api = Cluster(iris())
    api.release = "gate"
    code, text = examined(api)
    assert "tidegate-system/gate-controller" in text
    assert code == outcome.DONE


PROFILE = {
    "baseline": {"type": "TrainingReference", "reference": {"name": "training"}},
    "metrics": [{"name": "inputs", "preset": "feature-drift", "compare": {}}],
}


@pytest.mark.parametrize("asked", [True, False])
def test_only_a_profile_of_training_data_needs_config_maps(*, asked: bool) -> None:
    body = iris()
    if asked:
        body["spec"]["analysis"] = PROFILE
    api = Cluster(body)
    api.denied.add(("get", "configmaps"))
    _, text = examined(api)
    assert ("may not get configmaps" in text) is asked


def test_an_unknown_name_is_trouble() -> None:
    with pytest.raises(outcome.CliError, match="there is no ModelDeployment rose"):
        examined(Cluster(iris()), name="rose")


class Source:
    """A Prometheus that has nothing but the scrape of others."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> ports.Result[ports.RawAnswer]:
        assert source
        assert not namespace
        assert at == world.NOW
        self.asked.append(promql)
        kind = "matrix" if promql.endswith("]") else "vector"
        return ports.Ok(ports.RawAnswer(result_type=kind, result=[]))


def test_a_prometheus_that_is_named_is_asked_for_each_metric() -> None:
    source = Source()
    code, text = examined(Cluster(iris()), metrics=source)

    assert code == outcome.NEGATIVE
    messages = [it[2] for it in bad(text)]
    assert messages
    assert all(it.startswith("NotScraped") for it in messages)
    assert all(f"iris-{world.STABLE.hash}" in it for it in source.asked[1:3])


def quota_of(pods: int) -> ports.Result[list[ports.Object]]:
    status = {"hard": {"pods": str(pods)}, "used": {"pods": "0"}}
    return ports.Ok([{"metadata": {"name": "team"}, "spec": {}, "status": status}])


@pytest.mark.parametrize(("pods", "stops"), [(0, True), (50, False)])
def test_a_rollout_that_will_not_fit_is_told_beforehand(pods: int, *, stops: bool) -> None:
    api = Cluster(iris())
    api.room[ports.RESOURCE_QUOTA] = quota_of(pods)
    code, text = examined(api)
    found = [(check, of) for check, of, _ in bad(text)]
    assert found == [("room", "ml/iris")] * stops
    assert (code == outcome.NEGATIVE) is stops
    assert ("ResourceQuota team has 0 of pods left" in text) is stops


def test_room_that_may_not_be_looked_at_stops_nothing() -> None:
    api = Cluster(iris())
    del api.room[ports.RESOURCE_QUOTA]
    code, text = examined(api)
    (found,) = [it for it in json.loads(text)["findings"] if it["check"] == "room"]
    assert (code, found["result"]) == (outcome.DONE, "unknown")
