from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_case import Case
from api_examples import FULL, REMOVED, SMALLEST, SOURCES, place, value_at
from api_fields import (
    DUPLICATES,
    DURATIONS,
    NO_DURATIONS,
    SCHEMA_REFUSES,
    UNKNOWN_FIELDS,
    lenient,
)
from api_rules import RULES
from api_rules_templates import TEMPLATE_RULES
from hypothesis import given
from hypothesis import strategies as st
from json_values import ANY_JSON
from notification_examples import PROVIDER_RULES
from policy_examples import POLICY_RULES

from tidegate.api import convert, schema


def refusals(body: dict[str, Any]) -> dict[str, str]:
    """Message by path. Without any, there is a spec."""
    spec, violations = convert.read_spec(body, sources=SOURCES)
    assert spec is not None or any(it.blocks for it in violations)
    return {it.path: it.message for it in violations}


@pytest.mark.parametrize("case", RULES, ids=lambda case: case.rule)
def test_rule_lets_good_values_pass(case: Case) -> None:
    for value in case.good:
        body = place(case.body, case.at, value)
        assert refusals(body) == {}, value


@pytest.mark.parametrize("case", RULES, ids=lambda case: case.rule)
def test_rule_refuses_bad_values_and_says_why(case: Case) -> None:
    for value in case.bad:
        found = refusals(place(case.body, case.at, value))
        assert case.says in found[case.blames], value


def test_every_rule_of_a_kind_has_examples() -> None:
    """The input of `tidegate evaluate` is no kind; its rules have examples among the commands."""
    known = {case.rule for case in (*RULES, *TEMPLATE_RULES, *POLICY_RULES, *PROVIDER_RULES)}
    kinds = [it for it in _parts(schema.Part) if it.__module__ != "tidegate.api.counts_types"]
    assert {rule.id for part in kinds for rule in part.rules} <= known


def test_an_id_is_not_given_in_two_files() -> None:
    files: dict[str, set[str]] = {}
    for part in _parts(schema.Part):
        for rule in vars(part).get("rules", ()):
            files.setdefault(rule.id, set()).add(part.__module__)
    assert {name: found for name, found in files.items() if len(found) > 1} == {}


def _parts(part: type[schema.Part]) -> Iterator[type[schema.Part]]:
    for subclass in part.__subclasses__():
        yield subclass
        yield from _parts(subclass)


@pytest.mark.parametrize(("path", "limits", "beyond"), DURATIONS)
def test_durations_have_limits(path: str, limits: tuple[str, ...], beyond: tuple[str, ...]) -> None:
    for value in limits:
        assert refusals(place(lenient(path), path, value)) == {}
    for value in (*beyond, *NO_DURATIONS):
        found = refusals(place(lenient(path), path, value))
        assert "must be a duration from" in found[path], value


@pytest.mark.parametrize(("path", "values"), SCHEMA_REFUSES)
def test_value_outside_the_schema_is_refused_at_its_field(
    path: str, values: tuple[object, ...]
) -> None:
    for value in values:
        found = refusals(place(FULL, path, value))
        assert any(it.startswith(path) for it in found), (value, found)


@pytest.mark.parametrize("path", UNKNOWN_FIELDS)
def test_unknown_field_is_named_and_left_out(path: str) -> None:
    spec, (violation,) = convert.read_spec(place(FULL, path, {}), sources=SOURCES)
    assert (violation.path, violation.blocks) == (path, False)
    assert "is not known" in violation.message
    assert spec == convert.read_spec(FULL, sources=SOURCES)[0]


def test_what_else_is_wrong_counts_besides_an_unknown_field() -> None:
    body = place(place(FULL, "spec.futureField", 1), "spec.analysis.minRequests", "many")
    spec, violations = convert.read_spec(body, sources=SOURCES)
    assert spec is None
    assert {it.path: it.blocks for it in violations} == {
        "spec.futureField": False,
        "spec.analysis.minRequests": True,
    }


@pytest.mark.parametrize("path", ["spec.analysis.min_requests", "spec.revision_history_limit"])
def test_python_spelling_of_a_field_is_not_known(path: str) -> None:
    assert "is not known" in refusals(place(FULL, path, 5))[path]


@pytest.mark.parametrize(("path", "key"), DUPLICATES)
def test_key_used_twice_is_refused_at_the_second_item(path: str, key: str) -> None:
    body = _with_repetition(FULL, path)
    (where,) = [it for it in refusals(body) if it.startswith(path) and it.endswith(f".{key}")]
    assert "is used twice" in refusals(body)[where]


def _with_repetition(body: dict[str, Any], path: str) -> dict[str, Any]:
    node = value_at(body, path)
    return place(body, path, [*node, node[0]])


@pytest.mark.parametrize("path", ["spec", "spec.model", "spec.model.version", "spec.workload"])
def test_required_field_is_missed_at_its_place(path: str) -> None:
    message = refusals(place(SMALLEST, path, REMOVED))[path]
    assert message.startswith(("is required", "must be an object"))


