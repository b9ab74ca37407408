"""When predictions of one time may be compared by their labels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.rows import PodLabels
from tidegate.evidence.drift import cohorts
from tidegate.evidence.drift.cohorts import LabelCounts, Maturity, State
from tidegate.evidence.sequential import relative

HOUR = 3600.0
NOW = 100 * HOUR
PHI = dispersion.given(1.0)
HALF = Maturity(label_delay_seconds=12 * HOUR, usual_share=0.5)
NOTHING_KNOWN = Maturity(label_delay_seconds=12 * HOUR)


def labels(labelled: float, x: float = 0.0, *, of: float = 200.0) -> LabelCounts:
    return LabelCounts(predictions=of, labelled=labelled, n=labelled, x=x)


def state(
    candidate: LabelCounts,
    stable: LabelCounts | None,
    *,
    hour: float = 50,
    maturity: Maturity = HALF,
) -> State:
    return cohorts.state(
        hour * HOUR, candidate=candidate, stable=stable, now=NOW, maturity=maturity
    )


@pytest.mark.parametrize(
    ("candidate", "stable", "hour", "expected"),
    [
        pytest.param(80, 90, 87, State.RIPE, id="old enough, and most labels"),
        pytest.param(80, 90, 87 + 1 / 3600, State.YOUNG, id="a second too young"),
        pytest.param(79, 90, 50, State.FEW_OF_CANDIDATE, id="too few of the candidate"),
        pytest.param(90, 79, 50, State.FEW_OF_STABLE, id="too few of stable"),
        pytest.param(79, 79, 50, State.FEW, id="too few of both"),
        pytest.param(0, 0, 50, State.FEW, id="none at all"),
        pytest.param(201, 90, 50, State.UNKNOWN, id="more labels than predictions"),
        pytest.param(80, None, 50, State.RIPE, id="nobody beside the candidate"),
        pytest.param(79, None, 50, State.FEW, id="too few of the only one"),
    ],
)
def test_when_a_cohort_counts(
    candidate: float, stable: float | None, hour: float, expected: State
) -> None:
    others = None if stable is None else labels(stable)

    assert state(labels(candidate), others, hour=hour) is expected


def test_while_nobody_knows_what_is_usual_nearly_all_predictions_need_a_label() -> None:
    assert state(labels(159), labels(200), maturity=NOTHING_KNOWN) is State.FEW_OF_CANDIDATE
    assert state(labels(160), labels(200), maturity=NOTHING_KNOWN) is State.RIPE


def test_a_cohort_is_final_at_twice_the_delay_but_not_before_it_counts() -> None:
    assert HALF.final_seconds == 24 * HOUR
    assert Maturity(label_delay_seconds=0.0).final_seconds == HOUR


def test_only_cohorts_of_both_revisions_are_compared_at_one_age() -> None:
    counters = {
        "new": {80 * HOUR: labels(85, 1), 70 * HOUR: labels(90, 2), 10 * HOUR: labels(90, 9)},
        "old": {70 * HOUR: labels(80, 3), 80 * HOUR: labels(90, 4), 20 * HOUR: labels(90, 5)},
        "odd": {70 * HOUR: labels(80, 80)},
    }

    found = cohorts.cohort_rows(
        counters, candidate="new", stable="old", now=NOW, maturity=HALF, phi=PHI
    )

    assert [row.start / HOUR for row in found.rows] == [70, 80]
    assert [row.age_seconds / HOUR for row in found.rows] == [29, 19]
    streams = [row.stream for row in found.rows]
    assert [(s.n_c, s.x_c, s.n_s, s.x_s) for s in streams] == [(90, 2, 80, 3), (85, 1, 90, 4)]
    assert found.immature == {}


def test_what_is_not_ripe_is_named() -> None:
    counters = {"new": {70 * HOUR: labels(3)}, "old": {70 * HOUR: labels(90)}}

    found = cohorts.cohort_rows(
        counters, candidate="new", stable="old", now=NOW, maturity=HALF, phi=PHI
    )

    assert (found.rows, found.immature) == ((), {70 * HOUR: State.FEW_OF_CANDIDATE})


def test_rows_of_cohorts_go_through_the_rate_ratio_test() -> None:
    hours = [hour * HOUR for hour in range(40, 80)]

    def log_e(candidate_errors: float) -> float:
        found = cohorts.cohort_rows(
            {
                "new": {start: labels(20, candidate_errors, of=25) for start in hours},
                "old": {start: labels(80, 8, of=100) for start in hours},
            },
            candidate="new",
            stable="old",
            now=NOW,
            maturity=HALF,
            phi=PHI,
        )
        streams = [row.stream for row in found.rows]
        return relative.log_value(relative.compare(streams, theta0=1.1, restart=(1.0,)))

    assert log_e(2) < 0
    assert log_e(8) > math.log(100)


@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 4), max_size=5))
def test_pods_are_added_up(pods: list[tuple[int, int, int, int]]) -> None:
    ordered = [sorted(one) for one in pods]
    found = cohorts.summed(
        PodLabels(predictions=p, labelled=labelled, n=n, x=x) for x, n, labelled, p in ordered
    )

    assert found.predictions == sum(one[3] for one in ordered)
    assert (found.x, found.n) == (sum(one[0] for one in ordered), sum(one[1] for one in ordered))
