"""Policies before every forward step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from blue_green_world import switching
from policy_world import (
    EVERY,
    HOUR,
    NAMED,
    PROVIDERS,
    STOP,
    STRICT,
    canary,
    closed,
    read,
    said,
    share,
    walk_to,
)
from rollout_world import ADVANCE, BREACH, HOLD, START, V1, V2, V3, World, serving, waits

from tidegate import model

P, W = model.Phase, model.Waiting


# --- before the first request --------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_starts_and_no_pod_is_made(
    held: tuple[model.Policy, ...], reason: model.Waiting, provider: model.Provider
) -> None:
    world = canary(provider)
    world.policies = held
    world.deploy(V2)
    world.settle()
    world.tick(10_000)  # longer than every deadline
    world.settle()
    assert waits(world) is reason
    assert share(world) == 0
    assert world.pods().get(V2.hash, 0) == 0
    assert world.pods()[V1.hash] == 4
    assert not world.status.rejected
    if reason is W.FREEZE:
        assert world.status.phase is P.FROZEN
        assert world.status.health_status == "Progressing"
    else:
        assert world.status.phase is P.POLICY_VIOLATION
        assert world.status.health_status == "Degraded"
    world.policies = ()
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@EVERY
def test_a_first_version_waits_as_well(
    held: tuple[model.Policy, ...], reason: model.Waiting
) -> None:
    world = World()
    world.policies = held if held != (STRICT,) else (NAMED,)
    world.settle()
    world.tick(10_000)
    assert waits(world) is reason
    assert sum(world.pods().values()) == 0
    world.policies = ()
    world.run_until(P.HEALTHY)


def test_a_first_version_that_is_met_keeps_its_pods_when_a_window_closes() -> None:
    world = World(accept=False)
    world.run_while(lambda: world.traffic.weights.get(V1.hash, 0.0) < 100)
    assert world.status.active_rollout is not None
    world.policies = (closed(hours=100),)
    world.tick()
    world.tick()
    assert world.pods()[V1.hash] == 4
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.HEALTHY)


# --- in the midst of it --------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_next_step_waits_and_the_present_one_goes_on(
    held: tuple[model.Policy, ...], reason: model.Waiting, provider: model.Provider
) -> None:
    world = canary(provider)
    world.deploy(V2)
    walk_to(world, "p25")
    before = share(world), world.pods()
    world.policies = held
    world.run_while(lambda: waits(world) is not reason)
    world.settle()
    world.tick(10_000)
    assert waits(world) is reason
    assert (share(world), world.pods()) == before
    assert world.status.phase is (P.FROZEN if reason is W.FREEZE else P.PAUSED)
    world.policies = ()
    world.run_until(P.HEALTHY)


@EVERY
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_promotion_waits(
    held: tuple[model.Policy, ...], reason: model.Waiting, provider: model.Provider
) -> None:
    world = canary(provider)
    world.deploy(V2)
    walk_to(world, "p50")
    world.policies = held
    world.run_while(lambda: waits(world) is not reason)
    world.tick(10_000)
    assert share(world) == 50
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    world.policies = ()
    world.run_until(P.HEALTHY)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_given_is_confirmed_and_judged_though_a_window_closes(
    provider: model.Provider,
) -> None:
    """The weight is written, the data plane has yet to say so, and it freezes."""
    world = canary(provider)
    world.deploy(V2)
    world.accept = False
    world.run_while(lambda: share(world) == 0)
    world.policies = (closed(hours=100),)
    world.analysis = HOLD
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    walk_to(world, "p25")
    pods = world.pods()
    world.settle()
    assert world.pods() == pods
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert share(world) == 0


def test_a_window_that_lets_go_on_stops_only_what_has_not_begun() -> None:
    world = canary()
    world.deploy(V2)
    walk_to(world, "p25")
    world.policies = (closed(hours=100, inFlight="Continue"),)
    world.run_until(P.HEALTHY)
    world.deploy(V3)
    world.settle()
    assert waits(world) is W.FREEZE


def test_it_goes_on_when_the_window_opens_and_looks_then() -> None:
    world = canary()
    world.policies = (closed(hours=1),)
    world.deploy(V2)
    world.settle()
    assert "closed until 2026-11-20 13:00 UTC by RolloutPolicy/p (now)" in said(world)
    opens = START + HOUR
    world.now = opens - timedelta(seconds=20)
    assert world.step().requeue_after_seconds == pytest.approx(20.0)
    world.now = opens
    world.run_until(P.HEALTHY)
    assert world.reasons().count("Frozen") == 1


def test_a_bake_is_no_forward_step() -> None:
    world = canary()
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0))
    world.deploy(V2)
    walk_to(world, "bake")
    world.policies = (STOP,)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


NARROW = model.Scaling(max_surge_percent=10.0)


@EVERY
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_share_that_is_reached_in_parts_is_completed_and_judged(
    held: tuple[model.Policy, ...], reason: model.Waiting, provider: model.Provider
) -> None:
    """The surge has room for one pod: a part serves that no stage is confirmed for."""
    world = serving(provider=provider, weights=(30.0, 60.0), replicas=10, scaling=NARROW)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: share(world) == 0)
    by_weight = provider is model.Provider.GATEWAY_API  # pods come one by one, their share at once
    assert 0 < share(world) < (30 if by_weight else 31)
    world.policies = held
    walk_to(world, "p30")
    world.analysis = ADVANCE
    world.run_while(lambda: waits(world) is not reason)
    world.tick(10_000)
    assert share(world) == 30
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)


def test_a_part_of_a_later_step_is_judged_and_waits() -> None:
    """The step before is confirmed, so that part is judged: nothing more is given."""
    world = serving(weights=(10.0, 60.0), replicas=10, scaling=NARROW)
    world.deploy(V2)
    walk_to(world, "p10")
    world.run_while(lambda: share(world) <= 10)
    part = share(world)
    assert part < 60
    world.policies = (STOP,)
    world.run_while(lambda: waits(world) is not W.POLICY)
    world.tick(10_000)
    assert share(world) == part


def test_a_promotion_by_request_in_the_midst_of_a_part_waits() -> None:
    world = serving(weights=(30.0, 60.0), replicas=10, scaling=NARROW)
    world.deploy(V2)
    world.run_while(lambda: share(world) == 0)
    part = share(world)
    world.policies = (STOP,)
    world.ask("promote-full", V2)
    world.settle()
    assert waits(world) is W.POLICY
    assert share(world) == part < 30


def lose_pods(world: World) -> None:
    """The cluster takes all pods of the candidate, and its traffic is withdrawn."""
    state = world.revisions[V2.hash]
    world.revisions[V2.hash] = replace(state, ready=0, available=0, lost="Evicted: pod iris-1")
    world.tick()
    assert share(world) == 0
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.withdrawn


SLOWLY = {"maxInitialWeight": 10, "maxStepIncrease": 50}


@pytest.mark.parametrize("scaling", [model.Scaling(), NARROW], ids=["at once", "in parts"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_lost_its_pods_returns_to_its_share(
    provider: model.Provider, scaling: model.Scaling
) -> None:
    """It keeps every rule: the share that it had is not one step from nothing."""
    world = serving(provider=provider, weights=(10.0, 25.0, 70.0), replicas=10, scaling=scaling)
    world.policies = (read({"constraints": SLOWLY}),)
    world.deploy(V2)
    world.analysis = ADVANCE
    walk_to(world, "p70")
    world.analysis = HOLD
    lose_pods(world)
    world.run_while(lambda: share(world) < 70)
    assert world.status.policy is not None
    assert world.status.policy.violations == ()
    walk_to(world, "p70")
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


@EVERY
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_bake_that_lost_its_pods_asks_before_it_serves_all_again(
    held: tuple[model.Policy, ...], reason: model.Waiting, provider: model.Provider
) -> None:
    world = canary(provider)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0))
    world.deploy(V2)
    walk_to(world, "bake")
    world.analysis = HOLD
    lose_pods(world)
    world.policies = held if held != (STRICT,) else (NAMED,)
    world.run_while(lambda: waits(world) is not reason)
    world.tick(1000)
    world.settle()
    assert share(world) == 0
    world.policies = ()
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


# --- the smoke test ------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_smoke_test_that_will_run_is_judged(provider: model.Provider) -> None:
    """It is the one that the rollout froze, whatever the spec says by now."""
    pinned = "x@sha256:" + "0" * 64
    world = switching(provider)
    assert world.spec is not None
    world.spec = replace(world.spec, template=pods_of(pinned))
    world.policies = (STOP, NAMED)
    world.deploy(V2)
    world.settle()
    [(name, frozen)] = world.frozen_rollouts.items()
    world.frozen_rollouts[name] = replace(frozen, spec=with_smoke_test("ask:1"))
    world.policies = (NAMED,)
    world.settle()
    assert waits(world) is W.POLICY
    assert "blueGreen.prePromotion.job.template.spec.containers[0].image: image ask:1" in said(
        world
    )
    world.frozen_rollouts[name] = replace(frozen, spec=with_smoke_test(pinned))
    world.run_until(P.HEALTHY)


def pods_of(image: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "server", "image": image}]}}


def with_smoke_test(image: str) -> dict[str, Any]:
    job = {"template": pods_of(image)}
    return {"strategy": {"type": "BlueGreen", "blueGreen": {"prePromotion": {"job": job}}}}
