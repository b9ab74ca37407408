"""Who makes room for a candidate, there and back: lent pods, and pods that are swapped in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rollout_world import BREACH, HOLD, V1, V2, V3, World, serving

from tidegate import model
from tidegate.model import SurgePolicy

P = model.Phase
RATIO, GATEWAY = model.Provider.REPLICA_RATIO, model.Provider.GATEWAY_API
PROVIDERS = pytest.mark.parametrize("provider", [GATEWAY, RATIO])
BORROW = model.Scaling(surge_policy=SurgePolicy.BORROW, max_surge_percent=0.0)
RECREATE = model.Scaling(
    surge_policy=SurgePolicy.RECREATE, max_surge_percent=0.0, max_unavailable_percent=100.0
)
BOTH = pytest.mark.parametrize("scaling", [BORROW, RECREATE])


def full(world: World, replicas: int) -> Callable[[], None]:
    """No more pods than the pool has; the old ones that drain count, too."""

    def look() -> None:
        assert sum(world.pods().values()) <= replicas, world.pods()

    return look


def go(world: World, look: Callable[[], None], *, until: Callable[[], bool]) -> None:
    for _ in range(400):
        if until():
            return
        world.tick(2.0)
        look()
    raise AssertionError(f"{world.status.phase} {world.status.message} {world.pods()}")


def serves(world: World, wanted: model.Revision) -> bool:
    stable = world.status.stable
    alone = stable is not None and stable.revision == wanted.hash
    assert world.spec is not None
    return alone and world.pods() == {wanted.hash: world.spec.replicas}


@BOTH
@PROVIDERS
@pytest.mark.parametrize("replicas", [2, 3, 4, 9])
def test_a_full_pool_carries_a_whole_rollout(
    provider: model.Provider, scaling: model.Scaling, replicas: int
) -> None:
    world = serving(provider=provider, replicas=replicas, scaling=scaling, weights=(50.0,))
    world.deploy(V2)
    went = False

    def look() -> None:
        nonlocal went
        full(world, replicas)()
        went = went or (0 < world.pods().get(V1.hash, 0) < replicas)

    go(world, look, until=lambda: serves(world, V2))
    assert went
    assert world.status.rejected == ()


@PROVIDERS
def test_borrow_lends_one_pod_and_recreate_those_of_the_step(provider: model.Provider) -> None:
    def least_of_stable(scaling: model.Scaling) -> int:
        world = serving(provider=provider, replicas=8, scaling=scaling, weights=(50.0,))
        world.broken = frozenset({V2.hash})
        world.deploy(V2)
        for _ in range(5):
            world.tick()
        return world.pods()[V1.hash]

    assert least_of_stable(BORROW) == 7
    assert least_of_stable(RECREATE) == 4
    bounded = replace(RECREATE, max_unavailable_percent=25.0)
    assert least_of_stable(bounded) == 6


@BOTH
@PROVIDERS
@pytest.mark.parametrize("act", ["abort", "newer", "back", "breach"])
def test_the_way_back_needs_no_more_pods_than_there_are(
    provider: model.Provider, scaling: model.Scaling, act: str
) -> None:
    world = serving(provider=provider, replicas=4, scaling=scaling, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    for _ in range(60):
        world.tick(2.0)
    assert world.pods() == {V1.hash: 2, V2.hash: 2}
    if act == "abort":
        world.ask("abort", V2)
    elif act == "breach":
        world.analysis = BREACH
        world.tick()
        assert world.traffic.weights == {V1.hash: 100.0}, "harm does not wait for pods"
    else:
        world.deploy(V3 if act == "newer" else V1)
    if act == "newer":
        go(world, full(world, 4), until=lambda: world.traffic.weights.get(V3.hash, 0.0) >= 50)
    else:
        go(world, full(world, 4), until=lambda: serves(world, V1))


@PROVIDERS
def test_in_a_bake_one_pod_is_the_way_back(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=4, scaling=RECREATE, weights=(50.0,))
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0))
    world.deploy(V2)
    go(world, full(world, 4), until=lambda: world.status.phase is P.BAKING)
    for _ in range(20):
        world.tick(5.0)
    assert world.pods() == {V1.hash: 1, V2.hash: 3}
    world.analysis = BREACH
    go(world, full(world, 4), until=lambda: serves(world, V1))
    assert [one.revision for one in world.status.rejected] == [V2.hash]


def test_pods_are_swapped_only_where_the_data_plane_has_taken_the_weight() -> None:
    world = serving(replicas=4, scaling=BORROW, weights=(50.0,))
    world.analysis = HOLD
    world.accept = False
    world.deploy(V2)
    for _ in range(20):
        world.tick(2.0)
        assert world.pods()[V1.hash] == 3, "one is lent, and the weight of it is not in force"
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    go(world, full(world, 4), until=lambda: world.pods().get(V2.hash, 0) == 2)


def test_rejected_pods_are_not_kept_where_stable_waits_for_their_room() -> None:
    world = serving(replicas=4, scaling=RECREATE, weights=(50.0,))
    assert world.spec is not None
    rollback = replace(world.spec.rollback, keep_candidate_seconds=3600.0)
    world.spec = replace(world.spec, rollback=rollback)
    world.analysis = HOLD
    world.deploy(V2)
    for _ in range(30):
        world.tick(2.0)
    world.analysis = BREACH
    began = world.now
    go(world, full(world, 4), until=lambda: serves(world, V1))
    assert (world.now - began).total_seconds() < 60


# --- a single pod --------------------------------------------------------------------------------


@PROVIDERS
def test_the_only_pod_is_swapped_and_back_again(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=300.0))
    world.deploy(V2)
    go(world, full(world, 1), until=lambda: world.status.phase is P.BAKING)
    assert world.pods() == {V2.hash: 1}
    assert world.reasons().count("TrafficShifted") == 1, "nothing of one pod can be shared"
    world.analysis = BREACH
    go(world, full(world, 1), until=lambda: world.status.phase is P.ROLLED_BACK)
    assert serves(world, V1)


@PROVIDERS
def test_a_swap_is_told_apart_from_an_outage(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.run_while(lambda: world.pods() != {V2.hash: 1})
    world.tick()
    available = world.condition("Available")
    assert (available.status, available.reason) == ("False", "SwappedInPlace")
    world.held[V1.hash] = 0
    world.ask("abort", V2)
    world.run_while(lambda: V1.hash not in world.pods())
    world.tick()
    assert world.condition("Available").reason == "StableUnavailable", "it does not come back"


@PROVIDERS
def test_pods_of_stable_that_fail_in_a_rollout_are_an_outage(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=2, scaling=RECREATE, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.held[V1.hash] = 0
    world.run_while(lambda: world.condition("Available").status == "True")
    world.tick()
    assert world.condition("Available").reason == "StableUnavailable"


@PROVIDERS
def test_the_only_pod_is_doubled_with_borrow(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=BORROW, weights=(50.0,))
    world.deploy(V2)

    def look() -> None:
        answers = [r for r, share in world.traffic.weights.items() if share > 0]
        assert any(world.pods().get(it) for it in answers), world.pods()

    go(world, look, until=lambda: serves(world, V2))


@PROVIDERS
def test_a_crash_of_the_swapped_pod_is_not_waited_for(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    began = world.now
    go(world, full(world, 1), until=lambda: world.status.phase is P.ROLLED_BACK)
    go(world, full(world, 1), until=lambda: serves(world, V1))
    assert (world.now - began).total_seconds() < 15, "nobody served meanwhile"
    assert "CrashLoopBackOff" in world.status.rejected[0].reason


@PROVIDERS
@pytest.mark.parametrize("trouble", ["unschedulable", "starting", ""])
def test_a_swapped_pod_that_does_not_come_is_given_up_at_the_deadline_whoever_is_to_blame(
    provider: model.Provider, trouble: str
) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.tick()
    world.tick()
    assert world.pods() == {V2.hash: 1}
    if trouble:
        state = world.revisions[V2.hash]
        world.revisions[V2.hash] = replace(state, **{trouble: "0/1 nodes: no GPU"})  # type: ignore[arg-type]
    began = world.now
    go(world, full(world, 1), until=lambda: serves(world, V1))
    waited = (world.now - began).total_seconds()
    assert world.spec is not None
    assert world.spec.progress_deadline_seconds <= waited <= 400
    rejected = world.status.rejected[0]
    assert (rejected.revision, rejected.by) == (V2.hash, "Deadline")


@PROVIDERS
def test_an_abort_brings_the_only_pod_back(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.tick()
    world.tick()
    world.ask("abort", V2)
    go(world, full(world, 1), until=lambda: serves(world, V1))


def test_fewer_replicas_in_the_middle_leave_both_sides_a_pod() -> None:
    world = serving(replicas=4, scaling=RECREATE, weights=(25.0, 50.0))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 25)
    world.tick()
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=1)
    for _ in range(20):
        world.tick(5.0)
    assert world.pods() == {V1.hash: 1, V2.hash: 1}
    assert world.traffic.weights == {V1.hash: 75.0, V2.hash: 25.0}


@PROVIDERS
def test_a_candidate_whose_room_an_older_one_has_waits_for_it_by_name(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider, replicas=2, scaling=RECREATE, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    for _ in range(30):
        world.tick(2.0)
    assert world.pods() == {V1.hash: 1, V2.hash: 1}
    world.deploy(V3)
    world.run_while(lambda: V3.hash not in world.revisions)
    world.tick()
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.revision == V3
    waits = rollout.waiting_for
    assert waits is not None
    by_pods = provider is RATIO
    assert waits.reason is (model.Waiting.DRAIN if by_pods else model.Waiting.CAPACITY)
    go(world, full(world, 2), until=lambda: world.traffic.weights.get(V3.hash, 0.0) >= 50)


# --- kept from the load by people ----------------------------------------------------------------


def somebody_answers(world: World) -> Callable[[], None]:
    """Whoever has users has a ready pod."""

    def look() -> None:
        for revision, share in world.traffic.weights.items():
            assert share == 0 or world.revisions[revision].ready > 0, (revision, world.pods())

    return look


@PROVIDERS
@pytest.mark.parametrize("level", ["Gated", "Manual"])
def test_the_only_pod_is_not_swapped_before_somebody_opens_the_gate(
    provider: model.Provider, level: str
) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    assert world.spec is not None
    automation = model.Automation(level=model.AutomationLevel(level))
    world.spec = replace(world.spec, automation=automation)
    world.deploy(V2)
    look = somebody_answers(world)
    for _ in range(30):
        world.tick(20.0)
        look()
    assert world.status.phase in {P.AWAITING_APPROVAL, P.PAUSED}
    assert world.pods()[V1.hash] == 1
    world.ask("promote", V2)
    go(world, full(world, 1), until=lambda: serves(world, V2))


@PROVIDERS
def test_the_only_pod_is_not_swapped_while_the_spec_is_paused(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)
    world.deploy(V2)
    look = somebody_answers(world)
    for _ in range(30):
        world.tick(20.0)
        look()
    assert world.pods()[V1.hash] == 1
    world.spec = replace(world.spec, paused=False)
    go(world, full(world, 1), until=lambda: serves(world, V2))


@PROVIDERS
def test_a_pause_in_the_middle_of_a_swap_brings_the_pod_back(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    world.held[V2.hash] = 0
    world.deploy(V2)
    world.tick()
    world.tick()
    assert world.pods() == {V2.hash: 1}
    world.ask("pause", V2)
    go(world, full(world, 1), until=lambda: world.pods().get(V1.hash) == 1)
    assert world.status.phase is P.PAUSED
    assert world.traffic.weights[V1.hash] == 100.0


@PROVIDERS
@BOTH
def test_stable_lends_nothing_for_a_step_that_nobody_has_approved(
    provider: model.Provider, scaling: model.Scaling
) -> None:
    world = serving(provider=provider, replicas=4, scaling=scaling, weights=(50.0,))
    assert world.spec is not None
    world.spec = replace(
        world.spec, steps=(replace(world.spec.steps[0], gate=model.Gate(name="board")),)
    )
    world.deploy(V2)
    for _ in range(10):
        world.tick(20.0)
    assert world.status.phase is P.AWAITING_APPROVAL
    assert world.pods()[V1.hash] == 4


def test_a_swap_that_no_route_can_follow_is_given_up_at_the_deadline() -> None:
    world = serving(provider=GATEWAY, replicas=1, scaling=RECREATE)
    world.deploy(V2)
    world.held[V2.hash] = 0
    world.run_while(lambda: world.pods().get(V2.hash, 0) == 0)
    world.traffic = replace(world.traffic, conflict="somebody else has the route's name")
    del world.held[V2.hash]
    go(world, full(world, 1), until=lambda: world.pods().get(V1.hash) == 1)
    assert world.status.rejected[0].by == "Deadline"


def test_testers_have_nothing_of_a_pod_that_is_swapped() -> None:
    world = serving(provider=GATEWAY, replicas=1, scaling=RECREATE)
    assert world.spec is not None
    route = model.HeaderRoute(name="staff", headers=(model.Header(name="x-tester", value="1"),))
    first = replace(world.spec.steps[0], weight_percent=0.0, routes=(route,))
    world.spec = replace(world.spec, steps=(first, *world.spec.steps[1:]))
    world.deploy(V2)
    go(world, full(world, 1), until=lambda: serves(world, V2))
