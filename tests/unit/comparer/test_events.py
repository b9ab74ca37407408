"""What is read of an event, in both modes, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparer import events
from comparer.events import HUMAN, LABEL_TYPE, Logged, Refusal, Why

ANSWER = "org.kubeflow.serving.inference.response"
# As KServe's agent sends it, started with --inference-service iris --endpoint $(TIDEGATE_REVISION).
KSERVE = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "0e3c1b9e-0000-4000-8000-000000000000",
    "ce-type": ANSWER,
    "ce-source": "http://localhost:9081/",
    "ce-inferenceservicename": "iris",
    "ce-namespace": "ml",
    "ce-component": "predictor",
    "ce-endpoint": "6d9f7c01ab",
    "ce-metadata": '{"X-Request-Id":["r-1"]}',
}
BODY = b'{"predictions": [1]}'
LOGGED = Logged(namespace="ml", model="iris", side="6d9f7c01ab", request_id="r-1", body=BODY)


def changed(**changes: str | None) -> dict[str, str]:
    named = {f"ce-{name}": value for name, value in changes.items()}
    return {name: value for name, value in {**KSERVE, **named}.items() if value is not None}


def structured(headers: dict[str, str], **more: Any) -> bytes:
    attributes = {k.removeprefix("ce-"): v for k, v in headers.items() if k.startswith("ce-")}
    return json.dumps({**attributes, **more}).encode()


STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def test_binary_mode_as_kserve_sends_it() -> None:
    assert events.read(KSERVE, BODY) == LOGGED


@pytest.mark.parametrize(
    "data",
    [{"data": {"predictions": [1]}}, {"data_base64": base64.b64encode(BODY).decode()}],
)
def test_structured_mode(data: dict[str, Any]) -> None:
    assert events.read(STRUCTURED, structured(KSERVE, **data)) == LOGGED


@pytest.mark.parametrize(
    ("changes", "request_id"),
    [
        ({"requestid": "own"}, "own"),
        ({"metadata": None}, KSERVE["ce-id"]),
        ({"metadata": "{}"}, KSERVE["ce-id"]),
        ({"metadata": "no json"}, KSERVE["ce-id"]),
        ({"metadata": "[" * 100_000}, KSERVE["ce-id"]),
        ({"metadata": '{"x-request-id":[]}'}, KSERVE["ce-id"]),
        ({"metadata": "%7B%22X-Request-Id%22:[%22r%202%22]%7D"}, "r 2"),
    ],
)
def test_the_id_is_that_of_the_request_where_it_is_told(
    changes: dict[str, str | None], request_id: str
) -> None:
    found = events.read(changed(**changes), BODY)
    assert isinstance(found, Logged)
    assert found.request_id == request_id


def test_own_names_go_before_those_of_kserve() -> None:
    found = events.read(changed(modeldeployment="digits", revision="aa"), BODY)
    assert isinstance(found, Logged)
    assert (found.model, found.side) == ("digits", "aa")


def test_a_label_is_what_a_person_says() -> None:
    found = events.read(changed(type=LABEL_TYPE, endpoint=None), BODY)
    assert isinstance(found, Logged)
    assert found.side == HUMAN


@pytest.mark.parametrize("kind", ["org.kubeflow.serving.inference.request", "com.example.other"])
def test_what_is_no_answer_is_passed_over(kind: str) -> None:
    assert events.read(changed(type=kind), BODY) is None


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({}, BODY, Why.NO_EVENT),
        ({"content-type": "application/json"}, BODY, Why.NO_EVENT),
        (changed(specversion=None), BODY, Why.NO_EVENT),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", Why.NO_EVENT),
        (STRUCTURED, b"", Why.NO_EVENT),
        (STRUCTURED, b"[]", Why.NO_EVENT),
        (STRUCTURED, b"[" * 100_000, Why.NO_EVENT),
        (STRUCTURED, structured(KSERVE, data_base64="no base64!"), Why.NO_EVENT),
        (STRUCTURED, structured(KSERVE, type=7), Why.NO_EVENT),
        (changed(inferenceservicename=None), BODY, Why.NO_NAMES),
        (changed(inferenceservicename='x"}'), BODY, Why.NO_NAMES),
        (changed(inferenceservicename="x" * 64), BODY, Why.NO_NAMES),
        (changed(endpoint=None), BODY, Why.NO_NAMES),
        (changed(endpoint="Human"), BODY, Why.NO_NAMES),
        (changed(endpoint="a\nb"), BODY, Why.NO_NAMES),
        (changed(id=None, metadata=None), BODY, Why.NO_ID),
        (changed(requestid="x" * 257), BODY, Why.NO_ID),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_word(
    headers: dict[str, str], body: bytes, why: Why
) -> None:
    found = events.read(headers, body)
    assert isinstance(found, Refusal)
    assert found.why is why
    assert found.message


@given(
    headers=st.dictionaries(
        st.sampled_from([*KSERVE, "ce-requestid", "ce-revision", "ce-modeldeployment"]),
        st.sampled_from([*KSERVE.values(), *STRUCTURED.values()]) | st.text(max_size=300),
    ),
    body=st.binary(max_size=200),
)
def test_reading_is_total(headers: dict[str, str], body: bytes) -> None:
    found = events.read(headers, body)
    assert found is None or isinstance(found, Logged | Refusal)
