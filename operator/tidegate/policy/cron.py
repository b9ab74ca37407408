"""Lines of a crontab: read, and the minutes that they mean (crontab(5), POSIX).

By the wall clock of a zone. A minute that a change of the clock skips comes as much later as the
clock was put forward; one that comes twice counts the first time.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from tidegate.model.policy import Cron

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# Name, least and largest number, and the names that stand for numbers from the least on.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)
# A 29 February that is a given weekday comes again after 40 years at most, where 2100 lies between.
LONGEST_SEARCH_YEARS = 41
DAY = timedelta(days=1)


class CronError(ValueError):
    """The text is no line of a crontab; the message says which field and why."""


def parse(text: str) -> Cron:
    """The five fields: numbers, names, `*`, ranges, lists and steps.

    Errors: CronError, also for a line that never comes, such as 30 February.
    """
    words = text.split()
    if len(words) != len(_FIELDS):
        names = ", ".join(name for name, *_ in _FIELDS)
        raise CronError(f"must have five fields ({names}), such as 0 18 * * FRI")
    minutes, hours, days, months, weekdays = (
        _field(word, name=name, least=least, most=most, names=names)
        for word, (name, least, most, names) in zip(words, _FIELDS, strict=True)
    )
    cron = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(it % 7 for it in weekdays),
        either_day=not (words[2].startswith("*") or words[4].startswith("*")),
    )
    if _day_on(cron, date(2000, 1, 1)) is None:
        raise CronError("names a day that never comes")
    return cron


def _field(
    word: str, *, name: str, least: int, most: int, names: tuple[str, ...]
) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, name=name, least=1, most=most) if slash else 1
        if span == "*":
            first, last = least, most
        else:
            start, dash, end = span.partition("-")
            first = _number(start, name=name, least=least, most=most, names=names)
            last = first if not (dash or slash) else most
            last = _number(end, name=name, least=least, most=most, names=names) if dash else last
        if first > last:
            raise CronError(f"{name}: the range {span} ends before it begins")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, *, name: str, least: int, most: int, names: tuple[str, ...] = ()) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + least
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise CronError(f"{name}: {text or 'nothing'} is no number from {least} to {most}")
    return int(text)


def previous(cron: Cron, at: datetime, *, zone: tzinfo, within: timedelta) -> datetime | None:
    """The last beginning at or before `at`, if there was one `within` that time."""
    today = at.astimezone(zone).date()
    for back in range(within.days + 3):
        day = today - timedelta(days=back)
        if not _is_on(cron, day):
            continue
        begins = beginnings(cron, day, zone)
        past = begins.until(at)
        if past:
            last = begins.at(past - 1)
            return last if at - last <= within else None
    return None


def following(cron: Cron, at: datetime, *, zone: tzinfo) -> datetime:
    """The first beginning after `at`. Errors: none for a line that `parse` has read."""
    day: date | None = at.astimezone(zone).date() - DAY
    while day is not None and (day := _day_on(cron, day)) is not None:
        begins = beginnings(cron, day, zone)
        past = begins.until(at)
        if past < len(begins.seconds):
            return begins.at(past)
        day += DAY
    raise AssertionError(cron)


@dataclass(frozen=True, slots=True)
class Beginnings:
    """All beginnings of one day, in order: seconds after `midnight`, which is an instant in UTC."""

    midnight: datetime
    seconds: tuple[int, ...]

    def until(self, instant: datetime) -> int:
        """How many of them are at or before this instant."""
        return bisect_right(self.seconds, (instant - self.midnight).total_seconds())

    def at(self, index: int) -> datetime:
        """One of them."""
        return self.midnight + timedelta(seconds=self.seconds[index])


def beginnings(cron: Cron, day: date, zone: tzinfo) -> Beginnings:
    """Those of a day that the line names."""
    midnight = _midnight(day, zone)
    if _midnight(day + DAY, zone) - midnight == DAY:
        return Beginnings(midnight, _seconds(cron))
    return Beginnings(midnight, _seconds_of_change(cron, day, zone))


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=1024)
def _seconds(cron: Cron) -> tuple[int, ...]:
    return tuple(
        sorted(3600 * hour + 60 * minute for hour in cron.hours for minute in cron.minutes)
    )


@lru_cache(maxsize=256)
def _seconds_of_change(cron: Cron, day: date, zone: tzinfo) -> tuple[int, ...]:
    """The same of a day on which the clock is changed, where they may be in another order."""
    midnight = _midnight(day, zone)
    begins = (
        datetime.combine(day, time(hour, minute), tzinfo=zone).astimezone(UTC)
        for hour in cron.hours
        for minute in cron.minutes
    )
    return tuple(sorted(int((it - midnight).total_seconds()) for it in begins))


@lru_cache(maxsize=4096)
def _day_on(cron: Cron, day: date) -> date | None:
    """The first day from this one on that the line names; None where none comes."""
    last = day.year + LONGEST_SEARCH_YEARS
    while day.year <= last:
        if day.month not in cron.months:
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        elif _is_on(cron, day):
            return day
        else:
            day += DAY
    return None


def _is_on(cron: Cron, day: date) -> bool:
    if day.month not in cron.months:
        return False
    by_month, by_week = day.day in cron.days, day.isoweekday() % 7 in cron.weekdays
    return by_month or by_week if cron.either_day else by_month and by_week
