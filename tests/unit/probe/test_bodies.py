"""Requests and answers of the protocols that model servers speak, and bodies that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_examples import fraud

from tidegate_probe import Profile, bodies
from tidegate_probe.bins import NumericBins
from tidegate_probe.bodies import BodyError
from tidegate_probe.fields import Field

FRAUD = fraud()
ONE = Profile("m", "1", 1, {"x": Field(NumericBins(()), (1, 0, 0))}, {})


def scored() -> Profile:
    return Profile("m", "1", 1, dict(ONE.features), {"score": Field(NumericBins(()), (1, 0, 0))})


def tensor(name: str, shape: list[int], data: object) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data}


NAMED = {"amount": [1.0, 2.0], "country": ["DE", "FR"]}


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [tensor("amount", [2], [1.0, 2.0]), tensor("country", [2, 1], ["DE", "FR"])]},
        {
            "inputs": [
                tensor("country", [2, 1], [["DE"], ["FR"]]),
                tensor("amount", [2], [1.0, 2.0]),
            ]
        },
        {"inputs": [tensor("rows", [2, 2], [1.0, "DE", 2.0, "FR"])]},
        {"inputs": [tensor("rows", [2, 2], [[1.0, "DE"], [2.0, "FR"]])]},
        {"instances": [{"amount": 1.0, "country": "DE"}, {"country": "FR", "amount": 2.0, "x": 1}]},
        {"instances": [[1.0, "DE"], [2.0, "FR"]]},
        [{"amount": 1.0, "country": "DE"}, {"amount": 2.0, "country": "FR"}],
    ],
)
def test_rows_of_a_request(document: object) -> None:
    assert bodies.features(document, FRAUD) == NAMED


def test_one_object_is_one_row() -> None:
    found = bodies.features({"amount": 1.0}, FRAUD)
    assert found == {"amount": [1.0], "country": [None]}


def test_a_tensor_that_is_not_there_is_not_made_up() -> None:
    document = {"inputs": [tensor("amount", [1], [1.0]), tensor("hour", [1], [3])]}
    assert bodies.features(document, FRAUD) == {"amount": [1.0]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"outputs": [tensor("predict", [2], [0.1, 0.9])]}, [0.1, 0.9]),
        ({"outputs": [tensor("score", [2, 2], [0.9, 0.1, 0.1, 0.9])]}, [0.1, 0.9]),
        ({"outputs": [tensor("x", [1], ["a"]), tensor("score", [2, 1], [0.1, 0.9])]}, [0.1, 0.9]),
        ({"predictions": [0.1, 0.9]}, [0.1, 0.9]),
        ({"predictions": [[0.1], [0.9]]}, [0.1, 0.9]),
        ({"predictions": [[0.9, 0.1], [0.1, 0.9]]}, [0.1, 0.9]),
        ({"predictions": [{"score": 0.1}, {"score": 0.9}]}, [0.1, 0.9]),
        ({"score": 0.7, "took": 1}, [0.7]),
    ],
)
def test_an_answer(document: object, expected: list[float]) -> None:
    assert bodies.outputs(document, scored()) == {"score": expected}


def test_a_profile_without_outputs_asks_nothing_of_the_answer() -> None:
    assert bodies.outputs("anything", ONE) == {}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, "no rows"),
        ("text", "no rows"),
        ([], "no rows"),
        ({"instances": []}, "no rows"),
        ({"instances": {"amount": 1}}, "no rows"),
        ({"instances": [[1.0]]}, "a list of 2 values"),
        ({"instances": [[1.0, "DE"], {"amount": 1}]}, "a list of 2 values"),
        ({"inputs": None}, "no list of objects"),
        ({"inputs": [1]}, "no list of objects"),
        ({"inputs": []}, "no tensor has the name"),
        ({"inputs": [tensor("a", [1], [1]), tensor("b", [1], [1])]}, "no tensor has the name"),
        ({"inputs": [tensor("rows", [1, 3], [1, 2, 3])]}, r"has the shape \[rows, 2\]"),
        ({"inputs": [tensor("rows", [2], [1, 2])]}, r"has the shape \[rows, 2\]"),
        ({"inputs": [tensor("rows", [2, 2], [1, 2, 3])]}, "data and shape"),
        ({"inputs": [tensor("rows", [9] * 250_000, [1])]}, "8 at most"),
        ({"inputs": [tensor("rows", [10**400, 2], [1, 2])]}, "none above"),
        ({"inputs": [tensor("rows", [-1, -2], [1, 2])]}, "numbers above 0"),
        ({"inputs": [tensor("rows", [], [])]}, "numbers above 0"),
        ({"inputs": [{"name": "rows", "data": [1]}]}, "numbers above 0"),
        ({"inputs": [tensor("rows", [1, 2], "ab")]}, "without a list"),
        ({"inputs": [tensor("rows", [2, 2], [[1, 2], 3])]}, "unevenly"),
        (
            {"inputs": [tensor("amount", [1, 3], [1, 2, 3]), tensor("country", [1], ["DE"])]},
            "3 values per row",
        ),
    ],
)
def test_bodies_without_rows(document: object, told: str) -> None:
    with pytest.raises(BodyError, match=told):
        bodies.features(document, FRAUD)


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(BodyError, match="no JSON"):
        bodies.loaded(body)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["inputs", "outputs", "instances", "name", "shape", "data", "amount"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANY_JSON)
def test_any_json_is_rows_of_one_length_or_refused(document: object) -> None:
    body = json.dumps(document).encode()
    for columns in (bodies.features, bodies.outputs):
        try:
            found = columns(bodies.loaded(body), FRAUD)
        except BodyError:
            continue
        assert found
        assert all(isinstance(column, list) for column in found.values())


@pytest.mark.parametrize(
    ("document", "expected"),
    [({"id": "a"}, "a"), ({"id": ""}, None), ({"id": 1}, None), ([], None)],
)
def test_the_identifier_of_a_request(document: object, expected: str | None) -> None:
    assert bodies.identifier(document) == expected


def test_rows_of_one_request_have_identifiers_of_their_own() -> None:
    assert bodies.row_identifiers("a", rows=1) == ["a"]
    assert bodies.row_identifiers("a", rows=2) == ["a/0", "a/1"]
    assert bodies.row_identifiers(None, rows=2) == []
