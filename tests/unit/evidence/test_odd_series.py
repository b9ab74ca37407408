"""Series as some exporters and sources write them: no time, other spellings, counters that were away."""

from __future__ import annotations

import itertools

import pytest
from evidence_build import CANDIDATE, STABLE
from evidence_rows import INDEPENDENT, config

from tidegate.evidence.counts import binned, histograms, labelled, readings, scrapes, tally
from tidegate.evidence.counts.binned import Binning
from tidegate.evidence.counts.intervals import MetricSeries
from tidegate.evidence.counts.reader import NOTHING
from tidegate.evidence.counts.rows import Counts, PodCounts, Row, Stream, Usual
from tidegate.evidence.drift import bins
from tidegate.evidence.drift.bins import Pair
from tidegate.evidence.sequential import faster, ledger, unusual
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.terms import Identity, Series, Window

SCRAPE = 15.0
IDENTITY = Identity(namespace="ml", name="iris", candidate=CANDIDATE, stable=STABLE)
Points = list[tuple[float, float]]


def series(points: Points, *, revision: str = CANDIDATE, **labels: str) -> Series:
    place = {"revision": revision, "pod": "a", "instance": "10.0.0.1:80", "__name__": "x_total"}
    return Series(labels={**place, **labels}, samples=tuple(points))


def every(*values: float, first: float = 0.0) -> Points:
    return [(first + SCRAPE * index, value) for index, value in enumerate(values)]


def counted(*given: Series, start: float, end: float, label: str) -> dict[str, float]:
    window = Window(start=start, end=end, scrape_interval_seconds=SCRAPE)
    found = tally.once(list(given), window=window)
    assert not found.twice
    return {dict(counter.own)[label]: events for counter, events in found.events.items()}


# --- edges that are no time ----------------------------------------------------------------------


@pytest.mark.parametrize("odd", ["0", "0.0", "-5", "-Inf", "NaN"])
def test_an_edge_that_is_no_time_tells_no_latencies_apart(odd: str) -> None:
    buckets = [
        series(every(1, 2), revision=revision, le=le)
        for revision in (CANDIDATE, STABLE)
        for le in (odd, "5", "10", "25", "+Inf")
    ]
    found = readings.common_edges(buckets, identity=IDENTITY, unit_seconds=0.001)
    assert found == pytest.approx((0.005, 0.01, 0.025))


@pytest.mark.parametrize("odd", [0.0, -1.0])
def test_places_of_the_other_edges_are_those_without_it(odd: float) -> None:
    edges = (0.1, 0.2, 0.4, 0.8)
    plain, found = faster.places(edges), faster.places((odd, *edges))
    assert [(it.of + 1, it.below + 1, it.part) for it in plain] == [
        (it.of, it.below, it.part) for it in found
    ]


def test_an_edge_of_nothing_changes_no_test_of_the_others() -> None:
    def streams(*late: float) -> list[Stream]:
        return [Stream(n_c=100.0, x_c=x / 2, n_s=100.0, x_s=x, phi=INDEPENDENT) for x in late]

    edges, late = (0.1, 0.2, 0.4, 0.8), (80.0, 40.0, 10.0, 2.0)
    plain = faster.advance(
        faster.begin(edges), streams=streams(*late), edges=edges, step=0, log_limit=9.0
    )
    found = faster.advance(
        faster.begin((0.0, *edges)),
        streams=streams(100.0, *late),
        edges=(0.0, *edges),
        step=0,
        log_limit=9.0,
    )
    assert (found.slow, found.processes) == (plain.slow, plain.processes)


# --- a candidate of which all pods are new -------------------------------------------------------


def row(number: int, *, pods: tuple[str, ...], n_c: float, cold: float) -> Row:
    counts = Counts(
        n_c=n_c,
        n_s=900.0,
        x_c=(0.0,),
        x_s=(0.0,),
        phi=(INDEPENDENT,),
        pods_c=tuple(PodCounts(pod=pod, n=n_c / len(pods), x=(0.0,)) for pod in pods),
        pods_s=tuple(PodCounts(pod=f"s{it}", n=450.0, x=(0.0,)) for it in range(2)),
        cold_c=cold,
    )
    return Row(
        t0=30.0 * number,
        t1=30.0 * number + 30.0,
        step=0,
        weight=0.1,
        counts={"error-ratio": counts},
    )


