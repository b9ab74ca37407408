"""What people ask for: by spec.paused and by annotation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import HOLD, V1, V2, V3, serving

from tidegate import model

P = model.Phase


def test_spec_paused_stops_forward_moves_until_it_is_false() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)
    world.settle()
    assert (world.status.phase, world.status.health_status) == (P.PAUSED, "Suspended")
    assert world.traffic.weights[V2.hash] == 10.0
    world.spec = replace(world.spec, paused=False)
    world.run_until(P.HEALTHY)


def test_pause_before_the_first_weight_keeps_it_at_zero() -> None:
    world = serving()
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)
    world.deploy(V2)
    world.settle()
    assert world.status.phase is P.PAUSED
    assert all(w.get(V2.hash, 0.0) == 0 for w in world.weights_seen)


@pytest.mark.parametrize("by_spec", [True, False])
def test_a_pause_after_the_last_weight_was_written_promotes_nobody(
    by_spec: bool,  # noqa: FBT001
) -> None:
    """Everything is with the candidate already; who serves is still a question."""
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.accept = False
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 100)
    assert world.spec is not None
    if by_spec:
        world.spec = replace(world.spec, paused=True)
    else:
        world.ask("pause", V2)
    world.tick()
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    world.settle()
    assert world.status.phase is P.PAUSED
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.traffic.weights[V2.hash] == 100.0
    world.spec = replace(world.spec, paused=False)
    if not by_spec:
        world.ask("resume", V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable.revision == V2.hash


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
    assert world.status.rollout.exposure.live_percent == 50.0


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


@pytest.mark.parametrize("kind", ["promote", "promote-full", "pause", "resume"])
@pytest.mark.parametrize("ending", [True, False])
def test_what_needs_a_rollout_is_refused_where_none_goes_forward(
    kind: str, *, ending: bool
) -> None:
    world = serving()
    if ending:
        world.deploy(V2)
        world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
        world.accept = False
        world.ask("abort", V2)
        world.tick()
        assert world.status.phase is P.ROLLING_BACK
    world.ask(kind, V2 if ending else V1)
    world.tick()
    answer = world.status.last_handled_request
    assert answer is not None
    assert (answer.request, answer.outcome, answer.reason) == (kind, "Refused", "NotActive")
    assert world.status.phase is (P.ROLLING_BACK if ending else P.HEALTHY)


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
