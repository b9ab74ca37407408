"""Stable has no ready pod: who answers for it, since when, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import BREACH, HOLD, V1, V2, V3, World, serving

from tidegate import model
from tidegate.rollout.failover import BEGIN_SECONDS, END_SECONDS

GATEWAY, RATIO = model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO
BOTH = pytest.mark.parametrize("provider", [GATEWAY, RATIO])
SPOILT = model.Violation(path="spec.strategy.canary.steps[0].weight", message="must be a number")


def walking(percent: float = 25.0, **options: object) -> World:
    """A candidate with this weight and nothing proven yet."""
    world = serving(weights=(percent,), **options)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < percent)
    world.tick()
    return world


def promoted(provider: model.Provider) -> World:
    """The second version serves, and the pods of the first are still there."""
    world = serving(provider=provider, weights=(50.0,))
    world.deploy(V2)
    world.run_until(model.Phase.HEALTHY, seconds=1.0)
    world.tick()
    assert world.revisions[V1.hash].ready > 0
    return world


def set_ready(world: World, revision: model.Revision, ready: int) -> None:
    """Pods that stay as they are whatever time passes."""
    world.held[revision.hash] = ready
    state = world.revisions[revision.hash]
    world.revisions[revision.hash] = replace(state, ready=ready, available=ready)


def wait(world: World, seconds: float) -> None:
    for _ in range(int(seconds)):
        world.tick()


@pytest.mark.parametrize("case", ["walking", "paused", "invalid", "promoting", "superseded"])
def test_the_candidate_answers_whatever_its_rollout_does(case: str) -> None:
    world = walking()
    match case:
        case "paused":
            world.ask("pause", V2)
        case "invalid":
            world.violations = (SPOILT,)
        case "promoting":
            world.ask("promote-full", V2)
            set_ready(world, V2, 1)
    world.tick()
    set_ready(world, V1, 0)
    if case == "superseded":
        world.deploy(V3)
    wait(world, BEGIN_SECONDS + 2)
    assert world.traffic.weights[V2.hash] == 100.0
    assert world.condition("FailedOver").status == "True"
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.reasons().count("FailedOver") == 1


@BOTH
@pytest.mark.parametrize("spoilt", [False, True])
def test_what_served_before_answers_at_rest(provider: model.Provider, *, spoilt: bool) -> None:
    world = promoted(provider)
    set_ready(world, V2, 0)
    world.violations = (SPOILT,) if spoilt else ()
    wait(world, BEGIN_SECONDS + 2)
    assert {r for r, share in world.traffic.weights.items() if share} == {V1.hash}
    wait(world, 300)
    assert world.revisions[V1.hash].wanted > 0, "it is needed"
    set_ready(world, V2, 4)
    wait(world, END_SECONDS - 2)
    assert world.traffic.weights[V1.hash] == 100.0
    wait(world, 5)
    assert {r for r, share in world.traffic.weights.items() if share} == {V2.hash}
    assert world.status.failover is None
    wait(world, 60)
    assert world.revisions[V1.hash].wanted == 0


@pytest.mark.parametrize(("ready", "back"), [(0, False), (1, False), (2, False), (3, True)])
def test_the_share_goes_back_to_as_many_pods_as_carry_it(ready: int, *, back: bool) -> None:
    """A quarter of four pods may always be missing."""
    world = walking(25.0)
    set_ready(world, V1, 0)
    wait(world, BEGIN_SECONDS + 2)
    set_ready(world, V1, ready)
    wait(world, END_SECONDS + 3)
    assert (world.traffic.weights[V2.hash] == 25.0) is back


def test_the_step_is_judged_anew_afterwards() -> None:
    world = walking()
    set_ready(world, V1, 0)
    wait(world, 20)
    set_ready(world, V1, 4)
    wait(world, END_SECONDS + 3)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.step is not None
    assert rollout.step.confirmed_at is not None
    assert (world.now - rollout.step.confirmed_at).total_seconds() <= 3
    assert rollout.evidence_since == rollout.step.confirmed_at


def test_a_rejected_revision_gets_no_more_and_gives_back_at_once() -> None:
    world = walking()
    set_ready(world, V1, 0)
    wait(world, 1)
    world.analysis = BREACH
    wait(world, 10)
    assert world.traffic.weights[V2.hash] == 25.0, "nobody else could take it"
    set_ready(world, V1, 1)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}


def test_harm_of_what_answers_ends_it_with_the_first_ready_pod() -> None:
    world = walking()
    set_ready(world, V1, 0)
    wait(world, 10)
    world.analysis = BREACH
    wait(world, 5)
    assert world.traffic.weights[V2.hash] == 100.0
    set_ready(world, V1, 1)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}


def test_a_clock_that_goes_back_dates_no_step_while_another_answers() -> None:
    """What was confirmed in the future has to be seen again, and not at all of the traffic."""
    world = walking()
    set_ready(world, V1, 0)
    wait(world, BEGIN_SECONDS + 2)
    world.now -= timedelta(hours=1)
    wait(world, 5)
    assert world.traffic.weights[V2.hash] == 100.0
    assert world.status.rollout is not None
    assert world.status.rollout.plan[0].confirmed_at is None
    set_ready(world, V1, 4)
    wait(world, END_SECONDS + 3)
    assert world.traffic.weights[V2.hash] == 25.0
    assert world.status.rollout.plan[0].confirmed_at is not None


def test_a_candidate_without_traffic_is_not_asked() -> None:
    world = serving(weights=(25.0,))
    world.deploy(V2)
    world.tick()
    world.ask("pause", V2)
    world.tick()
    set_ready(world, V1, 0)
    wait(world, 30)
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.failover is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((0, 1, 4)), st.integers(1, 40)), min_size=1, max_size=20),
    st.sampled_from(("walking", "rest")),
)
def test_weights_do_not_swing_with_pods(outages: list[tuple[int, int]], case: str) -> None:
    """Two moves of the same kind are never nearer than the delays of both together."""
    world = walking() if case == "walking" else promoted(GATEWAY)
    stable, other = (V1, V2) if case == "walking" else (V2, V1)
    moved: list[float] = []
    share, began = world.traffic.weights.get(other.hash, 0.0), world.now
    for ready, seconds in outages:
        set_ready(world, stable, ready)
        for _ in range(seconds):
            world.tick()
            now = world.traffic.weights.get(other.hash, 0.0)
            if now > share:
                moved.append((world.now - began).total_seconds())
            share = now
    gaps = [later - earlier for earlier, later in pairwise(moved)]
    assert all(gap >= BEGIN_SECONDS + END_SECONDS for gap in gaps), moved
