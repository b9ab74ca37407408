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
