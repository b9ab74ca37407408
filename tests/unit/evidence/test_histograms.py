from __future__ import annotations

import math

import pytest
from evidence_build import CANDIDATE, WINDOW, grows, series
from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.evidence.counts import histograms, tally
from tidegate.evidence.counts.histograms import Histogram
from tidegate.evidence.terms import Series


def _collect(buckets: list[tuple[str, float]], *, pod: str = "a") -> list[Series]:
    return [series(CANDIDATE, grows(by=by), le=le, pod=pod) for le, by in buckets]


def _histogram(all_series: list[Series], *, unit_seconds: float = 1.0) -> Histogram | None:
    events = tally.once(all_series, window=WINDOW).events
    return histograms.collect(events, unit_seconds=unit_seconds)


def test_edges_are_numbers_in_seconds_and_pods_are_summed() -> None:
    one = _collect([("100", 1), ("250.0", 2), ("+Inf", 3)])
    two = _collect([("100.0", 10), ("250", 20), ("+Inf", 30)], pod="b")

    found = _histogram([*one, *two], unit_seconds=0.001)

    assert found is not None
    assert found.edges == pytest.approx((0.1, 0.25))
    assert found.at_most == (44.0, 88.0)
    assert found.total == 132
    assert found.above(found.edges[1]) == 44


def test_edges_that_one_pod_lacks_are_left_out() -> None:
    one = _collect([("1", 1), ("2", 2), ("+Inf", 3)])
    two = _collect([("1", 1), ("4", 2), ("+Inf", 3)], pod="b")

    found = _histogram([*one, *two])

    assert found is not None
    assert found.edges == (1.0,)


@pytest.mark.parametrize("buckets", [[], [("1", 1)], [("one", 1), ("nan", 2)], [("", 1)]], ids=str)
def test_buckets_without_a_total_are_no_data(buckets: list[tuple[str, float]]) -> None:
    assert _histogram(_collect(buckets)) is None


def test_a_series_without_samples_is_left_out() -> None:
    broken = [series(CANDIDATE, [], le="1"), *_collect([("2", 1), ("+Inf", 2)])]

    found = _histogram(broken)

    assert found is not None
    assert found.edges == (2.0,)


@given(counts=st.dictionaries(st.floats(0, 100), st.integers(0, 1000), min_size=1))
def test_repaired_buckets_never_fall_and_keep_the_largest_count(counts: dict[float, float]) -> None:
    found = histograms.repaired(counts)

    values = [found[edge] for edge in sorted(found)]
    assert values == sorted(values)
    assert values[-1] == max(counts.values())
    assert found.keys() == counts.keys()


EDGES = (0.1, 0.25, 0.5)
HISTOGRAM = Histogram(edges=EDGES, at_most=(50, 90, 100), total=100)


@pytest.mark.parametrize(
    ("limit", "above"),
    [(0.05, 0.1), (0.1, 0.1), (0.2, 0.25), (0.5, 0.5), (0.6, None), (0.25 + 1e-12, 0.25)],
)
def test_the_edge_next_to_a_limit(limit: float, above: float | None) -> None:
    assert histograms.edge_at_or_above(EDGES, limit=limit) == above


@pytest.mark.parametrize(
    ("q", "seconds", "saturated"),
    [(0.25, 0.05, False), (0.5, 0.1, False), (0.7, 0.175, False), (0.95, 0.375, False)],
)
def test_the_shown_quantile_is_interpolated(q: float, seconds: float, *, saturated: bool) -> None:
    found = histograms.quantile(HISTOGRAM, q=q)

    assert found.seconds == pytest.approx(seconds)
    assert found.saturated is saturated


def test_a_quantile_above_the_last_edge_is_a_lower_bound() -> None:
    slow = Histogram(edges=EDGES, at_most=(0, 0, 10), total=100)

    assert histograms.quantile(slow, q=0.95) == histograms.Quantile(seconds=0.5, saturated=True)


def test_a_first_edge_below_zero_is_not_interpolated_from_zero() -> None:
    odd = Histogram(edges=(-1.0, 1.0), at_most=(10, 10), total=10)

    assert histograms.quantile(odd, q=0.5) == histograms.Quantile(seconds=-1.0, saturated=False)


@given(
    bins=st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    q=st.floats(0.01, 0.99),
)
def test_the_quantile_lies_above_an_edge_exactly_if_too_many_requests_do(
    bins: list[int], q: float
) -> None:
    at_most = tuple(float(sum(bins[: index + 1])) for index in range(3))
    histogram = Histogram(edges=EDGES, at_most=at_most, total=float(sum(bins)))
    assume(histogram.total > 0)
    found = histograms.quantile(histogram, q=q)
    for edge in EDGES:
        share = histogram.above(edge) / histogram.total
        if not math.isclose(share, 1 - q, rel_tol=1e-6):
            above = found.seconds > edge or (found.saturated and edge == EDGES[-1])
            assert above == (share > 1 - q)
