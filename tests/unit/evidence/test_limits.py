"""What looks at a metric with limits say: a breach when it lasts and is proven, and never by missing data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.evidence.drift.mixes import ByBin
from tidegate.evidence.terms import (
    Latency,
    Problem,
    Query,
    Ratio,
    Reason,
    Selector,
    Template,
    Throughput,
)
from tidegate.evidence.verdict import limits, serving
from tidegate.evidence.verdict.limits import BAD, OTHER, PODS, REQUESTS, Served, Way
from tidegate.evidence.verdict.serving import Look
from tidegate.model import Outcome

SLICE = 300.0
SELECTOR = Selector(metric="m_total")
RATIO = Ratio(bad=SELECTOR, total=SELECTOR)
P90 = Latency(histogram=SELECTOR, quantile=0.9)
MILLISECONDS = Latency(histogram=SELECTOR, quantile=0.9, unit_seconds=0.001)
SPEED = Throughput(requests=SELECTOR)
NUMBER = Query(promql="up")
DOWN = Problem(reason=Reason.METRICS_UNAVAILABLE, message="no answer")
Observed = ByBin | float | Problem


def way(measure: Any, *, least: float | None = None, most: float | None = None, **more: Any) -> Way:
    fields: dict[str, Any] = {"failures": 3, "out_of": 5, "min_samples": 20, **more}
    return Way(
        threshold=model.Threshold(min=least, max=most),
        template=Template(name="m", measure=measure),
        alpha=serving.alpha_of(model.Monitoring(), slice_seconds=SLICE, metrics=1),
        slice_seconds=SLICE,
        **fields,
    )


ERRORS = way(RATIO, most=0.05)


def looks(observed: Sequence[Observed], using: Way) -> list[Look]:
    state, found = Served(), []
    for index, one in enumerate(observed):
        state, look = limits.looked(state, observed=one, at=SLICE * (index + 1), way=using)
        found.append(look)
    return found


def words(found: Sequence[Look]) -> list[tuple[Outcome, Reason]]:
    return [(look.outcome, look.reason) for look in found]


def share(bad: float, n: float = 1000.0) -> ByBin:
    return {BAD: bad * n, OTHER: (1 - bad) * n}


def buckets(*counts: float, edges: Sequence[str] = ("0.1", "0.5", "1", "+Inf")) -> ByBin:
    return dict(zip(edges, counts, strict=True))


def requests(per_second: float, pods: float = 1.0) -> ByBin:
    return {REQUESTS: per_second * SLICE, PODS: pods}


EARLY = (Outcome.INCONCLUSIVE, Reason.WARMUP)
OPEN = (Outcome.INCONCLUSIVE, Reason.UNDECIDED)
SOUND = (Outcome.PASS, Reason.NO_HARM_FOUND)
BREACH = (Outcome.FAIL, Reason.SLO_BREACH)
LIMIT = (Outcome.FAIL, Reason.LIMIT)

GOOD_AND_BAD: list[tuple[Way, Observed, Observed, float, tuple[Outcome, Reason]]] = [
    (ERRORS, share(0.01), share(0.2), 0.2, BREACH),
    (way(RATIO, least=0.9), share(0.97), share(0.8), 0.8, BREACH),
    (way(P90, most=0.5), buckets(800, 150, 40, 10), buckets(500, 200, 200, 100), 1.0, BREACH),
    (way(SPEED, least=5.0), requests(9.0), requests(2.0), 2.0, BREACH),
    (way(SPEED, least=5.0), requests(20.0, pods=2), requests(6.0, pods=2), 3.0, BREACH),
    (way(SPEED, least=5.0), requests(9.0), requests(0.0), 0.0, BREACH),
    (way(NUMBER, most=0.9), 0.5, 0.95, 0.95, LIMIT),
    (way(NUMBER, least=-1.0), 0.0, -2.0, -2.0, LIMIT),
    (way(NUMBER, least=0.2, most=0.9), 0.2, 0.1, 0.1, LIMIT),
]
IDS = ["errors", "successes", "p90", "speed", "by-pod", "silence", "above", "below", "between"]


@pytest.mark.parametrize(("using", "good", "bad", "value", "what"), GOOD_AND_BAD, ids=IDS)
def test_a_breach_is_found_when_it_lasts_and_ends_after_a_window_without(
    using: Way, good: Observed, bad: Observed, value: float, what: tuple[Outcome, Reason]
) -> None:
    found = looks([good] * 14 + [bad] * 14 + [good] * 26, using)
    course = words(found)
    assert course[:11] == [EARLY] * 11, course
    assert set(course[12:14]) == {SOUND}, course
    first = course.index(what)
    assert 16 <= first < 28, course
    assert set(course[first:28]) == {what}, course
    assert found[27].value == pytest.approx(value)
    assert course[-1] == SOUND
    after = course[28:]
    ended = after.index(SOUND)
    assert what not in after[ended:], course
    assert ended >= 11, "a whole window without any"


@pytest.mark.parametrize(("using", "good", "bad", "value", "what"), GOOD_AND_BAD, ids=IDS)
def test_one_bad_slice_is_no_breach(
    using: Way, good: Observed, bad: Observed, value: float, what: tuple[Outcome, Reason]
) -> None:
    del value
    assert what not in words(looks([good] * 14 + [bad] + [good] * 12, using))


@pytest.mark.parametrize(("using", "good", "bad", "value", "what"), GOOD_AND_BAD, ids=IDS)
def test_missing_data_begin_nothing_and_end_nothing(
    using: Way, good: Observed, bad: Observed, value: float, what: tuple[Outcome, Reason]
) -> None:
    del value, bad, what
    found = words(looks([good] * 14 + [DOWN] * 3 + [good], using))
    assert found[14:17] == [(Outcome.NO_DATA, Reason.METRICS_UNAVAILABLE)] * 3
    assert found[17] == SOUND


def test_exactly_the_limit_is_kept() -> None:
    assert words(looks([0.93] * 13, way(NUMBER, most=0.93)))[-1] == SOUND
    assert words(looks([share(0.05)] * 13, ERRORS))[-1] == SOUND


def test_what_lies_barely_beyond_the_limit_is_neither_proven_nor_sound() -> None:
    assert words(looks([share(0.055, n=100.0)] * 14, ERRORS))[-1] == OPEN


def test_few_requests_say_nothing() -> None:
    found = looks([share(0.5, n=1.0)] * 14, ERRORS)
    assert words(found)[-1] == (Outcome.INCONCLUSIVE, Reason.INSUFFICIENT)
    assert "20 are needed (minSamples)" in found[-1].message


@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_step_within_a_slice_is_found_as_soon_as_one_between_two(part: float) -> None:
    errors = [share(0.1)] * 12 + [share(0.1 + 0.8 * part)] + [share(0.9)] * 5
    assert looks(errors, way(RATIO, most=0.4))[-1].outcome is Outcome.FAIL
    speeds = [requests(10.0)] * 12 + [requests(10.0 - 9.0 * part)] + [requests(1.0)] * 3
    assert looks(speeds, way(SPEED, least=8.0))[-1].outcome is Outcome.FAIL


def test_clumps_are_no_breach() -> None:
    """One client fails everything in every fourth slice: that is above the limit, and may be chance."""
    calm, burst = share(0.0, n=100.0), share(0.5, n=100.0)
    found = words(looks([calm, calm, burst, burst] * 8, way(RATIO, most=0.2, failures=2)))
    assert BREACH not in found, found


def test_a_breach_that_began_before_the_watch_needs_half_a_window() -> None:
    found = words(looks([share(0.2)] * 8, ERRORS))
    assert found.index(BREACH) == serving.LEAST_SLICES - 1


def test_a_critical_number_is_told_at_once() -> None:
    found = words(looks([0.5] * 3 + [2.0], way(NUMBER, most=1.0, failures=1)))
    assert found[-1] == LIMIT


def test_the_quantile_is_told_in_seconds_whatever_the_unit_of_the_buckets() -> None:
    edges = ("100", "500", "1000", "+Inf")
    found = looks([buckets(500, 200, 200, 100, edges=edges)] * 8, way(MILLISECONDS, most=0.5))
    assert found[-1].outcome is Outcome.FAIL
    assert found[-1].value == pytest.approx(1.0)
    assert "0.3 of requests took longer than 0.5 s, 0.1 may" in found[-1].message


@pytest.mark.parametrize(
    ("observed", "most", "reason"),
    [
        (buckets(1.0, 2.0, edges=("0.1", "0.5")), 0.3, Reason.NO_DATA),
        (buckets(10.0, 2.0, 1.0, 5.0), 3.0, Reason.SATURATED),
        ({"+Inf": 10.0}, 3.0, Reason.SATURATED),
    ],
    ids=["no-total", "limit-above", "no-edges"],
)
def test_buckets_that_cannot_be_judged_are_named(
    observed: ByBin, most: float, reason: Reason
) -> None:
    (look,) = looks([observed], way(P90, most=most))
    assert (look.outcome, look.reason) == (Outcome.NO_DATA, reason)


def test_a_metric_that_became_a_number_begins_anew() -> None:
    state, _ = limits.looked(Served(), observed=share(0.0), at=SLICE, way=ERRORS)
    state, look = limits.looked(state, observed=0.5, at=2 * SLICE, way=way(NUMBER, most=1.0))
    assert (state.slices.ends, state.ends) == ((), (2 * SLICE,))
    assert look.reason is Reason.WARMUP


def test_a_world_without_change_is_silent_for_a_day() -> None:
    """Errors just within the limit and traffic by chance: one alarm in a hundred weeks is what is allowed."""
    random = np.random.default_rng(3)
    drawn = random.binomial(500, 0.05, size=288)
    found = looks([{BAD: float(x), OTHER: 500.0 - x} for x in drawn], ERRORS)
    assert all(look.outcome is not Outcome.FAIL for look in found)


@given(
    st.lists(
        st.one_of(
            st.floats(0, 1).map(lambda it: share(it, n=50.0)),
            st.just(DOWN),
        ),
        max_size=30,
    )
)
def test_nothing_within_the_limit_ever_fails(observed: list[Observed]) -> None:
    found = looks(observed, way(RATIO, most=0.999))
    for look in found:
        assert look.outcome is not Outcome.FAIL or (look.value or 0.0) > 0.999
