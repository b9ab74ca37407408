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
from tidegate.evidence.verdict.forecast import Past
from tidegate.evidence.verdict.rates import Arrivals
from tidegate.evidence.verdict.throughput import pace_of

STEP = model.Stage(
    name="p5",
    weight_percent=5,
    effective_weight_percent=5,
    hold_seconds=600,
    deadline_seconds=7200,
    min_requests=100,
)
SECOND = replace(STEP, name="p50", weight_percent=50, effective_weight_percent=50)


def estimates(
    *steps: model.Stage,
    bad_rate: float = 0.01,
    requests_per_second: float = 100.0,
    phi: Phi = INDEPENDENT,
    known: bool = True,
    rule: MetricRule = COMPARED,
) -> tuple[model.Estimate, ...]:
    past = Past(bad_rate=bad_rate, requests_per_second=requests_per_second, phi=phi)
    return outlook.estimates(
        steps or (STEP,),
        pasts={rule.name: past} if known else {},
        config=config(rule),
        interval_seconds=30.0,
        scrape_seconds=15.0,
    )


def test_each_step_says_what_it_finds_when_it_passes_and_when_an_outage_is_found() -> None:
    first, second = estimates(STEP, SECOND)

    assert first.text.startswith("error-ratio (1.00% at 100 requests/s): finds 2.00% in ")
    assert ", 5.00% in " in first.text
    assert "a healthy version passes after about 10m (deadline 2h)" in first.text
    assert "an outage is found in about " in first.text
    assert first.text.endswith("; promotion in about 20m")
    assert "promotion" not in second.text
    assert (first.warning, second.warning) == ("", "")


def test_a_step_that_does_not_pass_in_time_names_what_would_do() -> None:
    slow = {"bad_rate": 0.0, "requests_per_second": 0.5, "phi": UNMEASURED}
    (found,) = estimates(**slow)  # type: ignore[arg-type]

    assert found.text.endswith("; no promotion without a person is expected")
    assert found.warning.startswith(
        "error-ratio lets no healthy version pass before the deadline of 2h: set its deadline to "
    )
    hours = float(found.warning.split("set its deadline to ")[1].split("h")[0])
    weight = float(found.warning.split("give it weight ")[1].split(";")[0])
    detect = float(found.warning.split("compare.detect.absolute to ")[1])
    assert COMPARED.compare is not None
    wider = replace(COMPARED, compare=replace(COMPARED.compare, detect_absolute=detect))
    heavier = replace(STEP, effective_weight_percent=weight)
    for mended in (
        estimates(replace(STEP, deadline_seconds=hours * 3600), **slow),  # type: ignore[arg-type]
        estimates(heavier, **slow),  # type: ignore[arg-type]
        estimates(STEP, rule=wider, **slow),  # type: ignore[arg-type]
    ):
        assert mended[0].warning == ""
    lighter = replace(STEP, effective_weight_percent=weight - 5)
    assert estimates(lighter, **slow)[0].warning != ""  # type: ignore[arg-type]


SHADOW = replace(
    STEP,
    name="shadow",
    kind=model.StageKind.SHADOW,
    weight_percent=0,
    effective_weight_percent=0,
    mirror_percent=5,
)


def test_copies_are_planned_with_all_requests_of_stable_beside_them() -> None:
    """5 % answered leave 95 % for stable, 5 % copied all: that finds harm a little sooner."""
    (live,), (copied,) = estimates(STEP), estimates(SHADOW)
    assert copied.warning == ""
    assert copied.text.startswith("error-ratio (1.00% at 100 requests/s): finds 2.00% in ")
    assert "a healthy version passes after about 10m" in copied.text
    assert live.text.split("; ")[1].split(",")[0] == copied.text.split("; ")[1].split(",")[0]


def test_a_shadow_that_does_not_pass_in_time_is_told_a_larger_mirror() -> None:
    slow = {"bad_rate": 0.0, "requests_per_second": 0.5, "phi": UNMEASURED}
    (found,) = estimates(SHADOW, **slow)  # type: ignore[arg-type]
    percent = float(found.warning.split("give it mirrorPercent ")[1].split(";")[0])
    (mended,) = estimates(replace(SHADOW, mirror_percent=percent), **slow)  # type: ignore[arg-type]
    assert mended.warning == ""


def test_where_nothing_would_do_that_is_said() -> None:
    (found,) = estimates(requests_per_second=1e-5, phi=UNMEASURED)

    assert found.warning.endswith("no deadline, weight or detect would do")
    assert "a very long time" in found.text


def test_what_was_seen_in_earlier_steps_counts_for_the_smaller_harm() -> None:
    quiet = {"bad_rate": 0.0, "requests_per_second": 10.0, "phi": UNMEASURED}
    (alone,) = estimates(SECOND, **quiet)  # type: ignore[arg-type]
    _, after = estimates(replace(STEP, effective_weight_percent=10), SECOND, **quiet)  # type: ignore[arg-type]

    assert "passes after about 10m" in after.text
    assert "passes after about 10m" not in alone.text


def test_without_history_that_is_said() -> None:
    (found,) = estimates(known=False)
    assert found == model.Estimate(text="error-ratio: stable had no requests to plan with")


PACED = MetricRule(
    name="request-rate", pace=pace_of(least=None, tolerance=None, margin=0.25, per_pod=False)
)


def test_a_request_rate_without_history_is_said_to_have_none() -> None:
    (found,) = outlook.estimates(
        (STEP,), pasts={}, config=config(PACED), interval_seconds=30.0, scrape_seconds=15.0
    )
    assert found == model.Estimate(text="request-rate: stable had no requests to plan with")


def test_the_warnings_of_metrics_and_of_request_rates_stand_side_by_side() -> None:
    quiet = Past(bad_rate=0.0, requests_per_second=0.5, phi=UNMEASURED)
    (found,) = outlook.estimates(
        (STEP,),
        pasts={COMPARED.name: quiet},
        config=config(COMPARED, PACED),
        interval_seconds=30.0,
        scrape_seconds=15.0,
        arrivals=Arrivals(requests_per_second=0.02, pods=4),
        pods=(1,),
    )
    first, second = found.warning.split("; request-rate: ")
    assert first.startswith("error-ratio lets no healthy version pass before the deadline of 2h")
    assert second.startswith("does not pass before the deadline: lower min")


@pytest.mark.parametrize(
    "rule", [replace(COMPARED, guard=False), MetricRule(name="error-ratio", limit=0.01)]
)
def test_only_what_is_compared_and_guards_is_planned(rule: MetricRule) -> None:
    assert estimates(rule=rule)[0].text == "nothing is compared with stable"


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
