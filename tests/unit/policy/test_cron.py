"""Lines of a crontab: which minutes they mean, also where clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy import cron

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("line", "after", "zone", "begins"),
    [
        ("0 18 * * FRI", NOON, UTC, "2026-11-20T18:00Z"),
        ("0 18 * * FRI", NOON, BERLIN, "2026-11-20T17:00Z"),
        ("0 18 * * 5", NOON, NEW_YORK, "2026-11-20T23:00Z"),
        ("0 18 * * fri", NOON + timedelta(hours=6), UTC, "2026-11-27T18:00Z"),
        ("*/15 * * * *", NOON, UTC, "2026-11-20T12:15Z"),
        ("5-59/20 * * * *", NOON, UTC, "2026-11-20T12:05Z"),
        ("30/10 * * * *", NOON, UTC, "2026-11-20T12:30Z"),
        ("0 0 1 JAN *", NOON, UTC, "2027-01-01T00:00Z"),
        ("0 0 29 2 *", NOON, UTC, "2028-02-29T00:00Z"),
        ("0 0 * * 7", NOON, UTC, "2026-11-22T00:00Z"),  # 0 and 7 are Sunday
        ("0 0 * * SAT,SUN", NOON, UTC, "2026-11-21T00:00Z"),
        ("0 0 13 * FRI", NOON, UTC, "2026-11-27T00:00Z"),  # either will do
        ("0 0 */2 * MON", NOON, UTC, "2026-11-23T00:00Z"),  # a field that begins with * limits both
        ("0 9-17/4 * * *", NOON, UTC, "2026-11-20T13:00Z"),
    ],
)
def test_the_next_beginning(line: str, after: datetime, zone: ZoneInfo, begins: str) -> None:
    assert cron.following(cron.parse(line), after, zone=zone) == datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    ("line", "after", "begins"),
    [
        # 29 March 2026: 02:00 becomes 03:00; 25 October: 03:00 becomes 02:00.
        ("30 2 * * *", "2026-03-28T12:00Z", "2026-03-29T01:30Z"),
        ("30 3 * * *", "2026-03-28T12:00Z", "2026-03-29T01:30Z"),
        ("30 2 * * *", "2026-10-24T12:00Z", "2026-10-25T00:30Z"),
        ("30 2 * * *", "2026-10-25T00:30Z", "2026-10-26T01:30Z"),
        ("0 18 * * *", "2026-10-24T17:00Z", "2026-10-25T17:00Z"),
    ],
)
def test_where_the_clock_is_changed(line: str, after: str, begins: str) -> None:
    found = cron.following(cron.parse(line), datetime.fromisoformat(after), zone=BERLIN)
    assert found == datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("60 * * * *", "minute: 60"),
        ("* 24 * * *", "hour: 24"),
        ("* * 0 * *", "day of month: 0"),
        ("* * * 13 *", "month: 13"),
        ("* * * * 8", "weekday: 8"),
        ("* * * * FREITAG", "weekday: FREITAG"),
        ("5-1 * * * *", "ends before it begins"),
        ("*/0 * * * *", "minute: 0 is no number from 1"),
        ("1,, * * * *", "minute: nothing"),
        ("-1 * * * *", "minute: nothing"),
        ("² * * * *", "minute: ²"),
        ("0 0 31 2,4 *", "never comes"),
        ("@daily", "five fields"),
    ],
)
def test_what_is_no_line(line: str, says: str) -> None:
    with pytest.raises(cron.CronError, match=says):
        cron.parse(line)


@given(text=st.text(max_size=40))
def test_any_text_is_a_line_or_an_error(text: str) -> None:
    try:
        read = cron.parse(text)
    except cron.CronError:
        return
    assert cron.following(read, NOON, zone=UTC) > NOON


@pytest.mark.parametrize(
    ("at", "begun"),
    [
        ("2026-11-20T18:00Z", "2026-11-20T18:00Z"),
        ("2026-11-20T17:59Z", None),
        ("2026-11-21T18:00Z", "2026-11-20T18:00Z"),
        ("2026-11-21T18:01Z", None),
    ],
)
def test_the_last_beginning_within_a_day(at: str, begun: str | None) -> None:
    found = cron.previous(
        cron.parse("0 18 * * FRI"), datetime.fromisoformat(at), zone=UTC, within=DAY
    )
    assert found == (None if begun is None else datetime.fromisoformat(begun))


LINES = st.sampled_from(
    ["0 18 * * FRI", "*/7 3-5 * * *", "30 2 * * *", "0 0 1 * MON", "59 23 * * *"]
)
ZONES = st.sampled_from([UTC, BERLIN, NEW_YORK, ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Apia")])


@given(line=LINES, zone=ZONES, minutes=st.integers(0, 2 * 366 * 24 * 60))
def test_nothing_begins_between_the_last_and_the_next(
    line: str, zone: ZoneInfo, minutes: int
) -> None:
    read, at = cron.parse(line), NOON + timedelta(minutes=minutes)
    after = cron.following(read, at, zone=zone)
    assert after > at
    before = cron.previous(read, at, zone=zone, within=timedelta(days=40))
    assert before is not None
    assert before <= at
    assert cron.following(read, before, zone=zone) == after
