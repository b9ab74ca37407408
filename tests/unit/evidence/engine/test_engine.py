import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from evidence_rows import (
    BOTH,
    COMPARED,
    EQUAL,
    INDEPENDENT,
    LIMITED,
    PROOF_ALONE,
    TRIPLED,
    UNMEASURED,
    config,
    context,
    counts,
    reasons,
    table,
)

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Counts, Flag, PodCounts, Usual
from tidegate.evidence.sequential import eprocess, ledger, relative
from tidegate.evidence.sequential.judgement import Check, Compare, MetricRule
from tidegate.evidence.terms import Problem, Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Outcome, Verdict

EDGES = (0.1, 0.25, 0.5, 1.0)
LATENCY = MetricRule(name="latency", edges=EDGES, decisive=2, compare=Compare())


def test_a_clear_regression_rolls_back_and_names_what_was_seen() -> None:
    found = engine.judge(table(*TRIPLED), context=context(), config=config())
    assert reasons(found) == (Verdict.ROLL_BACK, Reason.REGRESSION)
    assert found.metric == "error-ratio"
    (one,) = found.findings
    assert one.outcome is Outcome.FAIL
    assert one.ratio == pytest.approx(3.0)
    assert one.ratio_interval.lower is not None
    assert one.ratio_interval.upper is not None
    assert 1.1 < one.ratio_interval.lower < 3 < one.ratio_interval.upper
    assert one.rate_interval.lower is not None
    assert one.rate_interval.lower < 0.03
    assert one.log_e >= one.log_limit == pytest.approx(math.log(100))
    assert "error-ratio 0.03 against 0.01 (n=10000" in found.message


@pytest.mark.parametrize("rows", [TRIPLED, EQUAL, ()], ids=["harm", "equal", "nothing"])
def test_whether_it_rolls_back_is_known_without_all_the_rest(rows: Sequence[Counts]) -> None:
    for guard, holds in ((True, False), (False, False), (True, True)):
        asked = config(replace(COMPARED, guard=guard, holds=holds))
        state = ledger.record_all(table(*rows), config=asked)
        found = engine.rolls_back(state, context=context(), config=asked)
        assert found is (rows is TRIPLED and guard and not holds)
        verdict = engine.decide(state, context=context(), config=asked).verdict
        assert found is (verdict is Verdict.ROLL_BACK)


def test_a_plain_value_beyond_its_limit_rolls_back_as_well() -> None:
    asked = config(MetricRule(name="queue", scalar=True))
    for kept in (True, False):
        checks = (Check(value=9.0, kept=kept),) * asked.breach_out_of
        seen = replace(context(), checks={"queue": checks})
        found = engine.rolls_back(ledger.begin(asked), context=seen, config=asked)
        assert found is not kept


def test_an_equal_candidate_is_advanced_when_the_margin_is_ruled_out() -> None:
    rule = MetricRule(name="error-ratio", compare=replace(PROOF_ALONE, theta0_promote=1.5))
    early = engine.judge(table(*EQUAL[:3]), context=context(), config=config(rule))
    assert reasons(early) == (Verdict.HOLD, Reason.UNDECIDED)
    late = engine.judge(table(*EQUAL), context=context(), config=config(rule))
    assert reasons(late) == (Verdict.ADVANCE, Reason.NON_INFERIOR)
    assert late.findings[0].log_proof >= math.log(20)


def test_no_errors_on_either_side_pass_by_the_absolute_excess() -> None:
    found = engine.judge(table(*[counts(500, 0, 4500, 0)] * 5), context=context(), config=config())
    assert reasons(found) == (Verdict.ADVANCE, Reason.NON_INFERIOR)


