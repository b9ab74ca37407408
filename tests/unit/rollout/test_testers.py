"""Testers first: a step in which the candidate answers requests by header, with or without a share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model
from tidegate.rollout import duties
from tidegate.rollout.turn import Turn

TESTER = model.Header(name="x-tester", value="1")
BETA = model.Header(name="x-beta", value="1")
BOTH = model.HeaderRoute(name="both", headers=(TESTER, BETA))
ROUTES = (model.HeaderRoute(name="testers", headers=(TESTER,)),)


@made_once
def with_testers(*, weights: tuple[float, ...] = (0.0, 50.0), **options: object) -> World:
    """The second version answers testers, and has no share or its first one."""
    world = serving(V1, weights=weights, routes=ROUTES, **options)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not _walks(world))
    return world


def _walks(world: World) -> bool:
    rollout = world.status.active_rollout
    return rollout is not None and rollout.step is not None and bool(rollout.step.confirmed_at)


def test_a_step_of_weight_0_answers_testers_alone() -> None:
    world = with_testers()
    assert world.traffic.weights == {V1.hash: 100.0, V2.hash: 0.0}
    assert world.traffic.by_header == {V2.hash: ((TESTER,),)}
    assert world.pods() == {V1.hash: 4, V2.hash: 1}
    assert duties.FINALIZER in world.finalizers
    assert "at weight 0 and the requests of testers" in world.status.message
    assert any("gets 0 % and the requests of testers" in one.message for one in world.events)


def test_no_tester_is_sent_to_a_candidate_without_a_ready_pod() -> None:
    world = serving(V1, weights=(0.0, 50.0), routes=ROUTES)
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    world.settle()
    assert not world.traffic.by_header


def test_testers_keep_the_candidate_through_every_step_until_it_is_promoted() -> None:
    world = with_testers()
    world.analysis = replace(HOLD, verdict=model.Verdict.ADVANCE)
    world.run_while(lambda: world.traffic.weights.get(V2.hash) != 50.0)
    assert world.traffic.by_header == {V2.hash: ((TESTER,),)}
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert not world.traffic.by_header


@pytest.mark.parametrize("weights", [(0.0, 50.0), (20.0, 50.0)])
@pytest.mark.parametrize("act", ["breach", "abort", "newer", "back", "deleted"])
def test_testers_leave_with_the_candidate(act: str, weights: tuple[float, ...]) -> None:
    world = with_testers(weights=weights)
    if act == "breach":
        world.analysis = BREACH
    elif act == "abort":
        world.ask("abort", V2)
    elif act == "deleted":
        world.deleting = True
    else:
        world.deploy(V3 if act == "newer" else V1)
    world.step()
    assert not world.traffic.by_header.get(V2.hash)
    assert not world.traffic.weights.get(V2.hash)


def test_a_rule_that_somebody_took_away_comes_back() -> None:
    world = with_testers()
    world.traffic = replace(world.traffic, by_header={})
    world.tick()
    assert world.traffic.by_header == {V2.hash: ((TESTER,),)}


def test_a_rule_that_is_left_over_is_removed_at_rest() -> None:
    world = serving(V1)
    world.traffic = replace(world.traffic, by_header={V1.hash: ((TESTER,),)})
    world.tick()
    assert not world.traffic.by_header


def test_pods_that_answer_testers_stay() -> None:
    world = with_testers()
    world.accept = False  # the lowering is written, and nobody confirms it
    world.analysis = BREACH
    world.tick()
    world.traffic = replace(world.traffic, by_header={V2.hash: ((TESTER,),)})
    for _ in range(5):
        world.tick(1.0)
        assert world.pods()[V2.hash] == 1


def test_a_candidate_whose_pods_are_lost_is_withdrawn_from_testers_and_comes_back() -> None:
    world = with_testers()
    world.held[V2.hash] = 0
    world.tick()
    world.tick()
    assert not world.traffic.by_header
    assert not world.status.rejected
    world.held.clear()
    world.run_while(lambda: not world.traffic.by_header)


def test_previous_answers_for_stable_and_testers_keep_the_candidate() -> None:
    world = serving(V1, weights=(0.0, 50.0), routes=ROUTES)
    world.status = replace(
        world.status,
        previous=model.RevisionStatus(revision=V3.hash, model_version="3.0", since=world.now),
    )
    world.frozen[V3.hash] = world.freeze(V3)
    state = world.revisions[V1.hash]
    world.revisions[V3.hash] = replace(state, revision=V3, role=model.Role.PREVIOUS)
    world.status = replace(
        world.status, retiring=(model.Retiring(revision=V3.hash, scale_down_at=None),)
    )
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not _walks(world), limit=20)
    world.held[V1.hash] = 0
    world.run_while(lambda: world.traffic.weights.get(V3.hash) != 100.0, limit=10)
    for _ in range(3):
        world.tick()
        assert world.traffic.weights.get(V3.hash) == 100.0
        assert world.traffic.by_header == {V2.hash: ((TESTER,),)}


@pytest.mark.parametrize(
    ("stored", "agrees"),
    [
        ((TESTER, BETA), True),
        ((BETA, replace(TESTER, name="X-Tester")), True),
        ((TESTER,), False),
        ((replace(TESTER, value="2"), BETA), False),
        ((replace(TESTER, match=model.HeaderMatch.REGULAR_EXPRESSION), BETA), False),
    ],
)
def test_headers_are_the_same_in_any_order_and_case(
    stored: tuple[model.Header, ...], *, agrees: bool
) -> None:
    world = serving(V1, weights=(0.0, 50.0), routes=(BOTH,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not _walks(world))
    seen = world.observe()
    traffic = replace(seen.traffic, by_header={V2.hash: (stored,)})
    turn = Turn(seen=replace(seen, traffic=traffic), status=world.status)
    assert turn.target_agrees is agrees
