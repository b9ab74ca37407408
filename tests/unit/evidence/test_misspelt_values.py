"""Conditions for bad events that no value of the label can ever fulfil."""

from __future__ import annotations

import pytest

from tidegate.evidence.queries.kinds import possible
from tidegate.evidence.queries.narrowing import Matcher, Narrowing
from tidegate.evidence.terms import Problem, Reason, Series

CODES = ("200", "404", "500")
CLASSES = ("2xx", "5xx")


def blindness(
    pattern: str,
    values: tuple[str, ...],
    *,
    positive: bool = True,
    revision: str = "c0ffee0001",
) -> Problem | None:
    matcher = Matcher(label="code", positive=positive, pattern=pattern)
    total = [
        Series(labels={"code": value, "revision": revision}, samples=((1.0, 1.0),))
        for value in values
    ]
    return Narrowing(matchers=(matcher,)).blindness(total)


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("5xx", CODES),
        ("5xx", ("200",)),
        ("5XX", CLASSES),
        ("500|503", CLASSES),
        (r"5\d\d", CLASSES),
        ("error", CODES),
        ("Internal|Unavailable", ("OK", "INTERNAL")),
        ("INTERNAL", ("OK", "Internal")),
        ("5..", ("OK", "INTERNAL")),
        ("5..", ("0", "13")),
        ("True", ("true", "false")),
    ],
)
def test_a_value_that_is_written_otherwise_is_an_error_that_names_what_was_seen(
    pattern: str, values: tuple[str, ...]
) -> None:
    problem = blindness(pattern, values)
    assert problem is not None
    assert problem.reason is Reason.ERROR
    assert pattern in problem.message
    assert all(value in problem.message for value in values)
    assert "code" in problem.message
    assert "no bad event could be seen" in problem.message


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("5..", ("200",)),
        ("5..", CODES),
        ("5..", CLASSES),
        ("5xx", ("2xx",)),
        (r"5\d\d", ("200",)),
        ("500|503", ("200",)),
        ("5..", ("0", "200")),
        ("INTERNAL|UNAVAILABLE", ("OK",)),
        ("Internal", ("OK",)),
        ("13|14", ("0",)),
        ("5", ("2", "3")),
        ("false", ("true",)),
        ("failure", ("success",)),
        ("5xx", ("200", "canceled")),
        ("5xx|5..", ("200",)),
        ("ERROR", ("OK",)),  # a vocabulary of its own, in which success has the same word
        ("failed", ("OK",)),
        ("1001", ("0",)),
    ],
)
def test_what_may_still_come_is_no_error(pattern: str, values: tuple[str, ...]) -> None:
    assert blindness(pattern, values) is None


def test_an_exception_that_fits_nothing_would_call_everything_bad() -> None:
    problem = blindness("2xx", CODES, positive=False)
    assert problem is not None
    assert "every event would be bad" in problem.message
    assert blindness("2..", CODES, positive=False) is None


def test_patterns_that_only_prometheus_can_read_are_left_to_it() -> None:
    assert blindness(r"(?i)5xx", CODES) is None
    assert blindness(r"5\\d", CODES) is not None  # a backslash and a d, which no code has


@pytest.mark.parametrize(
    ("values", "some"),
    [
        ({"200"}, {"503"}),
        ({"2xx"}, {"5xx"}),
        ({"OK"}, {"DATA_LOSS", "DataLoss"}),
        ({"OK", "INTERNAL"}, {"DATA_LOSS"}),
        ({"0"}, {"16"}),
    ],
)
def test_kinds_are_told_by_the_values(values: set[str], some: set[str]) -> None:
    assert some <= possible(values)
    assert values <= possible(values)


@pytest.mark.parametrize("values", [{"success"}, {"200", "ok"}, {"7"}, {"INTERNAL"}, set()])
def test_values_of_no_known_kind_may_be_anything(values: set[str]) -> None:
    assert possible(values) == frozenset()
