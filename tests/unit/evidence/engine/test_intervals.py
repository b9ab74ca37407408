import math
from dataclasses import replace

import pytest
from evidence_build import CANDIDATE, IDENTITY, STABLE
from evidence_grid import FIRST, GRID, LATE, SCRAPE

from tidegate.evidence.counts import intervals
from tidegate.evidence.counts.dispersion import PhiSource, Spread
from tidegate.evidence.counts.intervals import MetricSeries, Table
from tidegate.evidence.counts.rows import Flag
from tidegate.evidence.terms import Series


def counter(
    revision: str,
    *,
    by: float,
    pod: str = "a",
    first: float = 900.0,
    to: float = 1300.0,
    **labels: str,
) -> Series:
    count = int((to - first) / SCRAPE) + 1
    return Series(
        labels={"revision": revision, "pod": pod, "instance": pod, **labels},
        samples=tuple((first + SCRAPE * k, 1000.0 + by * k) for k in range(count)),
    )


def ratio(*bad: Series, stable_pods: str = "xy") -> MetricSeries:
    total = (
        counter(CANDIDATE, by=10, pod="c"),
        *(counter(STABLE, by=40, pod=pod) for pod in stable_pods),
    )
    return MetricSeries(total=total, bad=bad)


def closed(
    series: MetricSeries,
    *,
    table: Table | None = None,
    now: float = 1140 + LATE,
    given_phi: float | None = None,
    min_df: int = 30,
) -> Table:
    return intervals.close_intervals(
        table or Table(),
        series={"error-ratio": series},
        grid=GRID,
        events=[FIRST],
        identity=IDENTITY,
        now=now,
        given_phi=given_phi,
        min_df=min_df,
    )


def test_a_row_sums_the_pods_of_each_arm_and_keeps_those_of_stable() -> None:
    bad = (counter(CANDIDATE, by=1, pod="c"), counter(STABLE, by=2, pod="x"))
    table = closed(ratio(*bad))
    assert [row.t1 for row in table.rows] == [1080, 1100, 1120, 1140]
    assert table.closed_until == 1140
    row = table.rows[0]
    assert (row.step, row.weight, row.flags) == (0, 0.1, ())
    counts = row.counts["error-ratio"]
    assert (counts.n_c, counts.n_s, counts.x_c, counts.x_s) == (20, 160, (2,), (4,))
    assert [(pod.n, pod.x) for pod in counts.pods_s] == [(80, (4,)), (80, (0,))]
    assert counts.complete


def test_a_closed_row_stays_as_it_is() -> None:
    bad = counter(CANDIDATE, by=1, pod="c")
    first = closed(ratio(bad), now=1100 + LATE)
    corrected = tuple((at, value + 500 if at < 1090 else value) for at, value in bad.samples)
    late = closed(ratio(replace(bad, samples=corrected)), table=first)
    assert late.rows[:2] == first.rows
    assert late.rows[2].counts["error-ratio"].x_c == (2,)


def test_rows_over_time_count_what_one_long_row_counts() -> None:
    table = closed(ratio(counter(STABLE, by=3, pod="y")), now=1260 + LATE)
    assert sum(row.counts["error-ratio"].n_s for row in table.rows) == 2 * 40 * 20
    assert sum(row.counts["error-ratio"].x_s[0] for row in table.rows) == 3 * 20


def test_the_dispersion_of_a_row_comes_from_what_was_before_it() -> None:
    bursts = (counter(STABLE, by=5, pod="x"), counter(STABLE, by=1, pod="y"))
    table = closed(ratio(*bursts), min_df=2)
    sources = [row.counts["error-ratio"].phi[0].source for row in table.rows]
    assert sources == [PhiSource.UNMEASURED] * 2 + [PhiSource.MEASURED] * 2
    assert table.rows[2].counts["error-ratio"].phi[0].df == 2
    assert table.spreads["error-ratio"][0].df == 4


def test_history_of_stable_makes_the_first_row_measured() -> None:
    known = Table(spreads={"error-ratio": (Spread(weighted=300.0, events=100.0, df=60),)})
    table = closed(ratio(), table=known)
    phi = table.rows[0].counts["error-ratio"].phi[0]
    assert phi.source is PhiSource.MEASURED
    assert phi.value == pytest.approx(3 * (1 + 1.645 * math.sqrt(2 / 60)))


def test_a_given_dispersion_replaces_the_measured_one() -> None:
    phi = closed(ratio(), given_phi=4.0).rows[0].counts["error-ratio"].phi[0]
    assert (phi.value, phi.source) == (4.0, PhiSource.GIVEN)


def test_more_bad_events_than_events_are_cut_and_flagged() -> None:
    row = closed(ratio(counter(CANDIDATE, by=15, pod="c"))).rows[0]
    assert row.counts["error-ratio"].x_c == (20,)
    assert row.flags == (Flag.CLAMPED,)


def test_counters_that_begin_again_are_counted_and_flagged() -> None:
    base = counter(CANDIDATE, by=10, pod="c")
    again = tuple(
        (at, value if at < 1070 else 10 * (at - 1070) / SCRAPE) for at, value in base.samples
    )
    series = replace(ratio(), total=(replace(base, samples=again), *ratio().total[1:]))
    row = closed(series).rows[0]
    assert row.counts["error-ratio"].n_c == 10
    assert row.flags == (Flag.CHURN,)


def test_a_missing_arm_is_incomplete_and_two_missing_arms_are_no_data() -> None:
    alone = MetricSeries(total=(counter(CANDIDATE, by=10, pod="c"),))
    counts = closed(alone).rows[0].counts["error-ratio"]
    assert (counts.n_c, counts.n_s, counts.complete) == (20, 0, False)
    assert closed(MetricSeries()).rows[0].counts == {}


def test_a_latency_counts_slower_requests_per_edge_and_pod() -> None:
    def buckets(revision: str, pod: str, *, fast: float, slow: float) -> list[Series]:
        rates = {"0.1": fast, "0.5": fast, "1": fast + slow / 2, "+Inf": fast + slow}
        return [counter(revision, by=by, pod=pod, le=le) for le, by in rates.items()]

    series = MetricSeries(
        buckets=(
            *buckets(CANDIDATE, "c", fast=6, slow=4),
            *buckets(STABLE, "x", fast=30, slow=10),
            *buckets(STABLE, "y", fast=40, slow=0),
            *(one for one in buckets(STABLE, "z", fast=9, slow=9) if one.labels["le"] != "0.5"),
        ),
        edges=(0.1, 0.5, 1.0),
    )
    counts = closed(series).rows[0].counts["error-ratio"]
    assert (counts.n_c, counts.n_s) == (20, 160)  # pod z lacks an edge
    assert counts.x_c == (8, 8, 4)
    assert counts.x_s == (20, 20, 10)
    assert [pod.x for pod in counts.pods_s] == [(20, 20, 10), (0, 0, 0)]


def test_the_complement_counts_good_events_with_the_arms_swapped() -> None:
    stream = (
        closed(ratio(counter(CANDIDATE, by=1, pod="c"))).rows[0].counts["error-ratio"].stream(0)
    )
    good = stream.complement
    assert (good.n_c, good.x_c, good.n_s, good.x_s) == (160, 160, 20, 18)
    assert good.complement == stream
