"""What is said before a step of what it can find out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from evidence_rows import COMPARED, INDEPENDENT, UNMEASURED, config, counts, table

from tidegate import model
from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.intervals import Table
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.verdict import outlook
from tidegate.evidence.verdict.outlook import Past

STEP = model.Stage(
    name="p5",
    weight_percent=5,
    effective_weight_percent=5,
    hold_seconds=600,
    deadline_seconds=3600,
    min_requests=100,
)


def estimate(
    *,
    bad_rate: float = 0.01,
    requests_per_second: float = 100.0,
    phi: Phi = INDEPENDENT,
    weight: float = 5,
    hold_seconds: float = 600.0,
    known: bool = True,
    rule: MetricRule = COMPARED,
) -> model.Estimate:
    past = Past(bad_rate=bad_rate, requests_per_second=requests_per_second, phi=phi)
    step = replace(STEP, effective_weight_percent=weight, hold_seconds=hold_seconds)
    (found,) = outlook.estimates(
        [step],
        pasts={rule.name: past} if known else {},
        config=config(rule),
        interval_seconds=30.0,
        scrape_seconds=15.0,
    )
    return found


def test_the_time_for_a_doubling_and_the_smallest_ratio_are_said() -> None:
    found = estimate()

    assert found.text.startswith("error-ratio: finds a doubling of 1.00% in about ")
    assert "at 100 requests/s; x" in found.text
    assert found.text.endswith(" within 10m")
    assert found.warning == ""


def test_a_step_that_is_too_short_names_the_hold_and_the_weight_that_would_do() -> None:
    found = estimate(requests_per_second=20.0)

    assert found.warning.startswith("a hold of 10m is too short to find a doubling of error-ratio")
    assert "hold it for " in found.warning
    weight = float(found.warning.rsplit("give it weight ", 1)[1])
    assert estimate(requests_per_second=20.0, weight=weight).warning == ""
    assert estimate(requests_per_second=20.0, weight=weight - 1).warning != ""


def test_where_no_weight_would_do_only_the_hold_is_named() -> None:
    found = estimate(requests_per_second=0.05, phi=UNMEASURED)

    assert "hold it for" in found.warning
    assert "weight" not in found.warning


def test_where_the_tolerance_allows_a_doubling_nothing_would_do() -> None:
    lenient = replace(COMPARED, compare=replace(COMPARED.compare, theta0=2.5))  # type: ignore[type-var]
    found = estimate(rule=lenient)

    assert "a very long time" in found.text
    assert found.warning.endswith("no hold or weight would do at this traffic")


def test_a_hold_that_shows_nothing_says_so() -> None:
    assert "nothing within 1s" in estimate(requests_per_second=0.01, hold_seconds=1.0).text


def test_without_bad_requests_an_excess_is_ruled_out() -> None:
    found = estimate(bad_rate=0.0)

    assert "stable has no bad requests at 100 requests/s" in found.text
    assert "an excess of 0.50% is ruled out in about 2m" in found.text
    assert found.warning == ""
    assert "a very long time" in estimate(bad_rate=0.0, weight=0).text


def test_without_history_that_is_said() -> None:
    assert estimate(known=False).text == "error-ratio: stable had no requests to plan with"


@pytest.mark.parametrize(
    "rule", [replace(COMPARED, guard=False), MetricRule(name="error-ratio", limit=0.01)]
)
def test_only_what_is_compared_and_guards_is_planned(rule: MetricRule) -> None:
    assert estimate(rule=rule).text == "nothing is compared with stable"


def test_the_past_is_the_sum_of_its_intervals() -> None:
    rows = table(counts(0, 0, 600, 6), None, counts(0, 0, 1200, 3))
    past = outlook.past_of(Table(rows=tuple(rows)), rule=COMPARED)

    assert past is not None
    assert past.bad_rate == pytest.approx(9 / 1800)
    assert past.requests_per_second == pytest.approx(1800 / 120)
    assert not past.phi.trusted
    assert outlook.past_of(Table(rows=tuple(table(None))), rule=COMPARED) is None
    assert outlook.past_of(Table(rows=tuple(table(counts(0, 0, 0, 0)))), rule=COMPARED) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0s"),
        (89, "89s"),
        (90, "2m"),
        (5300, "88m"),
        (7200, "2h"),
        (7800, "2h 10m"),
        (3 * 86400, "3d"),
        (400 * 86400, "a very long time"),
        (math.inf, "a very long time"),
    ],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert outlook.about(seconds) == text
