"""When a window covers: its spans one after the other, each as long as it covers without a gap.

What begins again before it has ended is one span, so a line that begins every minute costs no more
than one that begins once a day. Nothing here takes longer than a few hundred steps for each span:
the policies of one namespace must not keep the operator from others. Source: api.md, 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import assert_never

from tidegate import model
from tidegate.policy import cron

# Days in a row whose spans are joined; an end that comes later is not foreseen.
MOST_JOINED = 100


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to another, which is outside; `ends` is None where it is not foreseen."""

    begins: datetime
    ends: datetime | None

    def covers(self, at: datetime) -> bool:
        """The instant lies in it."""
        return self.begins <= at and (self.ends is None or at < self.ends)


def spans(window: model.Window, at: datetime) -> Iterator[Span]:
    """Those that end after `at`, the earliest first, with a gap between any two of them.

    Where one covers `at`, it may begin earlier than is said. The iterator may be endless.
    """
    match window.when:
        case model.Between() as it:
            return iter([Span(it.begins, it.ends)] if at < it.ends else [])
        case model.Recurring() as it:
            return _recurring(it, at)
        case model.Weekly() as it:
            return _joined(span for span in _weekly(it, at) if span[1] > at)
        case _ as never:
            assert_never(never)


def _recurring(when: model.Recurring, at: datetime) -> Iterator[Span]:
    begun = _last(when, at)
    is_on = begun is not None and at < begun + _lasts(when)
    begins = begun if is_on else cron.following(when.cron, at, zone=when.zone)
    while begins is not None:
        ends = _end(when, begins)
        yield Span(begins, ends)
        begins = None if ends is None else cron.following(when.cron, ends, zone=when.zone)


@lru_cache(maxsize=4096)
def _end(when: model.Recurring, begins: datetime) -> datetime | None:
    """Until when it covers without a gap, from a beginning on."""
    lasts, last = _lasts(when), begins
    for _ in range(MOST_JOINED):
        ends = _last_in_a_row(when, last) + lasts
        later = _last(when, ends)
        if later is None or later + lasts <= ends:
            return ends
        last = later
    return None


def _last_in_a_row(when: model.Recurring, begins: datetime) -> datetime:
    """The last beginning of the same day that comes before what begins here has ended."""
    day = cron.beginnings(when.cron, begins.astimezone(when.zone).date(), when.zone)
    at = day.until(begins) - 1
    if at < 0 or day.at(at) != begins:
        return begins  # it belongs to the day before, on which the clock was changed
    return day.at(_rows(day.seconds, when.seconds)[at])


@lru_cache(maxsize=1024)
def _rows(seconds: tuple[int, ...], lasts: float) -> tuple[int, ...]:
    """For each beginning of a day the last one that it is joined with."""
    last, found = len(seconds) - 1, [0] * len(seconds)
    for at in range(len(seconds) - 1, -1, -1):
        if at + 1 < len(seconds) and seconds[at + 1] - seconds[at] > lasts:
            last = at
        found[at] = last
    return tuple(found)


def _last(when: model.Recurring, at: datetime) -> datetime | None:
    return cron.previous(when.cron, at, zone=when.zone, within=_lasts(when))


def _lasts(when: model.Recurring) -> timedelta:
    return timedelta(seconds=when.seconds)


def _weekly(weekly: model.Weekly, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Beginnings and ends of the days from the day before yesterday on."""
    today = at.astimezone(weekly.zone).date()
    for ahead in count(-2):
        day = today + timedelta(days=ahead)
        if day.isoweekday() % 7 in weekly.weekdays:
            yield _hours(weekly, day)


def _hours(weekly: model.Weekly, day: date) -> tuple[datetime, datetime]:
    last = day if weekly.closes > weekly.opens else day + timedelta(days=1)
    begins = datetime.combine(day, weekly.opens, tzinfo=weekly.zone).astimezone(UTC)
    return begins, datetime.combine(last, weekly.closes, tzinfo=weekly.zone).astimezone(UTC)


def _joined(found: Iterator[tuple[datetime, datetime]]) -> Iterator[Span]:
    """The same, where one that ends as the next begins is one with it."""
    begins, ends = next(found)
    joined = 1
    for later, until in found:
        if later > ends:
            yield Span(begins, ends)
            begins, joined = later, 0
        ends, joined = until, joined + 1
        if joined > MOST_JOINED:
            break
    yield Span(begins, None)
