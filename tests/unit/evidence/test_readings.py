"""What the data of one look can say, or by which name they cannot."""

from __future__ import annotations

import evidence_build as build
import pytest
from evidence_build import CANDIDATE, END, IDENTITY, SCRAPE, STABLE, WINDOW, grows, series
from evidence_rows import counts, table

from tidegate import model
from tidegate.evidence.counts import histograms, readings
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.terms import Identity, Latency, Problem, Selector, Series

P95 = Latency(histogram=Selector(metric="seconds"), quantile=0.95)
ALONE = Identity(namespace="ml", name="iris", candidate=CANDIDATE)


@pytest.mark.parametrize(
    ("scrapes", "identity", "reason"),
    [
        ({CANDIDATE: 6, STABLE: 6}, IDENTITY, None),
        ({CANDIDATE: 3, STABLE: 3}, IDENTITY, None),  # 45 s old: just fresh enough
        ({CANDIDATE: 2, STABLE: 6}, IDENTITY, "Stale"),
        ({CANDIDATE: 6, STABLE: 2}, IDENTITY, "Stale"),
        ({STABLE: 6}, IDENTITY, "NoData"),
        ({CANDIDATE: 6}, IDENTITY, "NoBaseline"),
        ({CANDIDATE: 6}, ALONE, None),
        ({}, ALONE, "NoData"),
    ],
)
def test_presence(scrapes: dict[str, int], identity: Identity, reason: str | None) -> None:
    found = [series(revision, grows(by=1, scrapes=n)) for revision, n in scrapes.items()]
    problem = readings.presence(
        found,
        identity=identity,
        quiet_seconds={one.labels["revision"]: END - one.samples[-1][0] for one in found},
        stale_after_seconds=WINDOW.stale_after_seconds,
        asked="prom for x{}",
    )

    assert (problem.reason if problem else None) == reason


def test_silence_is_no_request_in_any_recent_row_of_the_step() -> None:
    def silent(*requests: float, step: int = 0, since: float = 60.0) -> bool:
        rows = table(*(counts(n, 0, 10, 0) for n in requests))
        args = {
            "metric": "error-ratio",
            "step": step,
            "since": since,
            "seconds": 60.0,
            "asked": "x",
        }
        return readings.silence(rows, **args) is not None  # type: ignore[arg-type]

    assert silent(5, 0, 0)
    assert not silent(0, 0, 5)
    assert not silent(0, 0, step=1)
    assert not silent()


def buckets(revision: str, *edges: str, pod: str = "a") -> list[Series]:
    return [series(revision, grows(by=1), pod=pod, le=edge) for edge in edges]


FOUR = ("0.1", "0.25", "0.5", "1", "+Inf")


def shape_of(
    *all_buckets: list[Series],
    limit: float | None = None,
    identity: Identity = IDENTITY,
    history: histograms.Histogram | None = None,
    unit_seconds: float = 1.0,
) -> Shape | Problem:
    return readings.latency_shape(
        Latency(histogram=P95.histogram, quantile=0.95, unit_seconds=unit_seconds),
        threshold=model.Threshold(max=limit),
        buckets=[one for some in all_buckets for one in some],
        identity=identity,
        history=history,
    )


def test_the_edges_are_those_that_every_pod_has() -> None:
    candidate = buckets(CANDIDATE, "0.1", "0.2", "0.5", "1.0", "-Inf", "x", "+Inf")
    stable = buckets(STABLE, *FOUR) + buckets(STABLE, *FOUR, "2", pod="b")

    assert shape_of(candidate, stable, limit=0.3) == Shape(edges=(0.1, 0.5, 1.0), decisive=1)


def test_units_become_seconds() -> None:
    candidate = buckets(CANDIDATE, "100", "250", "700", "+Inf")
    found = shape_of(candidate, limit=0.7, identity=ALONE, unit_seconds=0.001)

    assert isinstance(found, Shape)
    assert found.edges == pytest.approx((0.1, 0.25, 0.7))
    assert found.decisive == 2


@pytest.mark.parametrize(
    ("edges", "limit", "reason"),
    [
        (("0.1", "0.5", "+Inf"), None, "IncompatibleBuckets"),
        (("7", "8", "9", "+Inf"), None, "IncompatibleBuckets"),
        (FOUR, 1.5, "Saturated"),
        ((), None, "NoData"),
    ],
)
def test_buckets_that_cannot_be_judged(
    edges: tuple[str, ...], limit: float | None, reason: str
) -> None:
    found = shape_of(buckets(CANDIDATE, *edges), buckets(STABLE, *FOUR), limit=limit)

    assert isinstance(found, Problem)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("at_most", "total", "decisive"),
    [
        ((50, 95, 99, 100), 100, 1),  # the first edge above the 90 % quantile of stable
        ((100, 100, 100, 100), 100, 0),
        ((0, 0, 0, 1), 100, 3),  # slower than all edges
        ((0, 0, 0, 0), 0, 2),  # nothing is known: the middle
    ],
)
def test_without_a_limit_history_says_where_proof_is_asked(
    at_most: tuple[float, ...], total: float, decisive: int
) -> None:
    history = histograms.Histogram(edges=(0.1, 0.25, 0.5, 1.0), at_most=at_most, total=total)
    found = shape_of(buckets(CANDIDATE, *FOUR), history=history, identity=ALONE)

    assert isinstance(found, Shape)
    assert found.decisive == decisive


@pytest.mark.parametrize("limit", [1, 17, 40])
def test_many_edges_are_thinned_and_the_decisive_one_stays(limit: int) -> None:
    many = [f"{n}" for n in range(1, 41)]
    found = shape_of(buckets(CANDIDATE, *many, "+Inf"), limit=float(limit), identity=ALONE)

    assert isinstance(found, Shape)
    assert len(found.edges) <= readings.MAX_EDGES
    assert found.edges[found.decisive] == limit
    assert {found.edges[0], found.edges[-1]} == {1.0, 40.0}


def test_rows_of_metrics_are_joined_by_their_interval() -> None:
    errors = table(counts(1, 0, 1, 0), counts(2, 0, 2, 0))
    slow = table(None, counts(3, 0, 3, 0), metric="slow")[1:]
    joined = readings.merged({"slow": slow, "error-ratio": errors})

    assert [sorted(row.counts) for row in joined] == [["error-ratio"], ["error-ratio", "slow"]]
    assert [row.t0 for row in joined] == [0.0, 60.0]
    assert readings.merged({"error-ratio": errors, "slow": slow}) == joined


@pytest.mark.parametrize(
    ("threshold", "complement"),
    [
        (model.Threshold(min=0.9), True),
        (model.Threshold(max=0.1), False),
        (model.Threshold(min=0.1, max=0.9), False),
        (model.NO_THRESHOLD, False),
    ],
)
def test_with_only_a_lower_limit_the_others_count(
    threshold: model.Threshold,
    complement: bool,  # noqa: FBT001
) -> None:
    assert readings.counts_complement(threshold) is complement


def test_the_window_of_these_tests_ends_where_six_scrapes_do() -> None:
    assert build.series(CANDIDATE, grows(by=1)).samples[-1][0] == END
    assert WINDOW.stale_after_seconds == 3 * SCRAPE
