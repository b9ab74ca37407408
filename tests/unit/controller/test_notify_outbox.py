"""The outbox of one receiver: bounded, in order, and each piece once for a while."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.controller.notify.news import News
from tidegate.controller.notify.outbox import CAPACITY, REMEMBERED, SAME_NEWS_SECONDS, Outbox

AT = datetime(2026, 11, 20, tzinfo=UTC)
INFO, WARN, ERROR = model.Severity


def news(message: object, severity: model.Severity = INFO) -> News:
    return News(
        id=f"{message}",
        at=AT,
        event="E",
        severity=severity,
        message=f"{message}",
        namespace="ml",
        name="iris",
        uid="u",
    )


def emptied(box: Outbox) -> list[str]:
    return [one.message for one in iter(box.pop, None)]


def test_the_same_news_is_taken_once_until_a_while_has_passed() -> None:
    box = Outbox()
    for now in (0.0, 1.0, SAME_NEWS_SECONDS - 1.0):
        assert box.put(news("a"), now=now) is None
    assert emptied(box) == ["a"]
    box.put(news("a"), now=SAME_NEWS_SECONDS - 0.5)
    assert emptied(box) == [], "it was sent a moment ago"
    box.put(news("a"), now=SAME_NEWS_SECONDS)
    assert emptied(box) == ["a"]


@pytest.mark.parametrize(
    ("waiting", "newcomer", "left_out"),
    [
        ([ERROR, INFO, INFO], ERROR, "1"),
        ([WARN, ERROR, WARN], INFO, "new"),
        ([ERROR, ERROR, ERROR], ERROR, "0"),
    ],
)
def test_a_full_one_leaves_out_the_oldest_of_what_matters_least(
    waiting: list[model.Severity], newcomer: model.Severity, left_out: str
) -> None:
    box = Outbox()
    severities = [*waiting, *[ERROR] * (CAPACITY - len(waiting))]
    for number, severity in enumerate(severities):
        assert box.put(news(number, severity), now=0.0) is None
    dropped = box.put(news("new", newcomer), now=0.0)
    assert dropped is not None
    assert dropped.message == left_out
    assert len(box) == CAPACITY


def test_what_was_left_out_may_come_again() -> None:
    box = Outbox()
    for number in range(CAPACITY + 1):
        box.put(news(number), now=0.0)
    assert box.pop() is not None
    box.put(news(0), now=1.0)
    assert emptied(box)[-1] == "0"


def test_nothing_waits_after_it_was_cleared() -> None:
    box = Outbox()
    box.put(news("a"), now=0.0)
    box.clear()
    assert emptied(box) == []


STEPS = st.lists(
    st.tuples(
        st.integers(0, 150),
        st.sampled_from(list(model.Severity)),
        st.floats(0.0, 60.0),
        st.booleans(),
    ),
    max_size=300,
)


@given(STEPS)
def test_it_is_bounded_keeps_the_order_and_repeats_nothing(
    steps: list[tuple[int, model.Severity, float, bool]],
) -> None:
    """And whatever is left out matters no more than all that stays."""
    box, now = Outbox(), 0.0
    put_at: dict[str, float] = {}  # by id, of which each is given once
    kept: list[News] = []
    for number, (message, severity, rest, pops) in enumerate(steps):
        now += rest
        one = replace(news(message, severity), id=f"{number}")
        put_at[one.id] = now
        dropped = box.put(one, now=now)
        waiting = list(box._waiting)
        assert len(waiting) <= CAPACITY
        assert dropped is None or all(dropped.severity.rank <= it.severity.rank for it in waiting)
        if pops and (popped := box.pop()) is not None:
            kept.append(popped)
    kept += iter(box.pop, None)
    assert len(box._taken) <= REMEMBERED
    assert [int(it.id) for it in kept] == sorted(int(it.id) for it in kept)
    for first, second in itertools.combinations(kept, 2):
        apart = put_at[second.id] - put_at[first.id]
        assert first.told != second.told or apart >= SAME_NEWS_SECONDS
