"""What hardly ever comes, and must not be taken for something else: rows that are no rows, and the like."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from evidence_build import CANDIDATE, IDENTITY, STABLE, series
from evidence_rows import COMPARED, INDEPENDENT, config

from tidegate import model
from tidegate.evidence.counts import dispersion, early, readings, samples
from tidegate.evidence.counts.dispersion import Level
from tidegate.evidence.counts.grid import Grid, WeightChange, next_start
from tidegate.evidence.counts.intervals import MetricSeries, Table
from tidegate.evidence.counts.reader import Reader
from tidegate.evidence.counts.rows import Counts, PodCounts, Usual
from tidegate.evidence.counts.tally import Faults
from tidegate.evidence.journal import codec
from tidegate.evidence.sequential import unusual
from tidegate.evidence.sequential.judgement import Compare, MetricRule
from tidegate.evidence.terms import Latency, Problem, Reason, Selector
from tidegate.evidence.verdict import harm
from tidegate.evidence.verdict.forecast import Ahead, Past
from tidegate.evidence.verdict.times import LONGEST, Clock, earliest
from tidegate.model import Json

GRID = Grid(
    interval_seconds=30.0,
    scrape_interval_seconds=15.0,
    settle_seconds=0.0,
    cold_start_seconds=0.0,
    first_traffic_at=None,
)
SERIES = series(STABLE, [1.0, 2.0])


# --- answers of a source -------------------------------------------------------------------------


@pytest.mark.parametrize("read", [samples.vector, samples.matrix])
@pytest.mark.parametrize("kind", ["vector", "matrix"])
def test_a_partial_answer_is_unusable_whatever_it_holds(read: object, kind: str) -> None:
    found = read(kind, result=[], warnings=["a shard is away"])  # type: ignore[operator]
    assert isinstance(found, Problem)
    assert "a shard is away" in found.message


@pytest.mark.parametrize("item", ["1", 7, None, ["metric"]])
def test_a_row_that_is_none_is_an_error_of_a_vector_too(item: Json) -> None:
    found = samples.matrix("vector", result=[item], warnings=())
    assert isinstance(found, Problem)


@pytest.mark.parametrize("read", [samples.vector, samples.matrix])
@pytest.mark.parametrize(
    ("kind", "result"),
    [("scalar", [1.0, "2"]), ("string", [1.0, "up"]), ("vector", {"a": 1}), ("", None)],
)
def test_an_answer_of_another_shape_is_an_error(read: object, kind: str, result: Json) -> None:
    found = read(kind, result=result, warnings=())  # type: ignore[operator]
    assert isinstance(found, Problem)
    assert found.message.startswith("expected a ")


@pytest.mark.parametrize("value", [7, None, ["text"], {"0": 1}])
def test_a_journal_entry_that_should_be_text_is_refused(value: Json) -> None:
    with pytest.raises(TypeError, match="is no text"):
        codec.text(value)


@pytest.mark.parametrize("value", ["text", 7, None, {"0": 1}])
def test_a_journal_entry_that_should_be_a_list_is_refused(value: Json) -> None:
    with pytest.raises(TypeError, match="is no list"):
        codec.listed(value)


@pytest.mark.parametrize(
    ("changes", "trusted"),
    [
        ({}, True),
        ({"flapping": frozenset({("stable", "a")})}, False),
        ({"refused": frozenset({("stable", "a"), ("stable", "b")})}, False),
    ],
)
def test_faults_of_counters_name_their_pods(changes: dict[str, Any], *, trusted: bool) -> None:
    found = readings.faulty(replace(Faults(), **changes), lags=())
    assert (found is None) is trusted
    if found is not None:
        assert "a" in found.message


# --- spans and windows ---------------------------------------------------------------------------


def test_without_any_share_of_traffic_counting_goes_on_where_it_was() -> None:
    assert next_start(GRID, events=(), after=1234.0) == 1234.0


@pytest.mark.parametrize("events", [(), (WeightChange(at=1000.0, step=0, weight=0.5),)])
def test_before_the_first_traffic_nothing_is_looked_at_early(
    events: tuple[WeightChange, ...],
) -> None:
    present = early.Present(
        metric="errors",
        series=MetricSeries(total=(SERIES,)),
        reader=Reader({"total": (SERIES,)}, marks={}, scrape_seconds=15.0),
        table=Table(),
        grid=GRID,
        events=events,
        identity=IDENTITY,
        at=1100.0,
    )
    assert early.rows(present) == ()
    if not events:
        assert early.windows(present) == ()


def test_a_block_of_a_single_pod_says_nothing_of_a_spread() -> None:
    known = Level(weighted=6.0, events=3.0, df=2, half={"a": (1.0, 1.0)})
    assert known.plus({"a": (2.0, 2.0)}) == replace(known, half=None)
    two = known.plus({"a": (3.0, 2.0), "b": (1.0, 2.0)})
    assert (two.df, two.events) == (3, 7.0)


def test_what_never_holds_never_comes() -> None:
    assert earliest(lambda _: False) == math.inf
    assert earliest(lambda seconds: seconds >= 500.0) == pytest.approx(500.0, rel=0.04)
    assert earliest(lambda _: True) < 2.0
    assert LONGEST > 300 * 86400


# --- verdicts ------------------------------------------------------------------------------------


def outage(
    rule: MetricRule, *, x_c: float, x_s: float, pods_c: tuple[PodCounts, ...] = ()
) -> float:
    counts = Counts(n_c=100.0, n_s=900.0, x_c=(x_c,), x_s=(x_s,), phi=(INDEPENDENT,), pods_c=pods_c)
    return unusual.outage_log_e(counts, rule=rule, sustained=False)


ERRORS = replace(COMPARED, errors=True, usual=Usual(rate=0.001))


def test_an_outage_is_the_candidates_alone_and_of_more_than_one_pod() -> None:
    one_bad = (PodCounts(pod="a", n=60.0, x=(60.0,)), PodCounts(pod="b", n=40.0, x=(0.0,)))
    both_bad = (PodCounts(pod="a", n=60.0, x=(40.0,)), PodCounts(pod="b", n=40.0, x=(20.0,)))

    assert outage(ERRORS, x_c=60.0, x_s=1.0) > 10
    assert outage(ERRORS, x_c=60.0, x_s=1.0, pods_c=both_bad) > 10
    assert outage(ERRORS, x_c=60.0, x_s=1.0, pods_c=one_bad) == 0.0
    assert outage(ERRORS, x_c=60.0, x_s=90.0) == 0.0  # stable is in it, too
    assert outage(ERRORS, x_c=40.0, x_s=1.0) == 0.0  # most are answered
    assert outage(replace(ERRORS, errors=False), x_c=60.0, x_s=1.0) == 0.0


@pytest.mark.parametrize("common", [False, True])
def test_of_events_that_are_the_rule_no_search_is_planned(*, common: bool) -> None:
    ahead = Ahead(
        rule=replace(COMPARED, common=common),
        past=Past(bad_rate=0.01, requests_per_second=100.0, phi=dispersion.given(1.0)),
        step=model.Stage(name="p50", weight_percent=50, effective_weight_percent=50),
        config=config(COMPARED),
        clock=Clock(interval_seconds=30.0, scrape_seconds=15.0),
    )
    sizes = harm.sizes(0.01, compare=Compare())
    assert math.isinf(ahead.searched_seconds(sizes)) is common


@pytest.mark.parametrize(
    ("stable", "threshold", "reason"),
    [
        ((0.1, 0.25, 0.5, 1.0), 0.25, None),  # its history has the edges of the candidate
        ((0.1, 0.3), 0.25, Reason.INCOMPATIBLE_BUCKETS),
        ((), 0.25, Reason.NO_BASELINE),
    ],
)
def test_edges_of_stables_history_count_while_its_pods_show_none(
    stable: tuple[float, ...], threshold: float, reason: Reason | None
) -> None:
    buckets = tuple(
        series(CANDIDATE, [1.0, 2.0], le=le) for le in ("0.1", "0.25", "0.5", "1", "+Inf")
    )
    found = readings.latency_shape(
        Latency(histogram=Selector(metric="seconds"), quantile=0.95),
        threshold=model.Threshold(max=threshold),
        buckets=buckets,
        identity=IDENTITY,
        history=None,
        edges_of_stable=stable,
    )
    if reason is None:
        assert isinstance(found, readings.Shape)
        assert found.edges == stable
    else:
        assert isinstance(found, Problem)
        assert found.reason is reason
