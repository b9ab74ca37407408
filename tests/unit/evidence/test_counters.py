from __future__ import annotations

import math

import pytest
from evidence_build import CANDIDATE, END, SCRAPE, STABLE, START, WINDOW, grows, series
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import counters, tally
from tidegate.evidence.terms import Series, Window


@pytest.mark.parametrize(
    ("case", "samples", "from_zero", "expected"),
    [
        ("the anchor is the last sample at the start", [(985, 5), (1000, 7), (1015, 9)], False, 2),
        ("a sample after the end is ignored", [(1000, 7), (1015, 9), (1061, 99)], False, 2),
        ("a reset counts what came before and after", [(1000, 7), (1015, 9), (1030, 3)], False, 5),
        ("two resets", [(1000, 7), (1015, 1), (1030, 4), (1045, 2)], False, 6),
        ("a born series counts in full", [(1015, 4), (1030, 6)], True, 6),
        ("one sample of a born series counts", [(1015, 4)], True, 4),
        ("an unseen series counts from its second sample", [(1015, 4), (1030, 6)], False, 2),
        ("one sample alone is no data", [(1015, 4)], False, None),
        ("nothing in the window is no data, not zero", [(985, 4), (1000, 4)], True, None),
        ("nothing at all is no data", [], True, None),
        ("an anchor counts however old", [(854, 4), (1015, 40), (1030, 46)], True, 42),
        ("an anchor just in time is used", [(955, 4), (1015, 40)], False, 36),
        ("no traffic is zero", [(1000, 7), (1015, 7)], False, 0),
        ("values below zero are no counter", [(1000, 7), (1015, -3), (1030, 8)], False, 1),
        ("NaN is no sample", [(1000, 7), (1015, math.nan), (1030, 8)], False, 1),
    ],
)
def test_delta(
    case: str, samples: list[tuple[float, float]], *, from_zero: bool, expected: float | None
) -> None:
    assert counters.delta(samples, window=WINDOW, from_zero=from_zero) == expected, case


def _by_target(all_series: list[Series]) -> dict[str, float]:
    found = tally.once(all_series, window=WINDOW)
    return {counter.pod[-1]: 0.0 for counter in found.events} | {
        pod[-1]: events
        for revision in (CANDIDATE, STABLE)
        for pod, events in found.by_pod(revision).items()
    }


def test_a_new_pod_counts_from_its_second_sample_since_the_first_may_tell_of_earlier_times() -> (
    None
):
    old = series(STABLE, grows(by=10))
    new = series(CANDIDATE, [50, 60, 70], first=START + SCRAPE, pod="b")

    assert _by_target([old, new]) == {"a": 40, "b": 20}


def test_after_an_outage_of_the_source_nothing_counts_in_full() -> None:
    old = series(STABLE, [1_000_000, 1_000_010], first=START + 2 * SCRAPE)
    other = series(CANDIDATE, [500, 505], first=START + 2 * SCRAPE + 14, pod="b")

    assert _by_target([old, other]) == {"a": 10, "b": 5}


def test_a_new_label_set_of_a_known_pod_counts_from_zero() -> None:
    good = series(CANDIDATE, grows(by=10), status_code="200")
    first_error = series(CANDIDATE, [3, 4], first=END - SCRAPE, status_code="500")

    assert _by_target([good, first_error]) == {"a": 44}


def test_a_pod_that_comes_back_after_a_gap_counts_what_it_did_meanwhile() -> None:
    watching = series(STABLE, grows(by=10))
    gap = series(CANDIDATE, [900], first=START - 10 * SCRAPE, pod="b")
    back = Series(labels=gap.labels, samples=(*gap.samples, (1030.0, 990), (1045.0, 995)))

    assert _by_target([watching, back]) == {"a": 40, "b": 95}


def test_newest_is_the_last_sample_of_any_series() -> None:
    assert counters.newest([series(STABLE, [1, 2]), series(STABLE, [1, 2, 3], pod="b")]) == 1015
    assert counters.newest([series(STABLE, [])]) is None


VALUES = st.lists(st.integers(0, 10**9), min_size=1, max_size=14)


def _samples(values: list[int]) -> list[tuple[float, float]]:
    return [(START - SCRAPE + 7.0 * index, float(v)) for index, v in enumerate(values)]


@given(values=VALUES, from_zero=st.booleans())
def test_delta_is_never_negative(values: list[int], *, from_zero: bool) -> None:
    found = counters.delta(_samples(values), window=WINDOW, from_zero=from_zero)

    assert found is None or found >= 0


@given(steps=st.lists(st.integers(0, 1000), min_size=4, max_size=12), base=st.integers(0, 10**9))
def test_a_constant_added_to_a_series_without_reset_changes_nothing(
    steps: list[int], base: int
) -> None:
    values = [sum(steps[: index + 1]) for index in range(len(steps))]
    shifted = [value + base for value in values]

    def found(of: list[int]) -> float | None:
        return counters.delta(_samples(of), window=WINDOW, from_zero=False)

    assert found(values) == found(shifted)


@given(values=VALUES, position=st.integers(0, 20), from_zero=st.booleans())
def test_an_inserted_nan_changes_nothing(
    values: list[int], position: int, *, from_zero: bool
) -> None:
    samples = _samples(values)
    at = START - SCRAPE + 7.0 * position - 3.0
    with_nan = sorted([*samples, (at, math.nan)], key=lambda sample: sample[0])

    assert counters.delta(samples, window=WINDOW, from_zero=from_zero) == counters.delta(
        with_nan, window=WINDOW, from_zero=from_zero
    )


@given(values=VALUES, middle=st.integers(int(START), int(END)), born=st.booleans())
def test_adjacent_windows_sum_to_their_union(values: list[int], middle: int, *, born: bool) -> None:
    first = START - SCRAPE if not born else START + 1
    samples = [(first + 7.0 * index, float(value)) for index, value in enumerate(values)]

    def found(start: float, end: float) -> float:
        window = Window(start=start, end=end, scrape_interval_seconds=SCRAPE)
        return counters.delta(samples, window=window, from_zero=born) or 0.0

    assert found(START, middle) + found(middle, END) == found(START, END)


@given(values=VALUES, restart=st.integers(0, 13))
def test_after_a_restart_at_least_the_last_value_was_counted(
    values: list[int], restart: int
) -> None:
    rising = sorted(values)
    samples = _samples([10**10, *rising[:restart], *sorted(rising[restart:])])
    found = counters.delta(samples, window=WINDOW, from_zero=False)
    inside = [value for at, value in samples if START < at <= END]

    assert found is None or len(inside) < 2 or found >= inside[-1] - inside[0]
