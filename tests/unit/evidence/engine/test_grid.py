import itertools
from dataclasses import replace

import pytest
from evidence_grid import FIRST, GRID, LATE
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts.grid import Slot, WeightChange, slots


def spans(
    events: list[WeightChange], *, now: float, after: float = 0.0
) -> list[tuple[float, float, int]]:
    found = slots(GRID, events=events, after=after, now=now)
    return [(slot.t0, slot.t1, slot.step) for slot in found]


def test_intervals_begin_when_traffic_is_settled_and_warm_and_close_late() -> None:
    assert GRID.length_seconds == 20.0
    assert spans([FIRST], now=1080 + LATE - 0.1) == []
    assert spans([FIRST], now=1080 + LATE) == [(1060, 1080, 0)]
    assert spans([FIRST], now=1125 + LATE) == [
        (1060, 1080, 0),
        (1080, 1100, 0),
        (1100, 1120, 0),
    ]


def test_nothing_is_counted_before_the_candidate_has_traffic() -> None:
    grid = replace(GRID, first_traffic_at=None)
    assert slots(grid, events=[FIRST], after=0.0, now=2000) == []


def test_a_weight_change_closes_the_running_interval_and_settles_again() -> None:
    change = WeightChange(at=1107.0, step=1, weight=0.2)
    assert spans([FIRST, change], now=1160 + LATE) == [
        (1060, 1080, 0),
        (1080, 1100, 0),
        (1100, 1107, 0),
        (1137, 1157, 1),
    ]


@pytest.mark.parametrize(
    ("interval", "scrape", "lengths"),
    [(5, 10, [20, 40, 80]), (30, 15, [30, 60, 120]), (60, 30, [60, 120]), (300, 60, [300])],
)
def test_intervals_grow_up_to_two_minutes_while_a_weight_stays(
    interval: float, scrape: float, lengths: list[int]
) -> None:
    grid = replace(GRID, interval_seconds=interval, scrape_interval_seconds=scrape)
    week = 7 * 86400.0
    found = slots(grid, events=[FIRST], after=0.0, now=1060 + week)
    seen = [round(slot.t1 - slot.t0) for slot in found]

    assert sorted(set(seen)) == lengths
    assert all(seen.count(one) == 240 for one in lengths[:-1])
    assert all(before.t1 == after.t0 for before, after in itertools.pairwise(found))


@given(st.lists(st.floats(1000, 60_000), max_size=8).map(sorted))
def test_grown_intervals_close_step_by_step_as_in_one_go(looks: list[float]) -> None:
    found: list[tuple[float, float, int]] = []
    for now in [*looks, 60_000.0]:
        found += spans([FIRST], now=now, after=found[-1][1] if found else 0.0)

    assert found == spans([FIRST], now=60_000.0)


def test_a_change_before_the_first_interval_leaves_none() -> None:
    change = WeightChange(at=1050.0, step=1, weight=0.2)
    assert spans([FIRST, change], now=1100 + LATE) == [(1080, 1100, 1)]


@given(
    st.floats(1000, 1400),
    st.lists(st.floats(1000, 1400), max_size=6).map(sorted),
    st.sampled_from([7.0, 20.0, 20.1, 33.3]),
)
def test_closing_step_by_step_gives_the_intervals_of_one_go(
    change: float, looks: list[float], interval: float
) -> None:
    grid = replace(GRID, interval_seconds=interval)
    events = [FIRST, WeightChange(at=change, step=1, weight=0.5)]
    found: list[Slot] = []
    for now in [*looks, 1500.0]:
        known = [event for event in events if event.at <= now]
        after = found[-1].t1 if found else 0.0
        found += slots(grid, events=known, after=after, now=now)
    # A change is known when it happens, and an interval closes later than that.
    assert found == slots(grid, events=events, after=0.0, now=1500.0)
