"""What a synthetic inference has to be answered: its status, and places in its JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model

ANSWER: model.Json = {
    "outputs": [{"name": "score", "data": [0.25, True, None, "high"]}],
    "a/b": {"m~n": 3},
    "": {"0": 1},
    "far": float("inf"),
    "lost": float("nan"),
    "huge": 10**400,
}


def complaint(pointer: str, *, least: float | None = None, most: float | None = None) -> str:
    return model.ExpectedValue(pointer=pointer, min=least, max=most).complaint(ANSWER)


@pytest.mark.parametrize(
    "pointer",
    ["/outputs", "/outputs/0/data/0", "/outputs/0/data/2", "/a~1b/m~0n", "/", "//0"],
)
def test_what_is_there_is_enough(pointer: str) -> None:
    assert complaint(pointer) == ""


@pytest.mark.parametrize(
    "pointer",
    [
        "/outputs/1",
        "/outputs/00",
        "/outputs/-1",
        "/outputs/-",
        "/outputs/0/data/\u0660",
        "/outputs/0/data/0/x",
        "/outputs/0/name/0",
        "/a/b",
        "/none",
    ],
)
def test_what_is_not_there_is_named(pointer: str) -> None:
    assert complaint(pointer) == f"{pointer} is missing"
    assert complaint(pointer, least=0.0) == f"{pointer} is missing"


@pytest.mark.parametrize(
    ("pointer", "least", "most", "says"),
    [
        ("/outputs/0/data/0", 0.0, 1.0, ""),
        ("/outputs/0/data/0", 0.25, 0.25, ""),
        ("/outputs/0/data/0", 0.3, None, "is below 0.3"),
        ("/outputs/0/data/0", None, 0.2, "is above 0.2"),
        ("/huge", None, 1e300, "is above 1e+300"),
        ("/outputs/0/data/1", 0.0, 1.0, "is not a number"),
        ("/outputs/0/data/2", 0.0, None, "is not a number"),
        ("/outputs/0/data/3", None, 1.0, "is not a number"),
        ("/far", 0.0, None, "is not a finite number"),
        ("/lost", None, 1.0, "is not a finite number"),
    ],
)
def test_limits_ask_for_a_number(
    pointer: str, least: float | None, most: float | None, says: str
) -> None:
    assert complaint(pointer, least=least, most=most).removeprefix(f"{pointer} ") == says


def test_the_first_complaint_is_told_and_no_word_of_the_answer() -> None:
    probe = model.Probe(
        path="/infer",
        values=(
            model.ExpectedValue(pointer="/outputs/0/name"),
            model.ExpectedValue(pointer="/outputs/0/name", max=1.0),
            model.ExpectedValue(pointer="/none"),
        ),
    )
    assert probe.complaint(ANSWER) == "/outputs/0/name is not a number"
    assert probe.complaint({}) == "/outputs/0/name is missing"


@pytest.mark.parametrize(
    ("wanted", "status", "accepted"),
    [
        (0, 200, True),
        (0, 299, True),
        (0, 199, False),
        (0, 300, False),
        (201, 201, True),
        (201, 200, False),
        (400, 400, True),
    ],
)
def test_one_status_or_any_success(wanted: int, status: int, *, accepted: bool) -> None:
    probe = model.Probe(path="/", status=wanted)
    assert probe.accepts(status) is accepted
    assert probe.expected_status == (str(wanted) if wanted else "2xx")


def test_a_request_in_words_has_no_query_and_an_end() -> None:
    assert model.Probe(path="/infer?key=secret").text == "POST /infer"
    assert len(model.Probe(path="/" + "x" * 1000, method="GET").text) < 140


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(answer=JSON, pointer=st.from_regex(r"\A(/([^/~]|~[01])*)+\Z"), least=st.none() | st.floats())
def test_any_answer_gets_a_word(answer: model.Json, pointer: str, least: float | None) -> None:
    found = model.ExpectedValue(pointer=pointer, min=least).complaint(answer)
    assert found == "" or found.startswith(pointer)
