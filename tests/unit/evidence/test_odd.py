"""Counters that show no counts: which samples are none, and what of a pod is counted beside them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import pytest
from evidence_build import CANDIDATE, STABLE
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.evidence.counts import odd, readings
from tidegate.evidence.counts.grid import Grid, WeightChange
from tidegate.evidence.counts.intervals import MetricSeries, Table, close_intervals
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Identity, Series

SCRAPE = 15.0
IDENTITY = Identity(namespace="ml", name="iris", candidate=CANDIDATE, stable=STABLE)
GRID = Grid(
    interval_seconds=30.0,
    scrape_interval_seconds=SCRAPE,
    settle_seconds=0.0,
    cold_start_seconds=0.0,
    first_traffic_at=0.0,
)
BEGIN = WeightChange(at=0.0, step=0, weight=0.5)
NAN = math.nan
Points = list[tuple[float, float]]


# --- which samples are no counts -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], 0),
        ([1, -1, 3], 1),
        ([1, 2, math.inf], 1),
        ([1, 2, -math.inf], 1),
        ([1, 2, 1e300], 1),
        ([1, NAN, 3], 1),
        ([1, NAN, NAN], 2),
        ([1, -1, NAN], 2),
        ([1, 2, NAN], 0),  # a mark of the end
        ([NAN, 2, 3], 0),  # the same, of what was before
        ([NAN], 0),
        ([NAN, NAN], 2),
        ([], 0),
    ],
)
def test_values_that_no_counter_has(values: list[float], expected: int) -> None:
    assert len(odd.values_of(list(enumerate(map(float, values))))) == expected


def test_a_nan_after_others_that_are_known_is_none_more_count() -> None:
    assert len(odd.values_of([(0.0, NAN), (15.0, 3.0)], lasts=True)) == 1


# --- what is counted beside them -----------------------------------------------------------------


@dataclass
class Pod:
    """Nine requests and an error for each unit of traffic, at every scrape; what is odd by scrape."""

    units: list[int]
    good: dict[int, float]
    bad: dict[int, float]
    missed: frozenset[int] = frozenset()
    restarts: frozenset[int] = frozenset()
    unseen_until: int = 0
    revision: str = CANDIDATE
    name: str = "a"

    def series(self, *, after: float, until: float) -> list[Series]:
        found: dict[str, Points] = {"200": [], "500": []}
        total = 100.0
        for scrape, units in enumerate(self.units):
            total = 0.0 if scrape in self.restarts else total + units
            at = scrape * SCRAPE
            if scrape in self.missed or not after < at <= until:
                continue
            found["200"].append((at, self.good.get(scrape, 9 * total)))
            if scrape >= self.unseen_until:
                found["500"].append((at, self.bad.get(scrape, total)))
        place = {"revision": self.revision, "pod": self.name, "__name__": "x_total"}
        return [
            Series(labels={**place, "code": code}, samples=tuple(points))
            for code, points in found.items()
            if points
        ]


def look(table: Table, pods: list[Pod], *, now: float) -> Table:
    """The table after a look at what has arrived by then."""
    after = table.closed_until - LOOKBACK_SCRAPES * SCRAPE
    total = tuple(one for pod in pods for one in pod.series(after=after, until=now))
    series = MetricSeries(
        total=total, bad=tuple(one for one in total if one.labels["code"] == "500")
    )
    return close_intervals(
        table, series={"m": series}, grid=GRID, events=[BEGIN], identity=IDENTITY, now=now
    )


def looked(pods: list[Pod], *, every: int, scrapes: int) -> Table:
    table = Table()
    for scrape in range(1, scrapes, every):
        table = look(table, pods, now=scrape * SCRAPE + 6)
    return look(table, pods, now=scrapes * SCRAPE + 6)


def steady(name: str = "s", *, revision: str = STABLE, scrapes: int = 60) -> Pod:
    return Pod(units=[10] * scrapes, good={}, bad={}, revision=revision, name=name)


def counts(table: Table) -> list[tuple[float, float]]:
    """Requests and bad ones of the candidate in each row that has any."""
    found = (row.counts["m"] for row in table.rows if "m" in row.counts)
    return [(one.n_c, one.x_c[0]) for one in found if one.n_c]


def odd_pod(values: dict[int, float], *, scrapes: int = 60, **more: object) -> Pod:
    return Pod(units=[10] * scrapes, good={}, bad=values, **more)  # type: ignore[arg-type]


def test_a_pod_with_odd_errors_has_no_requests_until_they_are_counts_again() -> None:
    pods = [steady(), odd_pod(dict.fromkeys(range(10, 18), -1.0))]

    lasting = looked(pods, every=2, scrapes=17)
    after = looked(pods, every=2, scrapes=40)

    assert sum(n for n, _ in counts(lasting)) <= 9 * 100
    assert [run.value for run in lasting.odd["m"].lasting] == [-1.0]
    assert not after.odd["m"].lasting
    assert sum(n for n, _ in counts(after)) == 100 * 38  # it only went on: all is known
    assert all(x == n / 10 for n, x in counts(after))


def test_rows_beside_odd_ones_do_not_tell_of_too_few_requests() -> None:
    pods = [steady(), steady("b", revision=CANDIDATE), odd_pod(dict.fromkeys(range(10, 18), -1.0))]

    rows = looked(pods, every=2, scrapes=40).rows

    incomplete = [row.t0 for row in rows if not row.counts["m"].complete]
    assert incomplete == [120.0, 150.0, 180.0, 210.0, 240.0]
    assert all(row.counts["m"].n_c for row in rows)


def test_what_a_counter_had_before_is_not_what_it_counts_now() -> None:
    values = dict.fromkeys(range(12), -1.0) | dict.fromkeys(range(12, 60), 5000.0)

    found = counts(looked([steady(), odd_pod(values)], every=2, scrapes=40))

    assert found
    assert sum(x for _, x in found) == 0


def test_a_counter_that_began_again_meanwhile_is_counted_anew() -> None:
    values = dict.fromkeys(range(10, 14), NAN)
    pods = [steady(), odd_pod(values, restarts=frozenset({12}))]

    found = counts(looked(pods, every=2, scrapes=40))

    assert sum(n for n, _ in found) == 100 * 9 + 100 * 24  # of 36 + the restart between
    assert all(x == n / 10 for n, x in found)


def test_a_counter_that_is_not_shown_again_keeps_its_pod_out() -> None:
    values = dict.fromkeys(range(10, 14), -1.0)
    pod = odd_pod(values)
    pods = [steady(), pod, steady("b", revision=CANDIDATE)]
    table = looked(pods, every=2, scrapes=13)
    pod.unseen_until = 1000

    for scrape in range(14, 50):
        table = look(table, pods, now=scrape * SCRAPE + 6)

    assert table.odd["m"].lasting[0].ended
    assert "pod a" in message_of(table)
    assert "restart the pod" in message_of(table)
    late = [row for row in table.rows if row.t0 >= 150]
    assert {pod.pod for row in late for pod in row.counts["m"].pods_c} == {"b"}


def test_a_pod_that_began_again_without_its_odd_counter_is_counted_again() -> None:
    pod = odd_pod(dict.fromkeys(range(10, 14), -1.0), restarts=frozenset({30}))
    pods = [steady(), pod]
    table = looked(pods, every=2, scrapes=13)
    pod.unseen_until = 1000

    for scrape in range(14, 50):
        table = look(table, pods, now=scrape * SCRAPE + 6)

    assert not table.odd["m"].lasting
    assert {pod.pod for pod in table.rows[-1].counts["m"].pods_c} == {"a"}


def test_a_pod_that_is_gone_is_told_no_more() -> None:
    pod = odd_pod(dict.fromkeys(range(10, 60), -1.0), missed=frozenset(range(20, 60)))

    table = looked([steady(), steady("b", revision=CANDIDATE), pod], every=2, scrapes=40)

    assert not table.odd["m"].lasting
    assert table.rows[-1].counts["m"].complete


def message_of(table: Table) -> str:
    found = readings.uncountable(table.odd["m"].lasting, identity=IDENTITY)
    assert found is not None
    return found.message


def test_it_is_told_with_labels_value_and_what_to_change() -> None:
    table = looked([steady(), odd_pod(dict.fromkeys(range(10, 60), -7.0))], every=2, scrapes=20)

    assert message_of(table) == (
        'x_total{code="500"} of pod a of the candidate shows -7, which is no count, so that nothing of'
        " the pod is counted; a counter begins at 0 and only rises: mend what exports it, or leave the"
        " series out by the conditions of the template"
    )
    assert readings.uncountable((), identity=IDENTITY) is None


ODD = st.sampled_from([-1.0, NAN, math.inf, 1e300])
SCRAPES = 40
AT = st.integers(0, SCRAPES - 1)
STRETCHES = st.lists(st.tuples(AT, st.integers(1, 12), ODD), max_size=3)


def spread(stretches: list[tuple[int, int, float]]) -> dict[int, float]:
    return {
        scrape: value for first, many, value in stretches for scrape in range(first, first + many)
    }


PODS = st.builds(
    Pod,
    units=st.lists(st.integers(1, 40), min_size=SCRAPES, max_size=SCRAPES),
    good=STRETCHES.map(spread),
    bad=STRETCHES.map(spread),
    missed=st.frozensets(AT, max_size=8),
    restarts=st.frozensets(AT, max_size=2),
)


@settings(max_examples=30)
@given(PODS, st.integers(1, 4))
def test_no_row_has_requests_of_which_the_errors_are_not_known(pod: Pod, every: int) -> None:
    """One of ten fails, in every stretch of time: so it is in whatever is counted."""
    table = looked([steady(), pod], every=every, scrapes=SCRAPES)

    found = counts(table)

    assert sum(n for n, _ in found) <= 10 * sum(pod.units)
    for n, x in found:
        assert x == pytest.approx(n / 10)


def test_the_cost_grows_with_the_samples_alone() -> None:
    def seconds(scrapes: int) -> float:
        values = dict.fromkeys(range(0, scrapes, 2), -1.0)
        pod = odd_pod(values, scrapes=scrapes)
        began = time.process_time()
        total = tuple(pod.series(after=-1.0, until=math.inf))
        series = MetricSeries(total=total, bad=total[1:])
        found = series.reader({}, grid=GRID)
        assert len(found.odd.runs) == scrapes // 2
        return time.process_time() - began

    seconds(1000)
    assert min(seconds(8000) for _ in range(3)) < 16 * max(
        0.01, min(seconds(1000) for _ in range(3))
    )
