from __future__ import annotations

import collections
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tidegate.evidence.drift import charts
from tidegate.evidence.drift.charts import ChangeLabel, Onset
from tidegate.evidence.terms import Problem, Reason

STATES = 200


def brook_evans(shift: float, *, h: float, k: float = 0.5) -> float:
    """Mean run length of the one-sided chart from a Markov chain over its level."""
    width = 2 * h / (2 * STATES - 1)
    middles = np.arange(STATES) * width
    upper = middles[None, :] - middles[:, None] + width / 2 + k - shift
    chain = stats.norm.cdf(upper) - stats.norm.cdf(upper - width)
    chain[:, 0] = stats.norm.cdf(upper[:, 0])
    return float(np.linalg.solve(np.eye(STATES) - chain, np.ones(STATES))[0])


# Two-sided mean run lengths with k = 0.5, as textbooks of process control print them.
@pytest.mark.parametrize(
    ("shift", "h", "published"),
    [(0, 4, 168), (0, 5, 465), (0.5, 4, 26.6), (0.5, 5, 38.0), (1, 4, 8.38), (1, 5, 10.4),
     (2, 4, 3.34), (2, 5, 4.01), (3, 5, 2.57)],
)  # fmt: skip
def test_the_markov_chain_gives_the_published_run_lengths(
    shift: float, h: float, published: float
) -> None:
    # Two charts alarm at the sum of their rates; of a shifted series only one matters.
    two_sided = 1 / (1 / brook_evans(shift, h=h) + 1 / brook_evans(-shift, h=h))

    assert two_sided == pytest.approx(published, rel=6e-3)


def run_length(z: np.ndarray, *, h: float) -> int:
    alarm = charts.cusum(z, h=h).alarm
    assert alarm is not None
    return alarm + 1


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("shift", "h", "runs", "longest"),
    [(0.0, 3.0, 400, 2500), (0.5, 4.0, 500, 600), (1, 5, 800, 99)],
)
def test_the_chart_runs_as_long_as_the_markov_chain_says(
    shift: float, h: float, runs: int, longest: int
) -> None:
    rng = np.random.default_rng(3)
    lengths = [run_length(rng.normal(shift, 1, size=longest), h=h) for _ in range(runs)]

    error = float(np.std(lengths)) / math.sqrt(runs)
    assert np.mean(lengths) == pytest.approx(brook_evans(shift, h=h), abs=3 * error)


@pytest.mark.no_cover
def test_watching_both_directions_halves_the_time_to_a_false_alarm() -> None:
    rng, runs = np.random.default_rng(4), 400
    lengths = []
    for _ in range(runs):
        z = rng.normal(size=2500)
        lengths.append(min(run_length(z, h=3), run_length(-z, h=3)))

    error = float(np.std(lengths)) / math.sqrt(runs)
    assert np.mean(lengths) == pytest.approx(brook_evans(0, h=3) / 2, abs=3 * error)


def test_the_path_adds_what_exceeds_the_allowance_and_never_falls_below_zero() -> None:
    found = charts.cusum([1.0, -3.0, 2.5, 3.5, 1.0], h=4)

    assert found.path == (0.5, 0.0, 2.0, 5.0, 5.5)
    assert found.alarm == 3
    assert charts.cusum([], h=4).alarm is None


@given(st.lists(st.floats(-50, 0.5)))
def test_values_within_the_allowance_never_alarm(z: list[float]) -> None:
    found = charts.cusum(z, h=1e-9)

    assert found.alarm is None
    assert set(found.path) <= {0.0}


@given(st.lists(st.floats(-5, 5)), st.integers(0, 100))
def test_the_chart_may_be_continued_or_repeated(z: list[float], cut: int) -> None:
    whole = charts.cusum(z, h=3)

    assert charts.cusum(z[:cut], h=3).path == whole.path[:cut]
    assert (whole.alarm is None) == (max(whole.path, default=0) <= 3)