def test_all_problems_are_named_at_once() -> None:
    body = place(FULL, "spec.model.version", 1.4)
    body = place(body, "spec.analysis.metrics[0].dryRun", True)
    body = place(body, "spec.analysis.metrics[1].threshold", {"min": 2, "max": 1})
    body = place(body, "spec.strategy.canary.steps[0].weight", 50)
    body = place(body, "metadata.name", "Fraud")
    assert set(refusals(body)) == {
        "metadata.name",
        "spec.model.version",
        "spec.analysis.metrics[0].critical",
        "spec.analysis.metrics[1].threshold.min",
        "spec.strategy.canary.steps",
    }


PORTS = "spec.workload.template.spec.containers[0].ports"


@pytest.mark.parametrize(
    ("declared", "spec", "blamed"),
    [
        ([], {}, []),
        ([{"containerPort": 8080}], {}, []),
        ([{"containerPort": 9000}], {}, ["spec.server.port"]),
        ([{"containerPort": 9000}], {"server": {"port": 9000}}, []),
        (
            [{"containerPort": 8080}],
            {"service": {"targetPort": 9000}},
            ["spec.service.targetPort"],
        ),
        (
            [{"containerPort": 9000}],
            {"service": {"targetPort": 9001}},
            ["spec.server.port", "spec.service.targetPort"],
        ),
        ([{"containerPort": "9000"}, "junk", None], {}, []),
        ("junk", {}, []),
    ],
)
def test_port_that_no_container_declares_is_missed(
    declared: object, spec: dict[str, Any], blamed: list[str]
) -> None:
    body = place(SMALLEST, PORTS, declared)
    found = refusals(body | {"spec": body["spec"] | spec})
    assert list(found) == blamed
    assert all("no container declares that port" in message for message in found.values())


@pytest.mark.parametrize(("port", "refused"), [(9000, True), (8080, False)])
def test_the_name_of_the_port_is_reserved(port: int, *, refused: bool) -> None:
    entry = {"name": "tidegate-http", "containerPort": port}
    body = place(SMALLEST, PORTS, [{"containerPort": 8080}, entry])
    assert ("spec.workload.template.spec.containers" in refusals(body)) == refused


def test_port_of_a_sidecar_counts_as_declared() -> None:
    sidecar = {"name": "proxy", "image": "p", "ports": [{"containerPort": 8080}]}
    body = place(SMALLEST, PORTS, [{"containerPort": 9000}])
    assert "spec.server.port" in refusals(body)
    body = place(body, "spec.workload.template.spec.initContainers", [sidecar])
    assert refusals(body) == {}


@pytest.mark.parametrize(
    ("name", "refused"),
    [("iris-0123456789", True), ("iris-0123456789a", False), ("iris-entry", False)],
)
def test_entry_service_must_not_look_like_the_service_of_a_revision(
    name: str, *, refused: bool
) -> None:
    found = refusals(place(SMALLEST, "spec.service.name", name))
    assert ("spec.service.name" in found) == refused


@pytest.mark.parametrize(
    ("provider", "scaling", "blamed"),
    [
        ("ReplicaRatio", {"maxUnavailablePercent": 10}, []),
        ("ReplicaRatio", {"matchTraffic": True}, []),
        ("ReplicaRatio", {"matchTraffic": False}, ["spec.strategy.scaling.matchTraffic"]),
        ("GatewayAPI", {"matchTraffic": False, "maxUnavailablePercent": 0}, []),
        (
            "GatewayAPI",
            {"maxUnavailablePercent": 0.5},
            ["spec.strategy.scaling.maxUnavailablePercent"],
        ),
    ],
)
def test_scaling_that_the_provider_cannot_do_is_refused(
    provider: str, scaling: dict[str, Any], blamed: list[str]
) -> None:
    gateway = {"gatewayAPI": {"parentRefs": [{"name": "g"}]}} if provider == "GatewayAPI" else {}
    body = place(SMALLEST, "spec.traffic", {"provider": provider, **gateway})
    _, violations = convert.read_spec(place(body, "spec.strategy.scaling", scaling))
    assert [it.path for it in violations] == blamed
    assert {it.reason for it in violations} <= {"UnsupportedByProvider"}


def test_unknown_metric_source_is_named_with_the_known_ones() -> None:
    body = place(SMALLEST, "spec.analysis.source", "other")
    (violation,) = convert.read_spec(body, sources=SOURCES)[1]
    assert (violation.path, violation.reason) == ("spec.analysis.source", "ReferenceNotFound")
    assert "known: default, slow" in violation.message


def test_offline_any_metric_source_is_taken() -> None:
    spec, violations = convert.read_spec(place(SMALLEST, "spec.analysis.source", "other"))
    assert violations == ()
    assert spec is not None


PATHS = [
    *(path for path, _ in SCHEMA_REFUSES),
    *(case.at for case in RULES if case.body is SMALLEST),
    "spec",
    "metadata",
    "spec.workload.template.spec.containers[0].ports",
]


@given(path=st.sampled_from(PATHS), value=ANY_JSON)
def test_any_json_anywhere_gives_a_spec_or_reasons(path: str, value: object) -> None:
    refusals(place(FULL, path, value))


@given(body=ANY_JSON)
def test_any_json_at_all_gives_reasons(body: Any) -> None:
    assert convert.read_spec(body)[1]


def test_deep_nesting_gives_an_answer() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    convert.read_spec({"spec": {"workload": {"template": {"spec": deep}}}})
