"""Deletion, and what is written, kept and put right at rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, World, revision, serving

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


def test_deletion_that_waits_for_a_refused_write_says_what_to_do() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.deleting = True
    world.blocked = model.Violation(path="", message="denied by policy", reason="Forbidden")
    seen = replace(world.observe(), blocked=world.blocked)
    status = decide.decide(seen).status
    assert status.phase is P.TERMINATING
    assert "Forbidden: denied by policy" in status.message
    assert "deletion waits" in status.message
    assert "take the finalizer off" in status.message


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
        share = 9.0 + number / 2
        world.analysis = replace(HOLD, results=(result,), observed_candidate_percent=share)
        if number == 1:
            world.status_writes = 0
        world.tick(0.1)
    assert world.status_writes == 0


@pytest.mark.parametrize(("then", "told"), [(13.9, 9.0), (4.1, 9.0), (14.0, 14.0), (3.0, 3.0)])
def test_a_first_share_of_few_requests_does_not_stand_for_the_step(
    then: float, told: float
) -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: not is_confirmed(world))
    for share in (9.0, then):
        world.analysis = replace(HOLD, observed_candidate_percent=share)
        world.tick()
    assert rollout_shares(world) == (told, None)


@pytest.mark.parametrize("requests", ["answered", "copied"])
def test_a_share_is_told_of_the_exposure_that_it_was_measured_of(requests: str) -> None:
    world = serving()
    if requests == "copied":
        assert world.spec is not None
        shadow = model.Shadow(
            mirror=model.Mirror(percent=20.0, seconds=60.0),
            deadline_seconds=600.0,
            min_requests=10,
            then=model.Then.CANARY,
        )
        world.spec = replace(world.spec, shadow=shadow)
    world.deploy(V2)
    world.analysis = HOLD
    told = rollout_shares(world)
    world.run_while(lambda: not is_confirmed(world))
    assert rollout_shares(world) == told == (None, None)
    world.analysis = replace(HOLD, observed_candidate_percent=16.6)
    world.tick()
    assert rollout_shares(world) == ((None, 19.9) if requests == "copied" else (16.6, None))
    began = world.status.active_rollout
    assert began is not None
    # The next step has its exposure, and the one before is judged until that is confirmed.
    world.analysis = replace(ADVANCE, observed_candidate_percent=16.6)
    world.accept = False
    world.run_while(lambda: exposure(world) == began.exposure)
    for _ in range(3):
        assert rollout_shares(world) == (None, None)
        world.tick()
    world.traffic, world.analysis = replace(world.traffic, accepted=True), HOLD
    world.run_while(lambda: not is_confirmed(world))
    world.analysis = replace(HOLD, observed_candidate_percent=51.0)
    world.tick()
    assert rollout_shares(world) == (51.0, None)


def rollout_shares(world: World) -> tuple[float | None, float | None]:
    known = world.status.active_rollout
    if known is None:
        return None, None
    return known.observed_candidate_percent, known.observed_mirror_percent


def is_confirmed(world: World) -> bool:
    known = world.status.active_rollout
    return known is not None and known.step is not None and known.step.confirmed_at is not None


def exposure(world: World) -> model.Exposure | None:
    known = world.status.active_rollout
    return known.exposure if known is not None else None


def test_history_keeps_the_newest_idle_revisions() -> None:
    world = serving(revision_history_limit=1)
    for version in ("2.0", "3.0", "4.0"):
        world.deploy(revision(version))
        world.run_until(P.HEALTHY)
        world.settle()
    assert set(world.revisions) == {revision("3.0").hash, revision("4.0").hash}


def test_history_keeps_what_served_before_what_never_did() -> None:
    world = serving(revision_history_limit=1)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.settle()
    for version in ("3.0", "4.0"):
        world.deploy(revision(version))
        world.run_until(P.PROGRESSING)
        world.deploy(V2)
        world.run_until(P.HEALTHY)
        world.settle()
    assert set(world.revisions) == {V1.hash, V2.hash}


def test_history_keeps_what_served_last() -> None:
    """To V2 and back to V1, which is older than V2 and served after it."""
    world = serving(revision_history_limit=1)
    for wanted in (V2, V1, revision("3.0")):
        world.deploy(wanted)
        world.run_until(P.HEALTHY)
        world.settle()
    assert set(world.revisions) == {V1.hash, revision("3.0").hash}


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
