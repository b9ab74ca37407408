"""What takes a candidate away, and what keeps it away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, revision, serving

from tidegate import model
from tidegate.rollout import duties

P = model.Phase


def test_breach_takes_the_traffic_away_first_and_quarantines_the_revision() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = BREACH
    world.writes.clear()
    world.tick()
    assert world.writes[0] == "SetTraffic"
    assert world.traffic.weights == {V1.hash: 100.0}
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].revision == V2.hash
    assert "0.08 > 0.01" in world.status.message
    assert world.condition("Stalled").reason == "RolledBack"
    world.settle()
    assert world.pods() == {V1.hash: 4}
    assert world.finalizers == ()


def test_the_finalizer_goes_with_the_write_that_says_that_the_rollout_has_ended() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis, world.accept = BREACH, False
    world.tick()
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert (world.status.phase, world.finalizers) == (P.ROLLING_BACK, (duties.FINALIZER,))
    world.traffic = replace(world.traffic, accepted=True)
    world.tick()
    assert (world.status.phase, world.finalizers) == (P.ROLLED_BACK, ())


def test_rejected_revision_is_not_tried_again_by_itself() -> None:
    world = serving()
    world.analysis = BREACH
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    world.analysis = ADVANCE
    world.settle()
    writes = len(world.writes)
    world.generation += 1
    world.settle()
    assert len(world.writes) == writes
    assert world.status.phase is P.ROLLED_BACK


def test_rejection_survives_a_detour_over_another_revision() -> None:
    world = serving()
    world.analysis = BREACH
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    world.analysis = ADVANCE
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    world.deploy(V2)
    world.settle()
    assert world.status.phase is P.ROLLED_BACK
    assert "0.08 > 0.01" in world.status.message


def test_retry_tries_a_rejected_revision_again() -> None:
    world = serving()
    world.analysis = BREACH
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    world.analysis = ADVANCE
    world.settle()
    world.ask("retry", V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.status.rejected == ()


def test_crash_after_the_lowering_write_still_ends_rolled_back() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.traffic = replace(world.traffic, weights={V1.hash: 100.0}, rolled_back_revision=V2.hash)
    world.weights_seen.clear()
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].revision == V2.hash
    assert all(w.get(V2.hash, 0.0) == 0 for w in world.weights_seen)


@pytest.mark.parametrize("provider", model.Provider)
def test_crash_after_the_lowering_write_rejects_also_what_spec_no_longer_asks_for(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.traffic = replace(world.traffic, weights={V1.hash: 100.0}, rolled_back_revision=V2.hash)
    world.deploy(V3)
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V3.hash: 100.0}
    world.deploy(V2)
    world.settle()
    assert world.status.phase is P.ROLLED_BACK
    assert [one.revision for one in world.status.rejected] == [V2.hash]
    assert world.traffic.weights == {V3.hash: 100.0}


@pytest.mark.parametrize("provider", model.Provider)
@pytest.mark.parametrize("act", ["breach", "abort", "back"])
def test_one_that_leaves_while_somebody_has_deleted_the_target_gets_nothing_of_the_new_one(
    provider: model.Provider, act: str
) -> None:
    """There is nothing to lower; what is made anew gives the candidate nothing."""
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.traffic = model.TrafficState(exists=False)
    world.weights_seen.clear()
    if act == "back":
        world.deploy(V1)
    elif act == "abort":
        world.ask("abort", V2)
    else:
        world.analysis = BREACH
    world.run_until(P.HEALTHY if act == "back" else P.ROLLED_BACK)
    world.settle()
    assert [one.revision for one in world.status.rejected] == ([] if act == "back" else [V2.hash])
    assert world.traffic.weights == {V1.hash: 100.0}
    assert not any(weights.get(V2.hash) for weights in world.weights_seen)


def test_crash_after_the_abort_of_a_candidate_without_traffic_still_ends_rolled_back() -> None:
    """The mark names this attempt; that of an earlier one would only be removed."""
    world = serving()
    world.deploy(V2)
    world.tick()
    rollout = world.status.rollout
    assert rollout is not None
    marked = replace(world.traffic, rolled_back_revision=V2.hash, lowered_rollout=rollout.id)
    world.traffic = marked
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].revision == V2.hash
    assert not any(weights.get(V2.hash) for weights in world.weights_seen)


def test_candidate_that_loses_its_pods_leaves_at_once() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.broken = frozenset({V2.hash})
    world._pods_become_ready()
    world.analysis = HOLD
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    world.run_until(P.ROLLED_BACK)
    assert "CandidateUnready" in world.status.message


def test_crash_looping_candidate_never_gets_weight() -> None:
    world = serving()
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    assert all(w.get(V2.hash, 0.0) == 0 for w in world.weights_seen)
    assert world.status.rejected[0].by == "Deadline"
    assert "CrashLoopBackOff" in world.status.message


def test_breach_rolls_back_while_paused() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.tick(5.0)
    world.ask("pause", V2)
    world.tick()
    assert world.status.phase is P.PAUSED
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)


@pytest.mark.parametrize("mended", [True, False])
def test_the_progress_deadline_blames_nobody_for_what_is_there_by_now(*, mended: bool) -> None:
    """The operator could not look or write for as long as the whole deadline."""
    world = serving(progress_deadline_seconds=60.0)
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    world.tick()
    world.tick()
    if mended:
        world.broken = frozenset()
        ready = replace(world.revisions[V2.hash], ready=1, available=1, failure="")
        world.revisions[V2.hash] = ready
    world.tick(90.0)
    world.tick()
    assert world.status.rollout is not None
    assert bool(world.status.rollout.rollback_by) is not mended


def test_breach_rolls_back_while_promoting() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.PROMOTING, seconds=1.0)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert world.traffic.weights == {V1.hash: 100.0}


def test_unconfirmed_rollback_is_failed_and_goes_on() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = BREACH
    world.accept = False
    world.run_until(P.FAILED)
    assert world.condition("Stalled").reason == "RollbackUnconfirmed"
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.ROLLED_BACK)


@made_once
def _reject_many(number: int) -> World:
    world = serving()
    world.analysis = BREACH
    for bad in range(number):
        world.deploy(revision(f"7.{bad:02d}"))
        world.run_until(P.ROLLED_BACK)
    return world


@pytest.mark.parametrize("number", [1, 21, 25])
def test_every_rejection_is_counted_and_none_is_forgotten(number: int) -> None:
    world = _reject_many(number)
    assert world.rejections == ["Analysis"] * number, "the list of the rejected ends, counting not"
    assert len(world.status.rejected) == min(number, 20)
    world.analysis = ADVANCE
    for bad in range(number):
        world.deploy(revision(f"7.{bad:02d}"))
        world.settle()
        assert world.status.phase is P.ROLLED_BACK, f"rejection {bad} of {number} is forgotten"
        assert "rejected" in world.status.message


def test_a_rejection_of_long_ago_is_taken_back_by_a_retry() -> None:
    world = _reject_many(21)
    first = revision("7.00")
    world.analysis = ADVANCE
    world.deploy(first)
    world.settle()
    world.ask("retry", first)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == first.hash
    assert not world.status.rejects(first.hash)


def test_the_same_version_rejected_again_counts_again() -> None:
    world = _reject_many(1)
    world.ask("retry", revision("7.00"))
    world.run_while(lambda: world.status.phase is P.ROLLED_BACK)
    world.run_until(P.ROLLED_BACK)
    assert world.rejections == ["Analysis", "Analysis"]
    assert len(world.status.rejected) == 1
