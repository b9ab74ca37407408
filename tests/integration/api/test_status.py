"""The status as the operator writes it, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from api_client import Answer, ApiClient
from api_examples import SMALLEST, place
from status_examples import FULL_STATUS

from tidegate import model
from tidegate.api import convert

pytestmark = pytest.mark.apiserver


@pytest.fixture
def stored(kube_client: ApiClient) -> Iterator[dict[str, Any]]:
    """A ModelDeployment of its own."""
    body = place(SMALLEST, "metadata.name", "with-status")
    answer = kube_client.create(body, dry_run=False)
    assert answer.code == 201, answer
    yield answer.body
    kube_client.delete(body)


def apply(client: ApiClient, stored: dict[str, Any], status: dict[str, Any]) -> Answer:
    metadata = {key: stored["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    body = {key: stored[key] for key in ("apiVersion", "kind")}
    return client.apply(
        body | {"metadata": metadata, "status": status}, subresource="/status", force="true"
    )


def test_every_field_of_a_status_is_stored_and_read_back(
    kube_client: ApiClient, stored: dict[str, Any]
) -> None:
    written = convert.write_status(FULL_STATUS)
    answer = apply(kube_client, stored, written)
    assert answer.code == 200, answer
    assert answer.body["status"] == written
    assert convert.read_status(answer.body["status"]) == FULL_STATUS


def test_status_shrinks_and_grows_again(kube_client: ApiClient, stored: dict[str, Any]) -> None:
    for status in (FULL_STATUS, model.Status(), FULL_STATUS):
        answer = apply(kube_client, stored, convert.write_status(status))
        assert answer.code == 200, answer
        assert convert.read_status(answer.body["status"]) == status
        stored = answer.body


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "\ud800 half a pair", "\x00\x1b[31m", "日本" * 999]
)
def test_no_text_blocks_the_write(
    kube_client: ApiClient, stored: dict[str, Any], text: str
) -> None:
    rejected = tuple(
        replace(FULL_STATUS.rejected[0], revision=f"{index:010x}", reason=text)
        for index in range(200)
    )
    status = replace(FULL_STATUS, message=text, rejected=rejected)
    written = convert.write_status(status)
    answer = apply(kube_client, stored, written)
    assert answer.code == 200, answer
    assert convert.write_status(convert.read_status(answer.body["status"])) == written


def test_old_version_of_the_object_is_a_conflict(
    kube_client: ApiClient, stored: dict[str, Any]
) -> None:
    assert apply(kube_client, stored, convert.write_status(FULL_STATUS)).code == 200
    assert apply(kube_client, stored, convert.write_status(model.Status())).code == 409


def test_status_is_not_written_with_the_object(
    kube_client: ApiClient, stored: dict[str, Any]
) -> None:
    changed = place(stored, "status", convert.write_status(FULL_STATUS))
    changed = place(changed, "spec.paused", True)
    answer = kube_client.replace(changed)
    assert answer.code == 200, answer
    assert "status" not in answer.body
    assert answer.body["metadata"]["generation"] == 2
