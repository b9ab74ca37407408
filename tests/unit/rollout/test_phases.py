"""The state machine over whole rollouts: outcomes, not calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, make_spec, revision, serving

from tidegate.rollout import actions, model, phases, upkeep

P = model.Phase


# --- first revision ------------------------------------------------------------------------------


def test_first_revision_serves_directly_once_ready() -> None:
    world = World()
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.pods() == {V1.hash: 4}
    assert world.reasons() == ["RolloutStarted", "Promoted"]


def test_first_revision_that_never_gets_ready_fails_with_the_pods_reason() -> None:
    world = World(broken=frozenset({V1.hash}))
    world.run_until(P.FAILED)
    assert "CrashLoopBackOff" in world.status.message
    assert world.condition("Stalled").reason == "FirstRevisionFailed"
    world.settle()
    assert world.pods() == {}


def test_retry_starts_a_failed_first_revision_again() -> None:
    world = World(broken=frozenset({V1.hash}))
    world.run_until(P.FAILED)
    world.settle()
    world.broken = frozenset()
    world.ask("retry", V1)
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.attempt == 2


def test_first_revision_waits_for_the_ready_url() -> None:
    world = World(ready_url_failure="503")
    for _ in range(10):
        world.tick()
    assert world.status.phase is P.INITIALIZING
    assert not world.traffic.exists
    world.ready_url_failure = ""
    world.run_until(P.HEALTHY)


# --- promotion -----------------------------------------------------------------------------------


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


def test_evidence_begins_anew_when_the_clock_went_back() -> None:
    """Evidence that begins in the future would leave the candidate unjudged until then."""
    world = serving(weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.tick()
    world.tick(-3600.0)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.evidence_since == rollout.plan[0].confirmed_at == world.now
    assert rollout.first_traffic_at == world.now


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


def test_a_step_whose_hold_is_over_is_looked_at_once_per_interval() -> None:
    """An instant in the past must not ask for a look: twenty passes a second, until the deadline."""
    world = serving()
    world.deploy(V2)
    world.analysis = HOLD
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.settle()
    decision = world.tick()
    assert world.spec is not None
    assert decision.requeue_after_seconds == world.spec.analysis.interval_seconds


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


# --- rollback ------------------------------------------------------------------------------------


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


# --- edits ---------------------------------------------------------------------------------------


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
    world.spec = replace(world.spec, analysis=replace(world.spec.analysis, breach_failures=4))
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


# --- pauses and requests -------------------------------------------------------------------------


def test_spec_paused_stops_forward_moves_until_it_is_false() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)
    world.settle()
    assert world.status.phase is P.PAUSED
    assert world.traffic.weights[V2.hash] == 10.0
    world.spec = replace(world.spec, paused=False)
    world.run_until(P.HEALTHY)


def test_pause_before_the_first_weight_keeps_it_at_zero() -> None:
    world = serving(paused=True)
    world.deploy(V2)
    world.settle()
    assert world.status.phase is P.PAUSED
    assert all(w.get(V2.hash, 0.0) == 0 for w in world.weights_seen)


def test_pause_and_resume_by_request() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.ask("pause", V2)
    world.settle()
    assert world.status.phase is P.PAUSED
    world.ask("resume", V2)
    world.run_until(P.HEALTHY)
    assert world.reasons().count("RequestAccepted") == 2


def test_abort_rejects_the_revision_in_the_name_of_the_user() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].by == "User"
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.ABORTED


def test_promote_full_skips_steps_but_waits_for_capacity() -> None:
    world = serving()
    world.analysis = HOLD
    world.deploy(V2)
    world.tick()
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    shares = [w[V2.hash] for w in world.weights_seen if V2.hash in w]
    assert shares[0] in {10.0, 100.0}
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.FAST_PROMOTED


def test_promote_ends_an_inconclusive_wait() -> None:
    world = serving()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PAUSED, limit=2000)
    world.ask("promote", V2)
    world.tick()
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.split.candidate_percent == 50.0


REFUSALS = [
    ("promote", V2, "NotWaiting"),
    ("promote", V3, "OtherRevision"),
    ("resume", V2, "NotWaiting"),
    ("retry", V2, "NotActive"),
    ("fly", V2, "UnknownRequest"),
    ("abort", V3, "OtherRevision"),
]


@pytest.mark.parametrize(("kind", "wanted", "reason"), REFUSALS)
def test_requests_that_cannot_be_carried_out_are_refused_with_a_reason(
    kind: str, wanted: model.Revision, reason: str
) -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.ask(kind, wanted)
    world.tick()
    answer = world.status.last_handled_request
    assert answer is not None
    assert (answer.outcome, answer.reason) == ("Refused", reason)
    world.tick()
    assert world.reasons().count("RequestRefused") == 1


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-11-20T12:00:00", "x" * 500])
def test_malformed_time_of_a_request_is_answered_not_raised(stamp: str) -> None:
    world = serving()
    world.deploy(V2)
    world.tick()
    world.request = model.Request(request="pause", revision=V2.hash, requested_at=stamp)
    world.tick()
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.reason == "Malformed"


def test_old_request_expires_but_abort_never_does() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    old = world.now - timedelta(hours=2)
    world.ask("pause", V2, at=old)
    world.tick()
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.reason == "Expired"
    world.ask("abort", V2, at=old + timedelta(seconds=1))
    world.run_until(P.ROLLED_BACK)


def test_abort_without_a_rollout_does_nothing() -> None:
    world = serving()
    world.ask("abort", V1)
    world.tick()
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.outcome == "NoOp"
    assert world.status.phase is P.HEALTHY


# --- missing evidence ----------------------------------------------------------------------------


def test_long_missing_data_is_named_and_ends_when_data_return() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = model.AnalysisState(
        judged=True, reason="NoData", message="no requests", without_data_since=world.now
    )
    assert world.spec is not None
    world.spec = replace(
        world.spec, analysis=replace(world.spec.analysis, no_data_timeout_seconds=60.0)
    )
    for _ in range(20):
        world.tick(5.0)
    assert world.status.phase is P.PROGRESSING
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is not None
    assert world.status.rollout.waiting_for.reason is model.Waiting.NO_DATA
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


def test_route_of_the_first_revision_that_is_not_accepted_is_told_once() -> None:
    world = World(accept=False)
    world.run_while(lambda: not world.traffic.exists)
    world.tick()
    world.status_writes = 0
    for _ in range(20):
        world.tick()
    assert world.status_writes == 0
    assert world.reasons().count("RouteNotProgrammed") == 1
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is None


@pytest.mark.parametrize("first", [True, False])
def test_pods_that_are_not_ready_are_looked_at_again_soon(first: bool) -> None:  # noqa: FBT001
    """Their reasons, such as CrashLoopBackOff, reach us by no watch."""
    world = World() if first else serving()
    world.broken = frozenset({V1.hash, V2.hash})
    world.deploy(V1 if first else V2)
    world.tick()
    decision = world.tick()
    assert world.status.message.endswith("CrashLoopBackOff")
    assert decision.requeue_after_seconds <= 2


def test_moving_numbers_in_a_reason_to_wait_are_written_once() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    lost = model.AnalysisState(judged=True, reason="MetricsUnavailable", consecutive_errors=5)
    world.analysis = replace(lost, message="last answer 1 s ago")
    world.run_until(P.PAUSED)
    world.status_writes = 0
    for seconds in range(2, 12):
        world.analysis = replace(lost, message=f"last answer {seconds} s ago")
        world.tick(1.0)
    assert world.status_writes == 0


def test_unreachable_metrics_pause_and_go_on_alone() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = model.AnalysisState(
        judged=True, reason="MetricsUnavailable", message="503", consecutive_errors=5
    )
    world.run_until(P.PAUSED)
    assert world.condition("Paused").reason == "MetricsUnavailable"
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


# --- deletion, steady state, history -------------------------------------------------------------


def test_deletion_does_not_wait_for_a_stable_revision_without_pods() -> None:
    """Traffic was given back as far as that is possible; the rest goes with the object."""
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.deleting = True
    world.tick()
    stranded = replace(world.traffic, weights={V2.hash: 100.0})
    world.traffic, world.finalizers = stranded, (upkeep.FINALIZER,)
    world.tick()
    assert world.finalizers == ()


def test_deletion_mid_canary_ends_on_stable_and_lets_go() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    assert world.finalizers == (upkeep.FINALIZER,)
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
        assert phases.decide(seen) == phases.decide(seen)
        world.tick(5.0)


# --- replica ratio -------------------------------------------------------------------------------


def test_replica_ratio_promotes_through_pod_counts() -> None:
    world = serving(
        provider=model.Provider.REPLICA_RATIO,
        weights=(25.0, 50.0),
        scaling=model.Scaling(max_surge_percent=25.0),
    )
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.pods() == {V2.hash: 4}
    assert world.traffic.weights == {V2.hash: 100.0}


def test_replica_ratio_gives_stable_its_pods_back_on_rollback() -> None:
    world = serving(
        provider=model.Provider.REPLICA_RATIO,
        weights=(50.0,),
        scaling=model.Scaling(max_surge_percent=25.0),
    )
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.run_while(lambda: world.pods() != {V1.hash: 2, V2.hash: 2})
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert world.pods() == {V1.hash: 4}
