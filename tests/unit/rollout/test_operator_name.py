"""Which operator serves the object, and what another one wrote beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import V2, World, serving

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import decide
from tidegate.rollout.conditions import OTHER_OPERATOR, OTHER_OPERATOR_SECONDS


def decided(world: World, *, operator: str) -> actions.Decision:
    return decide.decide(replace(world.observe(), operator=operator))


def test_the_name_is_written_once() -> None:
    world = serving()
    world.settle()
    first = decided(world, operator="platform/tidegate")
    assert first.status.operator == "platform/tidegate"
    world.status = first.status
    assert decided(world, operator="platform/tidegate").status == first.status


@pytest.mark.parametrize("deleting", [True, False])
def test_who_takes_over_writes_its_own_name_whatever_happens(deleting: bool) -> None:  # noqa: FBT001
    world = serving()
    world.deploy(V2)
    world.tick()
    world.status = replace(world.status, operator="gone/tidegate")
    world.deleting = deleting
    assert decided(world, operator="platform/tidegate").status.operator == "platform/tidegate"


@pytest.mark.parametrize(
    ("age_seconds", "kept"), [(10.0, True), (OTHER_OPERATOR_SECONDS + 1, False), (-1e6, False)]
)
def test_what_another_operator_says_stays_for_a_while(age_seconds: float, kept: bool) -> None:  # noqa: FBT001
    world = serving()
    world.settle()
    told = model.Condition(
        type=OTHER_OPERATOR,
        status="True",
        reason="ServedByAnother",
        message="two of them",
        last_transition_at=world.now - timedelta(seconds=age_seconds),
        observed_generation=1,
    )
    world.status = replace(world.status, conditions=(*world.status.conditions, told))
    found = decided(world, operator="").status.conditions
    assert (told in found) is kept