@pytest.mark.no_cover
def test_few_reference_windows_ask_for_a_wider_limit() -> None:
    rng, runs = np.random.default_rng(5), 300

    def false_alarms(windows: int, *, h: float) -> float:
        alarms = 0
        for _ in range(runs):
            roots = rng.normal(10, 1, size=windows + 180) ** 2
            z = charts.standardised(roots[windows:], reference_psi=roots[:windows])
            assert isinstance(z, tuple)
            alarms += charts.cusum(z, h=h).alarm is not None
        return alarms / runs

    assert [charts.limit_for(count) for count in (30, 99, 100)] == [6, 6, 5]
    assert false_alarms(5000, h=5) == pytest.approx(1 - math.exp(-180 / 938), abs=0.07)
    assert false_alarms(60, h=5) > false_alarms(60, h=charts.limit_for(60)) + 0.03


@pytest.mark.no_cover
@pytest.mark.parametrize("bins", [3, 10])
@pytest.mark.parametrize("windows", [30, 60, 100, 300])
def test_skewed_distances_alarm_no_more_often_than_normal_ones(bins: int, windows: int) -> None:
    rng, runs, alarms = np.random.default_rng(6), 300, 0
    for _ in range(runs):
        psi = rng.chisquare(bins - 1, size=windows + 180) / 1000
        z = charts.standardised(psi[windows:], reference_psi=psi[:windows])
        assert isinstance(z, tuple)
        alarms += charts.cusum(z, h=charts.limit_for(windows)).alarm is not None

    assert alarms / runs <= 1 - math.exp(-180 / 938) + 0.06  # deviations of the root: up to 0.36


def test_a_lasting_change_is_found_within_a_few_windows() -> None:
    rng = np.random.default_rng(8)
    for windows in (30, 300):
        z = charts.standardised([0.1] * 10, reference_psi=rng.chisquare(9, size=windows) / 1000)
        assert isinstance(z, tuple)
        alarm = charts.cusum(z, h=charts.limit_for(windows)).alarm
        assert alarm is not None
        assert alarm < 4


def test_drift_is_scored_by_its_rank_among_good_windows() -> None:
    good = [1.0, 4.0, 9.0] * 10

    found = charts.standardised([4.0, 16.0, 0.5], reference_psi=good)

    highest = stats.norm.ppf(30.5 / 31)
    assert found == pytest.approx((0.0, highest, -highest))
    assert charts.standardised([2.0, 4.0, 0.7], reference_psi=np.sqrt(good)) == found


@pytest.mark.parametrize(
    ("good", "message"),
    [
        ([0.1, 0.2] * 14, "28 reference windows; 30 are needed"),
        ([0.1] * 30, "no variance: all reference windows are alike"),
    ],
)
def test_a_poor_reference_is_named(good: list[float], message: str) -> None:
    found = charts.standardised([1.0], reference_psi=good)

    assert found == Problem(reason=Reason.INSUFFICIENT, message=message)


# --- sudden or gradual ---------------------------------------------------------------------------


def label(found: ChangeLabel | Problem) -> ChangeLabel:
    assert isinstance(found, ChangeLabel), found
    return found


def slow_fit(z: np.ndarray, start: int, end: int) -> float:
    """Residual sum of squares of one shape, by numpy's own least squares."""
    index = np.arange(z.size)
    shape = index >= start if start == end else np.clip((index - start) / (end - start), 0, 1)
    _, rss, *_ = np.linalg.lstsq(np.column_stack([np.ones(z.size), shape]), z, rcond=None)
    return float(rss[0])


@pytest.mark.parametrize("length", [0, 12, 40])
def test_gain_compares_the_best_step_with_the_best_ramp(length: int) -> None:
    rng = np.random.default_rng(7)
    since = np.arange(70) - 30
    z = rng.normal(size=70) + 2 * (np.clip(since / length, 0, 1) if length else since >= 0)

    found = label(charts.label_change(z, n_ref=30))

    step = min(slow_fit(z, at, at) for at in range(30, 70))
    ramp = min(
        slow_fit(z, start, end)
        for start in range(30, 69, 3)
        for end in range(start + 6, 76, 6)
        if end - start < 70 - start + 6
    )
    assert found.gain == pytest.approx(70 * math.log(step / ramp) - math.log(70), rel=1e-6)


