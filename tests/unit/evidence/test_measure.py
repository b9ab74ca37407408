from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from evidence_build import CANDIDATE, END, IDENTITY, SCRAPE, STABLE, START, WINDOW, grows, series

from tidegate.evidence import measure
from tidegate.evidence.model import (
    Arm,
    Latency,
    Limit,
    Measurement,
    Problem,
    Reason,
    Selector,
    Series,
)
from tidegate.rollout.model import Threshold

MAX_1_PERCENT = Threshold(max=0.01)
LATENCY = Latency(histogram=Selector(metric="m"), quantile=0.95)


def _ratio(
    total: list[Series], bad: list[Series], *, threshold: Threshold = MAX_1_PERCENT
) -> Measurement:
    return measure.ratio(total, bad=bad, threshold=threshold, identity=IDENTITY, window=WINDOW)


def _reason(arm: Arm) -> Reason | None:
    return arm.problem.reason if arm.problem else None


def test_a_ratio_of_both_arms_over_all_pods() -> None:
    total = [
        series(CANDIDATE, grows(by=10)),
        series(CANDIDATE, grows(by=40), pod="b"),
        series(STABLE, grows(by=100)),
    ]
    bad = [series(CANDIDATE, grows(by=1), code="500"), series(STABLE, grows(by=1), code="500")]

    found = _ratio(total, bad)

    assert found.candidate == Arm(value=0.02, samples=200, bad=4, limit=Limit.BROKEN, newest=END)
    assert found.stable == Arm(value=0.01, samples=400, bad=4, limit=Limit.KEPT, newest=END)
    assert (found.at, found.counted) == (END, True)


def test_a_healthy_arm_has_no_bad_series_and_no_errors() -> None:
    found = _ratio([series(CANDIDATE, grows(by=10))], [])

    assert found.candidate.value == 0
    assert found.candidate.limit is Limit.KEPT
    assert _reason(found.stable) is Reason.NO_DATA


def test_the_first_error_of_a_known_pod_counts() -> None:
    total = [series(CANDIDATE, grows(by=10))]
    bad = [series(CANDIDATE, [3], first=END, code="500")]

    assert _ratio(total, bad).candidate.bad == 3


def test_a_pod_without_a_total_leaves_both_sides() -> None:
    total = [series(CANDIDATE, grows(by=10)), series(CANDIDATE, [5], first=START - 900, pod="b")]
    bad = [series(CANDIDATE, grows(by=10), pod="b", code="500")]

    found = _ratio(total, bad)

    assert (found.candidate.samples, found.candidate.bad) == (40, 0)


def test_scrape_skew_cannot_make_more_bad_than_all() -> None:
    found = _ratio([series(CANDIDATE, grows(by=10))], [series(CANDIDATE, grows(by=12), code="500")])

    assert (found.candidate.value, found.candidate.bad) == (1.0, 40)


@pytest.mark.parametrize(
    ("threshold", "limit", "bad"),
    [
        (Threshold(min=0.5), Limit.KEPT, 24),
        (Threshold(min=0.7), Limit.BROKEN, 16),
        (Threshold(min=0.5, max=0.55), Limit.BROKEN, 24),
        (Threshold(min=0.5, max=0.7), Limit.KEPT, 24),
    ],
)
def test_events_against_a_lower_limit_are_those_that_are_missing(
    threshold: Threshold, limit: Limit, bad: float
) -> None:
    found = _ratio(
        [series(CANDIDATE, grows(by=10))],
        [series(CANDIDATE, grows(by=6), code="cached")],
        threshold=threshold,
    )

    assert (found.candidate.limit, found.candidate.bad) == (limit, bad)


@pytest.mark.parametrize(
    ("case", "values", "first", "reason"),
    [
        ("no samples", [], START, Reason.NO_DATA),
        ("no requests", [7] * 6, START - SCRAPE, Reason.NO_DATA),
        ("one sample of an unwatched pod", [7], END, Reason.NO_DATA),
        ("the last sample is old", grows(by=1, scrapes=2), START - SCRAPE, Reason.STALE),
        ("too much to count", [0, 1e308, 0, 1e308, 0, 1e308, 0, 1e308], START - 60, Reason.ERROR),
    ],
)
def test_an_arm_without_usable_data_says_why(
    case: str, values: list[float], first: float, reason: Reason
) -> None:
    found = _ratio([series(CANDIDATE, values, first=first)], [])

    assert _reason(found.candidate) is reason, case


def test_a_failed_answer_fails_both_arms() -> None:
    problem = Problem(reason=Reason.METRICS_UNAVAILABLE, message="down")
    total = [series(CANDIDATE, grows(by=10))]

    looks = [
        measure.ratio(a, bad=b, threshold=MAX_1_PERCENT, identity=IDENTITY, window=WINDOW)
        for a, b in ((problem, total), (total, problem))
    ]
    looks.append(
        measure.latency(
            problem, measure=LATENCY, threshold=MAX_1_PERCENT, identity=IDENTITY, window=WINDOW
        )
    )

    assert all(look.candidate.problem == look.stable.problem == problem for look in looks)


def test_a_series_that_was_not_asked_for_is_an_error() -> None:
    stranger = [series("0ddba11000", grows(by=10))]

    assert _reason(_ratio(stranger, []).candidate) is Reason.ERROR
    assert _reason(_latency(stranger).candidate) is Reason.ERROR


