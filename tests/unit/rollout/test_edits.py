"""What an edit of the spec does to a rollout under way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import BREACH, V1, V2, V3, make_spec, serving

from tidegate import model

P = model.Phase


def test_new_revision_mid_canary_restarts_at_the_first_step() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.deploy(V3)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    world.run_until(P.HEALTHY)
    shares = [w[V3.hash] for w in world.weights_seen if V3.hash in w]
    assert shares == [10.0, 50.0, 100.0, 100.0]
    assert world.status.rejected == ()
    assert "Superseded" in world.reasons()
    world.settle()
    assert world.pods() == {V3.hash: 4}


def test_going_back_to_the_served_revision_ends_at_once() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.deploy(V1)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    world.tick()
    assert world.status.phase is P.HEALTHY
    assert world.status.rejected == ()
    world.settle()
    assert world.pods() == {V1.hash: 4}
    assert world.finalizers == ()


def test_edited_analysis_starts_the_hold_again() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    for _ in range(10):
        world.tick(5.0)
    assert world.spec is not None
    world.spec = replace(world.spec, analysis=replace(world.spec.analysis, key="1-other"))
    world.tick(1.0)
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    assert world.status.rollout.step.confirmed_at == world.now


def test_edited_steps_wait_for_the_next_rollout() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.spec = replace(make_spec(version="2.0", weights=(20.0,)), model=world.spec.model)  # type: ignore[union-attr]
    world.run_until(P.HEALTHY)
    shares = [w[V2.hash] for w in world.weights_seen if V2.hash in w]
    assert shares == [10.0, 50.0, 100.0, 100.0]


def test_invalid_spec_leaves_traffic_untouched_and_says_what_to_change() -> None:
    world = serving()
    spec = world.spec
    world.spec = None
    world.violations = (model.Violation(path="spec.analysis.metrics[0]", message="add threshold"),)
    world.generation += 1
    world.settle()
    assert world.status.phase is P.INVALID
    assert world.writes == []
    assert "spec.analysis.metrics[0]: add threshold" in world.condition("Stalled").message
    assert world.reasons().count("InvalidSpec") == 1
    world.spec, world.violations = spec, ()
    world.generation += 1
    world.run_until(P.HEALTHY)


def test_missing_reference_stops_forward_moves_but_not_the_safety_watch() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.violations = (
        model.Violation(
            path="spec.analysis.metrics[0]", message="gone", reason="ReferenceNotFound"
        ),
    )
    world.settle()
    assert world.status.phase is P.INVALID
    assert world.traffic.weights[V2.hash] == 10.0
    assert world.condition("Stalled").reason == "ReferenceNotFound"
    world.analysis = BREACH
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    world.settle()
    assert world.status.phase is P.INVALID
    world.violations = ()
    world.run_until(P.ROLLED_BACK)


def test_missing_reference_heals_without_an_edit() -> None:
    world = serving()
    world.violations = (
        model.Violation(
            path="spec.analysis.metrics[0]", message="gone", reason="ReferenceNotFound"
        ),
    )
    world.deploy(V2)
    world.settle()
    assert world.pods() == {V1.hash: 4}
    world.violations = ()
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_refused_template_is_invalid() -> None:
    world = serving()
    world.blocked = model.Violation(
        path="spec.workload.template", message="ports: required", reason="InvalidTemplate"
    )
    world.tick()
    assert world.status.phase is P.INVALID
    assert world.condition("Stalled").reason == "InvalidTemplate"


@pytest.mark.parametrize("edited", [False, True])
def test_a_key_of_the_first_release_is_taken_for_the_same_where_nobody_edited(
    *, edited: bool
) -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    for _ in range(5):
        world.tick(5.0)
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    confirmed_at = world.status.rollout.step.confirmed_at
    world.status = replace(
        world.status, rollout=replace(world.status.rollout, analysis_key="0f3a9c2b1d")
    )
    world.generation += edited
    world.tick(1.0)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.step is not None
    assert rollout.analysis_key == "1-first"
    assert (rollout.step.confirmed_at == confirmed_at) is not edited
