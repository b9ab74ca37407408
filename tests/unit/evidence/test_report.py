"""Results as status shows them, from rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import evidence_build as build
import pytest
from evidence_rows import COMPARED, UNMEASURED, config, context, counts, table

from tidegate import model
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.queries import presets
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Check, EvidenceConfig, MetricRule
from tidegate.evidence.terms import Query, Template
from tidegate.evidence.verdict import engine, report

AT = datetime(2026, 1, 1, tzinfo=UTC)
SLOW = MetricRule(name="slow", edges=(0.1, 0.25, 0.5), decisive=1, limit=0.05)
TEMPLATES = {
    "error-ratio": presets.TEMPLATES["MLServer", "error-ratio"],
    "slow": presets.TEMPLATES["MLServer", "latency-p95"],
    "load": Template(name="load", measure=Query(promql="load")),
}


def result_of(
    metric: model.Metric,
    rows: Sequence[Row],
    *,
    settings: EvidenceConfig,
    checks: tuple[Check, ...] = (),
) -> model.MetricResult:
    state = ledger.record_all(rows, config=settings)
    looked = context(checks={metric.name: checks})
    (found,) = report.results(
        engine.judge(rows, context=looked, config=settings),
        ledger=state,
        analysis=build.analysis(metric, build.metric("unread")),
        templates=TEMPLATES,
        quantiles=report.quantile_bounds(state, rows=rows, templates=TEMPLATES, config=settings),
        checks={metric.name: checks},
        config=settings,
        at=AT,
    )
    return found


def test_a_ratio_shows_both_arms_its_interval_and_its_evidence() -> None:
    rows = table(*(counts(1000, 20, 9000, 90) for _ in range(4)), None)
    found = result_of(build.metric(), rows, settings=config(COMPARED))

    assert (found.value, found.baseline_value) == (0.02, 0.01)
    assert found.value_bounds.lower is not None
    assert found.value_bounds.upper is not None
    assert found.value_bounds.lower < 0.02 < found.value_bounds.upper
    assert found.ratio == pytest.approx(2.0)
    assert found.ratio_bounds.lower is not None
    assert found.ratio_bounds.lower < 2.0
    assert found.candidate == model.ArmCounts(total=4000, bad=80)
    assert found.baseline == model.ArmCounts(total=36000, bad=360)
    assert found.intervals == 4
    assert found.evidence is not None
    assert (found.evidence_limit, found.proof_limit) == pytest.approx((4.605, 2.996), abs=1e-3)
    assert (found.dispersion, found.dispersion_source) == (1.0, "Measured")
    assert found.evaluated_at == AT


def test_what_would_have_been_found_is_told_with_its_power() -> None:
    rows = table(*(counts(1000, 4, 9000, 36) for _ in range(4)))
    found = result_of(build.metric(), rows, settings=config(COMPARED))

    assert found.detect is not None
    assert found.power is not None
    assert 0 < found.power <= 1
    assert found.detect_ratio == pytest.approx(found.detect / 0.004)


def test_without_bad_requests_of_stable_the_size_is_a_rate_alone() -> None:
    found = result_of(build.metric(), table(counts(1000, 0, 9000, 0)), settings=config(COMPARED))

    assert found.detect is not None
    assert found.detect_ratio is None


def test_a_metric_that_is_not_compared_looks_for_no_harm() -> None:
    alone = config(replace(COMPARED, compare=None, limit=0.05))
    found = result_of(build.metric(), table(counts(1000, 20, 9000, 90)), settings=alone)

    assert (found.detect, found.detect_ratio, found.power) == (None, None, None)


def test_an_assumed_dispersion_says_so() -> None:
    rows = table(counts(1000, 20, 9000, 90, phi=UNMEASURED))
    found = result_of(build.metric(), rows, settings=config(COMPARED))

    assert (found.dispersion, found.dispersion_source) == (10.0, "Unmeasured")


def test_a_share_of_good_answers_is_shown_as_it_was_asked_for() -> None:
    rows = table(counts(1000, 100, 9000, 450))
    one = build.metric(threshold=model.Threshold(min=0.8))
    found = result_of(one, rows, settings=config(replace(COMPARED, limit=0.2)))

    assert (found.value, found.baseline_value) == (0.9, 0.95)
    assert found.value_bounds.lower is not None
    assert found.value_bounds.upper is not None
    assert found.value_bounds.lower < 0.9 < found.value_bounds.upper
    assert found.candidate.bad == 100


def test_a_latency_shows_its_quantile_between_edges() -> None:
    rows = table(*(counts(1000, (300, 80, 0), 9000, (2700, 450, 0)) for _ in range(5)))
    rows = [replace(row, counts={"slow": row.counts["error-ratio"]}) for row in rows]
    found = result_of(build.metric("slow"), rows, settings=config(SLOW))

    assert found.value is not None
    assert found.baseline_value is not None
    assert 0.25 < found.value < 0.5
    assert found.baseline_value == pytest.approx(0.25)
    assert found.value_bounds == model.Bounds(lower=0.25, upper=0.5)
    assert found.edge == 0.25
    assert found.candidate == model.ArmCounts(total=5000, bad=400)


@pytest.mark.parametrize("rule", [COMPARED, SLOW, MetricRule(name="slow", limit=0.05)])
def test_without_rows_nothing_is_claimed(rule: MetricRule) -> None:
    found = result_of(build.metric(rule.name), [], settings=config(rule))

    assert (found.value, found.baseline_value, found.intervals) == (None, None, 0)
    assert found.ratio_bounds == found.value_bounds == model.OPEN_BOUNDS
    assert found.dispersion is None


def test_a_plain_value_shows_its_last_check_and_no_evidence() -> None:
    rule = MetricRule(name="load", scalar=True)
    old, new = Check(value=9.0, kept=False), Check(value=0.4, kept=True)
    one = build.metric("load")
    found = result_of(one, [], settings=config(rule), checks=(old,) * 4 + (new, old, new))

    assert (found.value, found.failures) == (0.4, 3)
    assert (found.evidence, found.evidence_limit, found.proof, found.proof_limit) == (None,) * 4
    assert result_of(one, [], settings=config(rule)).value is None
