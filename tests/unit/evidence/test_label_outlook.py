"""What is said of labels before a step begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evidence_rows import COMPARED, INDEPENDENT, config
from label_rows import LATE, RULE

from tidegate import model
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.verdict import outlook
from tidegate.evidence.verdict.forecast import Past

STEP = model.Stage(
    name="p10",
    weight_percent=10.0,
    effective_weight_percent=10.0,
    hold_seconds=1800.0,
    deadline_seconds=7200.0,
    min_requests=100,
)


def estimate(rule: MetricRule, *, stage: model.Stage = STEP) -> model.Estimate:
    past = Past(bad_rate=0.01, requests_per_second=100.0, phi=INDEPENDENT)
    return outlook.estimates(
        (stage,),
        pasts={"error-ratio": past},
        config=config(COMPARED, rule),
        interval_seconds=30.0,
        scrape_seconds=15.0,
    )[0]


def test_labels_that_can_come_in_time_are_no_warning() -> None:
    found = estimate(RULE)

    assert "quality: the first labels count after at most 40m" in found.text
    assert found.warning == ""


def test_a_step_that_holds_too_short_does_not_wait() -> None:
    found = estimate(replace(RULE, late=replace(LATE, unasked=(0,))))

    assert "quality: labels count 20m after a prediction, which is longer than this" in found.text
    assert found.warning == ""


def test_a_deadline_before_the_first_labels_is_warned_of() -> None:
    found = estimate(RULE, stage=replace(STEP, deadline_seconds=2000.0))

    assert "quality: its first labels may count after 40m" in found.warning


@pytest.mark.parametrize("more", [{"guard": False}], ids=["Alert"])
def test_nothing_is_said_of_what_does_not_act(more: dict[str, bool]) -> None:
    found = estimate(replace(RULE, **more))  # type: ignore[arg-type]

    assert "labels" not in found.text
