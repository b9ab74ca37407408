"""From counters with a feature and a bin to the rows of a distribution."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from evidence_build import CANDIDATE, IDENTITY, STABLE, grows, series
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import binned
from tidegate.evidence.counts.binned import Binning
from tidegate.evidence.counts.grid import Grid, WeightChange
from tidegate.evidence.counts.intervals import MetricSeries, Table, close_intervals
from tidegate.evidence.counts.rows import Bins, Counts
from tidegate.evidence.terms import Distribution, Form, Problem, Reason, Selector, Series

BY_BIN = Binning(bin="bin", dimension="feature")
HISTOGRAM = Binning(bin="le", dimension="feature", cumulative=True)
GRID = Grid(
    interval_seconds=30.0,
    scrape_interval_seconds=15.0,
    settle_seconds=0.0,
    cold_start_seconds=0.0,
    first_traffic_at=1000.0,
)
EVENTS = (WeightChange(at=1000.0, step=0, weight=0.5),)


def observed(
    revision: str, *, by: float, label: str, feature: str = "amount", pod: str = "a"
) -> Series:
    return series(revision, grows(by=by, scrapes=8), pod=pod, feature=feature, bin=label)


def counted(*found: Series, binning: Binning = BY_BIN) -> Counts:
    """The first interval of half a minute, which has two scrapes."""
    table = close_intervals(
        Table(),
        series={"m": MetricSeries(bins=found, binning=binning, scrape_seconds=15.0)},
        grid=GRID,
        events=EVENTS,
        identity=IDENTITY,
        now=1100.0,
    )
    return table.rows[0].counts["m"]


def test_counts_stand_by_pod_feature_and_bin() -> None:
    found = counted(
        observed(CANDIDATE, by=5, label="1"),
        observed(CANDIDATE, by=3, label="+Inf"),
        observed(CANDIDATE, by=0, label="missing"),
        observed(CANDIDATE, by=8, label="DE", feature="country"),
        observed(STABLE, by=7, label="1"),
        observed(STABLE, by=2, label="1", pod="b"),
    )

    assert found.bins_c == {
        "amount": Bins.of(labels=("+Inf", "1", "missing"), counts=((6.0, 10.0, 0.0),)),
        "country": Bins.of(labels=("DE",), counts=((16.0,),)),
    }
    assert found.bins_s == {"amount": Bins.of(labels=("1",), counts=((14.0,), (4.0,)))}
    assert (found.n_c, found.n_s) == (16.0, 18.0)
    assert [pod.n for pod in found.pods_s] == [14.0, 4.0]
    assert found.complete


def test_a_feature_that_one_pod_lacks_is_not_counted_there() -> None:
    found = counted(
        observed(STABLE, by=7, label="1"),
        observed(STABLE, by=2, label="x", feature="late", pod="b"),
    )

    assert found.bins_s["late"] == Bins.of(labels=("x",), counts=((0.0,), (4.0,)))
    assert not found.bins_c


def test_a_histogram_counts_each_observation_once() -> None:
    le = {"0.5": 2.0, "1": 6.0, "+Inf": 10.0}
    found = counted(
        *(
            series(CANDIDATE, grows(by=by, scrapes=8), feature="score", le=edge)
            for edge, by in le.items()
        ),
        binning=HISTOGRAM,
    )

    assert found.bins_c["score"] == Bins.of(labels=("+Inf", "0.5", "1"), counts=((8.0, 4.0, 8.0),))
    assert found.n_c == 20.0


def test_without_a_label_of_the_feature_all_bins_are_of_one() -> None:
    found = counted(observed(CANDIDATE, by=5, label="1"), binning=Binning(bin="bin", dimension=""))

    assert found.bins_c == {"all": Bins.of(labels=("1",), counts=((10.0,),))}


def test_many_pods_stand_in_a_few_groups() -> None:
    pods = [f"{number:05d}" for number in range(40)]
    found = counted(*(observed(STABLE, by=1, label="1", pod=pod) for pod in pods))

    assert len(found.pods_s) == binned.MAX_PODS
    assert sum(count for (count,) in found.bins_s["amount"].counts) == found.n_s == 80.0


def test_a_restarted_pod_and_two_scrapes_of_one_are_counted_once() -> None:
    """The same counting as of ratios: what fell began anew, and copies are one counter."""
    fell = series(STABLE, [0.0, 10.0, 4.0, 8.0, 12.0, 16.0, 20.0], feature="amount", bin="1")
    copy = Series(labels={**fell.labels, "prometheus": "two"}, samples=fell.samples)
    found = counted(fell, copy)

    assert found.bins_s["amount"].counts == ((8.0,),)


def test_values_that_no_counter_has_are_no_observations() -> None:
    bad = series(CANDIDATE, [-5.0] * 8, feature="amount", bin="1")
    found = counted(bad, observed(STABLE, by=7, label="1"))

    assert not found.bins_c
    assert not found.complete


@pytest.mark.parametrize(
    ("found", "says"),
    [
        pytest.param(
            [series(CANDIDATE, [1.0], feature="amount")], "no label bin of their own", id="bin"
        ),
        pytest.param(
            [series(CANDIDATE, [1.0], bin="1")], "no label feature of their own", id="feature"
        ),
        pytest.param(
            [observed(CANDIDATE, by=1, label=f"{it}") for it in range(10_000)],
            "amount has 10000 bins, 256 are the most",
            id="ten thousand categories",
        ),
        pytest.param(
            [observed(CANDIDATE, by=1, label="1", feature=f"f{it}") for it in range(501)],
            "501 features, 500 are the most",
            id="features",
        ),
        pytest.param(
            [
                observed(CANDIDATE, by=1, label=f"{label}", feature=f"f{it}")
                for it in range(100)
                for label in range(101)
            ],
            "10100 bins of 100 features, 10000 are the most: select fewer features",
            id="bins of all features",
        ),
    ],
)
def test_what_cannot_be_counted_is_named(found: list[Series], says: str) -> None:
    problem = binned.unreadable(found, binning=BY_BIN, metric="observations_total")

    assert isinstance(problem, Problem)
    assert problem.reason is Reason.ERROR
    assert says in problem.message


def test_what_can_be_counted_is_no_problem() -> None:
    found = [observed(CANDIDATE, by=1, label="1")]

    assert binned.unreadable(found, binning=BY_BIN, metric="m") is None
    assert binned.unreadable(found, binning=Binning(bin="bin", dimension=""), metric="m") is None


@pytest.mark.parametrize(
    ("measure", "binning"),
    [
        (Distribution(series=Selector(metric="m")), BY_BIN),
        (Distribution(series=Selector(metric="m"), form=Form.HISTOGRAM), HISTOGRAM),
        (
            Distribution(series=Selector(metric="m"), bin_label="b", dimension_label="output"),
            Binning(bin="b", dimension="output"),
        ),
    ],
)
def test_how_the_series_of_a_measure_are_read(measure: Distribution, binning: Binning) -> None:
    assert binned.binning_of(measure) == binning


def test_rows_of_many_features_stay_small() -> None:
    """A rollout of two hours keeps 240 of them; as tuples of numbers each had 250 kB."""
    rng = np.random.default_rng(1)

    def arm(pods: int) -> dict[str, Bins]:
        labels = [str(float(number)) for number in range(12)]
        return {
            f"f{feature}": Bins.of(
                labels=labels, counts=rng.poisson(8.0, size=(pods, 12)).astype(float).tolist()
            )
            for feature in range(50)
        }

    tracemalloc.start()
    rows = [(arm(1), arm(8)) for _ in range(20)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size / len(rows) < 50_000


@given(
    st.integers(0, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.floats(0, 1e12), min_size=width, max_size=width), max_size=9
        )
    )
)
def test_counts_are_kept_as_they_were(counts: list[list[float]]) -> None:
    labels = [f"b{number}" for number in range(len(counts[0]) if counts else 0)]

    assert Bins.of(labels=labels, counts=counts).counts == tuple(map(tuple, counts))


@pytest.mark.parametrize(
    ("series", "too_much"),
    [
        ({"a": binned.MAX_SERIES}, []),
        ({"a": binned.MAX_SERIES + 1}, ["a"]),
        ({"a": 40_000, "none": 0, "b": 20_001, "c": 1}, ["b", "c"]),
        ({"a": 59_999, "b": 2, "c": 0}, ["b", "c"]),
    ],
)
def test_distributions_have_a_limit_together(series: dict[str, int], too_much: list[str]) -> None:
    found = {name: binned.too_many(series, metric=name) for name in series}

    assert [name for name, one in found.items() if one is not None] == too_much
