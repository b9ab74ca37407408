"""News of status that nobody waits for are written at a bounded rate, and not for ever later."""

from __future__ import annotations

import asyncio

import port_fakes
import pytest

from tidegate.controller.pace import BETWEEN_SECONDS, LASTING_SECONDS, Pace
from tidegate.controller.workqueue import Key
from tidegate.rollout.worth import Worth

KEY, OTHER = Key("ml", "iris"), Key("ml", "fraud")


class Scene:
    """A pace and its time."""

    def __init__(self) -> None:
        self.clock = port_fakes.ManualClock()
        self.pace = Pace(clock=self.clock)

    def after(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))

    def left(self, worth: Worth = Worth.WORDS, key: Key = KEY) -> float:
        return self.pace.seconds_left(key, worth)


def test_what_cannot_wait_never_does() -> None:
    scene = Scene()
    scene.pace.written(KEY)
    assert scene.left(Worth.NOW) == 0.0


@pytest.mark.parametrize("worth", sorted(BETWEEN_SECONDS, key=str))
def test_news_wait_for_the_last_write_to_be_a_while_ago(worth: Worth) -> None:
    scene = Scene()
    scene.pace.written(KEY)
    scene.after(5.0)
    assert scene.left(worth) == BETWEEN_SECONDS[worth] - 5.0
    scene.after(BETWEEN_SECONDS[worth] - 5.0)
    assert scene.left(worth) == 0.0


def test_after_a_quiet_time_news_only_have_to_last() -> None:
    scene = Scene()
    scene.after(1000.0)
    assert scene.left() == LASTING_SECONDS
    scene.after(LASTING_SECONDS)
    assert scene.left() == 0.0


def test_a_short_step_is_told_while_it_lasts() -> None:
    scene = Scene()
    scene.pace.written(KEY)
    assert scene.pace.seconds_left(KEY, Worth.EVIDENCE, hold_seconds=20.0, first_rows=True) == 10.0
    assert scene.pace.seconds_left(KEY, Worth.EVIDENCE, hold_seconds=20.0) == 20.0
    assert scene.pace.seconds_left(KEY, Worth.WORDS, hold_seconds=20.0) == 5.0
    assert scene.pace.seconds_left(KEY, Worth.EVIDENCE, hold_seconds=600.0) == 120.0
    assert scene.pace.seconds_left(KEY, Worth.WORDS, hold_seconds=4.0) == LASTING_SECONDS
    assert scene.pace.seconds_left(KEY, Worth.WORDS, hold_seconds=20.0, first_rows=True) == 5.0


def test_what_changes_back_begins_anew() -> None:
    scene = Scene()
    scene.left()
    scene.after(LASTING_SECONDS / 2)
    scene.pace.agrees(KEY)
    scene.after(LASTING_SECONDS)
    assert scene.left() == LASTING_SECONDS


def test_what_goes_on_changing_is_written_all_the_same() -> None:
    scene = Scene()
    scene.pace.written(KEY)
    waited = 0.0
    while (left := scene.left()) > 0.0:
        assert waited < BETWEEN_SECONDS[Worth.WORDS]
        scene.after(min(left, 1.0))
        waited += min(left, 1.0)
    assert waited == BETWEEN_SECONDS[Worth.WORDS]


def test_objects_have_their_own_time_and_are_forgotten() -> None:
    scene = Scene()
    scene.pace.written(KEY)
    assert scene.left(key=OTHER) == LASTING_SECONDS
    scene.after(LASTING_SECONDS)
    scene.pace.forget(KEY)
    assert scene.left() == LASTING_SECONDS