def test_few_events_never_roll_back_however_strong() -> None:
    few = [counts(10, 4, 90000, 0)]
    assert reasons(engine.judge(table(*few, weight=1e-4), context=context(), config=config())) == (
        Verdict.HOLD,
        Reason.INSUFFICIENT,
    )
    more = [*few, counts(10, 1, 90000, 0)]
    assert reasons(engine.judge(table(*more, weight=1e-4), context=context(), config=config())) == (
        Verdict.ROLL_BACK,
        Reason.REGRESSION,
    )


def test_a_rollback_stays_when_later_rows_look_well() -> None:
    rows = table(*TRIPLED, *[counts(1000, 0, 9000, 90)] * 40)
    assert engine.judge(rows, context=context(), config=config()).verdict is Verdict.ROLL_BACK


@pytest.mark.parametrize("step", [0, 1])
def test_evidence_of_harm_carries_over_to_the_next_step(step: int) -> None:
    rows = [replace(row, step=step * (row.t0 >= 300)) for row in table(*TRIPLED[:8])]
    found = engine.judge(rows, context=context(step=step), config=config())
    assert found.verdict is Verdict.ROLL_BACK


def test_a_proof_of_earlier_steps_does_not_carry_a_late_regression() -> None:
    rule = MetricRule(
        name="error-ratio", compare=replace(PROOF_ALONE, theta0=3.0, theta0_promote=1.5)
    )
    late = [replace(row, step=1) for row in table(*[counts(1000, 20, 9000, 90)] * 3)]
    rows = [*table(*EQUAL), *late]
    found = engine.judge(rows, context=context(step=1), config=config(rule))
    assert ledger.proof_e(
        ledger.record_all(rows, config=config(rule)).accounts["error-ratio"].proofs.ratio  # type: ignore[union-attr]
    ) > math.log(20)
    assert reasons(found) == (Verdict.HOLD, Reason.UNDECIDED)


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (15, Reason.UNDECIDED),
        (10, Reason.UNDECIDED),
        (5, Reason.NON_INFERIOR),
        (0, Reason.NON_INFERIOR),
    ],
)
def test_a_low_rate_does_not_carry_what_is_worse_than_the_margin_in_this_step(
    late: float, reason: Reason
) -> None:
    """0.1 % on both sides, and then more on the candidate's: still less than 0.5 %, and seen."""
    rule = MetricRule(name="error-ratio", compare=Compare(theta0=8.0))
    before = table(*[counts(1000, 1, 9000, 9)] * 20)
    after = [replace(row, step=1, weight=0.5) for row in table(*[counts(5000, late, 5000, 5)] * 20)]
    healthy = engine.judge(before, context=context(), config=config(rule))
    assert healthy.reason is Reason.NON_INFERIOR

    found = engine.judge([*before, *after], context=context(step=1), config=config(rule))

    assert found.findings[0].x_c / found.findings[0].n_c < 0.005
    assert found.reason is reason


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_errors_of_the_candidate_alone_do_not_pass_by_their_low_rate(weight: float) -> None:
    rule = MetricRule(name="error-ratio", compare=Compare(theta0=8.0))
    rows = table(*[counts(9000 * weight, 3, 9000 * (1 - weight), 0)] * 20, weight=weight)
    found = engine.judge(rows, context=context(), config=config(rule))
    assert found.verdict is not Verdict.ADVANCE


# --- latency -------------------------------------------------------------------------------------


def test_a_slow_tail_rolls_back_and_names_the_edge() -> None:
    row = counts(1000, (500, 100, 30, 20), 9000, (4500, 900, 100, 9))
    found = engine.judge(
        table(*[row] * 5, metric="latency"), context=context(), config=config(LATENCY)
    )
    assert reasons(found) == (Verdict.ROLL_BACK, Reason.REGRESSION)
    assert found.findings[0].edge == 1.0
    assert "above 1 s" in found.message


def test_equal_latencies_are_proven_at_the_decisive_edge() -> None:
    rule = replace(LATENCY, compare=Compare(theta0_promote=1.5), decisive=1)
    row = counts(1000, (500, 100, 30, 1), 9000, (4500, 900, 270, 9))
    found = engine.judge(
        table(*[row] * 8, metric="latency"), context=context(), config=config(rule)
    )
    assert found.verdict is Verdict.ADVANCE
    assert found.findings[0].edge == 0.25


