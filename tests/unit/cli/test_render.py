from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cli import render

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_table_aligns_columns_and_shows_empty_cells_as_dashes() -> None:
    rows = [["iris", "", "x"], ["fraud-detector", "True", ""]]
    assert render.table(["NAME", "READY", "PHASE"], rows) == [
        "NAME             READY   PHASE",
        "iris             -       x",
        "fraud-detector   True    -",
    ]


def test_fields_align_values_and_leave_out_empty_ones() -> None:
    pairs = [("Name", "ml/iris"), ("Waiting for", ""), ("Last rollout", "none")]
    assert render.fields(pairs) == ["Name:          ml/iris", "Last rollout:  none"]


def test_no_fields_are_no_lines() -> None:
    assert render.fields([]) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, äöü", "plain text, äöü"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b2J", "\\x9b2J"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_of_objects_become_escapes(text: str, shown: str) -> None:
    assert render.escaped(text) == shown


@given(st.lists(st.lists(st.text(max_size=20), min_size=2, max_size=2), max_size=5))
def test_every_row_is_one_printable_line(rows: list[list[str]]) -> None:
    lines = render.table(["A", "B"], rows)
    assert len(lines) == len(rows) + 1
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (0.0, "0"),
        (10.0, "10"),
        (73010.0, "73010"),
        (9.7, "9.7"),
        (0.0123456, "0.01235"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_have_no_needless_digits(value: float | None, shown: str) -> None:
    assert render.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (864_000_000, "10000d"),
    ],
)
def test_ages_take_the_unit_that_reads_best(seconds: float, shown: str) -> None:
    assert render.age(NOW - timedelta(seconds=seconds), now=NOW) == shown


def test_unknown_times_are_empty() -> None:
    assert render.age(None, now=NOW) == ""
    assert render.instant(None) == ""


def test_instants_are_shown_in_utc_to_the_second() -> None:
    zone = timezone(timedelta(hours=2))
    value = datetime(2026, 11, 20, 14, 0, 1, 999, tzinfo=zone)
    assert render.instant(value) == "2026-11-20T12:00:01Z"


def test_long_texts_are_cut_visibly() -> None:
    assert render.clipped("serving 1.4.0", limit=13) == "serving 1.4.0"
    assert render.clipped("serving 1.4.0!", limit=13) == "serving 1...."
