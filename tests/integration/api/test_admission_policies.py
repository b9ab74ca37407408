"""The chart's admission policies on a real API server: what our policies ask of a spec, without the operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from admission_cases import BODY, CASES, REACHES, STEPS, Case, Reach, Verdict, changed, step
from api_client import Answer, ApiClient
from api_examples import Object, place
from policy_examples import CLUSTER_POLICY, NOON, POLICY
from tests.cluster import kubectl
from tests.cluster.api import ControlPlane
from tools import admission

from tidegate import model
from tidegate.api import convert
from tidegate.rollout.strategy.compile import first_plan

pytestmark = pytest.mark.apiserver


def policy(spec: Object, *, name: str, namespace: str = "") -> Object:
    body = POLICY if namespace else CLUSTER_POLICY
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return body | {"metadata": metadata, "spec": spec}


def within(namespace: str, body: Object = BODY, **changes: Any) -> Object:
    return place(changed(body, changes), "metadata.namespace", namespace)


def rules_in(text: str) -> set[str]:
    """The rules that a refusal or a warning speaks of."""
    return {name for name in admission.RULES if f" {name}: " in text}


def refused(answer: Answer) -> set[str]:
    """The rules by which it is refused; empty where it is admitted."""
    if answer.code in {200, 201}:
        return set()
    assert "denied request" in answer.body["message"], answer.body["message"]
    return rules_in(answer.body["message"])


Groups = list[dict[str, Any]]


def grouped() -> tuple[Groups, Callable[[Case], int]]:
    """Each value of each rule once, in as few policies as can be."""
    values: dict[str, list[Any]] = {}
    for case in CASES:
        known = values.setdefault(case.rule, [])
        known += [] if case.value in known else [case.value]
    groups: Groups = [{} for _ in range(max(map(len, values.values())))]
    for rule, given in values.items():
        for at, value in enumerate(given):
            groups[at][rule] = value
    return groups, lambda it: values[it.rule].index(it.value)


GROUPS, group_of = grouped()
OLD = "old"
# What an old object does not keep, and other rules beside.
STRICT: Object = {
    "constraints": {
        "minHold": "15m",
        "minReplicas": 4,
        "maxInitialWeight": 10,
        "images": {"requireDigest": True},
        "modelURIs": {"requireDigest": True},
        "metricSources": {"forbidFreeQueries": True},
    }
}
QUERY = {"name": "gpu", "query": "up", "threshold": {"max": 1}}
BEFORE = within(
    OLD,
    **{
        STEPS: [step("a", 20, hold="5m"), step("b", 50, hold="20m")],
        "spec.workload.replicas": 2,
        "spec.analysis.metrics": [QUERY],
    },
)


@pytest.fixture(scope="module")
def client(chart_plane: ControlPlane) -> Iterator[ApiClient]:
    """An object from before, then policies, in namespaces of their own."""
    names = [f"group-{at}" for at in range(len(GROUPS))]
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": it}} for it in (*names, OLD)
    ]
    strict = [
        policy({"constraints": it}, name="all", namespace=name)
        for name, it in zip(names, GROUPS, strict=True)
    ]
    apply(chart_plane, [*namespaces, BEFORE])
    apply(chart_plane, [*strict, policy(STRICT, name="strict", namespace=OLD)])
    with closing(ApiClient(chart_plane)) as made:
        wait_until(lambda: refused(made.create(within(OLD, BODY))), what="policies")
        yield made
        chart_plane.kubectl("delete", "rolloutpolicies", "--all", "-n", OLD)


def apply(plane: ControlPlane, items: list[Object]) -> None:
    bundle = {"apiVersion": "v1", "kind": "List", "items": items}
    plane.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(bundle))


def wait_until(done: Callable[[], object], *, what: str) -> None:
    kubectl.wait_for(what, lambda: bool(done()), timeout_seconds=120)


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_cel_and_the_rules_of_the_operator_agree(client: ApiClient, group: int) -> None:
    """The same table as in tests/unit/policy/test_admission_cases.py."""
    cases = [it for it in CASES if group_of(it) == group]
    given = [(it, refused(client.create(within(f"group-{group}", it.asked)))) for it in cases]
    differing = [
        (it.name, it.changes)
        for it, found in given
        if (it.rule in found) is not (it.verdict is Verdict.REFUSED)
    ]
    assert differing == []


def test_a_refusal_names_policy_rule_field_limit_and_remedy(client: ApiClient) -> None:
    said = client.create(within(OLD, BODY)).body["message"]
    assert "RolloutPolicy/strict, " in said
    assert "minHold: the hold of step p10, p25, p50 is shorter than 15m: raise it; " in said
    assert "minReplicas: workload.replicas is 1, at least 4 are asked for: raise it" in said
    assert "image images.example.com/iris:1 has no digest: name it as image@sha256:..." in said


# --- whom and how --------------------------------------------------------------------------------


def test_whom_a_policy_binds_and_how(client: ApiClient, chart_plane: ControlPlane) -> None:
    bodies = [
        policy(it.policy, name=it.name, namespace="" if it.cluster else "default") for it in REACHES
    ]
    try:
        apply(chart_plane, bodies)
        # The server learns of each kind in the order in which policies were made.
        ready = [
            next(it for it in reversed(REACHES) if _shows(it, cluster=far)) for far in (True, False)
        ]
        wait_until(lambda: all(refused(client.create(it.asked)) for it in ready), what="policies")
        found = {it.name: _told(client.create(it.asked)) for it in REACHES}
        assert found == {it.name: it.admission for it in REACHES}
    finally:
        chart_plane.kubectl("delete", "clusterrolloutpolicies", "--all")
        chart_plane.kubectl("delete", "rolloutpolicies", "--all", "-n", "default")


def _shows(reach: Reach, *, cluster: bool) -> bool:
    return reach.cluster is cluster and reach.admission == "Deny"


def _told(answer: Answer) -> str:
    if answer.code != 201:
        return "Deny" if refused(answer) else str(answer.body)
    return "Warn" if rules_in(answer.warning) else ""


# --- old objects ---------------------------------------------------------------------------------

DIGEST = "images.example.com/iris@sha256:" + "0" * 64
STEP = f"{STEPS}[0]"
IMAGE = "spec.workload.template.spec.containers[0].image"
EDITS: dict[str, tuple[Object, set[str]]] = {
    "labels": ({"metadata.labels": {"team": "risk"}}, set()),
    "request": ({"metadata.annotations": {"tidegate.dev/request": "abort"}}, set()),
    "finalizer": ({"metadata.finalizers": ["example.com/mine"]}, set()),
    "pause": ({"spec.paused": True}, set()),
    "another part of a step": ({f"{STEP}.minRequests": 7}, set()),
    "a longer hold": ({f"{STEP}.hold": "6m"}, set()),
    "a shorter hold": ({f"{STEP}.hold": "4m"}, {"minHold"}),
    "more pods": ({"spec.workload.replicas": 3}, set()),
    "fewer pods": ({"spec.workload.replicas": 1}, {"minReplicas"}),
    "no pods": ({"spec.workload.replicas": 0}, set()),
    "a smaller first weight": ({f"{STEP}.weight": 15}, set()),
    "a larger first weight": ({f"{STEP}.weight": 25}, {"maxInitialWeight"}),
    "another image": ({IMAGE: "images.example.com/iris:2"}, {"images"}),
    "a pinned image": ({IMAGE: DIGEST}, set()),
    "a new version": ({"spec.model.version": "2"}, {"modelURIs"}),
    "another query": ({"spec.analysis.metrics": [QUERY | {"query": "down"}]}, {"metricSources"}),
    # Two at once: one is mended, another one is not.
    "a mixture": ({f"{STEP}.hold": "20m", IMAGE: "images.example.com/iris:3"}, {"images"}),
}


def test_an_old_object_may_be_edited_where_a_rule_does_not_get_worse(
    client: ApiClient, chart_plane: ControlPlane
) -> None:
    before = stored(chart_plane)
    found = {
        name: refused(client.replace(changed(before, changes), dry_run=True))
        for name, (changes, _) in EDITS.items()
    }
    assert found == {name: rules for name, (_, rules) in EDITS.items()}


def stored(plane: ControlPlane) -> Object:
    body: Object = json.loads(plane.kubectl("get", "mdep", "iris", "-n", OLD, "-o", "json"))
    return body


def test_going_back_and_what_goes_on_are_known_by_status(
    client: ApiClient, chart_plane: ControlPlane
) -> None:
    """A version that serves may come back with all that stood beside it; labels do not let one out."""
    tell(client, active=True)
    old = changed(stored(chart_plane), {IMAGE: "images.example.com/iris:0", f"{STEP}.hold": "1m"})
    back = client.replace(place(old, "spec.model.version", "1.3.0"), dry_run=True)
    assert refused(back) == set()
    forward = client.replace(place(old, "spec.model.version", "1.3.1"), dry_run=True)
    assert refused(forward) == {"images", "minHold", "modelURIs"}
    selecting = STRICT | {"selector": {"matchLabels": {"team": "risk"}}}
    apply(chart_plane, [policy(selecting, name="strict", namespace=OLD)])
    try:
        tell(client, active=False)
        free = place(stored(chart_plane), f"{STEP}.hold", "1m")
        wait_until(lambda: not refused(client.replace(free, dry_run=True)), what="the selector")
        tell(client, active=True)
        bound = place(stored(chart_plane), f"{STEP}.hold", "1m")
        assert refused(client.replace(bound, dry_run=True)) == {"minHold"}
    finally:
        apply(chart_plane, [policy(STRICT | {"selector": {}}, name="strict", namespace=OLD)])
        wait_until(lambda: refused(client.create(within(OLD, BODY))), what="policies")


def tell(client: ApiClient, *, active: bool) -> None:
    """1.3.0 serves; the newest rollout began with the policy, and is over unless it is active."""
    rollout = model.Rollout(
        id="iris-8b1c22e9d4-1",
        revision=model.Revision(hash="8b1c22e9d4", digest="8b1c22e9d4", model_version="1.4.0"),
        attempt=1,
        active=active,
        started_at=NOON,
        progress_at=NOON,
        plan=first_plan(),
        policies=("RolloutPolicy/strict@1",),
    )
    stable = model.RevisionStatus(
        revision="6d9f7c01ab", model_version="1.3.0", replicas=2, ready_replicas=2, since=NOON
    )
    body = {it: BEFORE[it] for it in ("apiVersion", "kind")} | {
        "metadata": {"name": "iris", "namespace": OLD},
        "status": convert.write_status(model.Status(stable=stable, rollout=rollout)),
    }
    answer = client.apply(body, subresource="/status", force="true")
    assert answer.code == 200, answer


# --- limits --------------------------------------------------------------------------------------


def largest() -> tuple[Object, Object]:
    """A policy and a spec as large as the schema lets them be, and no rule is kept."""
    far = ["s3://" + f"{at:02}" + "p" * 2000 for at in range(16)]
    checks = [{"metric": f"m{at:02}" + "c" * 59, "maxThreshold": 0.01} for at in range(16)]
    names = [f"m{at:02}" + "g" * 59 for at in range(16)]
    metrics = [QUERY | {"name": f"m{at:02}" + "x" * 59, "query": "q" * 4096} for at in range(32)]
    limits = [{"name": it["name"], "threshold": {"max": 1}} for it in metrics]
    constraints = {
        "minHold": "720h",
        "maxStepIncrease": 1,
        "mandatoryChecks": checks,
        "metricGroups": [{"name": f"g{at}", "anyOf": names, "atLeast": 16} for at in range(8)],
        "metricSources": {"allowed": ["mine"], "forbidFreeQueries": True},
        "images": {"requireDigest": True},
        "modelURIs": {"allowedPrefixes": far, "requireDigest": True},
    }
    containers = [{"name": f"c{at}", "image": "i" * 1024} for at in range(32)]
    body = within(
        "default",
        **{
            STEPS: [step(f"s{at}", 3 * (at + 1), metrics=limits) for at in range(32)],
            "spec.analysis.metrics": metrics,
            "spec.model.uri": far[0][:-1] + "q" * 40,
            "spec.model.artifacts": [{"name": f"a{at}", "uri": "t" * 2048} for at in range(16)],
            "spec.workload.template.spec": {"containers": containers, "initContainers": containers},
        },
    )
    return {"constraints": constraints, "selector": {"matchLabels": {"case": "large"}}}, body


def test_the_largest_policy_and_spec_cost_no_more_than_the_server_allows(
    client: ApiClient, chart_plane: ControlPlane
) -> None:
    spec, body = largest()
    body = place(body, "metadata.labels", {"case": "large"})
    apply(chart_plane, [policy(spec, name="large")])
    try:
        # Admitted if any rule cost too much; the message is cut before it comes to the others.
        said = {"maxStepIncrease", "minHold", "mandatoryChecks"}
        wait_until(lambda: refused(client.create(body)) == said, what="the policy")
    finally:
        chart_plane.kubectl("delete", "clusterrolloutpolicies", "--all")


# --- what is never refused -----------------------------------------------------------------------


def test_status_scale_deletion_and_finalizers_go_their_way(
    client: ApiClient, chart_plane: ControlPlane
) -> None:
    """The last one: it takes the old object away."""
    held = place(stored(chart_plane), "metadata.finalizers", ["example.com/held"])
    assert client.replace(held).code == 200
    tell(client, active=False)
    chart_plane.kubectl("scale", "mdep", "iris", "-n", OLD, "--replicas=1")
    assert client.delete(BEFORE).code == 200
    leaving = stored(chart_plane)
    assert leaving["metadata"]["deletionTimestamp"]
    freed = changed(leaving, {"metadata.finalizers": [], f"{STEP}.hold": "1s"})
    assert client.replace(freed).code == 200
