from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tidegate.evidence.counts import samples
from tidegate.evidence.terms import Identity, Problem, Reason, Series
from tidegate.model import IdentityMode, Json

POD = {"revision": "a", "pod": "p", "instance": "i", "job": "one"}


MEMBER = Identity(namespace="ml", name="iris", candidate="a", stable="b")
WHOSE = {"namespace": "ml", "model_deployment": "iris", "revision": "a"}
POD_OF_A = "iris-a-5d4b9c6f5d-0000a"


def _matrix(*items: Json) -> tuple[Series, ...] | Problem:
    return samples.series_of(items)


def _shared(
    kind: str,
    result: Json,
    *,
    warnings: tuple[str, ...] = (),
    members: tuple[Identity, ...],
    mode: IdentityMode = IdentityMode.LABEL,
) -> Mapping[Identity, tuple[Json, ...] | Problem] | Problem:
    return samples.shared_out(
        kind,
        expected=samples.MATRIX,
        result=result,
        warnings=warnings,
        members=members,
        mode=mode,
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
        {"metric": {**WHOSE, "pod": POD_OF_A}},
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


@pytest.mark.parametrize(
    ("mode", "labels"),
    [
        (IdentityMode.LABEL, {"model_deployment": "iris", "revision": "a"}),
        (
            IdentityMode.POD_LABEL,
            {"tidegate_dev_model_deployment": "iris", "tidegate_dev_revision": "a"},
        ),
        (IdentityMode.POD, {}),
    ],
)
def test_rows_come_under_the_same_labels_whatever_the_source_has(
    mode: IdentityMode, labels: dict[str, str]
) -> None:
    seen: Json = {**labels, "namespace": "ml", "pod": POD_OF_A}

    found = _shared("matrix", [{"metric": seen, "values": []}], members=(MEMBER,), mode=mode)

    assert not isinstance(found, Problem)
    rows = found[MEMBER]
    assert not isinstance(rows, Problem)
    series = samples.series_of(rows)
    assert not isinstance(series, Problem)
    assert {**WHOSE, "pod": POD_OF_A}.items() <= series[0].labels.items()


def test_labels_of_the_server_are_kept_where_the_source_names_no_revision() -> None:
    rows: list[Json] = [
        {"metric": {"namespace": "ml", "pod": POD_OF_A, "revision": one}, "values": [[1, "1"]]}
        for one in ("b", "c")
    ]

    found = _shared("matrix", rows, members=(MEMBER,), mode=IdentityMode.POD)

    assert not isinstance(found, Problem)
    mine = found[MEMBER]
    assert not isinstance(mine, Problem)
    series = samples.series_of(mine)
    assert not isinstance(series, Problem)
    assert {it.labels["revision"] for it in series} == {"a"}
    assert {it.labels["exported_revision"] for it in series} == {"b", "c"}


@pytest.mark.parametrize(
    ("case", "pod"),
    [
        ("the candidate says that it is stable", "iris-b-5d4b9c6f5d-0000a"),
        ("another ModelDeployment's pod", "iris-2-a-5d4b9c6f5d-0000a"),
        ("a pod of a StatefulSet", "iris-a-0"),
        ("a pod of a Job", "iris-a-0000a"),
    ],
)
def test_a_revision_that_another_pod_claims_is_an_error_of_that_rollout(
    case: str, pod: str
) -> None:
    other = replace(MEMBER, name="other")
    rows: list[Json] = [
        {"metric": {**WHOSE, "pod": pod}},
        {"metric": {**WHOSE, "model_deployment": "other"}},
    ]

    found = _shared("matrix", rows, members=(MEMBER, other))

    assert not isinstance(found, Problem), case
    mine = found[MEMBER]
    assert isinstance(mine, Problem), case
    assert mine.reason is Reason.ERROR
    assert pod in mine.message
    assert "honor_labels" in mine.message
    assert found[other] == (rows[1],)


def test_a_proxy_reports_for_other_pods() -> None:
    rows: list[Json] = [{"metric": {**WHOSE, "pod": "envoy-5d4b9c6f5d-0000a"}}]

    assert _shared("matrix", rows, members=(MEMBER,), mode=IdentityMode.GATEWAY) == {
        MEMBER: tuple(rows)
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
            "a sum over pods",
            [{"metric": {"revision": POD["revision"]}, "values": []}],
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


REMARK = 'PromQL info: metric might not be a counter, name does not end in _total: "nv_x" (1:6)'


@pytest.mark.parametrize(
    ("warnings", "usable"),
    [
        ([REMARK], True),
        ([REMARK, REMARK], True),
        ([REMARK, "store gone"], False),
        (["store gone", REMARK], False),
        (["PromQL warning: encountered a mix of histograms and floats"], False),
        (["3 more annotations omitted"], False),  # nobody knows of what kind
    ],
)
def test_remarks_on_the_query_are_no_partial_answer(warnings: list[str], *, usable: bool) -> None:
    number = samples.parse_number("scalar", result=[1, "1"], warnings=warnings)
    vector = samples.vector("vector", result=[], warnings=warnings)
    matrix = samples.matrix("matrix", result=[], warnings=warnings)
    series = _shared("matrix", [], warnings=tuple(warnings), members=(MEMBER,))

    for found in (number, vector, matrix, series):
        assert (not isinstance(found, Problem)) is usable
        if isinstance(found, Problem):
            assert REMARK not in found.message


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
