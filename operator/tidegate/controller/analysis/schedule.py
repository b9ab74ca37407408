"""When a subject is looked at: right after a scrape has brought something new of its candidate.

An instant is a multiple of `GRAIN_SECONDS`, so that subjects whose samples come at about the same
time ask for the same instant and share their queries.
Source: performance.md, 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

GRAIN_SECONDS = 0.5
INGESTED_SECONDS = 0.4  # from the instant of a sample until its source answers with it
OVERDUE_SECONDS = 2.0  # for so long a sample that has not come is asked for again and again
AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest sample of one target, in unix seconds, and how often the target is scraped."""

    at: float
    scrape_seconds: float


def at_or_after(instant: float) -> float:
    """The first instant for looks that is not before this one."""
    return math.ceil(instant / GRAIN_SECONDS) * GRAIN_SECONDS


def at_or_before(instant: float) -> float:
    """The last instant for looks that is not after this one."""
    return math.floor(instant / GRAIN_SECONDS) * GRAIN_SECONDS


def next_look(
    newest: Sequence[Sample], *, last: float, interval_seconds: float, closes_at: float
) -> float:
    """The instant of the next look, in unix seconds, after one at `last`.

    It comes right after the first scrape of any target that is an interval away from the last look,
    give or take what a look comes after its scrape; a second later again where such a scrape was due and did not come; and after an interval
    where nothing is known of scrapes. It is never later than `closes_at`, where the next row of the
    table can be closed, which only brings proof.
    """
    found = _after_a_scrape(newest, last=last, interval_seconds=interval_seconds)
    return at_or_after(min(closes_at, found))


def _after_a_scrape(newest: Sequence[Sample], *, last: float, interval_seconds: float) -> float:
    after = last + interval_seconds
    if any(_is_overdue(one, at=last) for one in newest):
        return last + min(interval_seconds, AGAIN_SECONDS)
    alive = [one for one in newest if not _is_lost(one, at=last)]
    # Looks are rounded up and may be late themselves: that must not cost the next scrape.
    early = min(AGAIN_SECONDS, interval_seconds / 2)
    expected = [_next_arrival(one, after=after - early) for one in alive]
    return min(expected, default=after)


def _next_arrival(sample: Sample, *, after: float) -> float:
    """When a source answers with the first of the target's samples that comes then or later."""
    scrapes = math.ceil((after - INGESTED_SECONDS - sample.at) / sample.scrape_seconds - 1e-6)
    return sample.at + max(1, scrapes) * sample.scrape_seconds + INGESTED_SECONDS


def _late_seconds(sample: Sample, *, at: float) -> float:
    return at - (sample.at + sample.scrape_seconds + INGESTED_SECONDS)


def _is_overdue(sample: Sample, *, at: float) -> bool:
    """A sample was due before the look, and may still come."""
    return 0 < _late_seconds(sample, at=at) <= min(OVERDUE_SECONDS, sample.scrape_seconds)


def _is_lost(sample: Sample, *, at: float) -> bool:
    """The target is gone, or its source does not scrape it any more."""
    return _late_seconds(sample, at=at) > OVERDUE_SECONDS
