"""Counters from one interval to the next: gaps, births, renamed, doubled and falling series."""

from __future__ import annotations

import itertools

import pytest
from evidence_build import CANDIDATE
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import scrapes, tally
from tidegate.evidence.counts.tally import Counted, Tally
from tidegate.evidence.terms import Series, Window

POD = {"revision": CANDIDATE, "pod": "iris-a", "instance": "10.0.0.1:80", "__name__": "x_total"}
Points = list[tuple[float, float]]


def of(points: Points, **labels: str) -> Series:
    return Series(labels={**POD, **labels}, samples=tuple(points))


def counted(*windows: tuple[float, float], series: list[Series]) -> list[Counted]:
    """What adjacent windows count, one after the other."""
    found, known = [], Tally()
    entries = scrapes.entries_of(series)
    spaced = scrapes.spacing(series, default=15.0)
    for number, (start, end) in enumerate(windows):
        window = Window(start=start, end=end, scrape_interval_seconds=15.0)
        one, known = tally.count(
            known,
            entries,
            among=entries,
            window=window,
            fresh=number == 0,
            spacing_seconds=spaced,
        )
        found.append(one)
    return found


def events(found: Counted) -> float | None:
    return found.by_pod(CANDIDATE).get("iris-a")


def every(seconds: float, *values: float, first: float = 0.0) -> Points:
    return [(first + seconds * index, value) for index, value in enumerate(values)]


def test_what_happened_in_a_gap_is_counted_where_the_series_is_seen_again() -> None:
    series = [of([(0, 0), (75, 7500), (90, 7500)])]

    found = counted((0, 30), (30, 60), (60, 90), series=series)

    assert [events(one) for one in found] == [None, None, 7500]


def test_a_gap_is_named() -> None:
    good = of([(0, 0), (15, 1), (30, 2), (105, 9), (120, 9)])

    before, after = counted((0, 60), (60, 120), series=[good])

    assert not before.away
    assert {pod for _, pod in after.away} == {"iris-a"}
    assert events(after) == 7


@pytest.mark.parametrize("added", ["node", "job", "service", "endpoint", "replica", "prometheus"])
def test_a_label_that_the_scrape_adds_makes_no_new_counter(added: str) -> None:
    series = [
        part
        for code in ("200", "500")
        for part in (
            of(every(15, 1000, 1000, 1000), code=code),
            of(every(15, 1000, 1003, first=45), code=code, **{added: "n1"}),
        )
    ]

    before, after = counted((0, 30), (30, 60), series=series)

    assert (events(before), events(after)) == (0, 6)


def test_a_label_set_that_nobody_knows_on_all_series_at_once_is_a_new_target() -> None:
    series = [
        of(every(15, 1000, 1000, 1000), code="200"),
        of(every(15, 1000, 1004, first=45), code="200", team="b"),
        of(every(15, 70, 71, first=45), code="500", team="b"),
    ]

    assert events(counted((0, 30), (30, 60), series=series)[1]) == 5


def test_a_series_that_is_away_and_comes_back_is_no_new_one() -> None:
    going_on = of([(15.0 * k, 10.0 * k) for k in range(20)], code="200")
    errors = of([(0, 1000), *((15.0 * k, 1000.0) for k in range(7, 20))], code="500")

    found = counted((0, 60), (60, 120), series=[going_on, errors])

    assert [events(one) for one in found] == [40, 40]


def test_a_label_set_is_born_where_others_of_its_scrape_lie_on_both_sides() -> None:
    good = of([(15.0 * k, 10.0 * k) for k in range(9)], code="200")
    errors = of([(75, 4), (90, 6)], code="500")
    elsewhere = of([(75, 4000), (90, 4001)], code="500", instance="10.0.0.1:90")

    assert events(counted((0, 60), (60, 120), series=[good, errors])[1]) == 46
    assert events(counted((0, 60), (60, 120), series=[good, elsewhere])[1]) == 41


def test_errors_that_come_late_are_counted_when_they_come() -> None:
    good = of([(15.0 * k, 10.0 * k) for k in range(9)], code="200")
    errors = of([(15.0 * k, 1.0 * k) for k in range(9)], code="500")
    so_far = [good, of(list(errors.samples[:3]), code="500")]
    window = [Window(start=s, end=s + 60, scrape_interval_seconds=15.0) for s in (0.0, 60.0)]

    def count(known: Tally, series: list[Series], at: int) -> tuple[Counted, Tally]:
        entries = scrapes.entries_of(series)
        return tally.count(
            known,
            entries,
            among=entries,
            window=window[at],
            fresh=at == 0,
            spacing_seconds=15.0,
        )

    first, known = count(Tally(), so_far, 0)
    second, _ = count(known, [good, errors], 1)

    assert (events(first), events(second)) == (42, 46)
    assert second.away


