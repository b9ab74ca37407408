import json
from dataclasses import replace

import pytest
from evidence_rows import COMPARED, UNMEASURED, config, context, counts, table
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.evidence.counts.rows import Flag, PodCounts, Row
from tidegate.evidence.journal import row_lines
from tidegate.evidence.terms import Problem
from tidegate.evidence.verdict import engine

whole = st.one_of(st.integers(0, 10**9), st.floats(0, 1e9))
rows_of_any_kind = st.lists(
    st.builds(
        lambda n, x, edges: replace(
            counts(n, (x,) * edges, n, (x,) * edges, phi=UNMEASURED),
            pods_s=(PodCounts(n=n, x=(x,) * edges),),
        ),
        whole,
        whole,
        st.integers(1, 3),
    ),
    max_size=4,
).map(lambda found: [replace(row, flags=(Flag.CHURN,)) for row in table(*found)])


@settings(max_examples=50)
@given(rows_of_any_kind)
def test_rows_read_back_from_the_log_are_the_same_and_have_the_same_hash(rows: list[Row]) -> None:
    logged = [json.loads(json.dumps(row_lines.document(row))) for row in rows]
    read = row_lines.read(logged)
    assert read == tuple(rows)
    assert row_lines.digest(read) == row_lines.digest(rows)


def _with_pods(number: int, *, metrics: int = 2) -> Row:
    """A row as a busy fleet makes it: some pods have bad events, some counts are extrapolated."""
    pods = tuple(
        PodCounts(
            n=1000.0 + at + (0.25 if at % 10 == 0 else 0),
            x=(float(at % 7 == 0), 3.0 * (at % 5 == 0)),
        )
        for at in range(number)
    )
    one = replace(counts(10, (1, 2), 90, (1, 2), phi=UNMEASURED), pods_s=pods)
    (row,) = table(one)
    (counted,) = row.counts.values()
    return replace(row, counts={f"metric-{number}": counted for number in range(metrics)})


def test_counts_per_pod_keep_their_places_and_a_row_of_200_pods_fits_a_line() -> None:
    row = _with_pods(200)
    text = json.dumps(row_lines.document(row), sort_keys=True)
    assert len(text) < 16 * 1024, "shippers cut lines there"
    assert row_lines.read([json.loads(text)]) == (row,)


def test_rows_of_the_release_before_are_read() -> None:
    row = _with_pods(40)
    old = json.loads(json.dumps(row_lines.document(row)))
    for name, one in old["counts"].items():
        pods = row.counts[name].pods_s
        one["podsS"] = [{"n": pod.n, "x": list(pod.x)} for pod in pods]
    assert row_lines.read([old]) == (row,)


@pytest.mark.parametrize(
    "pods",
    [{"n": [1], "x": [[[1, 1]]]}, {"n": [1], "x": [[[-1, 1]]]}, {"n": [1], "x": [[[0.5, 1]]]}],
)
def test_a_count_of_no_pod_is_no_row(pods: object) -> None:
    broken = json.loads(json.dumps(row_lines.document(_with_pods(1, metrics=1))))
    broken["counts"]["metric-0"]["podsS"] = pods
    assert isinstance(row_lines.read([broken]), Problem)


def test_a_replayed_verdict_is_the_one_that_was_given() -> None:
    rows = table(*[counts(1000.5, 30, 9000, 90)] * 8)
    read = row_lines.read([json.loads(json.dumps(row_lines.document(row))) for row in rows])
    assert not isinstance(read, Problem)
    first = engine.judge(rows, context=context(), config=config(COMPARED))
    assert engine.judge(read, context=context(), config=config(COMPARED)) == first


def test_another_count_or_order_is_another_hash() -> None:
    one, two = table(counts(10, 1, 90, 2), counts(10, 2, 90, 2))
    assert len({row_lines.digest(rows) for rows in ([one, two], [two, one], [one], [])}) == 4


@pytest.mark.parametrize(
    "broken",
    [
        "text",
        {},
        {**row_lines.document(table(counts(1, 0, 1, 0))[0]), "t0": "now"},
        {**row_lines.document(table(counts(1, 0, 1, 0))[0]), "weight": True},
        {**row_lines.document(table(counts(1, 0, 1, 0))[0]), "flags": "Churn"},
        {**row_lines.document(table(counts(1, 0, 1, 0))[0]), "flags": ["Unknown"]},
        {**row_lines.document(table(counts(1, 0, 1, 0))[0]), "counts": {"a": {"nC": 1}}},
    ],
)
def test_what_is_no_row_is_named(broken: object) -> None:
    good = row_lines.document(table(counts(1, 0, 1, 0))[0])
    found = row_lines.read([good, broken])  # type: ignore[list-item]
    assert isinstance(found, Problem)
    assert found.message.startswith("row 1 is no row")
