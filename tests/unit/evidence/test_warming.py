"""How long stable's pods took to be as they are now, from what they showed after their start."""

from __future__ import annotations

from collections.abc import Callable

import evidence_build as build
import pytest
from evidence_build import IDENTITY, SCRAPE, STABLE

from tidegate.evidence.counts import warming
from tidegate.evidence.counts.grid import Grid
from tidegate.evidence.counts.history import Past
from tidegate.evidence.counts.intervals import MetricSeries
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.terms import Series

MADE, SECONDS = 10_000.0, 3600.0
GRID = Grid(
    interval_seconds=30,
    scrape_interval_seconds=SCRAPE,
    settle_seconds=30,
    cold_start_seconds=60,
    first_traffic_at=None,
)
PER_SCRAPE = 150.0

Share = Callable[[float], float]  # of bad requests at an age in seconds


def cold_until(age: float, *, cold: float = 0.3, warm: float = 0.01) -> Share:
    return lambda at: cold if at <= age else warm


def counters(share: Share, *, pod: str, born: float, until: float) -> tuple[Series, Series]:
    """All requests and bad ones of a pod that is scraped first at an age of 0."""
    scrapes = int((until - born) / SCRAPE)
    total, bad = [0.0], [0.0]
    for number in range(1, scrapes):
        total.append(total[-1] + PER_SCRAPE)
        bad.append(bad[-1] + round(PER_SCRAPE * share(number * SCRAPE)))
    first = MADE + born
    return (
        build.series(STABLE, total, first=first, pod=pod),
        build.series(STABLE, bad, first=first, pod=pod, code="500"),
    )


def past(*pods: tuple[float, Share], seconds: float = SECONDS) -> Past:
    found = [
        counters(share, pod=f"p{number}", born=born, until=seconds)
        for number, (born, share) in enumerate(pods)
    ]
    series = MetricSeries(
        total=tuple(total for total, _ in found), bad=tuple(bad for _, bad in found)
    )
    return Past(
        metric="m",
        series=series,
        identity=IDENTITY,
        grid=GRID,
        start=MADE,
        end=MADE + seconds,
    )


def after(*pods: tuple[float, Share], seconds: float = SECONDS) -> float | None:
    return warming.warm_after(past(*pods, seconds=seconds), Shape())


@pytest.mark.parametrize(
    ("age", "least", "most"),
    [
        (0.0, 60.0, 60.0),  # warm at once, and the least is what everybody gets
        (45.0, 60.0, 60.0),
        (150.0, 150.0, 210.0),
        (400.0, 400.0, 460.0),
        (900.0, 600.0, 600.0),  # the most, whatever follows
    ],
)
def test_pods_are_warm_from_when_on_they_were_as_later(
    age: float, least: float, most: float
) -> None:
    found = after((60.0, cold_until(age)), (75.0, cold_until(age)))

    assert found is not None
    assert least <= found <= most


def test_it_is_the_age_of_the_pod_that_counts_not_of_its_revision() -> None:
    first = (60.0, cold_until(120.0))
    later = (1500.0, cold_until(120.0))  # of a later step

    assert after(first) == after(first, later)


def test_an_image_that_is_pulled_for_long_makes_no_pod_older() -> None:
    assert after((1200.0, cold_until(200.0))) == after((60.0, cold_until(200.0)))


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param((), id="no pods"),
        pytest.param(((-60.0, cold_until(200.0)),), id="it was there before"),
    ],
)
def test_nothing_is_said_of_pods_whose_start_was_not_seen(
    pods: tuple[tuple[float, Share], ...],
) -> None:
    assert after(*pods) is None


def test_nothing_is_said_before_anything_is_usual() -> None:
    assert after((60.0, cold_until(100.0)), seconds=500.0) is None


def test_few_bad_requests_are_no_cold_pod() -> None:
    once = after((60.0, lambda at: 0.02 if at == 150.0 else 0.0))  # three of 150
    assert once == 60.0


def test_the_slowest_metric_says_how_long() -> None:
    assert warming.longest({"errors": None, "slow": 240.0, "other": 60.0}) == 240.0
    assert warming.longest({"errors": None}) == 60.0
    assert warming.longest({}) == 60.0
