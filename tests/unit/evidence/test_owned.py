"""Whose a label is, by the data: what a scrape adds is alike on all series of its target."""

from __future__ import annotations

import pytest
from evidence_build import CANDIDATE, STABLE
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import owned, samples, scrapes, tally
from tidegate.evidence.counts.reader import NOTHING, Reader
from tidegate.evidence.counts.tally import Tally
from tidegate.evidence.terms import Series, Window

POD = {"revision": CANDIDATE, "pod": "iris-a", "instance": "10.0.0.1:80", "__name__": "x_total"}
CANDIDATE_POD = CANDIDATE, "iris-a"
Points = list[tuple[float, float]]
NAMES = [
    "user",
    "tenant",
    "tenant_id",
    "endpoint",
    "host",
    "hostname",
    "node",
    "job",
    "service",
    "container",
    "cluster",
    "region",
    "zone",
    "monitor",
    "replica",
    "kubernetes_version",
    "prometheus_shard",
    "instance",
]


def of(points: Points, **labels: str) -> Series:
    return Series(labels={**POD, **labels}, samples=tuple(points))


def every(*values: float, first: float = 0.0) -> Points:
    return [(first + 15.0 * index, value) for index, value in enumerate(values)]


def names_of(*series: Series) -> frozenset[str]:
    entries = ((it.lane, it.samples) for it in by_name(series))
    return owned.found(entries).get(CANDIDATE_POD, frozenset())


def by_name(series: tuple[Series, ...]) -> list[scrapes.Entry]:
    """Each series alone: nothing but the names of labels tells."""
    return [entry for one in series for entry in scrapes.entries_of([one])]


@pytest.mark.parametrize("revision", [CANDIDATE, STABLE])
@pytest.mark.parametrize("label", NAMES)
def test_label_sets_of_an_application_are_counted_from_zero_whatever_the_label_is_called(
    label: str, revision: str
) -> None:
    """Each scrape shows failed requests of clients that nobody has seen before."""
    series = [of(every(*(100.0 * k for k in range(12))), code="200", revision=revision)]
    for k in range(5, 12):
        for client in range(10):
            points = every(*[3.0] * (12 - k), first=15.0 * k)
            labels = {"code": "500", label: f"{k}-{client}"}
            series.append(of(points, revision=revision, **labels))

    window = Window(start=60.0, end=165.0, scrape_interval_seconds=15.0)
    found = tally.once(series, window=window)

    failed = [it for counter, it in found.events.items() if ("code", "500") in counter.own]
    assert sum(failed) == 210
    assert not found.twice
    assert found.by_pod(revision) == {"iris-a": 910}


@pytest.mark.parametrize("label", NAMES)
def test_what_was_known_by_its_name_goes_on_where_the_data_tell_otherwise(label: str) -> None:
    """One value at first, which a scrape might have added; a second one comes with the failures."""
    marks, total = NOTHING, []
    for until in (4, 8, 12):
        good = every(*(100.0 * k for k in range(until)))
        series = [of(good, code="200", **{label: "a"}), of(good, code="201", **{label: "a"})]
        if until > 4:
            failed = every(*(3.0 * k for k in range(1, until - 4)), first=75.0)
            series.append(of(failed, code="500", **{label: "b"}))
        reader = Reader({"total": series}, marks=marks, scrape_seconds=15.0)
        start = 60.0 * len(total)
        counted, marks = reader.count(marks, start=start, end=start + 60.0, fresh=not total)
        total.append(counted["total"].by_pod(CANDIDATE).get("iris-a"))

    assert total == [600, 800 + 9, 800 + 12]
    assert all(
        (label, "b" if ("code", "500") in it.own else "a") in it.own
        for it in counted["total"].events
    )


def test_what_is_known_stays_known_without_the_scrape_that_told_it() -> None:
    first = [of(every(0, 10, 20), tenant="a"), of(every(0, 4, 8), tenant="b")]
    reader = Reader({"total": first}, marks=NOTHING, scrape_seconds=15.0)
    _, marks = reader.count(NOTHING, start=0.0, end=30.0, fresh=True)

    later = [of(every(20, 30, first=45.0), tenant="a")]
    reader = Reader({"total": later}, marks=marks, scrape_seconds=15.0)
    counted, marks = reader.count(marks, start=30.0, end=60.0, fresh=False)

    (counter,) = counted["total"].events
    assert ("tenant", "a") in counter.own
    assert marks["total"].owned == {CANDIDATE_POD: frozenset({"tenant"})}


