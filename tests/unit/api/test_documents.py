from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api import documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("2026.11", 2026.11),
        ("7", 7),
        ("-7", -7),
        ("1_000", 1000),
        ("0x1f", 31),
        ("010", 8),
        ("0o17", 15),
        ("true", True),
        ("on", True),
        ("~", None),
        ("'1e-3'", "1e-3"),
        ("1.2.3", "1.2.3"),
        ("1:30", "1:30"),
        ("2026-11-20", "2026-11-20"),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
        (".inf", ".inf"),
        ("=", "="),
        ("5m", "5m"),
    ],
)
def test_scalar_is_read_as_kubernetes_reads_it(text: str, value: object) -> None:
    found = documents.load(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_several_documents_are_read_and_empty_ones_left_out() -> None:
    assert documents.load_all("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert documents.load_all("") == []
    assert documents.load("") is None


def test_merge_keys_and_anchors_work() -> None:
    text = "base: &b {a: 1, b: 1}\nmore:\n  <<: *b\n  b: 2\n"
    assert documents.load(text)["more"] == {"a": 1, "b": 2}


def test_number_as_key_becomes_a_text() -> None:
    assert documents.load("1: x") == {"1": "x"}


_BOMB = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)),
    ]
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: a is given twice"),
        ("x:\n  - {k: 1, k: 2}", "line 2: k is given twice"),
        ("? [1]\n: 2", "line 1: a key must be a text"),
        ("a: [", "line 1"),
        ("a: b: c", "line 1"),
        ("&a [*a]", "an alias contains itself"),
        ("- !!python/object:os.system x", "is no JSON type"),
        ("a: !!binary aGk=", "is no JSON type"),
        ("a: !!timestamp 2026-01-01", "is no JSON type"),
        ("a: !!int x", "invalid"),
        ("a: \x00", "special characters are not allowed"),
        ("[" * 5000, "nested too deeply"),
        (_BOMB, "too many aliases"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(documents.DocumentError, match=says):
        documents.load_all(text)


def test_one_document_is_expected_where_one_is_asked_for() -> None:
    with pytest.raises(documents.DocumentError, match="one document expected, 2 given"):
        documents.load("a: 1\n---\nb: 1\n")


def test_keys_keep_their_order_and_texts_their_lines() -> None:
    text = documents.dump({"b": 1, "a": ["x", "z"], "script": "one\ntwo\n"})
    assert text == "b: 1\na:\n  - x\n  - z\nscript: |\n  one\n  two\n"


@pytest.mark.parametrize(
    "text", ["1e-3", "on", "y", "N", "0o17", "1_000", "null", "2026-01-01", "1:30", ".inf", "0x1"]
)
def test_text_that_looks_like_something_else_is_quoted(text: str) -> None:
    assert documents.dump([text]) == f"- '{text}'\n"


def test_several_documents_are_read_one_by_one() -> None:
    assert documents.load_all("a: 1\n---\nb: [1, 2]\n") == [{"a": 1}, {"b": [1, 2]}]


def test_repeated_objects_are_written_in_full() -> None:
    shared = {"a": 1}
    assert "&" not in documents.dump([shared, shared])


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(document=JSON)
def test_what_is_written_is_read_back(document: Any) -> None:
    assert documents.load(documents.dump(document)) == document


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(documents.DocumentError):
        assert isinstance(documents.load_all(text), list)
