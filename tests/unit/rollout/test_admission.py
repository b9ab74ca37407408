"""A rollout that waits for its place: nothing is made for it, and nothing on the way back asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from policy_examples import policy
from rollout_world import BREACH, START, V1, V2, World, make_spec, serving

from tidegate import model
from tidegate.api import policies
from tidegate.api.status import read_status, write_status
from tidegate.policy import queue
from tidegate.rollout.admission import EXACT_PLACES

P, W = model.Phase, model.Waiting
PROVIDERS = pytest.mark.parametrize("provider", list(model.Provider))


def limiting(action: str = "Enforce", **most: int) -> model.Policy:
    spec = {"constraints": {"maxConcurrentRollouts": most}, "enforcementAction": action}
    return policies.read_policy(policy(spec, name="few"))[0]


ONE = limiting(perNamespace=1)


def others(number: int, *, of: model.Policy = ONE) -> tuple[model.Entrant, ...]:
    """Rollouts of the namespace that began long before any of ours."""
    return tuple(
        model.Entrant(
            namespace="ml",
            name=f"other-{at}",
            started_at=START - timedelta(hours=1, minutes=-at),
            limits=tuple(queue.limits_of(of, "ml")),
        )
        for at in range(number)
    )


def crowded(world: World, running: int = 1, waiting: int = 0) -> World:
    of = others(running + waiting)
    world.policies = (ONE,)
    world.queue = model.Queue(running=of[:running], waiting=of[running:])
    return world


def rollout(world: World) -> model.Rollout:
    found = world.status.active_rollout
    assert found is not None
    return found


def waits(world: World) -> model.WaitingFor:
    found = rollout(world).waiting_for
    assert found is not None
    return found


def told(world: World, reason: str) -> Sequence[str]:
    return [it.message for it in world.events if it.reason == reason]


@PROVIDERS
def test_it_waits_without_pods_and_begins_by_itself(provider: model.Provider) -> None:
    world = crowded(serving(provider=provider, weights=(25.0, 50.0), replicas=4), waiting=2)
    world.deploy(V2)
    world.settle()
    world.tick(10_000)  # longer than every deadline
    world.settle()
    assert waits(world).reason is W.CONCURRENCY_QUOTA
    assert waits(world).message == (
        "place 3 in the queue: the 1 rollout(s) of namespace ml that RolloutPolicy/few allows at once "
        "(maxConcurrentRollouts.perNamespace) are under way"
    )
    assert world.status.phase is P.PENDING
    assert world.status.health_status == "Progressing"
    assert world.pods().get(V2.hash, 0) == 0
    assert not world.status.rejected
    assert len(told(world, "RolloutQueued")) == 1
    world.queue = model.EMPTY_QUEUE
    world.tick()
    assert rollout(world).admitted_at == world.now
    world.run_until(P.HEALTHY)


def test_a_first_version_waits_as_well() -> None:
    world = crowded(World())
    world.settle()
    world.tick(10_000)
    assert waits(world).reason is W.CONCURRENCY_QUOTA
    assert world.status.phase is P.PENDING
    assert sum(world.pods().values()) == 0
    world.queue = model.EMPTY_QUEUE
    world.run_until(P.HEALTHY)


def test_its_place_moves_and_is_told_in_tens_far_back() -> None:
    world = crowded(serving(replicas=4), waiting=EXACT_PLACES + 3)
    world.deploy(V2)
    world.settle()
    assert waits(world).message.startswith(f"place beyond {EXACT_PLACES} in the queue")
    since, writes = waits(world).since, world.status_writes
    crowded(world, waiting=EXACT_PLACES + 1)
    world.tick()
    assert world.status_writes == writes, "every step of a long queue would be a write of everybody"
    crowded(world, waiting=1)
    world.tick()
    assert waits(world).message.startswith("place 2 in the queue")
    assert waits(world).since == since


@PROVIDERS
def test_what_has_its_place_keeps_it(provider: model.Provider) -> None:
    """Others come before it, and it is paused: its pods stay, and its place with them."""
    world = serving(provider=provider, weights=(25.0, 50.0), replicas=4)
    world.policies = (ONE,)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.settle()
    assert rollout(world).admitted_at is not None
    assert not rollout(world).begun
    crowded(world, running=3)
    world.tick()
    assert world.pods()[V2.hash] > 0
    del world.held[V2.hash]
    world.run_until(P.HEALTHY)


def test_a_policy_that_comes_in_the_midst_holds_nothing_that_has_begun() -> None:
    world = serving(weights=(25.0, 50.0), replicas=4)
    world.deploy(V2)
    world.run_while(lambda: not world.status.active_rollout or not rollout(world).begun)
    crowded(world, running=5)
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None


@PROVIDERS
@pytest.mark.parametrize("way", ["breach", "abort", "return", "delete"])
def test_no_way_back_waits(way: str, provider: model.Provider) -> None:
    world = serving(provider=provider, weights=(25.0, 50.0), replicas=4)
    world.deploy(V2)
    world.run_while(lambda: not world.status.active_rollout or not rollout(world).begun)
    crowded(world, running=5, waiting=5)
    match way:
        case "breach":
            world.analysis = BREACH
            world.run_until(P.ROLLED_BACK)
        case "abort":
            world.ask("abort", V2)
            world.run_until(P.ROLLED_BACK)
        case "return":
            world.deploy(V1)
            world.run_until(P.HEALTHY)
        case _:
            world.deleting = True
            world.run_while(lambda: bool(world.finalizers))
    assert world.traffic.weights.get(V2.hash, 0.0) == 0


def test_a_version_that_served_before_returns_at_once() -> None:
    world = serving(weights=(25.0, 50.0), replicas=4)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    crowded(world, running=5, waiting=5)
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_while_it_waits_it_can_be_aborted_and_paused() -> None:
    world = crowded(serving(replicas=4))
    world.deploy(V2)
    world.settle()
    world.ask("pause", V2)
    world.tick()
    assert waits(world).reason is W.REQUEST
    world.queue = model.EMPTY_QUEUE
    world.tick()
    assert rollout(world).admitted_at is None, "whoever is paused takes no place"
    assert world.pods().get(V2.hash, 0) == 0
    world.ask("abort", V2, at=world.now)
    world.run_until(P.ROLLED_BACK)


def test_without_pods_there_is_nothing_to_wait_for() -> None:
    world = crowded(serving(replicas=4))
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.deploy(V2)
    world.run_until(P.HEALTHY)


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_a_limit_that_is_tried_out_is_told(action: str) -> None:
    tried = limiting(action, perNamespace=1)
    world = serving(weights=(25.0, 50.0), replicas=4)
    world.policies = (tried,)
    world.queue = model.Queue(running=others(1, of=tried))
    world.deploy(V2)
    world.run_while(lambda: not world.status.active_rollout or not rollout(world).begun)
    assert world.status.policy is not None
    (found,) = world.status.policy.violations
    assert (found.rule, str(found.action)) == ("maxConcurrentRollouts", action)
    assert "allows at once" in found.message
    assert len(told(world, "PolicyViolation")) == (action == "Warn")
    world.run_until(P.HEALTHY)


def test_a_place_is_in_status() -> None:
    world = serving(weights=(25.0,), replicas=4)
    world.policies = (ONE,)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.settle()
    document: Any = write_status(world.status)
    assert document["rollout"]["admittedAt"]
    again = read_status(document)
    assert again.active_rollout is not None
    assert again.active_rollout.admitted_at == rollout(world).admitted_at


def test_without_limits_nobody_gets_a_place() -> None:
    world = serving(weights=(25.0,), replicas=4)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.settle()
    assert rollout(world).admitted_at is None


@pytest.mark.parametrize("how", ["request", "spec"])
def test_a_paused_first_version_waits_for_its_person_and_writes_nothing(how: str) -> None:
    world = crowded(World(spec=make_spec(paused=how == "spec"), desired=V1))
    world.settle()
    if how == "request":
        world.ask("pause", V1)
        world.tick()
    assert waits(world).reason is (W.REQUEST if how == "request" else W.SPEC_PAUSED)
    before, message = world.status_writes, waits(world).message
    for _ in range(20):
        world.tick(5.0)
    assert (world.status_writes, waits(world).message) == (before, message)
