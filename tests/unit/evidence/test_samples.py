from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tidegate.evidence.counts import samples
from tidegate.evidence.terms import Identity, Problem, Reason, Series
from tidegate.model import Json

POD = {"revision": "a", "pod": "p", "instance": "i", "job": "one"}


MEMBER = Identity(namespace="ml", name="iris", candidate="a", stable="b")
WHOSE = {"namespace": "ml", "model_deployment": "iris", "revision": "a"}


def _matrix(*items: Json) -> tuple[Series, ...] | Problem:
    return samples.series_of(items)


def _shared(
    kind: str, result: Json, *, warnings: tuple[str, ...] = (), members: tuple[Identity, ...]
) -> Mapping[Identity, tuple[Json, ...]] | Problem:
    return samples.shared_out(
        kind, expected="matrix", result=result, warnings=warnings, members=members
    )


def test_samples_are_numbers_in_order_of_time_without_nan_and_infinity() -> None:
    found = _matrix(
        {"metric": POD, "values": [[30.5, "2"], [15, "1.5"], [45, "NaN"], [60, "+Inf"]]}
    )

    assert not isinstance(found, Problem)
    assert found[0].samples == ((15.0, 1.5), (30.5, 2.0))
    assert found[0].labels == POD


def test_an_empty_answer_is_no_series() -> None:
    assert _matrix() == ()


@pytest.mark.parametrize(
    ("case", "kind", "result"),
    [
        ("a vector", "vector", []),
        ("no type", "", []),
        ("no list", "matrix", {"a": 1}),
        ("text", "matrix", "series"),
        ("nothing", "matrix", None),
        ("a number for a series", "matrix", [1]),
        ("a series without labels", "matrix", [{"values": []}]),
    ],
)
def test_a_grouped_answer_of_another_shape_is_an_error(case: str, kind: str, result: Json) -> None:
    found = _shared(kind, result, members=(MEMBER,))

    assert isinstance(found, Problem), case
    assert found.reason is Reason.ERROR


def test_rows_go_to_those_that_asked_for_them() -> None:
    successor = replace(MEMBER, candidate="c", stable="a")
    elsewhere = replace(MEMBER, namespace="ml-prod")
    rows: list[Json] = [
        {"metric": {**WHOSE, "pod": "1"}},
        {"metric": {**WHOSE, "revision": "b"}},
        {"metric": {**WHOSE, "revision": "c"}},
        {"metric": {**WHOSE, "namespace": "ml-prod", "revision": "c"}},
        {"metric": {**WHOSE, "model_deployment": "iris-2"}},
        {"metric": {**WHOSE, "revision": 1}},
        {"metric": {}},
    ]

    found = _shared("matrix", rows, members=(MEMBER, successor, elsewhere))

    assert found == {
        MEMBER: (rows[0], rows[1]),
        successor: (rows[0], rows[2]),
        elsewhere: (),
    }


def test_without_a_stable_revision_no_row_is_stable() -> None:
    first = replace(MEMBER, stable="")

    assert _shared("matrix", [{"metric": {**WHOSE, "revision": ""}}], members=(first,)) == {
        first: ()
    }


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("a number for a series", [1]),
        ("a series without labels", [{"values": []}]),
        ("a native histogram", [{"metric": POD, "histograms": []}]),
        ("a sample that is no pair", [{"metric": POD, "values": [[1, "2", "3"]]}]),
        ("a sample that is text", [{"metric": POD, "values": ["ab"]}]),
        ("a value that is no text", [{"metric": POD, "values": [[1, 2]]}]),
        ("a value that is no number", [{"metric": POD, "values": [[1, "two"]]}]),
        ("a time that is no number", [{"metric": POD, "values": [["1", "2"]]}]),
        ("a time that is a truth value", [{"metric": POD, "values": [[True, "2"]]}]),
        (
            "a pod scraped by two jobs",
            [{"metric": POD, "values": []}, {"metric": {**POD, "job": "two"}, "values": []}],
        ),
    ],
)
def test_a_bad_row_is_an_error_of_its_rollout(case: str, rows: list[Json]) -> None:
    found = _matrix(*rows)

    assert isinstance(found, Problem), case
    assert found.reason is Reason.ERROR


def test_numbers_are_one_per_revision() -> None:
    rows: list[Json] = [
        {"metric": WHOSE, "value": [1, "-0.5"]},
        {"metric": {**WHOSE, "revision": "b"}, "value": [1, "NaN"]},
    ]

    assert samples.numbers_of(rows) == {"a": -0.5}
    assert samples.numbers_of([]) == {}


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("twice", [{"metric": WHOSE, "value": [1, "1"]}, {"metric": WHOSE, "value": [1, "NaN"]}]),
        ("no labels", [{"value": [1, "1"]}]),
        ("no value", [{"metric": WHOSE}]),
        ("no number", [{"metric": WHOSE, "value": [1, "x"]}]),
        ("no object", [1]),
    ],
)
def test_a_bad_number_is_an_error_of_its_rollout(case: str, rows: list[Json]) -> None:
    found = samples.numbers_of(rows)

    assert isinstance(found, Problem), case
    assert found.reason is Reason.ERROR


def test_a_cut_keeps_the_end_and_not_the_beginning() -> None:
    one = Series(labels=POD, samples=((1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)))
    old = Series(labels=POD, samples=((1.0, 1.0),))

    assert samples.within([one, old], after=1.0, until=3.0) == (
        Series(labels=POD, samples=((2.0, 2.0), (3.0, 3.0))),
    )


def test_two_label_sets_and_two_ports_of_a_pod_are_different_series() -> None:
    found = _matrix(
        {"metric": POD, "values": []},
        {"metric": {**POD, "code": "500"}, "values": []},
        {"metric": {**POD, "instance": "other", "job": "two"}, "values": []},
    )

    assert not isinstance(found, Problem)
    assert len(found) == 3


def test_a_warning_makes_any_answer_unusable() -> None:
    series = _shared("matrix", [], warnings=("store gone",), members=(MEMBER,))
    number = samples.parse_number("scalar", result=[1, "1"], warnings=["store gone"])

    for found in (series, number):
        assert isinstance(found, Problem)
        assert found.reason is Reason.METRICS_UNAVAILABLE
        assert "store gone" in found.message


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("scalar", [1, "0.25"]),
        ("vector", [{"metric": {}, "value": [1.5, "0.25"]}]),
    ],
)
def test_a_free_query_returns_one_number(kind: str, result: Json) -> None:
    assert samples.parse_number(kind, result=result) == 0.25


@pytest.mark.parametrize(
    ("case", "kind", "result", "reason"),
    [
        ("empty", "vector", [], Reason.NO_DATA),
        ("NaN", "vector", [{"value": [1, "NaN"]}], Reason.NO_DATA),
        ("infinite", "scalar", [1, "-Inf"], Reason.NO_DATA),
        ("two series", "vector", [{"value": [1, "1"]}, {"value": [1, "2"]}], Reason.ERROR),
        ("raw samples", "matrix", [], Reason.ERROR),
        ("text", "string", [1, "abc"], Reason.ERROR),
        ("no list", "vector", {"value": [1, "1"]}, Reason.ERROR),
        ("no object", "vector", [1], Reason.ERROR),
        ("no value", "vector", [{"metric": {}}], Reason.ERROR),
        ("nothing", "", None, Reason.ERROR),
    ],
)
def test_a_free_query_without_one_number_says_why(
    case: str, kind: str, result: Json, reason: Reason
) -> None:
    found = samples.parse_number(kind, result=result)

    assert isinstance(found, Problem), case
    assert found.reason is reason