@pytest.mark.parametrize(
    ("cold", "silent"),
    [(100.0, False), (0.5, True), (0.0, False)],
    ids=["they answer", "they hardly answer", "there is none"],
)
def test_pods_that_are_not_warm_answer_for_those_that_they_replace(
    cold: float, *, silent: bool
) -> None:
    rows = [row(number, pods=("old-1", "old-2"), n_c=100.0, cold=0.0) for number in range(3)]
    rows += [row(3 + number, pods=(), n_c=0.0, cold=cold) for number in range(20)]
    found = ledger.record_all(rows, config=config())
    assert not found.failed
    assert (found.unanswered is not None) is silent
    after = ledger.record(found, row=row(30, pods=("new",), n_c=100.0, cold=0.0), config=config())
    assert after.answers.rows == found.answers.rows + 1


# --- a stable that is bad as it is ---------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, 1.0 + 1e-12, 1 - 1e-9, 1 - 1e-17])
def test_where_all_events_are_bad_none_is_unusual(rate: float) -> None:
    rule = MetricRule(name="m", limit=0.5, usual=Usual(rate=rate))
    assert unusual.unusual_rate(rule) is None
    stream = Stream(n_c=10.0, x_c=10.0, n_s=10.0, x_s=9.0, phi=INDEPENDENT)
    assert unusual.watched(unusual.Self(), stream=stream, rule=rule) == unusual.Self()


@pytest.mark.parametrize("rate", [0.99, 0.9999])
def test_where_some_are_good_more_bad_ones_are_unusual(rate: float) -> None:
    rule = MetricRule(name="m", limit=0.5, usual=Usual(rate=rate))
    stream = Stream(n_c=1e6, x_c=1e6, n_s=1e6, x_s=1e6, phi=INDEPENDENT)
    assert unusual.watched(unusual.Self(), stream=stream, rule=rule).log_strange > 0


# --- cohorts that are no time --------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "\u00b2" * 10,
        "\u0661" * 10,
        "9" * 400,
        "\uff11\uff19\uff12\uff10" * 3,
        "2026-11-\u0663\u0660",
    ],
)
def test_other_digits_are_no_cohort(text: str) -> None:
    assert labelled.start_of(text) is None


# --- one edge in two spellings -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("0.5", "1", "2.5", "+Inf"), ("0.5", "1.0", "2.5", "+Inf")),
        (("0.5", "1.0", "2.5", "+Inf"), ("0.5", "1", "2.5", "+Inf")),
        (("0.50", "1", "2.5", "+Inf"), ("0.5", "1e0", "2.5", "inf")),
    ],
    ids=["newer source", "older source", "another exporter"],
)
@pytest.mark.parametrize("start", [30.0, 60.0, 75.0])
def test_an_edge_that_is_spelled_in_another_way_goes_on(
    old: tuple[str, ...], new: tuple[str, ...], start: float
) -> None:
    given = []
    for before, after, base, each in zip(
        old, new, (5e4, 8e4, 9e4, 1e5), (50, 80, 90, 100), strict=True
    ):
        points = every(*(base + each * number for number in range(9)))
        given += [series(points[:5], le=before), series(points[5:], le=after)]
    found = counted(*given, start=start, end=start + 45, label="le")
    assert found == {"0.5": 150, "1": 240, "2.5": 270, "+Inf": 300}


def test_two_spellings_at_once_are_not_put_together() -> None:
    points = every(*range(9))
    entries = scrapes.entries_of([series(points, le="1"), series(points, le="1.0")])
    assert len(entries) == 2


def test_a_source_that_is_replaced_leaves_no_lag() -> None:
    points = every(*range(0, 4000, 10))
    others = [series(every(*range(400)), code="200")]
    given = (series(points[:200], le="1"), series(points[200:], le="1.0"), *others)
    metric = MetricSeries(total=given, scrape_seconds=SCRAPE)
    assert metric.reader(NOTHING, grid=None).lags() == ()  # type: ignore[arg-type]


