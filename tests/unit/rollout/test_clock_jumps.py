"""What is still to come moves with a clock that jumps; what has been keeps its date."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import V2, World, serving

from tidegate import model
from tidegate.rollout import repair
from tidegate.rollout.turn import Turn


def at_first_weight() -> World:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: not is_held(world))
    return world


def is_held(world: World) -> bool:
    rollout = world.status.active_rollout
    return rollout is not None and rollout.step is not None and bool(rollout.step.hold_until)


def repaired(seen: model.Observation, *, seconds: float) -> model.Status:
    """The status after the clock has jumped so far."""
    moved = replace(
        seen, now=seen.now + timedelta(seconds=seconds), clock_jump_seconds=float(seconds)
    )
    return repair.repair(Turn(seen=moved, status=moved.status)).status


def test_a_hold_lasts_as_long_as_planned() -> None:
    seen = at_first_weight().observe()
    before = seen.status.rollout
    rollout = repaired(seen, seconds=3600).rollout
    assert before is not None
    assert before.step is not None
    assert rollout is not None
    assert rollout.step is not None
    assert before.step.hold_until is not None
    assert before.step.deadline_at is not None
    hour = timedelta(hours=1)
    assert rollout.step.hold_until == before.step.hold_until + hour
    assert rollout.step.deadline_at == before.step.deadline_at + hour
    assert rollout.step.confirmed_at == before.step.confirmed_at


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_drain_lasts_as_long_as_planned(seconds: float) -> None:
    seen = serving().observe()
    at = seen.now + timedelta(seconds=20)
    retiring = (
        model.Retiring(revision="a", scale_down_at=at),
        model.Retiring(revision="b", scale_down_at=None),
    )
    seen = replace(seen, status=replace(seen.status, retiring=retiring))
    found = repaired(seen, seconds=seconds).retiring
    assert [it.scale_down_at for it in found] == [at + timedelta(seconds=seconds), None]