# --- dry runs, budget, scalars -------------------------------------------------------------------


def test_a_report_metric_is_computed_and_changes_nothing() -> None:
    quiet = MetricRule(name="quiet", limit=0.05)
    loud = replace(COMPARED, guard=False)
    rows = [
        replace(row, counts={**row.counts, "quiet": counts(1000, 1, 9000, 9)})
        for row in table(*TRIPLED)
    ]
    found = engine.judge(rows, context=context(), config=config(quiet, loud))
    assert found.verdict is Verdict.ADVANCE
    assert {one.metric: one.reason for one in found.findings} == {
        "quiet": Reason.NON_INFERIOR,
        "error-ratio": Reason.REGRESSION,
    }


def test_only_dry_runs_never_advance() -> None:
    found = engine.judge(
        table(*TRIPLED), context=context(), config=config(replace(COMPARED, guard=False))
    )
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.NO_METRICS)
    assert "each has dryRun or onBreach: Alert, so a person has to promote" in found.message


def test_guards_share_the_error_budget() -> None:
    assert config(BOTH, replace(LIMITED, name="other")).log_rollback == pytest.approx(math.log(300))
    assert config(BOTH, replace(LIMITED, name="b", guard=False)).log_rollback == pytest.approx(
        math.log(200)
    )


SCALAR = MetricRule(name="gpu", scalar=True)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([], Reason.NO_DATA),
        ([True] * 4, Reason.INSUFFICIENT),
        ([True] * 5, Reason.NON_INFERIOR),
        ([False, False, True, True, True], Reason.NON_INFERIOR),
        ([False, True, False, True, False], Reason.LIMIT),
        ([False] * 3, Reason.LIMIT),
        ([False] * 3 + [True] * 5, Reason.NON_INFERIOR),
    ],
)
def test_a_scalar_fails_at_k_of_its_last_n_checks(kept: list[bool], expected: Reason) -> None:
    checks = {"gpu": tuple(Check(value=1.0, kept=one) for one in kept)}
    found = engine.judge([], context=context(checks=checks), config=config(SCALAR))
    assert found.findings[0].reason is expected
    assert (found.verdict is Verdict.ROLL_BACK) == (expected is Reason.LIMIT)


def test_a_scalar_without_data_holds_unless_its_limit_fell() -> None:
    problem = {"gpu": Problem(reason=Reason.NO_DATA, message="NaN")}
    for kept, expected in ((True, Reason.NO_DATA), (False, Reason.LIMIT)):
        checks = {"gpu": (Check(value=1.0, kept=kept),) * 5}
        found = engine.judge(
            [], context=context(checks=checks, problems=problem), config=config(SCALAR)
        )
        assert found.findings[0].reason is expected


@pytest.mark.parametrize("kept", [True, False])
def test_plain_values_alone_carry_a_rollout_where_nothing_counts_requests(kept: bool) -> None:  # noqa: FBT001
    checks = {SCALAR.name: (Check(value=1.0, kept=kept),) * 5}
    uncounted = replace(config(SCALAR), requests_from="")
    counted = replace(config(SCALAR), requests_from="@requests")

    found = engine.judge([], context=context(checks=checks), config=uncounted)
    waits = engine.judge([], context=context(checks=checks), config=counted)

    assert found.verdict is (Verdict.ADVANCE if kept else Verdict.ROLL_BACK)
    if kept:
        assert "requests are not counted" in found.message
        assert reasons(waits) == (Verdict.HOLD, Reason.INSUFFICIENT)
        assert waits.message == "0 of 100 requests in this step"