def test_a_clean_step_is_found_where_it_is() -> None:
    found = label(charts.label_change([0.0] * 40 + [3.0] * 90, n_ref=35))

    assert (found.onset, found.start, found.end) == (Onset.SUDDEN, 40, 40)
    assert not found.provisional


def test_a_clean_ramp_is_found_where_it_is() -> None:
    rise = [3 * index / 24 for index in range(24)]
    found = label(charts.label_change([0.0] * 36 + rise + [3.0] * 30, n_ref=30))

    assert (found.onset, found.start, found.end) == (Onset.GRADUAL, 36, 60)
    assert found.provisional


def onsets(*, size: float, length: int, after: int, runs: int = 60) -> collections.Counter[Onset]:
    """Labels `after` windows after the alarm, of changes that rise over `length` windows."""
    rng = np.random.default_rng(1)
    since = np.arange(460) - 60
    change = size * (np.clip(since / length, 0, 1) if length else since >= 0)
    found: collections.Counter[Onset] = collections.Counter()
    for _ in range(runs):
        z = rng.normal(size=460) + change
        alarm = charts.cusum(z[60:], h=6).alarm
        assert alarm is not None
        found[label(charts.label_change(z[: 61 + alarm + after], n_ref=60)).onset] += 1
    return found


@pytest.mark.parametrize("size", [1.5, 3.0])
@pytest.mark.parametrize("after", [15, 80])
def test_steps_are_told_early(size: float, after: int) -> None:
    assert onsets(size=size, length=0, after=after)[Onset.SUDDEN] >= 0.94 * 60


@pytest.mark.parametrize(("length", "late"), [(30, 0.65), (60, 0.88), (120, 0.8)])
def test_ramps_look_sudden_at_first_and_gradual_in_the_end(length: int, late: float) -> None:
    assert onsets(size=3, length=length, after=15)[Onset.GRADUAL] <= 0.4 * 60
    assert onsets(size=3, length=length, after=80)[Onset.GRADUAL] >= late * 60


@pytest.mark.parametrize(
    ("length", "onset"), [(0, Onset.SUDDEN), (300, Onset.GRADUAL)], ids=["step", "ramp"]
)
def test_a_year_of_hours_is_labelled_in_little_memory(length: int, onset: Onset) -> None:
    since = np.arange(2000) - 900
    z = 2 * (np.clip(since / length, 0, 1) if length else since >= 0) + np.sin(since) / 10
    tracemalloc.start()
    try:
        found = label(charts.label_change(z, n_ref=100))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # One float for each window of each of some 120,000 fits would be 2 GB.
    assert peak < 50e6
    assert (found.onset, found.start) == (onset, pytest.approx(900, abs=3))


@pytest.mark.parametrize(
    ("z", "n_ref", "message"),
    [
        ([0.0, 1.0] * 20, 35, "5 windows; 6 are needed"),
        ([1.0] * 50, 30, "no variance: all windows are alike"),
    ],
)
def test_too_little_for_a_label_is_named(z: list[float], n_ref: int, message: str) -> None:
    found = charts.label_change(z, n_ref=n_ref)

    assert found == Problem(reason=Reason.INSUFFICIENT, message=message)


@given(
    st.lists(st.integers(-9, 9), min_size=40, max_size=60).filter(lambda z: len(set(z)) > 1),
    st.integers(-99, 99),
    st.integers(1, 9),
)
def test_the_label_knows_neither_level_nor_unit(z: list[int], shift: int, factor: int) -> None:
    one = label(charts.label_change(z, n_ref=30))
    other = label(charts.label_change([factor * value + shift for value in z], n_ref=30))

    assert other.gain == pytest.approx(one.gain, rel=1e-6, abs=1e-6)
