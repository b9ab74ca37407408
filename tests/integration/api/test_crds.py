"""Our CRDs on a real API server: the same examples as for our own checks."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from api_case import Case
from api_client import Answer, ApiClient
from api_examples import FULL, REMOVED, SMALLEST, TEMPLATE, place, value_at
from api_fields import (
    CONTAINERS,
    DUPLICATES,
    DURATIONS,
    NO_DURATIONS,
    SCHEMA_REFUSES,
    UNKNOWN_FIELDS,
    lenient,
)
from api_rules import RULES
from api_rules_templates import TEMPLATE_RULES
from status_examples import FULL_STATUS, NOON
from tests.cluster.api import ControlPlane

from tidegate import model, ports
from tidegate.api import convert, documents, record, revision

pytestmark = pytest.mark.apiserver

EXAMPLES = Path(__file__).parents[3] / "examples"
ALL_RULES = (*RULES, *TEMPLATE_RULES)


def refused(answer: Answer, *, field: str, says: str = "") -> None:
    """The answer is a refusal that blames the field and says what is wrong with it."""
    assert answer.code == 422, answer
    assert any(where.startswith(field) and says in message for where, message in answer.causes), (
        answer.causes
    )


@pytest.fixture
def stored(kube_client: ApiClient) -> Iterator[dict[str, Any]]:
    """A ModelDeployment that exists for the time of a test."""
    answer = kube_client.create(SMALLEST, dry_run=False)
    assert answer.code == 201, answer
    yield answer.body
    kube_client.delete(SMALLEST)


def test_all_kinds_are_established(tidegate_plane: ControlPlane) -> None:
    found = json.loads(tidegate_plane.kubectl("get", "crd", "-o", "json"))["items"]
    conditions = {
        (it["metadata"]["name"], condition["type"]): condition["status"]
        for it in found
        for condition in it["status"]["conditions"]
    }
    for plural in (
        "modeldeployments",
        "metrictemplates",
        "clustermetrictemplates",
        "rolloutrecords",
    ):
        assert conditions[f"{plural}.tidegate.dev", "Established"] == "True"
        assert (f"{plural}.tidegate.dev", "NonStructuralSchema") not in conditions


@pytest.mark.parametrize("body", [SMALLEST, FULL, TEMPLATE], ids=["smallest", "full", "template"])
def test_good_object_is_stored_unchanged(kube_client: ApiClient, body: dict[str, Any]) -> None:
    answer = kube_client.create(body)
    assert answer.code == 201, answer
    expected = copy.deepcopy(body["spec"])
    if body is SMALLEST:
        # The two defaults of the schema.
        expected["paused"] = False
        expected["workload"]["replicas"] = 1
    assert answer.body["spec"] == expected


def test_cluster_template_has_no_namespace(kube_client: ApiClient) -> None:
    body = TEMPLATE | {"kind": "ClusterMetricTemplate", "metadata": {"name": "infer-errors"}}
    assert kube_client.create(body).code == 201


@pytest.mark.parametrize("case", ALL_RULES, ids=lambda case: case.rule)
def test_rule_lets_good_values_pass(kube_client: ApiClient, case: Case) -> None:
    for value in case.good:
        answer = kube_client.create(place(case.body, case.at, value))
        assert answer.code == 201, (value, answer)


@pytest.mark.parametrize("case", ALL_RULES, ids=lambda case: case.rule)
def test_rule_refuses_bad_values_and_says_why(kube_client: ApiClient, case: Case) -> None:
    for value in case.bad:
        answer = kube_client.create(place(case.body, case.at, value))
        refused(answer, field=case.blames, says=case.says)


@pytest.mark.parametrize(("path", "limits", "beyond"), DURATIONS)
def test_durations_have_limits(
    kube_client: ApiClient, path: str, limits: tuple[str, ...], beyond: tuple[str, ...]
) -> None:
    room = lenient(path)
    for value in limits:
        answer = kube_client.create(place(room, path, value))
        assert answer.code == 201, (value, answer)
    for value in beyond:
        refused(
            kube_client.create(place(room, path, value)),
            field=path,
            says="must be a duration from",
        )
    for value in NO_DURATIONS:
        refused(kube_client.create(place(room, path, value)), field=path)


@pytest.mark.parametrize(("path", "values"), SCHEMA_REFUSES)
def test_value_outside_the_schema_is_refused_at_its_field(
    kube_client: ApiClient, path: str, values: tuple[object, ...]
) -> None:
    for value in values:
        refused(kube_client.create(place(FULL, path, value)), field=path)


@pytest.mark.parametrize("path", ["spec", "spec.model", "spec.model.version", "spec.workload"])
def test_required_field_is_missed_at_its_place(kube_client: ApiClient, path: str) -> None:
    refused(kube_client.create(place(SMALLEST, path, REMOVED)), field=path, says="Required value")


@pytest.mark.parametrize("path", UNKNOWN_FIELDS)
def test_unknown_field_is_refused_by_name(kube_client: ApiClient, path: str) -> None:
    answer = kube_client.create(place(FULL, path, {}))
    assert answer.code == 400
    assert f'unknown field "{path}"' in answer.body["message"]


@pytest.mark.parametrize(("path", "key"), DUPLICATES)
def test_key_used_twice_is_refused(kube_client: ApiClient, path: str, key: str) -> None:
    node = value_at(FULL, path)
    answer = kube_client.create(place(FULL, path, [*node, node[0]]))
    if (path, key) == CONTAINERS:
        refused(answer, field=path, says="name is used twice: give every item its own name")
        return
    refused(answer, field=f"{path}[{len(node)}]", says="Duplicate value")
    assert any(key in message for _, message in answer.causes)


@pytest.mark.parametrize("replicas", [2**63, -(2**63), 1e308])
def test_huge_number_is_refused(kube_client: ApiClient, replicas: float) -> None:
    answer = kube_client.create(place(SMALLEST, "spec.workload.replicas", replicas))
    assert answer.code in {400, 422}


def test_huge_object_is_refused(kube_client: ApiClient) -> None:
    note = {"note": "x" * 4_000_000}
    answer = kube_client.create(
        place(SMALLEST, "spec.workload.template.metadata.annotations", note)
    )
    assert answer.code in {400, 413, 422}


def assert_fixed(kube_client: ApiClient, bodies: Sequence[Any], *, field: str, taken: bool) -> None:
    """The second body is taken in place of the first, or refused for a field that cannot be changed."""
    before, after = bodies
    created = kube_client.create(before, dry_run=False)
    assert created.code == 201, created
    try:
        answer = kube_client.replace(place(after, "metadata", created.body["metadata"]))
        if taken:
            assert answer.code == 200, answer
        else:
            says = f"{field.removeprefix('spec.')} cannot be changed"
            refused(answer, field=field, says=says)
    finally:
        kube_client.delete(SMALLEST)


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        (REMOVED, "iris", True),
        (REMOVED, "other", False),
        ("iris", REMOVED, True),
        ("entry", REMOVED, False),
        ("entry", "other", False),
    ],
)
def test_entry_service_keeps_its_name(
    kube_client: ApiClient, before: object, after: object, *, taken: bool
) -> None:
    path = "spec.service"
    bodies = [
        SMALLEST if name is REMOVED else place(SMALLEST, f"{path}.name", name)
        for name in (before, after)
    ]
    assert_fixed(kube_client, bodies, field="spec.service.name", taken=taken)


GATEWAY: dict[str, Any] = {
    "provider": "GatewayAPI",
    "gatewayAPI": {"parentRefs": [{"name": "g"}]},
}


SHOP = {"mode": "Existing", "routeRefs": [{"name": "shop"}]}


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        (SHOP, {**SHOP, "routeRefs": [{"name": "other"}]}, True),
        (GATEWAY["gatewayAPI"], {**GATEWAY["gatewayAPI"], "mode": "Managed"}, True),
        (GATEWAY["gatewayAPI"], SHOP, False),
        (SHOP, GATEWAY["gatewayAPI"], False),
    ],
)
def test_the_mode_of_the_route_is_fixed(
    kube_client: ApiClient, before: object, after: object, *, taken: bool
) -> None:
    bodies = [
        place(place(SMALLEST, "spec.traffic", GATEWAY), "spec.traffic.gatewayAPI", gateway)
        for gateway in (before, after)
    ]
    assert_fixed(kube_client, bodies, field="spec.traffic.gatewayAPI.mode", taken=taken)


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        ({}, {"routeKind": "HTTPRoute"}, True),
        ({"routeKind": "GRPCRoute"}, {"routeKind": "GRPCRoute"}, True),
        ({}, {"routeKind": "GRPCRoute"}, False),
        ({"routeKind": "GRPCRoute"}, {}, False),
    ],
)
def test_the_kind_of_our_route_is_fixed(
    kube_client: ApiClient, before: dict[str, str], after: dict[str, str], *, taken: bool
) -> None:
    traffic = place(SMALLEST, "spec.traffic", GATEWAY)
    parents = {"parentRefs": [{"name": "inference"}]}
    bodies = [
        place(traffic, "spec.traffic.gatewayAPI", {**parents, **more}) for more in (before, after)
    ]
    assert_fixed(kube_client, bodies, field="spec.traffic.gatewayAPI.routeKind", taken=taken)


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        (REMOVED, {"provider": "ReplicaRatio"}, True),
        ({"provider": "ReplicaRatio"}, REMOVED, True),
        (REMOVED, GATEWAY, False),
        (GATEWAY, {"provider": "ReplicaRatio"}, False),
        (GATEWAY, REMOVED, False),
    ],
)
def test_traffic_provider_is_fixed(
    kube_client: ApiClient, before: object, after: object, *, taken: bool
) -> None:
    bodies = [
        SMALLEST if traffic is REMOVED else place(SMALLEST, "spec.traffic", traffic)
        for traffic in (before, after)
    ]
    assert_fixed(kube_client, bodies, field="spec.traffic.provider", taken=taken)


def test_pod_spec_keeps_fields_that_the_crd_does_not_list(kube_client: ApiClient) -> None:
    extra = {
        "name": "server",
        "image": "i",
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "aFieldOfNextYear": {"deep": [1, {"x": True}]},
    }
    body = place(SMALLEST, "spec.workload.template.spec.containers", [extra])
    body = place(body, "spec.workload.template.spec.alsoNew", {"a": 1})
    answer = kube_client.create(body)
    assert answer.code == 201, answer
    assert answer.body["spec"]["workload"]["template"] == body["spec"]["workload"]["template"]


def test_object_without_a_declared_port_is_taken_but_found_invalid(
    kube_client: ApiClient,
) -> None:
    ports = [{"containerPort": 9000}]
    body = place(SMALLEST, "spec.workload.template.spec.containers[0].ports", ports)
    answer = kube_client.create(body)
    assert answer.code == 201, answer
    _, violations = convert.read_spec(answer.body)
    assert all(it.blocks for it in violations)
    assert [it.path for it in violations] == ["spec.server.port"]


def test_what_the_server_takes_our_own_checks_take_too(kube_client: ApiClient) -> None:
    for body in (SMALLEST, FULL):
        spec, violations = convert.read_spec(kube_client.create(body).body)
        assert violations == ()
        assert spec == convert.read_spec(body)[0]


@pytest.mark.parametrize("body", [SMALLEST, FULL], ids=["smallest", "full"])
def test_storing_an_object_does_not_change_its_revision(
    kube_client: ApiClient, body: dict[str, Any]
) -> None:
    stored = kube_client.create(body).body
    assert revision.revision_of(stored) == revision.revision_of(body)


@pytest.mark.parametrize("column", ["Ready", "Phase", "Step", "Weight", "Stable", "Candidate"])
def test_columns_tell_the_story(
    tidegate_plane: ControlPlane, stored: dict[str, Any], column: str
) -> None:
    assert stored
    for name in ("mdep", "ml", "tidegate"):
        header = tidegate_plane.kubectl("get", name, "-n", "default").splitlines()[0]
        assert column.upper() in header


def test_objects_can_be_selected_by_model_and_provider(
    tidegate_plane: ControlPlane, stored: dict[str, Any], kube_client: ApiClient
) -> None:
    assert stored
    named = place(FULL, "metadata", {"name": "fraud", "namespace": "default"})
    assert kube_client.create(named, dry_run=False).code == 201
    try:
        for selector in ("spec.model.name=fraud", "spec.traffic.provider=GatewayAPI"):
            found = tidegate_plane.kubectl(
                "get", "mdep", "-n", "default", "--field-selector", selector, "-o", "name"
            )
            assert found.split() == ["modeldeployment.tidegate.dev/fraud"]
    finally:
        kube_client.delete(named)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_example_is_taken(kube_client: ApiClient, path: Path) -> None:
    bodies = documents.load_all(path.read_text(encoding="utf-8"))
    ours = [it for it in bodies if it["apiVersion"].startswith(f"{ports.TIDEGATE_GROUP}/")]
    assert ours
    for body in ours:  # a route of the user may stand beside them
        answer = kube_client.create(body)
        assert answer.code == 201, answer


def recorded(stored: dict[str, Any], *, steps: int) -> dict[str, Any]:
    """The record of a rollout in which everything is set, as the operator creates it."""
    meta = convert.read_meta(stored)
    rollout = FULL_STATUS.rollout
    assert rollout is not None
    rollout = dataclasses.replace(rollout, plan=(rollout.plan[0],) * steps)
    last = model.LastRollout(
        id="iris-8b1c22e9d4-1",
        result=model.RolloutResult.ROLLED_BACK,
        finished_at=NOON,
        reason="error-ratio 0.08 > 0.01 (n=5210)",
        by="Analysis",
        revision="8b1c22e9d4",
        record="iris-8b1c22e9d4-1",
    )
    return record.write_record(meta, last=last, rollout=rollout)


@pytest.mark.parametrize("steps", [1, 32])
def test_a_record_is_stored_as_it_was_written_and_stays_small(
    kube_client: ApiClient, stored: dict[str, Any], steps: int
) -> None:
    body = recorded(stored, steps=steps)
    answer = kube_client.create(body, dry_run=False)
    assert answer.code == 201, answer
    try:
        assert answer.body["spec"] == body["spec"]
        assert len(json.dumps(answer.body, separators=(",", ":")).encode()) < 10_000
    finally:
        kube_client.delete(body)


def test_a_record_never_changes(kube_client: ApiClient, stored: dict[str, Any]) -> None:
    body = recorded(stored, steps=1)
    created = kube_client.create(body, dry_run=False)
    assert created.code == 201, created
    try:
        changed = {**created.body, "spec": {**created.body["spec"], "result": "Promoted"}}
        refused(kube_client.replace(changed), field="spec", says="a record is never changed")
        labelled = copy.deepcopy(created.body)
        labelled["metadata"]["labels"]["team"] = "ml"
        assert kube_client.replace(labelled).code == 200
        assert kube_client.create(body, dry_run=False).code == 409
    finally:
        kube_client.delete(body)


def test_columns_of_records_tell_how_rollouts_ended(
    tidegate_plane: ControlPlane, kube_client: ApiClient, stored: dict[str, Any]
) -> None:
    body = recorded(stored, steps=1)
    assert kube_client.create(body, dry_run=False).code == 201
    try:
        head, line = tidegate_plane.kubectl("get", "rrec", "-n", "default").splitlines()
        assert head.split() == ["NAME", "MODEL", "REVISION", "RESULT", "BY", "REASON", "FINISHED"]
        assert line.split()[:5] == [
            "iris-8b1c22e9d4-1",
            stored["metadata"]["name"],
            "8b1c22e9d4",
            "RolledBack",
            "Analysis",
        ]
    finally:
        kube_client.delete(body)
