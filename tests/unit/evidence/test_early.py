"""How long the windows are in which an outage is looked for."""

from __future__ import annotations

import pytest

from tidegate.evidence.counts import early


@pytest.mark.parametrize(
    ("scrape_seconds", "scrapes"),
    [
        (60.0, (2, 4)),
        (15.0, (2, 4)),
        (5.0, (2, 4)),
        (3.75, (2, 4)),
        (3.0, (2, 4, 8)),
        (1.0, (2, 4, 8, 16)),
        (0.5, (2, 4, 8, 16, 32)),
    ],
)
def test_the_longest_window_lasts_a_quarter_of_a_minute_at_least(
    scrape_seconds: float, scrapes: tuple[int, ...]
) -> None:
    assert early.window_scrapes(scrape_seconds) == scrapes
    assert scrapes[-1] * scrape_seconds >= early.LONGEST_SECONDS


def test_two_scrapes_may_be_filled_by_one_burst_and_four_may_not() -> None:
    assert [early.is_sustained(one) for one in (2, 4, 16)] == [False, True, True]