def test_copies_stay_copies_where_a_label_is_told_apart() -> None:
    """A counter that is scraped twice, under a label that nobody knows, of clients by another."""
    one = [of(every(0, 10, 20, 30, 40), tenant=it) for it in "a"]
    copy = [of([(at + 3, v + 2) for at, v in every(0, 10, 20, 30, 40)], tenant="a", team="x")]
    reader = Reader({"total": [*one, *copy]}, marks=NOTHING, scrape_seconds=15.0)
    _, marks = reader.count(NOTHING, start=0.0, end=60.0, fresh=True)
    known = marks["total"]
    assert len(known.same) == 1

    now = known.under({CANDIDATE_POD: frozenset({"tenant"})})

    ((second, first),) = now.same.items()
    assert ("tenant", "a") in second.own
    assert ("tenant", "a") in first.own
    assert {lane.counter for lane in now.marks} == {first, second}
    assert sorted(map(len, now.lanes.values())) == [2]


def test_counters_that_were_apart_are_so_only_while_nothing_else_tells_them_apart() -> None:
    lanes = [it.lane for it in by_name((of(every(1), job="a"), of(every(2), job="b")))]
    counter = lanes[0].counter
    known = Tally(lanes={counter: tuple(lanes)}, apart=frozenset({counter}))

    assert known.under({}).apart == {counter}
    assert not known.under({CANDIDATE_POD: frozenset({"job"})}).apart
    assert known.under({CANDIDATE_POD: frozenset({"host"})}).apart == {counter}


@pytest.mark.parametrize("label", ["job", "endpoint", "replica"])
def test_one_exposition_that_is_stored_twice_at_the_same_instants_tells_nothing(label: str) -> None:
    def stored(name: str, late: int = 0) -> list[Series]:
        good, bad = every(100, 130, 170, 200), every(1, 2, 2, 3)
        return [of(good, code="200", **{label: name}), of(bad[late:], code="500", **{label: name})]

    assert names_of(*stored("a"), *stored("b")) == frozenset()
    assert names_of(*stored("a"), *stored("b", late=2)) == frozenset()
    assert names_of(*stored("a"), stored("b")[1]) == frozenset()


def test_equal_numbers_of_clients_are_no_copies_while_there_is_more_of_one() -> None:
    one = [
        of(every(10, 20, 30), code="200", tenant="a"),
        of(every(1, 1, 1), code="500", tenant="a"),
    ]
    assert names_of(*one, of(every(1, 1, 1), code="500", tenant="b")) == {"tenant"}


def test_two_ports_of_a_pod_that_are_scraped_in_one_instant_are_two_targets() -> None:
    one = of(every(1, 2, 3), container="model", endpoint="a")
    other = of(every(7, 8, 9), container="proxy", endpoint="b", instance="10.0.0.1:90")
    assert names_of(one, other) == frozenset()
    assert names_of(one, of(every(7, 8, 9), endpoint="b", container="model")) == {"endpoint"}


@pytest.mark.parametrize("shift", [0.5, 3.0])
def test_scrapes_at_different_instants_tell_nothing(shift: float) -> None:
    one = of(every(1, 2, 3), job="a")
    assert names_of(one, of([(at + shift, v) for at, v in every(7, 8, 9)], job="b")) == frozenset()


def test_clients_by_a_label_that_a_scrape_might_add_are_not_scraped_twice() -> None:
    clients = [of(every(0, 10, 20), tenant="a", code="200")]
    clients += [of(every(0, 0, 0), tenant=it, code="500") for it in ("b", "c")]
    assert samples.scraped_twice(clients) == ""
    copies = [of(every(0, 10, 20), job="a"), of([(3, 2.0), (18, 12.0)], job="b")]
    assert samples.scraped_twice(copies) == "iris-a"


@given(st.permutations(range(6)))
def test_the_order_of_series_changes_nothing(order: list[int]) -> None:
    series = [
        of(every(1, 2), tenant="a"),
        of(every(3, 4), tenant="b"),
        of(every(3, 5), region="eu"),
        of(every(9, 9), host="n"),
        of(every(1, 2), tenant="a", instance="10.0.0.1:90"),
        of(every(4, 7), code="200"),
    ]
    assert names_of(*(series[it] for it in order)) == {"tenant", "region", "host"}


def test_what_either_of_two_knows_is_known() -> None:
    one, other = {("c", "a"): frozenset({"job"})}, {("c", "a"): frozenset({"node"})}
    assert owned.joined(one, other) == {("c", "a"): frozenset({"job", "node"})}
    assert owned.joined({}, other) == other
