"""Somebody else sizes a revision: an autoscaler, or a person with kubectl scale."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, HOLD, V1, V2, V3, World, serving

from tidegate import model
from tidegate.rollout import decide, notices

P = model.Phase
PROVIDERS = list(model.Provider)
both = pytest.mark.parametrize("provider", PROVIDERS)


def resize(world: World, revision: model.Revision, replicas: int) -> None:
    """Another writer sets the number, and its pods come or go."""
    state = world.revisions[revision.hash]
    world.revisions[revision.hash] = replace(state, wanted=replicas, ready=replicas)


def told(world: World) -> bool:
    return any(one.type == notices.SCALED for one in world.status.conditions)


@both
@pytest.mark.parametrize("number", [2, 8])
def test_it_is_told_once_and_not_fought(provider: model.Provider, number: int) -> None:
    world = serving(provider=provider)
    resize(world, V1, number)
    world.writes.clear()
    world.settle()
    assert world.pods() == {V1.hash: number}
    assert "Scale" not in world.writes
    assert V1.hash in world.condition(notices.SCALED).message
    assert world.reasons().count(notices.SCALED) == 1


@both
def test_fewer_pods_by_somebody_elses_wish_are_no_lack(provider: model.Provider) -> None:
    world = serving(provider=provider)
    resize(world, V1, 2)
    world.settle()
    assert world.condition("Ready").status == "True"
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], ready=1)
    found = decide.decide(world.observe()).status.conditions
    ready = next(one for one in found if one.type == "Ready")
    assert ready.reason == "CapacityMissing", "1 of their 2"


@both
@pytest.mark.parametrize("way", ["undone", "spec"])
def test_the_size_is_ours_again_when_both_agree(provider: model.Provider, way: str) -> None:
    world = serving(provider=provider)
    resize(world, V1, 8)
    world.settle()
    assert told(world)
    assert world.spec is not None
    if way == "undone":
        resize(world, V1, 4)
    else:
        world.spec = replace(world.spec, replicas=8)
    world.settle()
    assert not told(world)
    world.spec = replace(world.spec, replicas=3)
    world.settle()
    assert world.pods() == {V1.hash: 3}


@both
def test_a_sized_stable_is_promoted_over_and_loses_its_pods(provider: model.Provider) -> None:
    world = serving(provider=provider)
    resize(world, V1, 3)
    world.deploy(V2)
    if provider is model.Provider.REPLICA_RATIO:  # 3 pods beside 1 are no 20 %, so a person decides
        world.run_until(P.PAUSED)
        assert "are left alone" in world.status.message
        world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    world.settle()
    assert world.pods() == {V2.hash: 4}
    assert not told(world)


@both
def test_a_candidate_kept_small_by_others_waits_and_is_not_rejected(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: V2.hash not in world.revisions)
    resize(world, V2, 0)
    for _ in range(200):
        world.tick(5.0)
    assert world.status.rejected == ()
    assert world.status.phase is P.PAUSED
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.waiting_for is not None
    assert rollout.waiting_for.reason is model.Waiting.CAPACITY
    assert V2.hash in rollout.waiting_for.message
    world.analysis = ADVANCE
    resize(world, V2, world.revisions[V2.hash].asked or 0)
    world.run_until(P.HEALTHY)


@both
def test_a_candidate_that_fails_is_rejected_whoever_sizes_stable(provider: model.Provider) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.broken = frozenset({V2.hash})
    world.run_while(lambda: V2.hash not in world.revisions)
    resize(world, V1, 3)
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].by == "Deadline"


@both
def test_an_abort_does_not_wait_for_pods_that_others_took(provider: model.Provider) -> None:
    world = serving(provider=provider, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    resize(world, V1, 1)
    world.tick()
    world.ask("abort", V2)
    began = world.now
    world.run_until(P.ROLLED_BACK)
    assert (world.now - began).total_seconds() <= 30
    assert world.traffic.weights == {V1.hash: 100.0}


@both
def test_pods_that_others_give_to_an_old_revision_are_theirs(provider: model.Provider) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.pods() == {V2.hash: 4}
    resize(world, V1, 2)
    world.writes.clear()
    world.settle()
    assert "Scale" not in world.writes
    assert world.pods() == {V1.hash: 2, V2.hash: 4}
    assert V1.hash in world.condition(notices.SCALED).message
    resize(world, V1, 0)
    world.settle()
    assert not told(world)


def test_where_pods_are_the_weight_a_woken_revision_keeps_the_next_one_waiting() -> None:
    """It would get a share: the Service selects by model only."""
    world = serving(provider=model.Provider.REPLICA_RATIO)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.settle()
    resize(world, V1, 1)
    world.deploy(V3)
    for _ in range(200):
        world.tick(5.0)
    assert world.status.rejected == ()
    assert world.traffic.weights.get(V3.hash, 0.0) == 0.0
    resize(world, V1, 0)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V3.hash


def test_a_deployment_of_an_older_release_is_sized_as_before() -> None:
    world = serving()
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], asked=None, wanted=7)
    world.settle()
    assert world.pods() == {V1.hash: 4}
    assert not told(world)
