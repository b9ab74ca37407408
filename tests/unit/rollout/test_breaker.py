"""A circuit breaker that holds: nothing goes forward, and nothing on the way back asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from policy_examples import policy
from rollout_world import BREACH, START, V1, V2, World, serving

from tidegate import model
from tidegate.api import policies

P, W = model.Phase, model.Waiting
PROVIDERS = pytest.mark.parametrize("provider", list(model.Provider))
WITHIN = timedelta(minutes=10)


def breaking(action: str = "Enforce") -> model.Policy:
    spec = {"circuitBreaker": {"rollbacks": 2, "within": "10m"}, "enforcementAction": action}
    return policies.read_policy(policy(spec, name="breaker", cluster=True))[0]


def trip(world: World, action: str = "Enforce") -> None:
    """Two others were rolled back just now."""
    own = breaking(action)
    world.policies = (own,)
    world.rollbacks = tuple(
        model.RolledBack(namespace="other", name=name, at=world.now, policies=frozenset({own.id}))
        for name in ("a", "b")
    )


def waits(world: World) -> model.WaitingFor | None:
    found = world.status.active_rollout
    return found.waiting_for if found is not None else None


@PROVIDERS
def test_a_rollout_that_has_not_begun_waits_without_pods(provider: model.Provider) -> None:
    world = serving(provider=provider)
    trip(world)
    tripped_at = world.now
    world.deploy(V2)
    for _ in range(10):
        world.tick()
    known = waits(world)
    assert known is not None
    assert known.reason is W.FREEZE
    assert "circuitBreaker): 2 ModelDeployments were rolled back lately" in known.message
    assert "other/" not in known.message
    assert world.status.phase is P.FROZEN
    candidate = world.revisions.get(V2.hash)
    assert candidate is None or candidate.pods == 0
    while world.now < tripped_at + WITHIN:
        world.tick()
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    assert world.now >= tripped_at + WITHIN


@PROVIDERS
def test_one_that_has_users_stays_where_it_is_and_goes_back_when_it_is_harmful(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    trip(world)
    share = world.status.active_rollout.exposure.live_percent  # type: ignore[union-attr]
    world.run_while(lambda: world.status.phase is not P.FROZEN)
    for _ in range(20):
        world.tick()
    assert world.status.active_rollout.exposure.live_percent == share  # type: ignore[union-attr]
    world.analysis = BREACH
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) > 0)
    world.run_while(lambda: world.status.phase is not P.ROLLED_BACK)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_the_next_look_comes_when_it_lets_go() -> None:
    world = serving()
    trip(world)
    world.deploy(V2)
    world.run_while(lambda: world.status.phase is not P.FROZEN)
    world.rollbacks = tuple(
        model.RolledBack(
            namespace=it.namespace,
            name=it.name,
            at=world.now - WITHIN + timedelta(seconds=7),
            policies=it.policies,
        )
        for it in world.rollbacks
    )
    decision = world.tick(0.0)
    assert decision.requeue_after_seconds == pytest.approx(7.0)


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_one_that_is_tried_out_holds_nobody_and_says_so(action: str) -> None:
    world = serving()
    trip(world, action)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    assert world.now < START + WITHIN
    state = world.status.policy
    assert state is not None
    assert [(it.rule, str(it.action)) for it in state.violations] == [("circuitBreaker", action)]
