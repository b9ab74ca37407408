"""When a candidate is silent while stable is not: a table of what both have shown."""

from __future__ import annotations

import math

import evidence_build as build
import pytest

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.grid import Grid, WeightChange
from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.counts.silence import (
    LEAST_DUE,
    MOST_RECENT,
    Silence,
    requests_in,
    silence,
    told_by,
)
from tidegate.evidence.terms import Series

SCRAPE = build.SCRAPE
CONFIRMED = 1000.0
GRID = Grid(
    interval_seconds=5.0,
    scrape_interval_seconds=SCRAPE,
    settle_seconds=0.0,
    cold_start_seconds=0.0,
    first_traffic_at=CONFIRMED,
)


def counter(revision: str, *, per_second: float, until: float, pod: str = "a") -> Series:
    """A counter that grows evenly from long before until an instant, and is scraped on."""
    times = [CONFIRMED + SCRAPE * index for index in range(-20, 41)]
    values = [per_second * (min(at, until) + 10_000) for at in times]
    return build.series(revision, values, first=times[0], pod=pod)


def stable(*, per_second: float = 10.0, until: float = math.inf) -> Series:
    return counter(build.STABLE, per_second=per_second, until=until)


def candidate(*, until: float, per_second: float = 1.0) -> Series:
    return counter(build.CANDIDATE, per_second=per_second, until=until)


def row(t1: float, *, n_c: float) -> Row:
    phi = (dispersion.given(1.0),)
    counts = Counts(n_c=n_c, n_s=9.0, x_c=(0.0,), x_s=(0.0,), phi=phi)
    return Row(t0=t1 - 30, t1=t1, step=0, weight=0.5, counts={"errors": counts})


def found(
    *series: Series,
    at: float,
    weight: float = 0.5,
    since: float = CONFIRMED,
    rows: tuple[Row, ...] = (),
    scrape: float = SCRAPE,
) -> Silence | None:
    seen = [
        Series(labels=one.labels, samples=tuple(it for it in one.samples if it[0] <= at))
        for one in series
    ]
    return silence(
        seen,
        rows=rows,
        metric="errors",
        identity=build.IDENTITY,
        grid=GRID,
        event=WeightChange(at=CONFIRMED, step=0, weight=weight),
        since=since,
        at=at,
        scrape_seconds=scrape,
    )


def test_a_candidate_without_series_is_silent_after_four_scrapes() -> None:
    assert found(stable(), at=CONFIRMED + 59) is None
    assert found(stable(), at=CONFIRMED + 60) == Silence(seconds=60.0, due=pytest.approx(600))


def test_with_quick_scrapes_a_new_pod_has_half_a_minute_to_be_found() -> None:
    fast = stable(per_second=50.0)
    assert found(fast, at=CONFIRMED + 29, scrape=5.0) is None
    assert found(fast, at=CONFIRMED + 30, scrape=5.0) is not None


def test_one_that_finishes_nothing_more_is_silent_although_it_is_scraped() -> None:
    hung = candidate(until=CONFIRMED + 30)
    assert found(stable(), hung, at=CONFIRMED + 75) is None
    assert found(stable(), hung, at=CONFIRMED + 90) is not None


def test_silence_begins_after_the_last_row_with_a_request() -> None:
    heard = (row(CONFIRMED + 60, n_c=5.0), row(CONFIRMED + 90, n_c=0.0))
    silent = found(stable(), at=CONFIRMED + 150, rows=heard)
    assert silent is not None
    assert silent.seconds == 90.0
    assert found(stable(), at=CONFIRMED + 150, rows=(row(CONFIRMED + 120, n_c=1.0),)) is None


def test_a_candidate_that_is_not_warm_may_take_its_time() -> None:
    assert found(stable(), at=CONFIRMED + 150, since=CONFIRMED + 120) is None
    assert found(stable(), at=CONFIRMED + 180, since=CONFIRMED + 120) is not None


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_nothing_is_promised_without_a_share_of_both(weight: float) -> None:
    assert found(stable(), at=CONFIRMED + 300, weight=weight) is None


def test_where_nobody_is_seen_nobody_is_silent() -> None:
    assert found(at=CONFIRMED + 300) is None
    assert found(stable(until=CONFIRMED + 30), at=CONFIRMED + 300) is None


def test_few_requests_take_longer() -> None:
    """At a tenth of 1 request/s two of three minutes promise fewer than it takes."""
    seen = [
        at
        for at in range(60, 600, 15)
        if found(stable(per_second=0.9), at=CONFIRMED + at, weight=0.1)
    ]
    assert seen[0] == pytest.approx(LEAST_DUE / 0.1, abs=SCRAPE)


def idle_until(end: float) -> tuple[Row, ...]:
    """Closed rows without a request of either side, from the confirmation on."""
    phi = (dispersion.given(1.0),)
    nothing = Counts(n_c=0.0, n_s=0.0, x_c=(0.0,), x_s=(0.0,), phi=phi)
    starts = [CONFIRMED + 30 * index for index in range(int((end - CONFIRMED) // 30))]
    return tuple(
        Row(t0=t0, t1=t0 + 30, step=0, weight=0.5, counts={"errors": nothing}) for t0 in starts
    )


def test_the_first_requests_after_an_idle_night_promise_nothing_for_the_night() -> None:
    """Stable finished nothing in the rows before, so nothing was due from the candidate either."""
    at = CONFIRMED + 540
    times = [CONFIRMED + SCRAPE * index for index in range(-20, 41)]
    woken = [max(0.0, 0.5 * (time - (at - 20))) for time in times]
    awake = build.series(build.STABLE, woken, first=times[0], pod="a")
    assert found(awake, at=at, rows=idle_until(at - 40)) is None
    assert found(awake, at=at) is not None, "without rows only the last scrapes can tell"


def test_a_counter_that_begins_again_is_heard() -> None:
    """Falling counters are a trouble of their own, and no silence."""
    times = [CONFIRMED + SCRAPE * index for index in range(21)]
    flapping = build.series(
        build.CANDIDATE, [100.0 if index % 2 else 50.0 for index in range(21)], first=times[0]
    )
    assert found(stable(), flapping, at=CONFIRMED + 300) is None


def test_requests_of_a_histogram_are_its_last_buckets() -> None:
    buckets = [build.series(build.STABLE, [1.0], le=le) for le in ("0.1", "1", "+Inf")]
    assert requests_in(total=(), buckets=buckets) == (buckets[-1],)
    total = [build.series(build.STABLE, [1.0])]
    assert requests_in(total=total, buckets=buckets) == tuple(total)


@pytest.mark.parametrize("answers_until", [0, 10, 25, 40])
@pytest.mark.parametrize("seconds", [60.0, 600.0])
def test_what_is_kept_of_the_rows_tells_the_same(answers_until: int, seconds: float) -> None:
    rows = tuple(row(CONFIRMED + 30 * (at + 1), n_c=float(at < answers_until)) for at in range(40))
    kept = told_by(rows, metric="errors", seconds=seconds)
    at = CONFIRMED + 1210
    silent = candidate(until=CONFIRMED + 30 * answers_until)

    assert found(stable(), silent, at=at, rows=kept) == found(stable(), silent, at=at, rows=rows)
    assert len(kept) <= max(seconds / 30, 40 - answers_until) + 1
    assert told_by((), metric="errors", seconds=seconds) == ()


def test_of_a_candidate_that_never_answers_the_last_rows_are_kept() -> None:
    rows = tuple(row(30.0 * at, n_c=0.0) for at in range(2 * MOST_RECENT))

    assert len(told_by(rows, metric="errors", seconds=60.0)) == MOST_RECENT