def test_a_stable_that_is_not_itself_proves_nothing_and_is_said() -> None:
    rule = replace(COMPARED, errors=True, usual=Usual(rate=0.001))
    healthy = counts(2000, 2, 18000, 18)
    bad = counts(2000, 600, 18000, 5400)
    before = engine.judge(table(*[healthy] * 60), context=context(), config=config(rule))
    during = engine.judge(
        table(*[healthy] * 60, *[bad] * 3), context=context(), config=config(rule)
    )
    usual = replace(rule, usual=Usual(rate=0.3))  # the same rate, where it is nothing new
    used_to_it = engine.judge(table(*[bad] * 60), context=context(), config=config(usual))

    assert before.verdict is Verdict.ADVANCE
    assert reasons(during) == (Verdict.HOLD, Reason.SHARED_INCIDENT)
    assert during.findings[0].log_proof == before.findings[0].log_proof
    assert used_to_it.verdict is Verdict.ADVANCE


@pytest.mark.parametrize(
    ("bad", "stable_bad", "reason"),
    [
        (60, 0, Reason.OUTAGE),
        (60, 700, Reason.INSUFFICIENT),  # of both
        (29, 0, Reason.INSUFFICIENT),  # fewer than half
    ],
)
def test_an_outage_is_when_most_requests_of_the_last_scrapes_fail(
    bad: float, stable_bad: float, reason: Reason
) -> None:
    rule = replace(COMPARED, errors=True, usual=Usual(rate=0.001))
    window = counts(60, bad, 1000, stable_bad, phi=UNMEASURED)
    (row,) = table(window)
    rows = [replace(row, flags=(Flag.WINDOW,))]
    assert engine.judge(rows, context=context(), config=config(rule)).reason is reason


@pytest.mark.parametrize(("others", "found"), [(2, False), (40, True)])
def test_harm_must_stand_without_the_worst_pod(others: float, found: bool) -> None:  # noqa: FBT001
    """Three pods with 1000 requests each, of which stable would have 5 bad ones, and one bad pod."""
    pods = tuple(
        PodCounts(pod=name, n=1000, x=(x,))
        for name, x in (("a", 200), ("b", others), ("c", others))
    )
    one = replace(counts(3000, 200 + 2 * others, 27000, 135), pods_c=pods)
    judged = engine.judge(table(*[one] * 4), context=context(), config=config())
    assert (judged.verdict is Verdict.ROLL_BACK) is found


# --- dispersion ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phi", "divisor"),
    [
        (UNMEASURED, 100.0),
        (replace(UNMEASURED, value=250.0), 250.0),
        (replace(INDEPENDENT, value=7.0), 7.0),
    ],
)
def test_an_unmeasured_dispersion_plays_the_grid_very_carefully(phi: Phi, divisor: float) -> None:
    row = replace(TRIPLED[0], phi=(phi,))
    state = ledger.record_all(table(*[row] * 10), config=config())
    hedge = state.accounts["error-ratio"].hedges[0]
    grid = eprocess.ratio_grid(eprocess.rollback_grid(1.1), theta0=1.1)
    played = eprocess.path(
        [grid.log_factors(n_c=1000, x_c=30, n_s=9000, x_s=90)] * 10,
        points=grid.points,
        phi=[divisor] * 10,
        restart=eprocess.restart_weights(10),
    )
    expected = math.exp(played[-1])
    if not phi.trusted:  # a bet is placed only while the dispersion is unmeasured
        expected = (expected + math.exp(_bet(10))) / 2
    assert math.exp(relative.log_value(hedge)) == pytest.approx(expected)


def _bet(rows: int) -> float:
    share = eprocess.ratio_bet(n_c=1000, x_c=30, n_s=9000, x_s=90, theta0=1.1)
    assert share is not None
    return eprocess.path(
        [eprocess.bet_log_factors(share[0], q=share[1])] * rows,
        points=len(eprocess.BET_FRACTIONS),
        phi=[1.0] * rows,
        restart=eprocess.restart_weights(rows),
    )[-1]
