"""A stable that has long been bad is as usual: its fix passes, and what is worse than it is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evidence_rows import COMPARED, UNMEASURED, config, context, counts, table
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts.rows import Flag, PodCounts, Usual
from tidegate.evidence.sequential import unusual
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Verdict

STABLE_N, CANDIDATE_N = 9000.0, 1000.0


def used_to(rate: float, *, errors: bool = True) -> MetricRule:
    """A metric of which stable has always shown so much."""
    return replace(COMPARED, errors=errors, usual=Usual(rate=rate), common=rate > 0.5)


def judged(rule: MetricRule, *, stable: float, candidate: float) -> tuple[Verdict, Reason, str]:
    one = counts(CANDIDATE_N, candidate * CANDIDATE_N, STABLE_N, stable * STABLE_N)
    found = engine.judge(table(*[one] * 20), context=context(), config=config(rule))
    return found.verdict, found.reason, found.message


@given(rate=st.floats(0.0, 1.0), errors=st.booleans())
def test_what_is_usual_is_never_unusual(rate: float, errors: bool) -> None:  # noqa: FBT001
    rule = used_to(rate, errors=errors)
    for limit in (unusual.unusual_rate(rule), unusual.outage_rate(rule)):
        assert limit is None or rate < limit < 1
    assert not unusual.is_unusual(1e6, x=rate * 1e6, rule=rule)
    if rate < 1 - 1e-5:
        assert unusual.is_unusual(1e6, x=1e6, rule=rule)


@given(low=st.floats(0.0, 1.0), high=st.floats(0.0, 1.0))
def test_the_more_is_usual_of_errors_the_more_it_takes(low: float, high: float) -> None:
    found = [unusual.unusual_rate(used_to(rate)) for rate in sorted((low, high))]
    assert found == sorted(found, key=lambda it: 1.0 if it is None else it)


@pytest.mark.parametrize("errors", [True, False])
@pytest.mark.parametrize("usual", [0.1, 0.3, 0.45, 0.5, 0.55, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("better", [0.0, 0.5])
def test_a_better_candidate_passes(usual: float, better: float, *, errors: bool) -> None:
    rule = used_to(usual, errors=errors)
    verdict, reason, message = judged(rule, stable=usual, candidate=better * usual)
    assert (verdict, reason) == (Verdict.ADVANCE, Reason.NON_INFERIOR)
    assert ("where most requests to stable fail as usual" in message) is (errors and usual > 0.5)


@pytest.mark.parametrize("usual", [0.1, 0.3, 0.5, 0.6, 0.9])
def test_an_equal_candidate_passes(usual: float) -> None:
    verdict, *_ = judged(used_to(usual), stable=usual, candidate=usual)
    assert verdict is Verdict.ADVANCE


@pytest.mark.parametrize("usual", [0.1, 0.3, 0.5, 0.6, 0.9])
def test_a_worse_candidate_is_found(usual: float) -> None:
    found = judged(used_to(usual), stable=usual, candidate=(1 + usual) / 2)
    assert found[:2] == (Verdict.ROLL_BACK, Reason.REGRESSION)


def last_scrapes(rule: MetricRule, *, share: float, stable: float, pods: int = 1) -> Reason:
    """What is found of the last scrapes alone; of several pods the first has all that is bad."""
    bad = share * CANDIDATE_N * pods
    each = tuple(
        PodCounts(pod=f"p{number}", n=CANDIDATE_N, x=(min(CANDIDATE_N, left),))
        for number in range(pods)
        if (left := max(0.0, bad - number * CANDIDATE_N)) >= 0
    )
    window = counts(CANDIDATE_N * pods, bad, STABLE_N, stable * STABLE_N, phi=UNMEASURED)
    (row,) = table(replace(window, pods_c=each))
    rows = [replace(row, flags=(Flag.WINDOW, Flag.SUSTAINED))]
    return engine.judge(rows, context=context(), config=config(rule)).reason


@pytest.mark.parametrize("usual", [0.0, 0.1, 0.17, 0.2, 0.4, 0.5, 0.6, 0.8, 0.85])
def test_a_total_failure_is_an_outage_at_any_usual_rate(usual: float) -> None:
    rule = used_to(usual)
    assert last_scrapes(rule, share=1.0, stable=usual) is Reason.OUTAGE
    assert last_scrapes(rule, share=usual, stable=usual) is not Reason.OUTAGE
    assert last_scrapes(rule, share=1.0, stable=1.0) is not Reason.OUTAGE  # of both
    # One pod of two fails whatever it gets, and the other one less than is usual.
    assert last_scrapes(rule, share=0.5 + 0.4 * usual, stable=usual, pods=2) is not Reason.OUTAGE


@pytest.mark.parametrize(("candidate", "told"), [(0.0, True), (1.0, False)])
def test_a_stable_that_breaks_just_before_its_fix_holds_and_says_what_a_person_can_do(
    candidate: float,
    told: bool,  # noqa: FBT001
) -> None:
    verdict, reason, message = judged(used_to(0.0), stable=1.0, candidate=candidate)
    assert (verdict, reason) == (Verdict.HOLD, Reason.SHARED_INCIDENT)
    assert ("if it is the fix, promote it" in message) is told
