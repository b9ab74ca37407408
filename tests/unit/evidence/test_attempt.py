"""What one of many breaks is said of that one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tidegate.evidence.attempt import as_it_is, attempt, failure
from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.sequential import isolation
from tidegate.evidence.terms import Reason

COUNTS = Counts(n_c=1.0, n_s=1.0, x_c=(0.0,), x_s=(0.0,), phi=())
ROW = Row(t0=0.0, t1=30.0, step=0, weight=0.5, counts={"a": COUNTS, "b": COUNTS, "c": COUNTS})


def broken() -> int:
    raise ZeroDivisionError("by nothing")


def test_work_that_succeeds_is_what_it_gives() -> None:
    assert attempt(lambda: 3, otherwise=failure) == 3


def test_an_error_is_a_problem_with_its_cause() -> None:
    problem = failure(ZeroDivisionError("by nothing"))
    assert attempt(broken, otherwise=failure) == problem
    assert problem.reason is Reason.ERROR
    assert "ZeroDivisionError('by nothing')" in problem.message
    assert as_it_is("given", ZeroDivisionError()) == "given"


def test_the_end_of_the_process_is_no_error_of_one() -> None:
    def ended() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(ended, otherwise=failure)


@pytest.mark.parametrize("odd", [{}, {"b"}, {"a", "c"}, {"a", "b", "c"}])
def test_a_row_is_worked_on_without_those_that_raise(odd: set[str]) -> None:
    def work(row: Row) -> Mapping[str, Counts]:
        for name in sorted(row.counts):
            if name in odd:
                raise ArithmeticError(name)
        return row.counts

    found, errors = isolation.worked_on(work, row=ROW)
    assert found.keys() == ROW.counts.keys() - odd
    assert errors == {name: f"ArithmeticError('{name}')" for name in odd}


def test_what_no_single_metric_raises_is_raised() -> None:
    def work(row: Row) -> None:
        if len(row.counts) != 1:
            raise ArithmeticError("together")

    with pytest.raises(ArithmeticError, match="together"):
        isolation.worked_on(work, row=ROW)
