"""When a subject is looked at next."""

from __future__ import annotations

import itertools
import math

import pytest

from tidegate.controller.analysis import schedule
from tidegate.controller.analysis.schedule import Sample


def looks(
    *, scrape: float, interval: float, late: float = 0.0, phases: tuple[float, ...] = (0.3,)
) -> list[float]:
    """Instants of the looks of two minutes, each of which ends so many seconds late."""
    last, found = 100.0, []
    while last < 220.0:
        newest = [
            Sample(at=math.floor((last - 0.2 - it) / scrape) * scrape + it, scrape_seconds=scrape)
            for it in phases
        ]
        last = schedule.next_look(newest, last=last, interval_seconds=interval, closes_at=math.inf)
        last += late
        found.append(last)
    return found


@pytest.mark.parametrize("scrape", [1.0, 2.0, 5.0, 15.0, 60.0])
@pytest.mark.parametrize("phase", [0.0, 0.11, 0.3, 0.49, 0.77])
def test_with_an_interval_of_a_scrape_no_scrape_is_passed_over(scrape: float, phase: float) -> None:
    found = looks(scrape=scrape, interval=scrape, phases=(phase,))
    assert max(b - a for a, b in itertools.pairwise(found)) < 1.5 * scrape


def test_a_look_that_ends_half_a_second_late_costs_no_scrape() -> None:
    found = looks(scrape=5.0, interval=5.0, late=0.5)
    assert max(b - a for a, b in itertools.pairwise(found)) < 7.5


@pytest.mark.parametrize(("scrape", "interval"), [(1.0, 5.0), (5.0, 30.0), (15.0, 30.0)])
def test_a_longer_interval_still_asks_less_often(scrape: float, interval: float) -> None:
    found = looks(scrape=scrape, interval=interval)
    assert min(b - a for a, b in itertools.pairwise(found)) >= interval - 1.0


def test_many_pods_at_instants_of_their_own_are_not_asked_for_one_by_one() -> None:
    phases = tuple(k / 7 for k in range(35))
    found = looks(scrape=5.0, interval=5.0, phases=phases)
    assert min(b - a for a, b in itertools.pairwise(found)) >= 4.0


def test_without_any_sample_the_interval_alone_counts() -> None:
    assert schedule.next_look([], last=100.0, interval_seconds=5.0, closes_at=math.inf) == 105.0
    assert schedule.next_look([], last=100.0, interval_seconds=5.0, closes_at=102.0) == 102.0
