"""What `tidegate doctor` finds: a healthy cluster, and one thing after another gone wrong."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cli_world as world
import pytest

from tidegate import model, ports
from tidegate.api import crdgen
from tidegate.cli import doctor, findings, outcome, views
from tidegate.cli.kubectl import Console
from tidegate.model import PreflightReason

FOUND = model.Preflight(
    metric="error-ratio",
    source="prometheus",
    reason=PreflightReason.SERIES_FOUND,
    ready=True,
    message="prometheus has it",
)
SERVING = dataclasses.replace(world.HEALTHY, evidence=(FOUND,))
ROOT = Path(__file__).resolve().parents[3]
GATEWAY = {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "edge"}]}}


def accepted(*kinds: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True"} for kind in kinds]}


class Cluster(world.MemoryApi):
    """Objects by kind and name, and an API server that knows who may what."""

    def __init__(self, *bodies: ports.Object) -> None:
        super().__init__(*bodies)
        self.objects: dict[tuple[ports.Kind, str], ports.Object] = {
            (ports.DEFINITION, f"{it.resource.plural}.{crdgen.GROUP}"): crdgen.manifest(it)
            for it in crdgen.DEFINITIONS
        }
        self.objects[ports.GATEWAY, "edge"] = {
            "spec": {"gatewayClassName": "envoy"},
            "status": accepted("Accepted", "Programmed"),
        }
        self.objects[ports.GATEWAY_CLASS, "envoy"] = {"status": accepted("Accepted")}
        self.lease: ports.Object | None = {
            "spec": {
                "holderIdentity": "op-1",
                "renewTime": (world.NOW - timedelta(seconds=2)).isoformat(),
                "leaseDurationSeconds": 15,
            }
        }
        self.time: ports.Result[datetime] = ports.Ok(world.NOW)
        self.denied: set[tuple[str, str]] = set()
        self.reviews: ports.Failure | None = None
        self.asked: list[str] = []

    async def get(
        self, kind: ports.Kind, *, namespace: str, name: str
    ) -> ports.Result[ports.Object | None]:
        if kind is ports.MODEL_DEPLOYMENT:
            return await super().get(kind, namespace=namespace, name=name)
        return ports.Ok(copy.deepcopy(self.objects.get((kind, name))))

    async def list_objects(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        if kind is not ports.DEPLOYMENT:
            return await super().list_objects(
                kind, namespace=namespace, label_selector=label_selector
            )
        pod = {"spec": {"serviceAccountName": "tidegate"}}
        return ports.Ok([{"spec": {"template": pod}}] if namespace == "tidegate-system" else [])

    async def serves(self, kind: ports.Kind) -> ports.Result[bool]:
        assert kind is ports.HTTP_ROUTE
        return ports.Ok(self.served)

    async def server_time(self) -> ports.Result[datetime]:
        return self.time

    async def get_lease(self, *, namespace: str, name: str) -> ports.Result[ports.Object | None]:
        assert name == "tidegate-controller"
        return ports.Ok(self.lease if namespace == "tidegate-system" else None)

    async def create(
        self, kind: ports.Kind, *, namespace: str, body: ports.Object, dry_run: bool = False
    ) -> ports.Result[ports.Object]:
        assert kind is ports.ACCESS_REVIEW
        assert not namespace
        assert not dry_run
        if self.reviews is not None:
            return self.reviews
        assert body["spec"]["user"] == "system:serviceaccount:tidegate-system:tidegate"
        wanted = body["spec"]["resourceAttributes"]
        assert wanted["namespace"] == "ml"
        self.asked.append(f"{wanted['verb']} {wanted['resource']}")
        allowed = (wanted["verb"], wanted["resource"]) not in self.denied
        return ports.Ok({"status": {"allowed": allowed}})


def iris(status: model.Status | None = SERVING, *, traffic: object = None) -> ports.Object:
    body = world.document(status)
    body["spec"] |= {
        "model": {"name": "iris", "version": "1.5.0"},
        "server": {"preset": "MLServer"},
        "workload": {"template": {"spec": {"containers": [{"name": "server", "image": "x"}]}}},
    }
    return body | {"spec": body["spec"] | ({"traffic": traffic} if traffic else {})}


def examined(
    api: Cluster,
    *,
    name: str = "",
    output: str = "json",
    operator_namespace: str = "tidegate-system",
    metrics: ports.MetricSource | None = None,
) -> tuple[int, str]:
    lines: list[str] = []
    console = Console(api=api, clock=world.LeapingClock(), say=lines.append)  # type: ignore[arg-type]
    where = doctor.Where(namespace="ml", name=name, operator_namespace=operator_namespace)
    url = "http://prometheus:9090" if metrics else ""
    code = asyncio.run(doctor.examine(console, where, output=output, metrics=metrics, url=url))
    return code, "\n".join(lines)


def bad(text: str) -> list[tuple[str, str, str]]:
    found = json.loads(text)["findings"]
    return [(it["check"], it["of"], it["message"]) for it in found if it["result"] == "problem"]


def test_a_healthy_cluster_has_no_problem() -> None:
    code, text = examined(Cluster(iris()))
    checks = {it["check"]: it["result"] for it in json.loads(text)["findings"]}

    assert code == outcome.DONE
    names = ("kinds", "clock", "operator", "rights", "rollout", "evidence")
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
        (not_served, "gateway", "HTTPRoute", "does not serve HTTPRoute"),
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


def test_an_unknown_name_is_trouble() -> None:
    with pytest.raises(outcome.CliError, match="there is no ModelDeployment rose"):
        examined(Cluster(iris()), name="rose")


def test_the_rights_that_are_asked_for_are_those_of_the_chart() -> None:
    """Those in the namespaces that it serves; what it reads of the cluster and the Lease stand apart."""
    text = (ROOT / "charts/tidegate/templates/rbac.yaml").read_text(encoding="utf-8")
    roles = text[: text.index("name: {{ $name }}-leader")].split("---\n")
    served = "".join(it for it in roles if "name: {{ $name }}-cluster-reader" not in it)
    rule = re.compile(r"- apiGroups: \[(.*)\]\n  resources: \[(.*)\]\n  verbs: \[(.*)\]")
    granted = {
        (group.strip('"'), kind, verb)
        for group, kinds, verbs in rule.findall(served)
        for kind in kinds.split(", ")
        for verb in verbs.split(", ")
    }
    asked = {
        (group, kind, verb)
        for group, kind, verbs in (*doctor.RIGHTS, *doctor.GATEWAY_RIGHTS)
        for verb in verbs
    }
    assert asked == granted


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
