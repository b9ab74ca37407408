import math
from dataclasses import replace

import pytest
from evidence_rows import (
    COMPARED,
    EQUAL,
    LIMITED,
    PROOF_ALONE,
    TRIPLED,
    config,
    context,
    counts,
    reasons,
    table,
)

from tidegate.evidence.counts.rows import Row
from tidegate.evidence.sequential.judgement import Compare, MetricRule
from tidegate.evidence.terms import Problem, Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Verdict


@pytest.mark.parametrize(
    "reason",
    [
        Reason.METRICS_UNAVAILABLE,
        Reason.ERROR,
        Reason.STALE,
        Reason.NO_DATA,
        Reason.INCOMPATIBLE_BUCKETS,
    ],
)
def test_unusable_data_hold_even_what_was_proven(reason: Reason) -> None:
    rule = MetricRule(name="error-ratio", compare=Compare(theta0_promote=1.5))
    problem = {"error-ratio": Problem(reason=reason, message="out")}
    found = engine.judge(table(*EQUAL), context=context(problems=problem), config=config(rule))
    assert reasons(found) == (Verdict.HOLD, reason)
    assert "out" in found.message


def test_harm_that_was_proven_is_not_silenced_by_missing_data() -> None:
    problem = {"error-ratio": Problem(reason=Reason.STALE, message="old")}
    found = engine.judge(table(*TRIPLED), context=context(problems=problem), config=config())
    assert reasons(found) == (Verdict.ROLL_BACK, Reason.REGRESSION)


@pytest.mark.parametrize("rows", [[], table(None, None), table(counts(math.nan, 0, 10, 0))])
def test_no_usable_rows_hold(rows: list[Row]) -> None:
    found = engine.judge(rows, context=context(), config=config())
    assert found.verdict is Verdict.HOLD


def test_nothing_is_advanced_during_warm_up() -> None:
    rows = table(*[counts(500, 0, 4500, 0)] * 5)
    found = engine.judge(rows, context=context(now=10, judged_from=100), config=config())
    assert reasons(found) == (Verdict.HOLD, Reason.WARMUP)
    assert "00:01:40 UTC" in found.message


def test_a_share_that_was_not_applied_holds() -> None:
    rows = table(*[counts(2500, 0, 2500, 0)] * 5, weight=0.1)
    found = engine.judge(rows, context=context(), config=config())
    assert reasons(found) == (Verdict.HOLD, Reason.TRAFFIC_SPLIT)
    assert found.log_split > math.log(1000)


def test_an_arm_without_counters_says_nothing_about_the_split() -> None:
    half = replace(counts(500, 0, 0, 0), complete=False)
    found = engine.judge(table(*[half] * 5), context=context(), config=config())
    assert found.log_split == 0.0


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (table(counts(50, 0, 450, 0)), "50 of 100 requests"),
        (table(*[counts(500, 0, 4500, 0)] * 2), "2 of 3 intervals"),
    ],
)
def test_a_step_needs_its_least_requests_and_intervals(rows: list[Row], text: str) -> None:
    rule = MetricRule(name="error-ratio", limit=0.05)
    found = engine.judge(rows, context=context(), config=config(rule))
    assert found.verdict is Verdict.HOLD
    assert Reason.INSUFFICIENT in (found.reason, *found.others)
    assert any(text in one for one in (found.message,))


def test_requests_of_an_earlier_step_do_not_count() -> None:
    rows = table(*[counts(500, 0, 4500, 0)] * 5)
    found = engine.judge(rows, context=context(step=1), config=config())
    assert reasons(found) == (Verdict.HOLD, Reason.INSUFFICIENT)
    assert found.step_requests == 0


def test_without_a_baseline_only_limits_decide() -> None:
    rows = table(*[counts(500, 20, 0, 0)] * 5, weight=1)
    compared = engine.judge(rows, context=context(has_stable=False), config=config())
    assert reasons(compared) == (Verdict.HOLD, Reason.NO_BASELINE)
    limited = engine.judge(
        table(*[counts(500, 5, 0, 0)] * 5, weight=1),
        context=context(has_stable=False),
        config=config(LIMITED),
    )
    assert limited.verdict is Verdict.ADVANCE


@pytest.mark.parametrize("policy", [Verdict.HOLD, Verdict.ADVANCE, Verdict.ROLL_BACK])
def test_the_policy_decides_at_the_deadline(policy: Verdict) -> None:
    rows = table(*EQUAL[:4])
    rule = MetricRule(name="error-ratio", compare=PROOF_ALONE)
    found = engine.judge(rows, context=context(at_deadline=policy), config=config(rule))
    assert reasons(found) == (policy, Reason.INCONCLUSIVE)


def test_the_policy_does_not_advance_without_usable_data() -> None:
    problem = {"error-ratio": Problem(reason=Reason.NO_DATA, message="none")}
    found = engine.judge(
        table(*EQUAL[:4]),
        context=context(at_deadline=Verdict.ADVANCE, problems=problem),
        config=config(),
    )
    assert reasons(found) == (Verdict.HOLD, Reason.NO_DATA)


def test_several_holds_report_the_first_in_rule_order_and_list_the_rest() -> None:
    rules = (COMPARED, replace(LIMITED, name="other"))
    problem = {"other": Problem(reason=Reason.STALE, message="old")}
    found = engine.judge(
        table(counts(50, 0, 450, 0)), context=context(problems=problem), config=config(*rules)
    )
    assert found.reason is Reason.STALE
    assert set(found.others) == {Reason.INSUFFICIENT, Reason.UNDECIDED}
