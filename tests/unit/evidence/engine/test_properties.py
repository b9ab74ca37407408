from dataclasses import replace

from evidence_rows import (
    BOTH,
    COMPARED,
    LIMITED,
    config,
    context,
    counts,
    reasons,
    table,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import described, engine
from tidegate.model import Verdict

arms = st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(
    lambda pair: (max(pair), min(pair))
)
any_rows = st.lists(st.one_of(st.none(), st.tuples(arms, arms)), max_size=8).map(
    lambda rows: table(*(None if r is None else counts(*r[0], *r[1]) for r in rows))
)


@settings(max_examples=60)
@given(any_rows, st.sampled_from([COMPARED, LIMITED, BOTH, replace(BOTH, common=True)]))
def test_judge_is_total_and_gives_the_same_from_rows_and_from_its_cache(
    rows: list[Row], rule: MetricRule
) -> None:
    settings_ = config(rule)
    found = engine.judge(rows, context=context(), config=settings_)
    state = ledger.begin(settings_)
    for row in rows:
        state = ledger.record(state, row=row, config=settings_)
    cached = engine.decide(state, context=context(), config=settings_)
    assert described.with_intervals(cached, rows=rows, config=settings_) == found
    if not any(row.counts for row in rows):
        assert found.verdict is Verdict.HOLD


@settings(max_examples=60)
@given(st.lists(arms, max_size=10))
def test_equal_counts_in_both_arms_are_never_a_regression(rows: list[tuple[int, int]]) -> None:
    equal = table(*(counts(n, x, n, x) for n, x in rows), weight=0.5)
    found = engine.judge(equal, context=context(), config=config())
    assert found.reason is not Reason.REGRESSION


@settings(max_examples=40)
@given(any_rows, any_rows)
def test_the_order_of_metrics_does_not_matter(first: list[Row], second: list[Row]) -> None:
    rules = (COMPARED, replace(BOTH, name="other"))
    rows = [
        replace(a, counts={**a.counts, **_renamed(b, name="other")})
        for a, b in zip(first, second, strict=False)
    ]
    straight = engine.judge(rows, context=context(), config=config(*rules))
    turned = engine.judge(
        rows,
        context=context(),
        config=replace(config(*reversed(rules)), requests_from=COMPARED.name),
    )
    assert reasons(straight) == reasons(turned)
    assert straight.message == turned.message


@settings(max_examples=40)
@given(st.lists(arms, min_size=1, max_size=8))
def test_one_arm_alone_is_never_a_relative_verdict(rows: list[tuple[int, int]]) -> None:
    alone = table(*(counts(n, x, 0, 0) for n, x in rows))
    found = engine.judge(alone, context=context(has_stable=False), config=config())
    assert found.reason is not Reason.REGRESSION


def _renamed(row: Row, *, name: str) -> dict[str, Counts]:
    return {name: row.counts["error-ratio"]} if row.counts else {}
