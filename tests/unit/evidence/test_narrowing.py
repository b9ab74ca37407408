from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.queries import narrowing
from tidegate.evidence.queries.narrowing import Matcher, Narrowing
from tidegate.evidence.terms import Problem, Series


def _matcher(pattern: str, *, positive: bool = True, label: str = "code") -> Matcher:
    return Matcher(label=label, positive=positive, pattern=pattern)


def _series(**labels: str) -> Series:
    return Series(labels=labels, samples=((1.0, 1.0),))


@pytest.mark.parametrize(
    ("pattern", "matches", "other"),
    [
        ("5..", ("500", "5\n1"), ("5", "5000", "1500", "")),
        ("5..|429", ("503", "429"), ("4290", "x429")),
        ("(5..|429)?", ("", "500"), ("42",)),
        ("[^2-4]..", ("500", "100"), ("200",)),
        (".*/infer", ("/infer", "/v2/models/a/infer"), ("/infer/x",)),
        ("/+(metrics|health)(/.*)?", ("/metrics", "//health/a"), ("metrics", "/healthz")),
        (r"a\.b\+\(", ("a.b+(",), ("axb+(",)),
        ("(?:a|b)c", ("ac", "bc"), ("c",)),
        ("", ("",), ("x",)),
    ],
)
def test_patterns_are_matched_in_full(
    pattern: str, matches: tuple[str, ...], other: tuple[str, ...]
) -> None:
    wanted = narrowing.narrowing([], bad=[_matcher(pattern)])
    unwanted = narrowing.narrowing([], bad=[_matcher(pattern, positive=False)])

    assert wanted is not None
    assert unwanted is not None
    for value in (*matches, *other):
        assert wanted.accepts(_series(code=value)) == (value in matches), value
        assert unwanted.accepts(_series(code=value)) == (value in other), value


def test_an_absent_label_is_the_empty_string() -> None:
    assert Narrowing(matchers=(_matcher(""),)).accepts(_series())
    assert Narrowing(matchers=(_matcher("x", positive=False),)).accepts(_series())
    assert not Narrowing(matchers=(_matcher(".+"),)).accepts(_series())


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d+",
        r"\pN",
        "(?i)ok",
        "(?P<a>x)",
        "a{2}",
        "^5..$",
        "a*?",
        "a*+",
        "a**",
        "(a+)+",
        "(a|b)*",
        "[a-]",
        r"[\d]",
        "[[:alpha:]]",
        "[z-a]",
        "[]",
        "(a",
        "a)",
        "*a",
        "é",
        "a*b*c*",
        "a?b?c?d?e?",
        "((((a))))(b)",
        "x" * 257,
    ],
)
def test_a_pattern_outside_the_subset_is_left_to_prometheus(pattern: str) -> None:
    assert narrowing.narrowing([], bad=[_matcher(pattern)]) is None


def test_only_the_conditions_beyond_the_total_are_applied() -> None:
    path, code = _matcher(r"\d+", label="path"), _matcher("5..")

    found = narrowing.narrowing([path], bad=[code, path])

    assert found == Narrowing(matchers=(code,))
    assert narrowing.narrowing([path], bad=[path]) == Narrowing(matchers=())


def test_bad_series_that_are_no_part_of_the_total_cannot_be_picked() -> None:
    path, code = _matcher("/infer", label="path"), _matcher("5..")

    assert narrowing.narrowing([path], bad=[code]) is None
    assert narrowing.narrowing([path, path], bad=[path]) is None


def test_picking_keeps_what_all_conditions_accept() -> None:
    both = Narrowing(matchers=(_matcher("5.."), _matcher("GET", positive=False, label="method")))
    total = [
        _series(code="500", method="POST"),
        _series(code="500", method="GET"),
        _series(code="200", method="POST"),
    ]

    assert both.pick(total) == (total[0],)


def test_a_label_that_is_too_long_is_a_named_problem() -> None:
    found = Narrowing(matchers=(_matcher(".*a.*b"),)).pick([_series(code="a" * 257)])

    assert isinstance(found, Problem)
    assert "label code is longer than 256" in found.message


_PIECES = st.sampled_from(
    ["a", "b", ".", ".*", "a+", "b?", "(", "(?:", ")", ")?", "|", "[ab]", "[^a]", r"\."]
)


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_whatever_is_accepted_compiles_and_ends_soon(pattern: str) -> None:
    found = narrowing.narrowing([], bad=[_matcher(pattern)])

    if found is None:
        return
    re.compile(pattern)
    began = time.thread_time()  # a pattern that backtracks takes minutes
    for value in ("a" * 256, "ab" * 128, "b" * 255 + "c"):
        found.accepts(_series(code=value))
    assert time.thread_time() - began < 0.5
