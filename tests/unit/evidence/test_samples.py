from __future__ import annotations

import pytest

from tidegate.evidence import samples
from tidegate.evidence.model import Problem, Reason, Series
from tidegate.rollout.model import Json

POD = {"revision": "a", "pod": "p", "instance": "i", "job": "one"}


def _matrix(*items: Json) -> tuple[Series, ...] | Problem:
    return samples.parse_series("matrix", result=items)


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
        ("a native histogram", "matrix", [{"metric": POD, "histograms": []}]),
        ("a sample that is no pair", "matrix", [{"metric": POD, "values": [[1, "2", "3"]]}]),
        ("a sample that is text", "matrix", [{"metric": POD, "values": ["ab"]}]),
        ("a value that is no text", "matrix", [{"metric": POD, "values": [[1, 2]]}]),
        ("a value that is no number", "matrix", [{"metric": POD, "values": [[1, "two"]]}]),
        ("a time that is no number", "matrix", [{"metric": POD, "values": [["1", "2"]]}]),
        ("a time that is a truth value", "matrix", [{"metric": POD, "values": [[True, "2"]]}]),
        (
            "a pod scraped by two jobs",
            "matrix",
            [{"metric": POD, "values": []}, {"metric": {**POD, "job": "two"}, "values": []}],
        ),
    ],
)
def test_an_answer_of_another_shape_is_an_error(case: str, kind: str, result: Json) -> None:
    found = samples.parse_series(kind, result=result)

    assert isinstance(found, Problem), case
    assert found.reason is Reason.ERROR


def test_two_label_sets_and_two_ports_of_a_pod_are_different_series() -> None:
    found = _matrix(
        {"metric": POD, "values": []},
        {"metric": {**POD, "code": "500"}, "values": []},
        {"metric": {**POD, "instance": "other", "job": "two"}, "values": []},
    )

    assert not isinstance(found, Problem)
    assert len(found) == 3


def test_a_warning_makes_any_answer_unusable() -> None:
    series = samples.parse_series("matrix", result=[], warnings=["store gone"])
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
