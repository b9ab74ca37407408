"""What was refused is taken as known for a while, and no longer than until something changes."""

from __future__ import annotations

import asyncio

import pytest
from port_fakes import ManualClock

from tidegate import model, ports
from tidegate.controller.refusals import Refusals
from tidegate.controller.workqueue import Key
from tidegate.model import actions

KEY, OTHER = Key("ml", "iris"), Key("ml", "other")
SCALE = actions.Scale(revision="a", replicas=0, seen_replicas=3)
ROLE = actions.SetRole(revision="a", role=model.Role.STABLE)
NO = ports.Fatal(reason="Forbidden", message="no")


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = Refusals(clock=self.clock)
        self.refusals.note(KEY, SCALE, NO)

    def after(self, seconds: float) -> ports.Fatal | None:
        asyncio.run(self.clock.advance(seconds))
        self.refusals.begin(KEY)
        return self.refusals.known(KEY, SCALE)


def test_only_this_write_of_this_object_is_known() -> None:
    known = Scene().refusals.known
    assert known(KEY, SCALE) == NO
    assert known(KEY, ROLE) is None
    assert known(OTHER, SCALE) is None


@pytest.mark.parametrize(
    ("next_look", "waited", "wait", "known"),
    [
        (60.0, 60.0, 60.0, True),  # the clock's pass sends nothing
        (60.0, 59.97, 60.0, True),  # a timer that fires a little early
        (60.0, 20.0, 60.0, False),  # something has changed
        (900.0, 300.0, 300.0, False),  # it is time to try again
    ],
)
def test_a_pass_of_the_clock_leaves_it_and_a_change_tries_again(
    next_look: float, waited: float, wait: float, *, known: bool
) -> None:
    scene = Scene()
    assert scene.refusals.wait(KEY, retry=300.0, next_look=next_look) == wait
    assert (scene.after(waited) is not None) == known


def test_passes_in_between_do_not_put_the_next_try_off() -> None:
    scene = Scene()
    for _ in range(4):
        assert scene.refusals.wait(KEY, retry=300.0, next_look=60.0) == 60.0
        assert scene.after(60.0) == NO
    assert scene.refusals.wait(KEY, retry=300.0, next_look=90.0) == 60.0
    assert scene.after(60.0) is None


def test_what_is_forgotten_is_tried() -> None:
    scene = Scene()
    scene.refusals.forget(KEY)
    assert scene.refusals.known(KEY, SCALE) is None
