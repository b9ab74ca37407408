"""How a good revision walks its steps, and what keeps it from the next one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, HOLD, V1, V2, World, made_once, serving

from tidegate import model
from tidegate.rollout.turn import RUNNING_SECONDS

P = model.Phase


def test_good_revision_walks_its_steps_and_is_promoted() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    shares = [w.get(V2.hash, 0.0) for w in world.weights_seen]
    assert shares == [10.0, 50.0, 100.0, 100.0]
    assert world.traffic.weights == {V2.hash: 100.0}
    world.settle()
    assert world.pods() == {V2.hash: 4}
    assert world.finalizers == ()
    assert "Promoted" in world.reasons()
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.PROMOTED


def test_roles_follow_promotion() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.revisions[V2.hash].role is model.Role.STABLE
    assert world.revisions[V1.hash].role is model.Role.PREVIOUS


def test_old_pods_outlive_promotion_by_the_scale_down_delay() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.revisions[V1.hash].wanted == 4
    world.tick(1.0)  # only now is its traffic seen to be gone
    world.tick(29.0)
    assert world.revisions[V1.hash].wanted == 4
    world.tick(2.0)
    assert world.revisions[V1.hash].wanted == 0


def test_the_write_that_promotes_says_whose_pods_will_go() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.status.retiring == (model.Retiring(revision=V1.hash, scale_down_at=None),)
    world.tick(1.0)
    (leaves,) = world.status.retiring
    assert leaves.scale_down_at == world.now + timedelta(seconds=30.0)


def test_who_is_still_selected_a_pass_later_is_let_off_until_that_has_moved() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.traffic = replace(world.traffic, entry_revision=V1.hash)
    world.tick(1.0)
    assert world.status.retiring == ()
    world.settle()
    assert world.pods() == {V2.hash: 4}


def test_step_clock_starts_when_the_weight_is_confirmed() -> None:
    world = serving()
    world.accept = False
    world.deploy(V2)
    for _ in range(10):
        world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    assert world.status.rollout.step.confirmed_at is None
    world.traffic = replace(world.traffic, accepted=True)
    world.tick()
    assert world.status.rollout.step.confirmed_at == world.now


def test_hold_is_kept_although_every_metric_passes() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    started = world.now
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    assert (world.now - started).total_seconds() >= 60


@made_once
def holding() -> World:
    """A candidate at a confirmed 50 %, with nothing proven yet."""
    world = serving(weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.tick()
    return world


def test_evidence_begins_anew_when_the_clock_went_back() -> None:
    """Evidence that begins in the future would leave the candidate unjudged until then."""
    world = holding()
    world.tick(-3600.0)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.evidence_since == rollout.plan[0].confirmed_at == world.now
    assert rollout.first_traffic_at == world.now


def test_a_weight_that_was_lost_is_given_back_before_a_wrong_clock_dates_it_anew() -> None:
    world = holding()
    world.traffic = replace(world.traffic, weights={V1.hash: 100.0})
    world.tick(-3600.0)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.plan[0].confirmed_at is None
    assert world.traffic.weights[V2.hash] == 50.0
    world.tick()
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.evidence_since == rollout.plan[0].confirmed_at == world.now


def test_a_weight_that_was_lost_under_a_wrong_clock_is_dated_anew_under_the_right_one() -> None:
    """Without a date its evidence would never count, and a candidate with traffic go unjudged."""
    world = holding()
    world.traffic = replace(world.traffic, weights={V1.hash: 100.0})
    world.tick(-3600.0)
    world.tick(3600.0)
    rollout = world.status.rollout
    assert rollout is not None
    assert world.traffic.weights[V2.hash] == 50.0
    assert rollout.evidence_since == rollout.plan[0].confirmed_at == world.now


def test_a_pause_beyond_the_progress_deadline_is_not_looked_at_all_the_time() -> None:
    world = serving(progress_deadline_seconds=60.0)
    assert world.spec is not None
    world.deploy(V2)
    world.spec = replace(world.spec, paused=True)
    world.tick()
    decision = world.tick(3600.0)
    assert world.status.phase is P.PAUSED
    assert decision.requeue_after_seconds >= 5


def test_no_evidence_never_promotes() -> None:
    world = serving()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PAUSED, limit=2000)
    assert world.condition("Paused").reason == "Inconclusive"
    assert world.traffic.weights[V2.hash] == 10.0


@pytest.mark.parametrize("provider", model.Provider)
def test_proof_that_comes_after_the_deadline_ends_the_pause(provider: model.Provider) -> None:
    world = serving(provider=provider)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PAUSED, limit=2000)
    for _ in range(5):
        world.tick(600.0)
    assert world.status.phase is P.PAUSED
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert "Resumed" in world.reasons()


def test_proof_does_not_end_a_pause_that_people_asked_for() -> None:
    world = serving()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PAUSED, limit=2000)
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)
    world.analysis = ADVANCE
    for _ in range(5):
        world.tick(60.0)
    assert world.status.phase is P.PAUSED
    assert world.condition("Paused").reason == "SpecPaused"


def test_a_step_whose_hold_is_over_waits_for_its_next_judgement() -> None:
    """An instant in the past must not ask for a look: twenty passes a second, until the deadline."""
    world = serving()
    world.deploy(V2)
    world.analysis = HOLD
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.settle()
    decision = world.tick()
    assert decision.requeue_after_seconds == RUNNING_SECONDS


def test_deadline_without_proof_rolls_back_when_asked_to() -> None:
    world = serving(on_inconclusive=model.OnInconclusive.ROLLBACK)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].by == "Deadline"


def test_deadline_with_missing_data_pauses_even_if_rollback_is_asked_for() -> None:
    world = serving(on_inconclusive=model.OnInconclusive.ROLLBACK)
    world.analysis = replace(HOLD, consecutive_errors=1)
    world.deploy(V2)
    world.run_until(P.PAUSED)
    assert world.status.rejected == ()


def _failed(on_breach: model.OnBreach, *, dry_run: bool = False) -> model.MetricResult:
    return model.MetricResult(
        name="inputs",
        outcome=model.Outcome.FAIL,
        reason="Drift",
        on_breach=on_breach,
        dry_run=dry_run,
    )


@pytest.mark.parametrize("asked", list(model.OnInconclusive))
@pytest.mark.parametrize("proof", [False, True])
def test_a_breach_that_is_to_hold_waits_for_people_at_the_deadline_whatever_is_asked_for(
    asked: model.OnInconclusive, *, proof: bool
) -> None:
    world = serving(on_inconclusive=asked)
    world.analysis = replace(
        HOLD, results=(_failed(model.OnBreach.HOLD),), only_proof_is_missing=proof
    )
    world.deploy(V2)
    world.run_until(P.PAUSED, limit=2000)
    assert world.status.rollout is not None
    waits = world.status.rollout.waiting_for

    assert world.status.rejected == ()
    assert waits is not None
    assert waits.reason is model.Waiting.INCONCLUSIVE
    assert waits.message.startswith("a person decides: inputs (onBreach Hold): Drift")


@pytest.mark.parametrize(
    "result", [_failed(model.OnBreach.ALERT), _failed(model.OnBreach.HOLD, dry_run=True)]
)
def test_what_is_only_told_of_changes_nothing_at_the_deadline(result: model.MetricResult) -> None:
    world = serving(on_inconclusive=model.OnInconclusive.ROLLBACK)
    world.analysis = replace(HOLD, results=(result,))
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK, limit=2000)

    assert world.status.rejected[0].by == "Deadline"


def test_missing_data_and_the_deadline_do_not_take_turns_as_the_reason_to_wait() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = model.AnalysisState(
        judged=True, reason="NoData", message="no requests", without_data_since=world.now
    )
    world.run_until(P.PAUSED)
    assert world.condition("Paused").reason == "Inconclusive"
    world.status_writes = 0
    for _ in range(5):
        world.tick(5.0)
    assert world.status_writes == 0
