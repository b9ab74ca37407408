"""When two answers are equal, and how far their scores lie apart."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparer import answers
from comparer.answers import Difference, Kind, UnparsableError


def v2(data: Any, **more: Any) -> dict[str, Any]:
    output = {"name": "predict", "shape": [1, 1], "datatype": "INT64", "data": data, **more}
    return {"model_name": "iris", "model_version": "1", "id": "x", "outputs": [output]}


def outputs(**values: float) -> dict[str, Any]:
    """Tensors in the order in which they are given."""
    found = [{"name": name, "shape": [1], "data": [it]} for name, it in values.items()]
    return {"model_name": "iris", "outputs": found}


def chat(name: str, *, number: int) -> dict[str, Any]:
    """An answer that calls a tool, with all that is drawn anew for each."""
    call = {"id": f"call_{number}", "type": "function", "function": {"name": name}}
    return {
        "id": f"chatcmpl-{number}",
        "system_fingerprint": f"fp_{number}",
        "service_tier": f"tier_{number}",
        "choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}}],
    }


def compare(one: Any, other: Any, *, tolerance: float = 0.01) -> Difference:
    said = (answers.read(json.dumps(it).encode()) for it in (one, other))
    return answers.compare(*said, tolerance=tolerance)


@pytest.mark.parametrize(
    ("one", "other", "kind", "score"),
    [
        (v2([2]), v2([2]), None, None),
        (v2([2]), v2([1]), Kind.VALUE, None),
        (v2([2]), {**v2([2]), "model_version": "2", "id": "y"}, None, None),
        (v2([[0.25, 0.75]]), v2([0.25, 0.75]), None, 0.0),
        (v2([0.5]), v2([0.5078125]), None, 0.0078125),
        (v2([0.5]), v2([0.75]), Kind.VALUE, 0.25),
        (v2([0.5, 0.5]), v2([0.5]), Kind.SHAPE, 0.0),
        (v2([2]), v2([2], name="other"), Kind.VALUE, None),
        (v2([2]), v2([2], shape=[1]), Kind.SHAPE, None),
        (outputs(label=1, score=0.5), outputs(score=0.5, label=1), None, 0.0),
        (outputs(label=1, other=2), outputs(other=1, label=2), Kind.VALUE, None),
        (outputs(label=1, other=2), outputs(other=2), Kind.SHAPE, None),
        (chat("yes", number=1), chat("yes", number=2), None, None),
        (chat("yes", number=1), chat("no", number=1), Kind.VALUE, None),
        ({"tool_calls": "none"}, {"tool_calls": "none"}, None, None),
        ({"tool_calls": ["a"]}, {"tool_calls": ["b"]}, Kind.VALUE, None),
        ({"found": [{"id": 1}]}, {"found": [{"id": 2}]}, Kind.VALUE, None),
        (v2([2]), v2([2], parameters={"content_type": "np"}), None, None),
        (v2([1]), v2([1.0]), None, 0.0),
        (v2([True]), v2([1]), Kind.SHAPE, None),
        (v2(["spam"]), v2(["ham"]), Kind.VALUE, None),
        (v2([0.5]), v2([None]), Kind.SHAPE, None),
        (v2([0.5]), v2([math.nan]), Kind.NOT_FINITE, None),
        (v2([math.nan]), v2([math.nan]), Kind.NOT_FINITE, None),
        (v2([math.inf, 0.5]), v2([math.inf, 0.75]), Kind.NOT_FINITE, 0.25),
        (v2([0.5]), v2([10**400]), Kind.NOT_FINITE, None),
        ({"predictions": [[1, 2]]}, {"predictions": [[1, 2]], "id": "x"}, None, None),
        ({"label": "cat", "p": 0.5}, {"label": "cat", "p": 0.505}, None, pytest.approx(0.005)),
        ({"label": "cat"}, {"label": "cat", "why": "ears"}, Kind.SHAPE, None),
        ([1, 2], [1, 2], None, None),
        ("yes", "no", Kind.VALUE, None),
        (None, None, None, None),
    ],
)
def test_equal_or_not(one: Any, other: Any, kind: Kind | None, score: float | None) -> None:
    assert compare(one, other) == Difference(kind=kind, score=score)
    assert compare(other, one) == Difference(kind=kind, score=score)


def test_the_tolerance_is_that_of_the_scores() -> None:
    assert compare(v2([0.5]), v2([0.75]), tolerance=0.25).kind is None
    assert compare(v2([0.5]), v2([0.75]), tolerance=0.2).kind is Kind.VALUE
    assert compare(v2([1]), v2([2]), tolerance=5.0).kind is Kind.VALUE


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"{}", b'{"id": "1", "model_name": "m"}'],
)
def test_what_says_nothing_is_no_answer(body: bytes) -> None:
    with pytest.raises(UnparsableError):
        answers.read(body)


def test_deep_nesting_is_compared_or_refused_but_breaks_nothing() -> None:
    deep = b"[" * 900 + b"0.5" + b"]" * 900
    body = b'{"outputs": [{"name": "p", "data": ' + deep + b"}]}"
    assert answers.compare(answers.read(body), answers.read(body), tolerance=0.0).kind is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(one=JSON, other=JSON)
def test_comparing_is_total_and_the_same_from_both_ends(one: Any, other: Any) -> None:
    found = answers.compare(one, other, tolerance=0.1)
    assert found == answers.compare(other, one, tolerance=0.1)
    assert found.score is None or math.isfinite(found.score)


@given(value=JSON)
def test_an_answer_agrees_with_itself_unless_a_score_is_no_number(value: Any) -> None:
    kind = answers.compare(value, value, tolerance=0.0).kind
    finite = "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)
    assert kind is None if finite else kind in {None, Kind.NOT_FINITE}
