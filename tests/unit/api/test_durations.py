from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("250ms", 0.25),
        ("90s", 90.0),
        ("1h30m", 5400.0),
        ("1h1m1s1ms", 3661.001),
        ("99999h", 359996400.0),
        ("1s1s", 2.0),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5d", "1.5h", "-1s", "1h ", "100000s", "1s\n", "٣s"])
def test_other_text_is_no_duration(text: str) -> None:
    assert durations.parse(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0004, "0s"),
        (-5.0, "0s"),
        (90.0, "1m30s"),
        (86400.0, "24h"),
        (1e12, "99999h"),
    ],
)
def test_duration_is_written_in_its_shortest_form(seconds: float, text: str) -> None:
    assert durations.text_of(seconds) == text


@given(milliseconds=st.integers(0, 99_999 * 3_600_000))
def test_written_duration_is_read_back_and_fits_the_schema(milliseconds: int) -> None:
    text = durations.text_of(milliseconds / 1000)
    assert durations.parse(text) == milliseconds / 1000
    assert re.fullmatch(durations.PATTERN, text)
    assert len(text) <= durations.MAX_LENGTH
