from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.queries import narrowing
from tidegate.evidence.queries.narrowing import Matcher, Narrowing
from tidegate.evidence.terms import Problem, Reason, Series


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


# --- conditions that could never see a bad event -----------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "labels", "missing"),
    [
        (_matcher("5.."), {"status": "5xx"}, True),
        (_matcher("5.."), {"code": "200"}, False),
        (_matcher("5.."), {"code": ""}, True),  # an empty label is none
        (_matcher("OK", positive=False), {"state": "OK"}, True),
        (_matcher("OK", positive=False), {"code": "OK"}, False),
        (_matcher("(5..)?"), {"status": "5xx"}, False),  # asks for those without the label
        (_matcher("", positive=False), {"status": "5xx"}, False),
        (Matcher(label="code", positive=False, pattern="x", optional=True), {"a": "b"}, False),
        (Matcher(label="code", positive=True, pattern="5..", also=("status",)), {"a": "b"}, True),
        (
            Matcher(label="code", positive=True, pattern="5..", also=("status",)),
            {"status": "200"},
            False,
        ),
        (
            Matcher(label="code", positive=True, pattern="5..", known="[1-5].."),
            {"code": "ok"},
            True,
        ),
    ],
)
def test_a_condition_on_a_label_that_no_series_has_is_an_error(
    condition: Matcher, labels: dict[str, str], *, missing: bool
) -> None:
    narrowed = Narrowing(matchers=(condition,))
    series = [_series(revision="a", method="POST", **labels)]

    found = narrowed.pick(series)

    assert isinstance(found, Problem) is missing
    assert (narrowed.blindness(series) is not None) is missing
    if isinstance(found, Problem):
        assert found.reason is Reason.ERROR
        assert "of revision a" in found.message


def test_labels_that_were_seen_are_named_without_those_of_the_scrape() -> None:
    series = _series(revision="a", pod="p", instance="i", handler="/", method="POST", status="5xx")

    found = Narrowing(matchers=(_matcher("5.."),)).blindness([series])

    assert found is not None
    assert "have no label code (labels seen: handler, method, status)" in found.message


def test_each_revision_must_carry_the_label() -> None:
    """A new version of the instrumentation spells it otherwise, and would look free of errors."""
    stable = _series(revision="a", code="500")
    candidate = _series(revision="b", status="5xx")

    found = Narrowing(matchers=(_matcher("5.."),)).pick([stable, candidate])

    assert isinstance(found, Problem)
    assert "of revision b have no label code" in found.message


def test_only_series_of_the_bad_metric_must_carry_the_label() -> None:
    named = Matcher(label="__name__", positive=True, pattern="failed")
    narrowed = Narrowing(matchers=(named, _matcher("x", positive=False)))
    done = _series(__name__="done", revision="a")

    assert narrowed.pick([done]) == ()
    assert isinstance(narrowed.pick([done, _series(__name__="failed", revision="a")]), Problem)
    assert narrowed.pick([]) == ()


def test_a_pattern_that_only_prometheus_reads_still_needs_its_label() -> None:
    narrowed = Narrowing(matchers=(_matcher(r"\pN+"),))

    assert narrowed.blindness([_series(status="5xx")]) is not None
    assert narrowed.blindness([_series(code="500")]) is None
