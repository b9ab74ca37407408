"""An autoscaler for each live revision: what it may do, and who follows whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import BREACH, HOLD, V1, V2, World, made_once, make_spec, serving

from tidegate import model
from tidegate.rollout import autoscaling, notices
from tidegate.traffic.plane import plane_of

P = model.Phase
GATEWAY, RATIO = model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO
both = pytest.mark.parametrize("provider", list(model.Provider))
ASKED = model.Autoscaling(min_replicas=2, max_replicas=12, cpu_percent=70)
FROZEN = replace(ASKED, during_rollout=model.DuringRollout.FROZEN)


def limits(least: int, most: int) -> model.Autoscaler:
    return model.Autoscaler(least=least, most=most, cpu_percent=70)


def autoscale(world: World, asked: model.Autoscaling | None) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, autoscaling=asked)
    world.generation += 1
    world.settle()


@made_once
def scaled(provider: model.Provider, asked: model.Autoscaling = ASKED, **options: object) -> World:
    world = serving(provider=provider, **options)
    autoscale(world, asked)
    world.writes.clear()
    return world


def choose(world: World, revision: model.Revision, replicas: int) -> None:
    """The autoscaler of a revision writes a number that its limits allow."""
    state = world.revisions[revision.hash]
    assert state.autoscaler is not None
    assert state.autoscaler.least <= replicas <= state.autoscaler.most
    world.revisions[revision.hash] = replace(state, wanted=replicas, ready=replicas)


def at_weight(world: World, weight: float) -> None:
    """V2 is on its way and held at this weight."""
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < weight)
    world.settle()


@both
def test_at_rest_stable_alone_has_one_with_the_limits_of_the_spec(
    provider: model.Provider,
) -> None:
    world = scaled(provider)
    assert world.revisions[V1.hash].autoscaler == limits(2, 12)
    assert world.status.autoscaled_replicas == 4


@both
@pytest.mark.parametrize("number", [2, 3, 9, 12])
def test_what_it_chooses_at_rest_stands(provider: model.Provider, number: int) -> None:
    world = scaled(provider)
    for chosen in (7, number, 7, number):
        choose(world, V1, chosen)
        world.settle()
        assert world.pods() == {V1.hash: chosen}
        assert world.status.autoscaled_replicas == chosen
    assert not [one for one in world.status.conditions if one.type == notices.SCALED]
    assert world.condition("Ready").status == "True"


@both
def test_new_limits_of_the_spec_count_at_once(provider: model.Provider) -> None:
    world = scaled(provider)
    autoscale(world, replace(ASKED, min_replicas=6, max_replicas=8))
    assert world.pods() == {V1.hash: 6}
    autoscale(world, replace(ASKED, min_replicas=1, max_replicas=3))
    assert world.pods() == {V1.hash: 3}
    assert world.revisions[V1.hash].autoscaler == limits(1, 3)


@both
def test_without_it_the_number_of_the_spec_is_back(provider: model.Provider) -> None:
    world = scaled(provider)
    choose(world, V1, 9)
    world.settle()
    autoscale(world, None)
    assert world.revisions[V1.hash].autoscaler is None
    assert world.pods() == {V1.hash: 4}
    assert not world.revisions[V1.hash].autoscaled
    assert world.status.autoscaled_replicas is None


@both
def test_no_pods_in_the_spec_switch_it_off(provider: model.Provider) -> None:
    world = scaled(provider)
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.settle()
    assert world.pods() == {}
    assert world.revisions[V1.hash].autoscaler is None
    world.spec = replace(world.spec, replicas=3)
    world.settle()
    assert world.pods() == {V1.hash: 3}
    assert world.revisions[V1.hash].autoscaler == limits(2, 12)


def test_a_side_has_at_least_the_pods_of_its_weight_and_the_larger_one_may_grow() -> None:
    world = scaled(GATEWAY, replicas=8, weights=(25.0, 75.0))
    at_weight(world, 25)
    assert world.revisions[V1.hash].autoscaler == limits(8, 9)
    assert world.revisions[V2.hash].autoscaler == limits(2, 12), "a slower model may need more"


def test_where_pods_are_the_weight_the_smaller_side_may_not_move_by_itself() -> None:
    world = scaled(RATIO, replicas=8, weights=(25.0, 75.0))
    at_weight(world, 25)
    assert world.revisions[V1.hash].autoscaler == limits(6, 9)
    assert world.revisions[V2.hash].autoscaler == limits(2, 2)
    world.analysis = replace(HOLD, verdict=model.Verdict.ADVANCE)
    world.run_while(lambda: world.revisions[V2.hash].wanted < 6)
    world.analysis = HOLD
    world.settle()
    assert world.revisions[V2.hash].autoscaler == limits(6, 9)
    assert world.revisions[V1.hash].autoscaler == limits(2, 2)


@both
@pytest.mark.parametrize("weight", [25.0, 75.0])
def test_the_smaller_side_follows_the_larger(provider: model.Provider, weight: float) -> None:
    world = scaled(provider, replicas=4, weights=(weight,))
    at_weight(world, weight)
    larger, smaller = (V1, V2) if weight < 50 else (V2, V1)
    most = world.revisions[larger.hash].autoscaler
    assert most is not None
    choose(world, larger, 6)
    world.settle()
    assert world.status.autoscaled_replicas == 8
    pods = world.pods()
    assert pods[larger.hash] >= 6
    assert pods[smaller.hash] >= 2
    if provider is RATIO:
        assert pods == {larger.hash: 6, smaller.hash: 2}


@both
def test_both_sides_together_stay_within_the_most(provider: model.Provider) -> None:
    world = scaled(provider, replicas=4, weights=(25.0,))
    at_weight(world, 25)
    for _ in range(20):
        state = world.revisions[V1.hash]
        assert state.autoscaler is not None
        choose(world, V1, state.autoscaler.most)
        world.settle()
    assert world.status.autoscaled_replicas == 12
    if provider is RATIO:
        assert world.pods() == {V1.hash: 9, V2.hash: 3}
    world.analysis = replace(HOLD, verdict=model.Verdict.ADVANCE)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.pods() == {V2.hash: 12}


def test_a_slower_candidate_keeps_the_pods_that_its_autoscaler_gave_it() -> None:
    world = scaled(GATEWAY, replicas=8, weights=(25.0,))
    at_weight(world, 25)
    choose(world, V2, 5)
    world.writes.clear()
    world.settle()
    assert world.pods() == {V1.hash: 8, V2.hash: 5}
    assert "Scale" not in world.writes
    assert world.status.autoscaled_replicas == 8


@both
def test_frozen_pins_both_sides(provider: model.Provider) -> None:
    world = scaled(provider, FROZEN, replicas=8, weights=(25.0,))
    at_weight(world, 25)
    for hash_, pods in world.pods().items():
        assert world.revisions[hash_].autoscaler == limits(pods, pods)
    assert world.status.autoscaled_replicas == 8
    world.analysis = replace(HOLD, verdict=model.Verdict.ADVANCE)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.revisions[V2.hash].autoscaler == limits(2, 12)


@both
def test_who_leaves_loses_the_autoscaler_and_stable_has_the_whole_load(
    provider: model.Provider,
) -> None:
    world = scaled(provider, replicas=4, weights=(25.0,))
    at_weight(world, 25)
    choose(world, V1, 6)
    world.settle()
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert world.pods() == {V1.hash: 8}
    assert world.revisions[V2.hash].autoscaler is None
    assert world.revisions[V1.hash].autoscaler == limits(2, 12)


@both
def test_a_first_revision_starts_within_the_limits(provider: model.Provider) -> None:
    spec = replace(make_spec(provider=provider, replicas=2), autoscaling=ASKED)
    world = World(spec=spec)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.pods() == {V1.hash: 2}
    assert world.revisions[V1.hash].autoscaler == limits(2, 12)


@both
def test_somebody_elses_autoscaler_is_named_and_ours_makes_way(provider: model.Provider) -> None:
    world = scaled(provider)
    state = world.revisions[V1.hash]
    world.revisions[V1.hash] = replace(state, foreign_autoscaler="ScaledObject queue", wanted=7)
    world.writes.clear()
    world.settle()
    assert world.revisions[V1.hash].autoscaler is None
    assert world.pods() == {V1.hash: 7}
    assert "Scale" not in world.writes
    assert "ScaledObject queue" in world.condition(notices.SCALED).message
    assert world.reasons().count(notices.SCALED) == 1
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], foreign_autoscaler="")
    world.settle()
    assert world.revisions[V1.hash].autoscaler == limits(2, 12)
    assert not [one for one in world.status.conditions if one.type == notices.SCALED]


@both
def test_somebody_elses_autoscaler_is_respected_without_any_of_ours(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    state = world.revisions[V1.hash]
    world.revisions[V1.hash] = replace(state, foreign_autoscaler="HorizontalPodAutoscaler mine")
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=6)
    world.settle()
    assert world.pods() == {V1.hash: 4}
    assert "HorizontalPodAutoscaler mine" in world.condition(notices.SCALED).message


def test_where_stable_is_gone_what_was_chosen_last_counts() -> None:
    world = scaled(GATEWAY)
    choose(world, V1, 9)
    world.settle()
    del world.revisions[V1.hash]
    world.settle()
    assert world.pods() == {V1.hash: 9}


SHARES = st.floats(min_value=1, max_value=99).map(lambda it: round(it, 2))


@given(
    provider=st.sampled_from(list(model.Provider)),
    weight=SHARES,
    pods=st.integers(min_value=1, max_value=60),
    surge=st.sampled_from([0.0, 25.0, 100.0]),
)
def test_the_load_of_a_side_gives_it_its_pods_and_little_more(
    provider: model.Provider, weight: float, pods: int, surge: float
) -> None:
    spec = replace(make_spec(provider=provider), scaling=model.Scaling(max_surge_percent=surge))
    side = autoscaling.Side(
        revision="r", is_stable=weight <= 50, plane=plane_of(spec.traffic), spec=spec,
        weight_percent=weight,
    )  # fmt: skip
    load = side.load(pods, most=500)
    share = weight if weight > 50 else 100 - weight
    assert load * share >= pods * 100 - 1e-6
    assert side.pods(load) >= pods
    assert load <= pods * 100 / share + 2, "no more than rounding to whole pods needs"


@pytest.mark.parametrize("asked", [ASKED, FROZEN])
def test_switched_on_in_a_step_the_side_with_more_of_the_load_tells_the_whole(
    asked: model.Autoscaling,
) -> None:
    """Stable was shrunk to its share, so its pods alone would be far too few for everybody."""
    world = serving(provider=GATEWAY, weights=(80.0,), replicas=10)
    at_weight(world, 80.0)
    before = world.revisions[V2.hash].wanted
    autoscale(world, asked)
    assert world.status.autoscaled_replicas == 10
    assert world.revisions[V2.hash].wanted == before == 8


@both
def test_a_lost_status_at_rest_takes_no_pods(provider: model.Provider) -> None:
    world = scaled(provider)
    choose(world, V1, 10)
    world.settle()
    world.status = model.Status()
    world.tick()
    assert world.pods() == {V1.hash: 10}
    assert world.status.autoscaled_replicas == 10
    world.settle()
    assert world.pods() == {V1.hash: 10}


@both
@pytest.mark.parametrize("weight", [25.0, 75.0])
@pytest.mark.parametrize("surge", [0.0, 100.0])
def test_nor_does_one_in_a_step(provider: model.Provider, weight: float, surge: float) -> None:
    scaling = model.Scaling(max_surge_percent=surge)
    world = scaled(provider, weights=(weight,), replicas=8, scaling=scaling)
    at_weight(world, weight)
    before = world.status.autoscaled_replicas
    world.status = model.Status()
    world.tick()
    assert world.status.autoscaled_replicas is not None
    assert before is not None
    assert before <= world.status.autoscaled_replicas <= before + 3


@pytest.mark.parametrize(
    ("pods", "shares", "whole"),
    [
        ((10, 0), (100.0, 0.0), 10),
        ((5, 5), (50.0, 50.0), 10),
        ((10, 5), (50.0, 50.0), 10),
        ((1, 10), (0.0, 100.0), 10),
        ((9, 1), (90.0, 10.0), 10),
        ((10, 4), (0.0, 100.0), 10),
        ((0, 0), (100.0, 0.0), 4),
        ((12, 12), (50.0, 50.0), 12),
    ],
)
def test_the_load_by_what_serves(
    pods: tuple[int, int], shares: tuple[float, float], whole: int
) -> None:
    """Stable and a candidate with so many pods and these shares: the load, at most 12."""
    world = scaled(GATEWAY)
    world.deploy(V2)
    world.settle()
    pair = (V1.hash, V2.hash)
    for hash_, number, role in zip(
        pair, pods, (model.Role.STABLE, model.Role.CANDIDATE), strict=True
    ):
        world.revisions[hash_] = replace(world.revisions[hash_], wanted=number, role=role)
    world.traffic = replace(world.traffic, weights=dict(zip(pair, shares, strict=True)))
    world.status = model.Status()
    seen = autoscaling.in_effect(world.observe())
    assert seen.spec is not None
    assert seen.spec.replicas == whole
