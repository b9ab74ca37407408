"""Stable before the rollout: its dispersion, its usual rates, its buckets."""

from __future__ import annotations

import evidence_build as build
import pytest
from evidence_build import CANDIDATE, IDENTITY, SCRAPE, STABLE

from tidegate.evidence.counts.grid import Grid
from tidegate.evidence.counts.history import (
    History,
    Past,
    reduced,
    shape_alone,
    shape_of,
    spreads_of,
)
from tidegate.evidence.counts.intervals import MetricSeries
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Problem, Series

START, END = 1000.0, 2800.0
ERRORS = presets.TEMPLATES["MLServer", "error-ratio"]
SLOW = presets.TEMPLATES["MLServer", "latency-p95"]
EDGES = {"0.1": 5.0, "0.25": 9.0, "0.5": 10.0, "+Inf": 10.0}
GRID = Grid(
    interval_seconds=30,
    scrape_interval_seconds=SCRAPE,
    settle_seconds=30,
    cold_start_seconds=60,
    first_traffic_at=None,
)


def counted(revision: str, by: float, *, pod: str = "a", **labels: str) -> Series:
    values = build.grows(by=by, scrapes=int((END - START) / SCRAPE) + 2)
    return build.series(revision, values, first=START - SCRAPE, pod=pod, **labels)


def past(*, bad: float = 0.0, pods: str = "ab", buckets: bool = False) -> Past:
    ratio = MetricSeries(
        total=tuple(counted(STABLE, 10, pod=pod) for pod in pods),
        bad=tuple(counted(STABLE, bad, pod=pod, code="500") for pod in pods),
    )
    latency = MetricSeries(
        buckets=tuple(
            counted(STABLE, by, pod=pod, le=le) for pod in pods for le, by in EDGES.items()
        )
    )
    return Past(
        metric="m",
        series=latency if buckets else ratio,
        identity=IDENTITY,
        grid=GRID,
        start=START,
        end=END,
    )


def known(*, bad: float = 0.0, pods: str = "ab", buckets: bool = False) -> History:
    return reduced(past(bad=bad, pods=pods, buckets=buckets))


def test_its_intervals_are_all_those_of_stable_without_settling() -> None:
    rows = past(bad=1).table(Shape()).rows

    assert len(rows) == 60
    assert rows[0].t0 == START
    assert {(row.counts["m"].n_c, row.counts["m"].n_s) for row in rows} == {(0.0, 40.0)}


@pytest.mark.parametrize(("bad", "common"), [(0, False), (5, False), (6, True), (10, True)])
def test_bad_events_are_common_when_more_than_half_are_bad(bad: float, common: bool) -> None:  # noqa: FBT001
    found = shape_of(
        build.metric("m"),
        template=ERRORS,
        series=MetricSeries(),
        identity=IDENTITY,
        past=known(bad=bad),
    )

    assert found == Shape(common=common)


def test_without_history_nothing_is_assumed_of_a_ratio() -> None:
    found = shape_of(
        build.metric("m"), template=ERRORS, series=MetricSeries(), identity=IDENTITY, past=None
    )

    assert found == Shape()


@pytest.mark.parametrize(("has_history", "decisive"), [(True, 1), (False, 1)])
def test_the_edges_come_from_the_rollout_and_the_decisive_one_from_history(
    has_history: bool,  # noqa: FBT001
    decisive: int,
) -> None:
    series = MetricSeries(
        buckets=tuple(
            counted(revision, by, le=le)
            for revision in (CANDIDATE, STABLE)
            for le, by in EDGES.items()
        )
    )
    found = shape_of(
        build.metric("m", threshold=build.model.NO_THRESHOLD),
        template=SLOW,
        series=series,
        identity=IDENTITY,
        past=known(buckets=True) if has_history else None,
    )

    assert found == Shape(edges=(0.1, 0.25, 0.5), decisive=decisive)


def test_a_latency_that_cannot_be_cut_says_why() -> None:
    found = shape_of(
        build.metric("m"), template=SLOW, series=MetricSeries(), identity=IDENTITY, past=None
    )

    assert isinstance(found, Problem)


@pytest.mark.parametrize(("pods", "df"), [("ab", 60), ("abc", 120), ("a", 0)])
def test_dispersion_is_measured_on_two_pods_or_more(pods: str, df: int) -> None:
    (spread,) = spreads_of(known(bad=1, pods=pods), shape=Shape())

    assert spread.df == df
    assert spread.phi().trusted is (df > 0)


def test_without_history_there_is_one_empty_spread_per_stream() -> None:
    shape = Shape(edges=(0.1, 0.25, 0.5))

    assert [one.df for one in spreads_of(None, shape=shape)] == [0, 0, 0]
    assert len(spreads_of(known(buckets=True), shape=shape)) == 3


def test_its_histogram_holds_all_its_requests() -> None:
    found = past(buckets=True).histogram(unit_seconds=1.0)

    assert found is not None
    assert found.edges == (0.1, 0.25, 0.5)
    assert found.total == pytest.approx(2 * 10 * 120)
    assert past().histogram(unit_seconds=1.0) is None


@pytest.mark.parametrize("edges", [(0.1, 0.25, 0.5), (0.25,), (0.1, 0.5)])
def test_what_is_kept_says_of_any_edges_what_the_samples_say(edges: tuple[float, ...]) -> None:
    shape = Shape(edges=edges)
    raw = past(buckets=True, pods="abc").table(shape)
    kept = known(buckets=True, pods="abc").table(shape)

    assert kept.spreads == raw.spreads
    assert [row.counts["m"].x_s for row in kept.rows] == [row.counts["m"].x_s for row in raw.rows]
    assert [row.counts["m"].n_s for row in kept.rows] == [row.counts["m"].n_s for row in raw.rows]


def test_of_an_edge_that_its_pods_lacked_nothing_is_known() -> None:
    (first, second) = spreads_of(known(buckets=True), shape=Shape(edges=(0.25, 0.7)))

    assert (first.df > 0, second.df) == (True, 0)


def test_what_is_kept_does_not_grow_with_pods() -> None:
    few, many = (known(buckets=True, pods=pods) for pods in ("ab", "abcdefghijkl"))

    assert len(few.full.rows) == len(many.full.rows)
    assert not any(row.counts["m"].pods_s for row in many.full.rows)


def test_alone_it_is_cut_by_the_edges_that_stable_has() -> None:
    metric = build.metric("m", threshold=build.model.NO_THRESHOLD)

    assert shape_alone(metric, template=SLOW, past=known(buckets=True)) == Shape(
        edges=(0.1, 0.25, 0.5), decisive=1
    )
    assert shape_alone(metric, template=ERRORS, past=known(bad=6)) == Shape(common=True)
