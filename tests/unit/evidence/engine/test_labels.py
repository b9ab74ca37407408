"""Labels by cohort in the engine: what is tested, when, and what holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from evidence_rows import context
from label_rows import BEGIN, LATE, NAME, RULE, STEP_SECONDS, WIDTH, Arm, past, table

from tidegate.evidence.counts.rows import Flag, Row
from tidegate.evidence.journal import replay, row_lines
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Check, EvidenceConfig, Judgement, MetricRule
from tidegate.evidence.terms import Measure, Problem, Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Outcome, Verdict

EQUAL = Arm(predictions=2000)
WORSE = Arm(predictions=2000, wrong=0.3)
STABLE = past(predictions=4000)


def settings(rule: MetricRule = RULE, *others: MetricRule, **more: Any) -> EvidenceConfig:
    return EvidenceConfig(metrics=(replace(rule, **more), *others), requests_from="")


def judged(rows: Sequence[Row], *, using: EvidenceConfig | None = None, **more: Any) -> Judgement:
    return engine.judge(rows, context=replace(context(), **more), config=using or settings())


def of_labels(found: Judgement) -> Reason:
    return next(one for one in found.findings if one.metric == NAME).reason


def test_who_is_as_right_as_stable_passes() -> None:
    found = judged(table(EQUAL, STABLE))

    assert (found.verdict, found.reason) == (Verdict.ADVANCE, Reason.NON_INFERIOR), found.message
    assert found.message.startswith(
        "quality: accuracy 89.8% of 22000 labels against 89.9% of 176000"
    )


def test_who_is_wrong_more_often_goes_back() -> None:
    found = judged(table(WORSE, STABLE))

    assert (found.verdict, found.reason) == (Verdict.ROLL_BACK, Reason.REGRESSION)
    assert found.message.startswith("quality: accuracy 70")


def test_harm_is_found_as_soon_as_labels_are_ripe_and_not_before() -> None:
    rows = table(WORSE, STABLE)
    ripe_at = BEGIN + WIDTH + LATE.delay_seconds
    before = [row for row in rows if row.t1 < ripe_at]

    found = judged(before)
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.LABELS_IMMATURE)
    assert "counts from 1970-01-01T17:10Z on" in found.message
    assert judged([row for row in rows if row.t1 <= ripe_at]).findings[0].n_c > 0


def test_labels_that_come_after_a_cohort_was_tested_change_nothing() -> None:
    rows = table(EQUAL, STABLE, cohorts=10)
    (pod,) = EQUAL.cohort(BEGIN, at=1e9, seed=2)
    later = replace(pod, x=pod.n)
    last = rows[-1].counts[NAME]
    changed = replace(last, cohorts_c={**last.cohorts_c, BEGIN: (later,)})
    again = [*rows[:-1], replace(rows[-1], counts={NAME: changed})]

    assert judged(again).findings == judged(rows).findings


def test_a_cohort_with_a_change_of_weight_is_left_out() -> None:
    """Both err more in the second half of the hour, of which the candidate has the larger part."""
    middle = BEGIN + 6 * WIDTH + STEP_SECONDS
    rows = table(EQUAL, STABLE, steps=(BEGIN, middle))
    known = ledger.record_all(rows, config=settings()).labels[NAME]

    mixed = BEGIN + 6 * WIDTH
    assert mixed not in known.tested
    assert {mixed - WIDTH, mixed + WIDTH} <= known.tested


def test_a_cohort_that_began_before_the_candidate_is_left_out() -> None:
    early = replace(EQUAL, since=BEGIN - WIDTH)
    rows = [row for row in table(early, STABLE, cohorts=12) if row.t0 >= BEGIN + STEP_SECONDS]
    known = ledger.record_all(rows, config=settings()).labels[NAME]

    assert min(known.tested) == BEGIN + WIDTH


@pytest.mark.parametrize(
    ("candidate", "stable", "says"),
    [
        pytest.param({"labelled_after": 1e9}, {}, "those of the candidate", id="the candidate"),
        pytest.param({"share": 0.1}, {}, "those of the candidate", id="some of the candidate"),
        pytest.param({}, {"labelled_after": 1e9}, "those of stable", id="stable"),
    ],
)
def test_labels_of_one_side_hold_also_where_others_have_proven_something(
    candidate: dict[str, float], stable: dict[str, float], says: str
) -> None:
    rows = table(EQUAL, STABLE)
    half = len(rows) // 2
    without = table(
        replace(EQUAL, **candidate),  # type: ignore[arg-type]
        replace(STABLE, **stable),  # type: ignore[arg-type]
    )
    found = judged([*rows[:half], *without[half:]])

    assert judged(rows[: half + 4]).findings[0].log_proof > 0
    assert (found.verdict, of_labels(found)) == (Verdict.HOLD, Reason.LABELS_ONE_SIDED)
    assert f"{says} are too few to compare" in found.message


def test_more_labels_than_predictions_are_of_unknown_ones() -> None:
    rows = table(replace(EQUAL, share=1.5), STABLE)
    found = judged(rows)

    assert (found.verdict, of_labels(found)) == (Verdict.HOLD, Reason.UNKNOWN_COHORT)
    assert "labels of predictions that nobody counted" in found.message


def test_how_many_labels_are_usual_is_learned_from_final_cohorts_of_stable() -> None:
    half = judged(table(EQUAL, STABLE))
    young = judged(table(EQUAL, replace(STABLE, since=BEGIN), cohorts=4))

    assert half.findings[0].n_c > 0
    assert of_labels(young) is Reason.LABELS_IMMATURE
    assert "as no final cohort of stable tells how many are usual" in young.message


def test_too_few_labels_of_both_are_waited_for() -> None:
    late = {"turns": 0.0, "labelled_after": 1e9}
    found = judged(table(replace(EQUAL, **late), replace(STABLE, since=BEGIN, **late)))

    assert of_labels(found) is Reason.LABELS_IMMATURE
    assert "has 0 labels of 2000 predictions" in found.message


def test_without_a_whole_cohort_it_says_so() -> None:
    found = judged(table(EQUAL, STABLE, cohorts=1)[:1])

    assert "counts from" in found.message
    (row,) = [row for row in table(EQUAL, STABLE, cohorts=1) if row.t0 > BEGIN]
    assert "no cohort of 10m lies wholly in a step yet" in judged([row]).message


def test_labels_alone_never_pass_without_stable() -> None:
    found = judged(table(EQUAL), has_stable=False)

    assert (found.verdict, of_labels(found)) == (Verdict.HOLD, Reason.NO_BASELINE)


@pytest.mark.parametrize(
    ("wrong", "verdict", "reason"),
    [
        (0.05, Verdict.ADVANCE, Reason.NON_INFERIOR),
        (0.4, Verdict.ROLL_BACK, Reason.SLO_BREACH),
    ],
)
def test_a_limit_is_held_against_the_candidate_alone(
    wrong: float, verdict: Verdict, reason: Reason
) -> None:
    """As in a bake; what labels are usual its own past tells."""
    alone = Arm(predictions=2000, wrong=wrong, since=BEGIN - 50 * WIDTH, pods=3)
    found = judged(table(alone), using=settings(compare=None, limit=0.2), has_stable=False)

    assert (found.verdict, found.reason) == (verdict, reason), found.message
    assert ("below its limit of 0.8" in found.message) is (verdict is Verdict.ROLL_BACK)


def test_a_limit_of_f1_is_told_in_f1() -> None:
    late = replace(LATE, measure=Measure.F1)
    alone = Arm(predictions=2000, wrong=0.6, since=BEGIN - 50 * WIDTH, pods=3)
    found = judged(
        table(alone), using=settings(compare=None, limit=1 / 3, late=late), has_stable=False
    )

    assert found.verdict is Verdict.ROLL_BACK
    assert "quality: f1 56.9%" in found.message
    assert "below its limit of 0.8" in found.message


OTHERS = MetricRule(name="value", scalar=True)


def test_a_step_that_is_over_before_labels_come_does_not_wait_for_them() -> None:
    kept = {"value": (Check(value=1.0, kept=True),) * 5}
    unasked = settings(RULE, OTHERS, late=replace(LATE, unasked=(0,)))
    rows = table(EQUAL, STABLE, cohorts=2)
    found = judged(rows, using=unasked, checks=kept)

    assert found.verdict is Verdict.ADVANCE, found.message
    assert found.findings[0].unasked
    assert judged(rows, using=settings(RULE, OTHERS), checks=kept).reason is Reason.LABELS_IMMATURE


def test_harm_of_a_step_before_acts_where_labels_are_not_asked_for() -> None:
    unasked = settings(late=replace(LATE, unasked=(0,)))

    assert judged(table(WORSE, STABLE), using=unasked).verdict is Verdict.ROLL_BACK


def test_labels_alone_in_a_step_that_they_cannot_reach_need_a_person() -> None:
    found = judged(
        table(EQUAL, STABLE, cohorts=2), using=settings(late=replace(LATE, unasked=(0,)))
    )

    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.NO_METRICS)
    assert "labels come later than this step lasts" in found.message


def test_series_that_are_missing_hold_also_where_labels_are_not_asked_for() -> None:
    problem = Problem(reason=Reason.NO_DATA, message="no series of the candidate")
    found = judged(
        table(EQUAL, STABLE, cohorts=2),
        using=settings(late=replace(LATE, unasked=(0,))),
        problems={NAME: problem},
    )

    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.NO_DATA)


@pytest.mark.parametrize(
    ("more", "outcome"),
    [({"holds": True}, Outcome.FAIL), ({"guard": False}, Outcome.FAIL)],
    ids=["Hold", "Alert"],
)
def test_a_breach_does_what_it_is_told_to(more: dict[str, Any], outcome: Outcome) -> None:
    found = judged(table(WORSE, STABLE), using=settings(**more))

    assert found.verdict is Verdict.HOLD
    assert found.findings[0].outcome is outcome


def test_a_world_that_is_harder_for_both_is_nobodys_fault() -> None:
    turned = {"turns": BEGIN + 8 * WIDTH, "later": 0.3}
    found = judged(table(replace(EQUAL, **turned), replace(STABLE, **turned), cohorts=36))

    assert found.verdict is Verdict.ADVANCE, found.message


@pytest.mark.parametrize("clump", [1, 10])
def test_a_rollback_by_chance_is_rare_also_where_wrong_ones_clump(clump: int) -> None:
    """15 equal candidates each: a test at 1 % rolls back none of them here (seeds fixed)."""
    back = [
        judged(
            table(replace(EQUAL, clump=clump), replace(STABLE, clump=clump), seed=seed, cohorts=18)
        ).verdict
        for seed in range(15)
    ]

    assert Verdict.ROLL_BACK not in back


def test_rows_that_are_not_over_tell_nothing() -> None:
    rows = table(WORSE, STABLE, cohorts=12)
    running = [replace(row, flags=(Flag.RUNNING,)) for row in rows]

    assert judged(running).findings[0].n_c == 0


def test_rows_are_written_and_read_back_as_they_were() -> None:
    rows = table(EQUAL, STABLE, cohorts=6)
    documents = [json.loads(json.dumps(row_lines.document(row))) for row in rows]

    assert row_lines.read(documents) == tuple(rows)
    assert len(json.dumps(documents[5])) < 3000


def test_a_log_of_labels_is_replayed() -> None:
    rows, config = table(WORSE, STABLE), settings()
    lines = [json.dumps(replay.opened(rollout="ml/r", namespace="ml", name="iris", config=config))]
    lines += [json.dumps(replay.row(rollout="ml/r", row=row)) for row in rows]
    judgement = engine.decide(
        ledger.record_all(rows, config=config), context=context(), config=config
    )
    lines.append(
        json.dumps(
            replay.judged(
                rollout="ml/r",
                rows=len(rows),
                digest=row_lines.digest(rows),
                context=context(),
                judgement=judgement,
            )
        )
    )
    report = replay.replay(lines)

    assert report.difference == ""
    assert report.looks[-1].judgement.verdict is Verdict.ROLL_BACK
