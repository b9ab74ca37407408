"""NotificationProvider on a real API server: its schema, its rules and its status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_case import Case
from api_client import ApiClient
from api_examples import REMOVED, place
from notification_examples import FULL_PROVIDER_STATUS, PROVIDER, PROVIDER_RULES

from tidegate.api import documents, notifications

pytestmark = pytest.mark.apiserver
EXAMPLE = Path(__file__).parents[3] / "examples" / "notifications.yaml"


def test_a_provider_is_stored_unchanged(kube_client: ApiClient) -> None:
    answer = kube_client.create(PROVIDER)
    assert answer.code == 201, answer
    assert answer.body["spec"] == PROVIDER["spec"]
    assert notifications.read_provider(answer.body)[1] == ()


@pytest.mark.parametrize("case", PROVIDER_RULES, ids=lambda case: case.rule)
def test_both_keep_the_rules(kube_client: ApiClient, case: Case) -> None:
    for value in case.good:
        answer = kube_client.create(place(case.body, case.at, value))
        assert answer.code == 201, answer
    for value in case.bad:
        answer = kube_client.create(place(case.body, case.at, value))
        assert answer.code == 422, answer
        assert any(case.says in message for _, message in answer.causes), answer


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.type", "Pager"),
        ("spec.type", REMOVED),
        ("spec.receiver", "Risk Chat"),
        ("spec.events", ["rolled back"]),
        ("spec.minSeverity", "Fatal"),
        ("spec.maxPerMinute", 0),
        ("spec.timeout", "1h"),
        ("spec.retries", 11),
        ("spec.template", "x" * 2049),
    ],
)
def test_both_refuse_a_value_at_its_field(kube_client: ApiClient, path: str, value: object) -> None:
    body = place(PROVIDER, path, value)
    answer = kube_client.create(body)
    assert answer.code == 422, answer
    assert any(one.path.startswith(path) for one in notifications.read_provider(body)[1])


def test_its_status_is_taken_as_it_is_written(kube_client: ApiClient) -> None:
    body: dict[str, Any] = PROVIDER | {"metadata": {"name": "said", "namespace": "default"}}
    created = kube_client.create(body, dry_run=False)
    assert created.code == 201, created
    try:
        document = notifications.write_status(FULL_PROVIDER_STATUS)
        address = {key: body[key] for key in ("apiVersion", "kind", "metadata")}
        said = kube_client.apply(
            address | {"status": document}, subresource="/status", force="true"
        )
        assert said.code == 200, said
        assert notifications.read_status(said.body["status"]) == FULL_PROVIDER_STATUS
    finally:
        assert kube_client.delete(body).code == 200


def test_the_examples_are_taken(kube_client: ApiClient) -> None:
    for body in documents.load_all(EXAMPLE.read_text()):
        placed = body | {"metadata": body["metadata"] | {"namespace": "default"}}
        answer = kube_client.create(placed)
        assert answer.code == 201, answer
        assert answer.body["spec"] == body["spec"]
