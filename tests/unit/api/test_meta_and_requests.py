from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.api import convert


def test_identity_is_read() -> None:
    body = {
        "metadata": {
            "namespace": "ml",
            "name": "fraud",
            "uid": "u-1",
            "generation": 7,
            "resourceVersion": "812",
            "deletionTimestamp": "2026-11-20T12:00:00Z",
            "finalizers": ["tidegate.dev/traffic-restore"],
        }
    }
    assert convert.read_meta(body) == model.ObjectMeta(
        namespace="ml",
        name="fraud",
        uid="u-1",
        generation=7,
        resource_version="812",
        deleting=True,
        finalizers=("tidegate.dev/traffic-restore",),
    )


def test_request_is_read_as_it_was_written() -> None:
    annotations = {
        "tidegate.dev/request": "promote",
        "tidegate.dev/request-revision": "8b1c22e9d4",
        "tidegate.dev/requested-at": "yesterday",
        "tidegate.dev/request-reason": "looks good",
        "other": "x",
    }
    assert convert.read_request(annotations) == model.Request(
        request="promote", revision="8b1c22e9d4", requested_at="yesterday", reason="looks good"
    )


@pytest.mark.parametrize("annotations", [None, {}, {"tidegate.dev/request-revision": "x"}])
def test_no_request_annotation_is_no_request(annotations: dict[str, Any] | None) -> None:
    assert convert.read_request(annotations) is None


JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers())


@given(
    value=JSON,
    member=st.sampled_from(["name", "uid", "generation", "finalizers", "deletionTimestamp"]),
)
def test_any_json_in_metadata_gives_an_identity(member: str, value: object) -> None:
    assert isinstance(convert.read_meta({"metadata": {member: value}}), model.ObjectMeta)
    assert convert.read_meta({"metadata": value}) == convert.read_meta({})


@given(value=JSON)
def test_malformed_request_is_still_a_request(value: object) -> None:
    found = convert.read_request({"tidegate.dev/request": value})
    assert found is not None
    assert found.revision == ""
