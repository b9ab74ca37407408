"""Which hours of predictions count."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.queries import cohorts

UNTIL = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp())
INSTANTS = st.integers(0, UNTIL).map(lambda second: datetime.fromtimestamp(second, tz=UTC))


def cohort_of(instant: datetime) -> str:
    """As the comparer names the hour of a prediction."""
    return f"{instant:%Y-%m-%dT%HZ}"


@pytest.mark.parametrize(
    ("since", "counted", "not_counted"),
    [
        ("2026-11-30T07:20:00", "2026-11-30T08Z", "2026-11-30T07Z"),
        ("2026-11-30T07:00:00", "2026-11-30T07Z", "2026-11-30T06Z"),  # the whole hour is after it
        ("2026-11-30T23:59:59", "2026-12-01T00Z", "2026-11-30T23Z"),
        ("2026-12-31T23:00:01", "2027-01-01T00Z", "2026-12-31T23Z"),
        ("2029-09-09T09:30:00", "2030-01-01T00Z", "2019-12-31T23Z"),
    ],
)
def test_from_the_first_whole_hour_on(since: str, counted: str, not_counted: str) -> None:
    pattern = cohorts.pattern_since(datetime.fromisoformat(f"{since}+00:00"))
    assert re.fullmatch(pattern, counted)
    assert not re.fullmatch(pattern, not_counted)
    assert not re.fullmatch(pattern, "")  # pairs of revisions, and of a comparer without cohorts


@given(since=INSTANTS, made=INSTANTS)
def test_an_hour_counts_if_all_of_it_is_later(since: datetime, made: datetime) -> None:
    pattern = cohorts.pattern_since(since)
    begins = made.replace(minute=0, second=0, microsecond=0)
    assert bool(re.fullmatch(pattern, cohort_of(made))) == (begins >= since)


@given(since=INSTANTS, hours=st.integers(min_value=-30, max_value=30))
def test_hours_nearby(since: datetime, hours: int) -> None:
    pattern = re.compile(cohorts.pattern_since(since))
    begins = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    assert bool(pattern.fullmatch(cohort_of(begins))) == (begins >= since)
