"""An idle fleet costs next to nothing: 50 ModelDeployments at rest, and nobody writes.

Prometheus is asked for the series of models that have pods and have not shown any yet, ever more
rarely; nobody else costs a query.

Writes are counted twice: by the operator itself, and by the versions of all objects in the
namespace. Queries are counted by the operator, at the one place where all of them pass; the sum
that Prometheus keeps is of all its clients, so it says something only while no other Tidegate
runs in the cluster, and is compared then.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest
from cluster_client import NAMESPACE, Client
from cluster_scene import Model, Scene
from cluster_tidegate import WRITES, Operator

from tidegate import ports

pytestmark = [pytest.mark.cluster, pytest.mark.replicas(2)]

MODELS = 50
# A pod costs a second of processor time to start. The others ask for no pods; for the operator
# they are the same objects in the same state.
MODELS_WITH_A_POD = 6
IDLE_SECONDS = 60.0
LOOK_SECONDS = 5.0  # shorter than any other test has a Tidegate
QUERIES_PER_POD = 12  # three looks for what is missing, each of a few questions
LOOKED_AT = (
    ports.MODEL_DEPLOYMENT,
    ports.DEPLOYMENT,
    ports.SERVICE,
    ports.ENDPOINT_SLICE,
    ports.HTTP_ROUTE,
    ports.POD,
    ports.EVENT,
)
# Behind a Gateway weights are exact, so no pod has to be missing for them.
_WITHOUT_MEANING = {"scaling": {"maxUnavailablePercent": 10}}
QUERIES = "prometheus_http_requests_total"


def test_fifty_models_at_rest_cause_no_write_and_few_queries(scene: Scene) -> None:
    _bring_to_rest(scene)
    pods = [pod["metadata"]["name"] for pod in scene.operator.pods()]
    alone = _no_other_tidegate(scene)
    requests, queries = _requests(scene.operator, pods), _queries(scene.operator, pods)
    versions, asked = _versions(scene), _asked_of_prometheus(scene.client)
    assert len([key for key in versions if key[0] == "ModelDeployment"]) == MODELS

    ends_at = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < ends_at:
        time.sleep(LOOK_SECONDS)
        alone = alone and _no_other_tidegate(scene)

    done = Counter(_requests(scene.operator, pods))
    done.subtract(requests)
    print(f"\n{MODELS} models, {IDLE_SECONDS:g} s: requests by verb {_positive(done)}")
    assert pods == [pod["metadata"]["name"] for pod in scene.operator.pods()]
    assert not {verb for verb in WRITES if done[verb]}, done
    changed = versions.items() ^ _versions(scene).items()
    assert not changed, changed
    own = _queries(scene.operator, pods) - queries
    answered = _asked_of_prometheus(scene.client) - asked
    print(f"queries: {own:g}, answered by Prometheus: {answered:g}; other Tidegates: {not alone}")
    assert own <= QUERIES_PER_POD * MODELS_WITH_A_POD
    assert answered <= 2 * QUERIES_PER_POD * MODELS_WITH_A_POD or not alone


def _bring_to_rest(scene: Scene) -> None:
    """48 served, half of them behind the Gateway and some with a pod; one rejected, one invalid."""
    plain = [scene.model(f"m{number:02}", gateway=number % 2 == 0) for number in range(MODELS - 2)]
    rejected = scene.model("rejected", gateway=False, replicas=0)
    invalid = scene.model("invalid", gateway=True, replicas=0, strategy=_WITHOUT_MEANING)
    for number, model in enumerate(plain):
        model.apply("1", replicas=1 if number < MODELS_WITH_A_POD else 0)
    for model in (rejected, invalid):
        model.apply("1")
    rejected.wait_for_phase("Healthy", seconds=180)
    _reject(rejected)
    invalid.wait_for_phase("Invalid", seconds=120)
    for model in plain:
        model.wait_for_phase("Healthy", seconds=180)
    for model in (*plain, rejected):
        model.wait_for_rest()
    _wait_until_quiet(scene)


def _reject(model: Model) -> None:
    """Version 2 asks for a pod that does not become ready; a person gives it up."""
    applied_at = model.apply("2", env={"READY_DELAY_SECONDS": "600"}, replicas=1)
    model.ask("abort", of=model.wait_for_phase("Pending", seconds=120, since=applied_at))
    model.wait_for_phase("RolledBack", seconds=120, since=applied_at)


def _wait_until_quiet(scene: Scene) -> None:
    """Pods that end and endpoints that follow are the work of Kubernetes: until they are done."""
    deadline, versions, since = time.monotonic() + 240, _versions(scene), time.monotonic()
    while time.monotonic() - since < 10:
        time.sleep(1)
        now = _versions(scene)
        if now != versions or _pods_leave(scene):
            versions, since = now, time.monotonic()
        assert time.monotonic() < deadline, f"never quiet\n{scene.operator.logs()}"


def _pods_leave(scene: Scene) -> bool:
    """Pods that were told to end, and have yet to: nothing is heard of them until they have."""
    pods = scene.client.list(ports.POD, namespace=scene.namespace)
    return any("deletionTimestamp" in pod["metadata"] for pod in pods)


def _versions(scene: Scene) -> dict[tuple[str, str], str]:
    """The resourceVersion of every object in the namespace that anybody might write.

    Events on pods are Kubernetes's own: a busy machine is late with an answer to a probe.
    """
    return {
        (kind.kind, body["metadata"]["name"]): body["metadata"]["resourceVersion"]
        for kind in LOOKED_AT
        for body in scene.client.list(kind, namespace=scene.namespace)
        if kind is not ports.EVENT or body["regarding"]["kind"] == ports.MODEL_DEPLOYMENT.kind
    }


def _requests(operator: Operator, pods: list[str]) -> Counter[str]:
    total: Counter[str] = Counter()
    for pod in pods:
        total.update(operator.requests(pod))
    return total


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {verb: int(count) for verb, count in sorted(counts.items()) if count}


def _queries(operator: Operator, pods: list[str]) -> float:
    return sum(operator.metric_queries(pod) for pod in pods)


def _no_other_tidegate(scene: Scene) -> bool:
    """Whether the only Tidegate in the cluster is ours, and no demo asks Prometheus."""
    names = {body["metadata"]["name"] for body in scene.client.list(NAMESPACE)}
    running = scene.client.list(ports.POD, **{"app.kubernetes.io/part-of": "tidegate"})
    strangers = [pod for pod in running if pod["metadata"]["namespace"] != scene.namespace]
    return not strangers and "tidegate-demo" not in names


def _asked_of_prometheus(client: Client) -> float:
    """Queries that Prometheus has answered, for whomever."""
    text = client.text("/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/metrics")
    lines = [line for line in text.splitlines() if line.startswith(QUERIES)]
    return sum(float(line.rpartition(" ")[2]) for line in lines if "/api/v1/query" in line)