@pytest.mark.parametrize(
    "other",
    [
        {"service": "b"},
        {"endpoint": "metrics"},
        {"container": "model"},
        {"job": "b"},
        {"instance": "10.0.0.1:90"},
        {"__replica__": "b"},
        {"receive_replica": "b"},
        {"rule_replica": "b"},
        {"prometheus": "b"},
        {"anything": "b"},
    ],
    ids=str,
)
def test_a_pod_that_is_scraped_twice_is_counted_once(other: dict[str, str]) -> None:
    one = of([(15.0 * k, 100.0 * k) for k in range(9)], code="200")
    copy = of([(15.0 * k + 3, 100.0 * k + 20) for k in range(9)], code="200", **other)

    found = counted((0, 60), (60, 120), series=[one, copy])

    assert [events(one) for one in found] == [400, 400]
    assert {pod for _, pod in found[1].twice} == {"iris-a"}


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_second_scrape_that_begins_in_the_middle_brings_nothing(shift: float) -> None:
    def two(code: str, by: float) -> list[Series]:
        one = [(15.0 * k, 5000 + by * k) for k in range(13)]
        copy = [(at + shift, value + by * shift / 15) for at, value in one if at > 60]
        return [of(one, code=code, job="a"), of(copy, code=code, job="b")]

    series = [*two("200", 300), *two("500", 15)]

    found = counted((0, 60), (60, 120), series=series)

    assert [events(one) for one in found] == [1260, 1260]


@pytest.mark.parametrize("overlap", [0.0, 60.0])
def test_after_copies_and_after_another_name_of_a_job_counting_goes_on(overlap: float) -> None:
    whole = [(15.0 * k, 100.0 * k) for k in range(25)]
    series = [
        of([it for it in whole if it[0] <= 120 + overlap], job="a"),
        of([it for it in whole if it[0] > 120], job="b"),
    ]
    windows = [(60.0 * k, 60.0 * k + 60) for k in range(6)]

    found = counted(*windows, series=series)

    assert [events(one) for one in found] == [400] * 6
    assert [bool(one.twice) for one in found] == [False, False, overlap > 0, False, False, False]


def test_labels_of_an_application_that_a_scrape_might_add_tell_counters_apart() -> None:
    series = [
        of([(15.0 * k, 100.0 * k) for k in range(9)], replica="a"),
        of([(15.0 * k, 7.0 * k) for k in range(9)], replica="b"),
        of([(15.0 * k, 30.0 * k + 50_000) for k in range(9)], instance="10.0.0.1:90"),
    ]

    (found,) = counted((0, 120), series=series)

    assert events(found) == 8 * 137
    assert not found.twice


def test_two_scrapes_of_one_address_that_disagree_are_refused() -> None:
    series = [
        of([(15.0 * k, 100.0 * k) for k in range(9)], job="a"),
        of([(15.0 * k + 3, 7000 + 100.0 * k) for k in range(9)], job="b"),
    ]

    (found,) = counted((0, 120), series=series)

    assert events(found) is None
    assert {pod for _, pod in found.refused} == {"iris-a"}


@pytest.mark.parametrize(
    ("values", "flapping"),
    [
        ((1000, 950, 1001, 952), True),  # two workers
        ((1000, 100, 1003, 104, 1009), True),  # of which one has little to do
        ((9000, 950, 400, 9010, 960), True),  # three
        ((1000, 1010, 5, 20, 40), False),  # a restart
        ((1000, 1010, 5, 20, 3, 9), False),  # two of them
    ],
)
def test_a_counter_that_falls_again_and_again_is_named(
    values: tuple[float, ...], *, flapping: bool
) -> None:
    (found,) = counted((0, 120), series=[of(every(15, *values))])

    assert bool(found.flapping) is flapping


def test_a_fall_that_no_restart_explains_counts_nothing() -> None:
    (found,) = counted((0, 120), series=[of(every(15, 61_000, 60_950, 60_960))])

    assert events(found) == 10


@given(
    steps=st.lists(st.integers(0, 50), min_size=12, max_size=24),
    cuts=st.sets(st.integers(1, 200), max_size=5),
    lost=st.sets(st.integers(1, 23), max_size=8),
)
def test_rows_together_count_what_there_was_between_the_first_and_the_last_sample(
    steps: list[int], cuts: set[int], lost: set[int]
) -> None:
    points = [(15.0 * k, float(sum(steps[: k + 1]))) for k in range(len(steps)) if k not in lost]
    borders = [0.0, *sorted(float(it) for it in cuts), 400.0]
    windows = list(itertools.pairwise(borders))

    found = counted(*windows, series=[of(points)])

    assert sum(events(one) or 0 for one in found) == points[-1][1] - points[0][1]