def test_a_bin_is_the_same_in_both_spellings() -> None:
    binning = Binning(bin="le", dimension="feature", cumulative=True)
    rates = [
        series([(0.0, rate)], feature="amount", le=le)
        for le, rate in (("1", 1.0), ("1.0", 2.0), ("2", 5.0), ("+Inf", 6.0))
    ]
    found = binned.observed_in(rates, binning=binning, seconds=1.0)
    assert found == {"amount": {"1": 3.0, "2": 2.0, "+Inf": 1.0}}


def test_a_profile_in_the_other_spelling_has_the_same_bins() -> None:
    current = {"1.0": 30.0, "2.0": 20.0, "+Inf": 50.0}
    found = bins.by_label({"1": 300.0, "2": 200.0, "+Inf": 500.0}, current=current)
    assert found == Pair(reference=(300.0, 200.0, 500.0), current=(30.0, 20.0, 50.0))
    assert not isinstance(bins.by_label({"1": 5.0, "one": 5.0}, current={"1": 5.0}), Pair)


# --- a process that begins again -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param([(0, 200), (15, 200), (45, 210)], 210, id="more than before"),
        pytest.param([(0, 200), (15, 200), (45, 150)], 150, id="more than half of it"),
        pytest.param([(0, 200), (15, 200), (45, 20)], 20, id="far less"),
        pytest.param([(0, 200), (15, 200), (30, 210), (45, 215)], 215, id="in the same scrape"),
        pytest.param([(0, 200), (15, 205), (30, 0), (45, 210)], 215, id="it was seen at 0"),
    ],
)
def test_what_was_away_while_its_process_began_again_is_counted_from_zero(
    errors: Points, expected: float
) -> None:
    good = series([(0, 1000), (15, 1500), (30, 100), (45, 600)], code="200")
    found = counted(good, series(errors, code="500"), start=0, end=45, label="code")
    assert found == {"200": 1100, "500": expected}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([(0, 1000), (15, 1500), (30, 1600), (45, 2000)], id="no counter fell"),
        pytest.param([(0, 50), (15, 60), (30, 2), (45, 8)], id="a small one was cleared"),
        pytest.param([(0, 1000), (15, 1500), (30, 1400), (45, 1600)], id="no restart is like this"),
    ],
)
def test_what_was_away_while_its_process_went_on_goes_on(other: Points) -> None:
    large = series([(0, 9000), (15, 9100), (30, 9200), (45, 9300)], code="201")
    errors = series([(0, 200), (15, 200), (45, 210)], code="500")
    found = counted(large, series(other, code="200"), errors, start=0, end=45, label="code")
    assert (found["201"], found["500"]) == (300, 10)


def test_a_restart_of_another_pod_or_container_changes_nothing() -> None:
    errors = series([(0, 200), (15, 200), (45, 210)], code="500")
    for place in ({"pod": "b"}, {"container": "proxy"}):
        other = series([(0, 1000), (15, 1500), (30, 100), (45, 600)], code="200", **place)
        assert counted(errors, other, start=0, end=45, label="code")["500"] == 10


def test_all_counters_of_a_pod_that_was_away_are_held_against_what_was_counted() -> None:
    """Nothing of what was before is fetched again: the marks alone know it."""
    codes = ("200", "500")
    before = [every(*values) for values in ((1000, 1500, 2000), (200, 200, 200))]
    marks, grid = NOTHING, None

    def reader(points: list[Points]) -> object:
        given = tuple(series(one, code=code) for one, code in zip(points, codes, strict=True))
        metric = MetricSeries(total=given, bad=given[1:], scrape_seconds=SCRAPE)
        return metric.reader(marks, grid=grid)  # type: ignore[arg-type]

    first = reader(before)
    _, marks = first.count(NOTHING, start=0.0, end=30.0, fresh=True)  # type: ignore[attr-defined]
    second = reader([every(90, 150, first=900.0), every(210, 220, first=900.0)])
    found, _ = second.count(marks, start=30.0, end=930.0, fresh=False)  # type: ignore[attr-defined]
    totals = list(
        itertools.chain.from_iterable(it.by_pod(CANDIDATE).values() for it in found.values())
    )
    assert sorted(totals) == [220.0, 370.0]


def test_the_edge_of_everything_is_always_told() -> None:
    found = counted(series(every(0, 5, 9), le="inf"), start=0, end=30, label="le")
    assert found == {"+Inf": 9}
    assert histograms.edge_from("+Inf") == float("inf")
