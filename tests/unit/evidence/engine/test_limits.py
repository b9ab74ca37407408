from dataclasses import replace

import pytest
from evidence_rows import (
    BOTH,
    LIMITED,
    UNMEASURED,
    config,
    context,
    counts,
    reasons,
    table,
)

from tidegate.evidence.counts.rows import Flag
from tidegate.evidence.sequential import eprocess, ledger
from tidegate.evidence.sequential.judgement import Compare, MetricRule
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Verdict


def test_a_broken_limit_rolls_back_when_stable_keeps_it() -> None:
    found = engine.judge(
        table(*[counts(500, 60, 4500, 45)] * 3), context=context(), config=config(LIMITED)
    )
    assert reasons(found) == (Verdict.ROLL_BACK, Reason.SLO_BREACH)


@pytest.mark.parametrize(
    ("complement", "says", "ends"),
    [
        (False, "error-ratio 0.12 against 0.01 (n=1500, ", "above its limit of 0.05"),
        (True, "error-ratio 0.88 against 0.99 (n=1500, ", "below its limit of 0.95"),
    ],
)
def test_a_limit_from_below_is_told_as_the_share_that_people_know(
    *, complement: bool, says: str, ends: str
) -> None:
    rows = table(*[counts(500, 60, 4500, 45)] * 3)
    rule = replace(LIMITED, complement=complement)
    found = engine.judge(rows, context=context(), config=config(rule))
    assert reasons(found) == (Verdict.ROLL_BACK, Reason.SLO_BREACH)
    assert found.message.startswith(says)
    assert found.message.endswith(ends)


def test_no_bet_is_placed_on_an_interval_that_is_not_over() -> None:
    """It is looked at again and again; only what is valid after every event may count there."""
    rule = MetricRule(name="error-ratio", limit=0.05)
    rows = table(*[counts(100, 30, 0, 0, phi=UNMEASURED)] * 8)
    running = [replace(row, flags=(Flag.RUNNING,)) for row in rows]
    chosen, alone = config(rule), context(has_stable=False)

    assert engine.judge(rows, context=alone, config=chosen).verdict is Verdict.ROLL_BACK
    hedge = ledger.record_all(running, config=chosen).accounts["error-ratio"].limits
    assert hedge is not None
    assert eprocess.log_value(hedge.candidate.bet) == 0.0
    assert eprocess.log_value(hedge.candidate.grid) > 0.0


def test_a_broken_limit_rolls_back_without_a_stable_revision() -> None:
    found = engine.judge(
        table(*[counts(500, 60, 0, 0)] * 3),
        context=context(has_stable=False),
        config=config(LIMITED),
    )
    assert reasons(found) == (Verdict.ROLL_BACK, Reason.SLO_BREACH)


@pytest.mark.parametrize("rule", [LIMITED, BOTH])
@pytest.mark.parametrize("weight", [0.05, 0.5, 0.8])
def test_an_outage_of_both_sides_holds(rule: MetricRule, weight: float) -> None:
    n_c, n_s = 5000 * weight, 5000 * (1 - weight)
    outage = counts(n_c, 0.4 * n_c, n_s, 0.4 * n_s)
    rows = table(*[counts(n_c, 0.01 * n_c, n_s, 0.01 * n_s)] * 5, *[outage] * 5, weight=weight)
    found = engine.judge(rows, context=context(), config=config(rule))
    assert reasons(found) == (Verdict.HOLD, Reason.SHARED_INCIDENT)


def test_both_sides_bad_but_one_far_worse_is_told_apart() -> None:
    rows = table(*[counts(1000, 600, 9000, 900)] * 5)
    assert engine.judge(rows, context=context(), config=config(BOTH)).reason is Reason.REGRESSION
    only_limit = engine.judge(rows, context=context(), config=config(LIMITED))
    assert only_limit.verdict is Verdict.HOLD


def test_a_limit_broken_by_few_events_does_not_roll_back() -> None:
    few = table(counts(4, 4, 9000, 9), weight=4e-4)
    found = engine.judge(few, context=context(), config=config(replace(LIMITED, limit=0.005)))
    assert reasons(found) == (Verdict.HOLD, Reason.INSUFFICIENT)
    assert "on 4 bad events only" in found.message


def test_a_kept_limit_is_a_proof() -> None:
    found = engine.judge(
        table(*[counts(500, 5, 4500, 45)] * 4), context=context(), config=config(LIMITED)
    )
    assert reasons(found) == (Verdict.ADVANCE, Reason.NON_INFERIOR)


def test_a_limit_above_one_half_is_tested_on_the_complement() -> None:
    rule = MetricRule(name="error-ratio", limit=0.7)
    kept = engine.judge(
        table(*[counts(500, 250, 4500, 2250)] * 4), context=context(), config=config(rule)
    )
    assert kept.verdict is Verdict.ADVANCE
    broken = engine.judge(
        table(*[counts(500, 450, 4500, 2250)] * 4), context=context(), config=config(rule)
    )
    assert reasons(broken) == (Verdict.ROLL_BACK, Reason.SLO_BREACH)


def test_events_that_are_the_rule_are_judged_by_the_good_ones() -> None:
    rule = MetricRule(name="error-ratio", compare=Compare(), common=True)
    worse = engine.judge(
        table(*[counts(1000, 900, 9000, 7200)] * 5), context=context(), config=config(rule)
    )
    assert reasons(worse) == (Verdict.ROLL_BACK, Reason.REGRESSION)
    equal = engine.judge(
        table(*[counts(5000, 4000, 5000, 4000)] * 5, weight=0.5),
        context=context(),
        config=config(rule),
    )
    assert reasons(equal) == (Verdict.ADVANCE, Reason.NON_INFERIOR)
