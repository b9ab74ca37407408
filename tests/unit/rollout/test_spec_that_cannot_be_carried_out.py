"""A spec that cannot be carried out: the first violation in status and as an Event, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rollout_world import BREACH, HOLD, V1, V2, World, made_once, serving

from tidegate import model

FIRST = model.Violation(
    path="spec.strategy.canary.steps[0].weight", message="must be a number from 0 to 100"
)
SECOND = model.Violation(path="spec.workload.replicas", message="must be a whole number")
THIRD = model.Violation(
    path="spec.server.preset", message="no preset Xyz; choose one of HTTP, vLLM"
)
PROVIDERS = (model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO)


def at_rest(provider: model.Provider) -> World:
    return serving(provider=provider)


@made_once
def held(provider: model.Provider) -> World:
    world = serving(provider=provider, weights=(25.0, 50.0))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 20.0)
    world.settle()
    return world


@made_once
def paused(provider: model.Provider) -> World:
    world = held(provider)
    world.ask("pause", V2)
    world.tick()
    return world


@made_once
def promoting(provider: model.Provider) -> World:
    """The steps are passed, and nobody confirms the last move yet."""
    world = held(provider)
    world.accept = False
    world.ask("promote-full", V2)
    for _ in range(10):
        world.tick()
    assert world.status.phase is model.Phase.PROMOTING
    return world


@made_once
def rolled_back(provider: model.Provider) -> World:
    world = held(provider)
    world.analysis = BREACH
    world.run_until(model.Phase.ROLLED_BACK)
    world.settle()
    return world


def seen(world: World) -> dict[str, Any]:
    """All that must stay as it is."""
    rollout = world.status.rollout
    assert rollout is not None
    return {
        "weights": world.traffic.weights,
        "entry": world.traffic.entry_revision,
        "pods": world.pods(),
        "stable": world.status.stable and world.status.stable.revision,
        "rejected": [one.revision for one in world.status.rejected],
        "plan": [(one.name, one.state) for one in rollout.plan],
        "active": rollout.active,
        "exposure": rollout.exposure,
    }


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("begin", [at_rest, held, paused, promoting, rolled_back])
def test_the_first_violation_is_told_and_nothing_else_changes(
    provider: model.Provider, begin: Callable[[model.Provider], World]
) -> None:
    world = begin(provider)
    before, phase = seen(world), world.status.phase
    world.events.clear()
    world.generation += 1
    for problems, event in (((FIRST, SECOND), FIRST), ((SECOND,), SECOND), ((THIRD,), THIRD)):
        world.violations = problems
        world.events.clear()
        for _ in range(10):
            world.tick()
        text = f"{event.path}: {event.message}"
        assert [(it.reason, it.message) for it in world.events] == [("InvalidSpec", text)]
        assert text in world.status.message
        assert world.status.phase is model.Phase.INVALID
        assert world.condition("InvalidSpec").message == text
        assert world.condition("Ready").status == "False"
        assert world.status.observed_generation == world.generation
        assert seen(world) == before
    world.violations = ()
    world.tick()
    assert all(one.type != "InvalidSpec" for one in world.status.conditions)
    assert world.status.phase is phase


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_goes_back_goes_back_and_says_both(provider: model.Provider) -> None:
    """One Event, however often the data plane is asked meanwhile."""
    world = held(provider)
    world.held[V1.hash] = 1  # stable cannot take it all, so this lasts
    world.ask("abort", V2)
    world.tick()
    assert world.status.phase is model.Phase.ROLLING_BACK
    world.events.clear()
    world.violations = (FIRST,)
    for _ in range(5):
        world.tick()
    assert world.reasons().count("InvalidSpec") == 1
    assert FIRST.path in world.status.message


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_weight_that_was_just_given_is_judged_all_the_same(provider: model.Provider) -> None:
    """The spec breaks between the write of a weight and its confirmation."""
    world = serving(provider=provider, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not _exposed(world))
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.evidence_since is None
    world.violations = (FIRST,)
    for _ in range(60):
        world.tick()
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.evidence_since is not None
    assert rollout.exposure.live_percent == 50.0
    world.analysis = BREACH
    world.run_while(lambda: not world.status.rejects(V2.hash))


def _exposed(world: World) -> bool:
    rollout = world.status.active_rollout
    return rollout is not None and rollout.exposure.live_percent >= 50.0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_first_spec_that_cannot_be_read_makes_nothing(provider: model.Provider) -> None:
    world = serving(provider=provider)
    blind = World(spec=None, violations=(FIRST, SECOND))
    for _ in range(5):
        blind.tick()
    assert blind.reasons() == ["InvalidSpec"]
    assert f"{FIRST.path}: {FIRST.message}" in blind.status.message
    assert blind.writes == []
    blind.spec, blind.violations = replace(world.spec) if world.spec else None, ()
    blind.run_until(model.Phase.HEALTHY)
