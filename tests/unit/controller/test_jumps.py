from __future__ import annotations

import asyncio

from port_fakes import ManualClock

from tidegate.controller.jumps import LEAST_JUMP_SECONDS, Jumps
from tidegate.controller.workqueue import Key

A, B = Key("ns", "a"), Key("ns", "b")


def test_a_jump_is_told_until_it_is_settled() -> None:
    clock = ManualClock()
    jumps = Jumps(clock=clock)
    assert jumps.since(A, clock.now()) == 0
    asyncio.run(clock.advance(500))
    assert jumps.since(A, clock.now()) == 0, "time that has passed is no jump"
    clock.wall_offset_seconds = 3600
    assert jumps.since(B, clock.now()) == 0, "new here"
    assert [jumps.since(A, clock.now()) for _ in range(2)] == [3600, 3600]
    jumps.settle(A)
    assert jumps.since(A, clock.now()) == 0
    clock.wall_offset_seconds = 0
    assert jumps.since(A, clock.now()) == -3600
    jumps.forget(A)
    jumps.settle(A)
    assert jumps.since(A, clock.now()) == 0


def test_a_clock_that_is_kept_right_does_not_jump() -> None:
    clock = ManualClock()
    jumps = Jumps(clock=clock)
    for _ in range(100):
        clock.wall_offset_seconds += LEAST_JUMP_SECONDS / 2
        assert jumps.since(A, clock.now()) == 0
        jumps.settle(A)
