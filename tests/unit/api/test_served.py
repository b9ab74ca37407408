"""Schemas of CRDs that are older or newer than the operator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tidegate import ports
from tidegate.api import crdgen, served

DEFINITIONS = {it.resource: it for it in crdgen.DEFINITIONS}
Change = Callable[[dict[str, Any]], object]


def lacking(kind: ports.Kind, change: Change) -> tuple[str, ...]:
    """What a cluster lacks whose schema differs from ours by a change."""
    schema = copy.deepcopy(crdgen.object_schema(DEFINITIONS[kind]))
    change(schema)
    return served.lacking(DEFINITIONS[kind], schema)


def at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The node of a field; `[]` is an item."""
    for name in path.split("."):
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return schema


def without(path: str) -> Change:
    parent, _, name = path.rpartition(".")
    return lambda schema: (at(schema, parent) if parent else schema)["properties"].pop(name)


@pytest.mark.parametrize("definition", crdgen.DEFINITIONS, ids=lambda it: it.kind)
def test_schema_of_this_release_suits(definition: crdgen.Definition) -> None:
    assert served.lacking(definition, crdgen.object_schema(definition)) == ()


@pytest.mark.parametrize(
    ("kind", "path", "named"),
    [
        (ports.MODEL_DEPLOYMENT, "status.evidence", "status.evidence"),
        (ports.MODEL_DEPLOYMENT, "status.health.status", "status.health.status"),
        (ports.MODEL_DEPLOYMENT, "status.rollout.plan.[].name", "status.rollout.plan[].name"),
        (ports.MODEL_DEPLOYMENT, "status", "status"),
        (ports.MODEL_DEPLOYMENT, "spec.analysis", "spec.analysis"),
        (
            ports.MODEL_DEPLOYMENT,
            "spec.analysis.metrics.[].dryRun",
            "spec.analysis.metrics[].dryRun",
        ),
        (ports.ROLLOUT_RECORD, "spec.by", "spec.by"),
        (ports.METRIC_TEMPLATE, "spec.provider.source", "spec.provider.source"),
        (ports.CLUSTER_METRIC_TEMPLATE, "spec.type", "spec.type"),
    ],
)
def test_missing_field_is_named_by_its_path(kind: ports.Kind, path: str, named: str) -> None:
    assert lacking(kind, without(path)) == (named,)


def test_all_that_is_missing_is_named_in_short() -> None:
    def change(schema: dict[str, Any]) -> None:
        for name in list(at(schema, "status")["properties"])[:7]:
            del at(schema, "status")["properties"][name]

    missing = lacking(ports.MODEL_DEPLOYMENT, change)
    assert len(missing) == 7
    assert served.named(missing).endswith(" and 2 more")
    assert served.named(missing[:5]) == ", ".join(missing[:5])


def test_fields_of_a_newer_release_are_nobodys_business() -> None:
    def change(schema: dict[str, Any]) -> None:
        at(schema, "status")["properties"]["future"] = {"type": "string"}
        at(schema, "spec")["required"] = ["future"]

    assert lacking(ports.MODEL_DEPLOYMENT, change) == ()


def test_schema_that_keeps_what_it_does_not_know_lacks_nothing() -> None:
    def change(schema: dict[str, Any]) -> None:
        schema["properties"]["status"] = {"type": "object", crdgen.PRESERVE: True}

    assert lacking(ports.MODEL_DEPLOYMENT, change) == ()


@pytest.mark.parametrize(
    ("kind", "path", "node", "said"),
    [
        (
            ports.MODEL_DEPLOYMENT,
            "status.rollout.attempt",
            {"type": "string"},
            "status.rollout.attempt (string there, integer here)",
        ),
        (
            ports.MODEL_DEPLOYMENT,
            "spec.paused",
            {"type": "string"},
            "spec.paused (string there, boolean here)",
        ),
        (
            ports.MODEL_DEPLOYMENT,
            "status.message",
            {"maxLength": 100},
            "status.message (at most 100 characters there, 1024 here)",
        ),
        (
            ports.MODEL_DEPLOYMENT,
            "status.rejectedRevisions",
            {"maxItems": 20},
            "status.rejectedRevisions (at most 20 items there, 50 here)",
        ),
        (
            ports.ROLLOUT_RECORD,
            "spec.reason",
            {"maxLength": 10},
            "spec.reason (at most 10 characters there, 1024 here)",
        ),
        (
            ports.MODEL_DEPLOYMENT,
            "status.rollout",
            {"required": ["stable"]},
            "status.rollout.stable (must be given there, unknown here)",
        ),
    ],
)
def test_field_that_would_refuse_our_value_is_named_with_the_reason(
    kind: ports.Kind, path: str, node: dict[str, Any], said: str
) -> None:
    assert lacking(kind, lambda schema: at(schema, path).update(node)) == (said,)


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("spec.model.name", {"maxLength": 10}),  # between users and their cluster
        ("status.message", {"maxLength": 5000}),
        ("status.rollout.attempt", {"type": "number"}),
    ],
)
def test_field_that_takes_our_values_is_not_named(path: str, node: dict[str, Any]) -> None:
    assert lacking(ports.MODEL_DEPLOYMENT, lambda schema: at(schema, path).update(node)) == ()
