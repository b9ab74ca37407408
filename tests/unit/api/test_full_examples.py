"""The full example of each kind is the object by which every field is tested, decoded strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_examples import FULL, TEMPLATE
from policy_examples import CLUSTER_POLICY, FULL_POLICY_STATUS, POLICY
from status_examples import FULL_STATUS

from tidegate.api import convert, crdgen, documents, policies, status, templates

FOLDER = Path(__file__).parents[3] / "examples" / "full"
KINDS = {it.kind.lower(): it for it in crdgen.DEFINITIONS}


def example(kind: str) -> dict[str, Any]:
    body = documents.load((FOLDER / f"{kind}.yaml").read_text(encoding="utf-8"))
    assert isinstance(body, dict)
    return body


def unknown(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    """Members that the schema does not have: the API server would drop them without a word."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    if isinstance(value, list):
        items = enumerate(value)
        return [it for i, one in items for it in unknown(schema["items"], one, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    members = schema.get("properties", {})
    others = schema.get("additionalProperties")
    found = []
    for name, one in value.items():
        known = members.get(name, others)
        found += [f"{path}.{name}"] if known is None else unknown(known, one, f"{path}.{name}")
    return found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_in_it_is_unknown(kind: str) -> None:
    definition, body = KINDS[kind], example(kind)
    assert body["kind"] == definition.kind
    assert unknown(crdgen.structural(definition.spec), body["spec"], "spec") == []
    if definition.status is not None:
        held = body.get("status", {})
        assert unknown(crdgen.structural(definition.status), held, "status") == []


def test_the_model_deployment_is_read_without_a_word_and_its_status_whole() -> None:
    body = example("modeldeployment")
    read, violations = convert.read_spec(body)
    assert read is not None
    assert violations == ()
    assert status.read_status(body["status"]) == FULL_STATUS
    assert body == FULL | {"status": status.write_status(FULL_STATUS)}


@pytest.mark.parametrize("kind", ["metrictemplate", "clustermetrictemplate"])
def test_the_templates_are_read(kind: str) -> None:
    body = example(kind)
    read, problems = templates.read_template(body)
    assert read is not None
    assert problems == ()
    assert body["spec"] == TEMPLATE["spec"]


@pytest.mark.parametrize("body", [POLICY, CLUSTER_POLICY], ids=lambda it: it["kind"])
def test_the_policies_are_read_with_their_status(body: dict[str, Any]) -> None:
    shown = example(body["kind"].lower())
    assert policies.read_policy(shown)[1] == ()
    assert policies.read_status(shown["status"]) == FULL_POLICY_STATUS
    assert shown == body | {"status": policies.write_status(FULL_POLICY_STATUS)}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_its_reference_page_shows_it(kind: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / f"{kind}.md"
    assert (FOLDER / f"{kind}.yaml").read_text() in page.read_text()
