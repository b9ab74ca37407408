"""Deletion, and what is written, kept and put right at rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import BREACH, HOLD, V1, V2, revision, serving

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import decide, duties

P = model.Phase


def test_deletion_does_not_wait_for_a_stable_revision_without_pods() -> None:
    """Traffic was given back as far as that is possible; the rest goes with the object."""
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.deleting = True
    world.tick()
    stranded = replace(world.traffic, weights={V2.hash: 100.0})
    world.traffic, world.finalizers = stranded, (duties.FINALIZER,)
    world.tick()
    assert world.finalizers == ()


def test_deletion_mid_canary_ends_on_stable_and_lets_go() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    assert world.finalizers == (duties.FINALIZER,)
    world.deleting = True
    world.accept = False
    world.tick()
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.finalizers == ()
    assert world.status.phase is P.TERMINATING


def test_finalizer_is_absent_while_nothing_is_owed() -> None:
    world = serving()
    assert world.finalizers == ()
    world.deploy(V2)
    world.tick()
    assert world.finalizers == ()


@pytest.mark.parametrize("state", ["healthy", "rolled back", "holding", "paused"])
def test_steady_state_writes_nothing(state: str) -> None:
    world = serving()
    if state != "healthy":
        world.deploy(V2)
        world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
        world.tick(5.0)
        world.tick(5.0)
    if state == "rolled back":
        world.analysis = BREACH
    if state == "paused":
        world.ask("pause", V2)
    world.analysis = HOLD if state == "holding" else world.analysis
    for _ in range(0 if state == "holding" else 20):
        world.tick(5.0)
    world.tick()
    world.writes.clear()
    world.status_writes = 0
    for _ in range(20):
        world.tick(0.1)
    assert world.writes == []
    assert world.status_writes == 0


def test_moving_numbers_alone_are_not_written() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    for number in range(10):
        result = model.MetricResult(
            name="error-ratio", outcome=model.Outcome.PASS, value=number / 1e4
        )
        world.analysis = replace(HOLD, results=(result,), observed_candidate_percent=9.0 + number)
        if number == 1:
            world.status_writes = 0
        world.tick(0.1)
    assert world.status_writes == 0


def test_history_keeps_the_newest_idle_revisions() -> None:
    world = serving(revision_history_limit=1)
    for version in ("2.0", "3.0", "4.0"):
        world.deploy(revision(version))
        world.run_until(P.HEALTHY)
        world.settle()
    assert set(world.revisions) == {revision("3.0").hash, revision("4.0").hash}


def test_somebody_elses_weight_edit_is_put_right() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.tick(5.0)
    world.traffic = replace(world.traffic, weights={V1.hash: 20.0, V2.hash: 80.0})
    world.tick()
    assert world.traffic.weights == {V1.hash: 90.0, V2.hash: 10.0}


def test_name_conflict_holds_and_is_named() -> None:
    world = serving()
    world.traffic = replace(world.traffic, conflict="HTTPRoute iris belongs to somebody else")
    world.deploy(V2)
    world.settle()
    assert all(w.get(V2.hash, 0.0) == 0 for w in world.weights_seen)
    assert world.condition("TrafficProgrammed").reason == "NameConflict"


def test_stable_without_pods_is_degraded() -> None:
    world = serving()
    world.broken = frozenset({V1.hash})
    world._pods_become_ready()
    world.tick()
    assert world.status.health_status == "Degraded"
    assert world.condition("Ready").reason == "StableUnavailable"
    assert world.condition("Available").status == "False"


def test_deleted_service_of_stable_comes_back_in_the_middle_of_a_rollout() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], has_service=False)
    decision = world.tick()
    created = [a for a in decision.actions if isinstance(a, actions.CreateRevision)]
    assert [a.revision.hash for a in created] == [V1.hash]


def test_scaling_edit_changes_pods_without_a_rollout() -> None:
    world = serving()
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=6)
    world.tick()
    assert world.pods() == {V1.hash: 6}
    assert world.status.phase is P.HEALTHY


def test_zero_replicas_roll_out_without_waiting_for_pods() -> None:
    world = serving(replicas=0)
    world.deploy(V2)
    world.run_until(P.HEALTHY, limit=2000)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_decision_about_a_given_observation_is_always_the_same() -> None:
    world = serving()
    world.deploy(V2)
    for _ in range(30):
        seen = world.observe()
        assert decide.decide(seen) == decide.decide(seen)
        world.tick(5.0)