def _buckets(revision: str, counts: Mapping[str, float], *, pod: str = "a") -> list[Series]:
    """A histogram whose buckets grow by these cumulative counts within the window."""
    return [series(revision, grows(by=by / 4), le=le, pod=pod) for le, by in counts.items()]


FAST = {"0.1": 960, "0.25": 990, "0.5": 1000, "1": 1000, "+Inf": 1000}
SLOW = {"0.1": 100, "0.25": 500, "0.5": 900, "1": 1000, "+Inf": 1000}


def _latency(buckets: list[Series], *, threshold: Threshold | None = None) -> Measurement:
    return measure.latency(
        buckets,
        measure=LATENCY,
        threshold=threshold or Threshold(max=0.5),
        identity=IDENTITY,
        window=WINDOW,
    )


def test_a_quantile_is_judged_at_a_bucket_edge() -> None:
    found = _latency([*_buckets(CANDIDATE, SLOW), *_buckets(STABLE, FAST)])

    assert found.candidate.value == pytest.approx(0.75)
    assert found.candidate == replace(
        found.candidate, samples=1000, bad=100, edge=0.5, limit=Limit.BROKEN, newest=END
    )
    assert (found.stable.limit, found.stable.bad, found.stable.edge) == (Limit.KEPT, 0, 0.5)


@pytest.mark.parametrize(
    ("case", "threshold", "limit", "edge"),
    [
        ("between edges the next one judges", Threshold(max=0.6), Limit.KEPT, 1.0),
        ("at an edge", Threshold(max=0.5), Limit.BROKEN, 0.5),
        ("beyond the last edge", Threshold(max=30), Limit.KEPT, 1.0),
        ("slow enough", Threshold(min=0.1), Limit.KEPT, None),
        ("too fast", Threshold(min=1), Limit.BROKEN, 1.0),
        ("no edge below the limit", Threshold(min=0.01), Limit.KEPT, None),
        ("too fast wins", Threshold(min=1, max=2), Limit.BROKEN, 1.0),
        ("within both", Threshold(min=0.1, max=1), Limit.KEPT, 1.0),
    ],
)
def test_limits_of_a_quantile(
    case: str, threshold: Threshold, limit: Limit, edge: float | None
) -> None:
    found = _latency(_buckets(CANDIDATE, SLOW), threshold=threshold)

    assert (found.candidate.limit, found.candidate.edge) == (limit, edge), case


def test_a_quantile_beyond_the_last_edge_cannot_break_a_limit_beyond_it() -> None:
    stuck = {"0.1": 0, "0.25": 0, "0.5": 10, "+Inf": 1000}

    found = _latency(_buckets(CANDIDATE, stuck), threshold=Threshold(max=30)).candidate

    assert found.limit is Limit.UNKNOWN
    assert (found.value, found.saturated) == (0.5, True)


def test_arms_are_judged_over_the_edges_they_share() -> None:
    other = {"0.1": 960, "0.25": 990, "0.75": 1000, "1": 1000, "+Inf": 1000}
    found = _latency([*_buckets(CANDIDATE, SLOW), *_buckets(STABLE, other)])

    assert found.candidate.edge == 1.0
    assert found.candidate.limit is Limit.KEPT


def test_too_few_common_edges_hold() -> None:
    other = {"0.2": 960, "0.25": 990, "1": 1000, "+Inf": 1000}
    found = _latency([*_buckets(CANDIDATE, SLOW), *_buckets(STABLE, other)])

    assert _reason(found.candidate) is Reason.INCOMPATIBLE_BUCKETS
    assert _reason(found.stable) is Reason.INCOMPATIBLE_BUCKETS


def test_an_arm_without_requests_does_not_disturb_the_other() -> None:
    silent = {"0.2": 0, "+Inf": 0}
    found = _latency([*_buckets(CANDIDATE, SLOW), *_buckets(STABLE, silent)])

    assert found.candidate.limit is Limit.BROKEN
    assert _reason(found.stable) is Reason.NO_DATA


def test_no_series_at_all_is_no_data() -> None:
    assert _reason(_latency([]).candidate) is Reason.NO_DATA


@pytest.mark.parametrize(("value", "limit"), [(0.5, Limit.BROKEN), (0.01, Limit.KEPT)])
def test_a_free_query_is_held_against_its_limits(value: float, limit: Limit) -> None:
    silent = Problem(reason=Reason.NO_DATA, message="nothing")
    found = measure.query(value, stable=silent, threshold=MAX_1_PERCENT, window=WINDOW)

    assert found.candidate == Arm(value=value, limit=limit, newest=END - END % SCRAPE)
    assert found.stable == Arm(problem=silent)
    assert not found.counted


def test_two_looks_at_a_free_query_within_one_scrape_have_one_time() -> None:
    looks = [
        measure.query(
            1.0, stable=1.0, threshold=MAX_1_PERCENT, window=replace(WINDOW, end=END + later)
        )
        for later in (0, 4, 16)
    ]

    newest = [look.candidate.newest for look in looks]
    assert newest[0] == newest[1]
    assert newest[1] != newest[2]


def test_nan_samples_change_nothing() -> None:
    clean = [series(CANDIDATE, grows(by=10))]
    samples = [*clean[0].samples, (END - 1, math.nan)]
    dirty = [replace(clean[0], samples=tuple(sorted(samples)))]

    assert _ratio(clean, []).candidate.value == _ratio(dirty, []).candidate.value
