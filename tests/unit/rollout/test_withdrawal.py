"""Withdraw is not reject: what the cluster does to pods and writes costs traffic, never the good name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model

P = model.Phase
RATIO, GATEWAY = model.Provider.REPLICA_RATIO, model.Provider.GATEWAY_API
BOTH = pytest.mark.parametrize("provider", [GATEWAY, RATIO])


@made_once
def at_weight(provider: model.Provider, percent: float = 50.0, **options: object) -> World:
    """A candidate at this confirmed weight, with nothing proven yet."""
    world = serving(provider=provider, weights=(percent,), **options)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < percent)
    world.tick()
    return world


def set_ready(world: World, revision: model.Revision, ready: int, **more: object) -> None:
    state = world.revisions[revision.hash]
    world.revisions[revision.hash] = replace(state, ready=ready, available=ready, **more)  # type: ignore[arg-type]


def rollout(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


@BOTH
def test_lost_pods_withdraw_the_candidate_and_the_stage_is_taken_again(
    provider: model.Provider,
) -> None:
    world = at_weight(provider)
    set_ready(world, V2, 0, lost="Evicted: pod iris-1")
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert "Evicted" in world.status.message or "Evicted" in world.events[-1].message
    assert world.status.rejected == ()
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.tick()
    step = rollout(world).step
    assert step is not None
    assert step.confirmed_at == world.now
    assert rollout(world).waiting_for is None


@BOTH
@pytest.mark.parametrize("trouble", ["lost", "unschedulable", "replaced"])
def test_pods_that_the_cluster_keeps_away_pause_a_withdrawn_candidate(
    provider: model.Provider, trouble: str
) -> None:
    world = at_weight(provider, progress_deadline_seconds=60.0)
    reason: dict[str, object] = {trouble: "taken"}
    if trouble == "replaced":
        reason = {"unready_since": world.now + timedelta(seconds=1)}
    for _ in range(40):
        set_ready(world, V2, 0, **reason)
        world.tick(5.0)
        set_ready(world, V2, 0, **reason)
    assert world.status.phase is P.PAUSED
    assert world.condition("Paused").status == "True"
    assert world.status.rejected == ()
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)


def test_pods_that_stay_unready_by_themselves_are_rejected_after_a_withdrawal() -> None:
    world = at_weight(GATEWAY, progress_deadline_seconds=60.0)
    made = world.now - timedelta(seconds=60)
    for _ in range(40):
        set_ready(world, V2, 0, unready_since=made)
        world.tick(5.0)
        if V2.hash in world.revisions:
            set_ready(world, V2, 0, unready_since=made)
    assert world.status.phase is P.ROLLED_BACK
    assert world.status.rejected[0].by == "Deadline"


@BOTH
def test_a_trouble_of_both_versions_rejects_nobody(provider: model.Provider) -> None:
    world = at_weight(provider, progress_deadline_seconds=60.0)
    before = world.traffic.weights
    for _ in range(40):
        for one in (V1, V2):
            set_ready(world, one, 0, crash="CrashLoopBackOff", failure="CrashLoopBackOff")
        world.now += timedelta(seconds=5.0)
        world.step()
    assert world.status.rejected == ()
    assert world.traffic.weights == before, "nobody can take over"


@BOTH
def test_traffic_stays_with_the_side_that_has_pods(provider: model.Provider) -> None:
    """Abort, a newer revision and the old one again: none moves traffic to an empty stable side."""
    for act in ("abort", "newer", "back"):
        world = at_weight(provider)
        before = world.traffic.weights
        set_ready(world, V1, 0)
        if act == "abort":
            world.ask("abort", V2)
        else:
            world.deploy(V3 if act == "newer" else V1)
        world.now += timedelta(seconds=1)
        world.weights_seen.clear()
        world.step()
        assert world.traffic.weights == before, act
        world.run_while(lambda world=world: world.traffic.weights.get(V2.hash, 0.0) > 0)


def test_deletion_moves_no_traffic_to_an_empty_stable_side_and_does_not_hang() -> None:
    world = at_weight(GATEWAY)
    set_ready(world, V1, 0)
    world.deleting = True
    before = world.traffic.weights
    world.now += timedelta(seconds=1)
    world.step()
    assert world.traffic.weights == before
    assert world.finalizers == ()


@BOTH
def test_the_capacity_that_is_missing_pauses_and_never_rejects(provider: model.Provider) -> None:
    world = serving(provider=provider, progress_deadline_seconds=60.0)
    world.deploy(V2)
    for _ in range(30):
        world.tick(5.0)
        set_ready(world, V2, 0, unschedulable="Unschedulable: no GPU")
    assert world.status.phase is P.PAUSED
    assert world.condition("Paused").reason == "Capacity"
    set_ready(world, V2, 0, unschedulable="")
    world.run_until(P.HEALTHY)


def test_the_deadline_of_pods_begins_when_the_cluster_has_given_what_it_owed() -> None:
    world = serving(progress_deadline_seconds=60.0)
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    for _ in range(11):
        world.tick(5.0)
        set_ready(world, V2, 0, failure="", crash="", unschedulable="Unschedulable: no GPU")
    for _ in range(5):  # scheduled at last; now it starts
        set_ready(world, V2, 0, failure="", crash="", unschedulable="")
        world.now += timedelta(seconds=5.0)
        world.step()
    assert world.status.rejected == ()


def test_a_refused_write_pauses_and_status_says_what_the_data_plane_gives() -> None:
    world = serving(progress_deadline_seconds=60.0)
    world.deploy(V2)
    refused = model.Violation(path="", message="conflict: spec.rules", reason="FieldConflict")
    stays = world.traffic
    for _ in range(40):
        world.tick(5.0)
        world.traffic = stays  # nothing that is written arrives
        if rollout(world).exposure.live_percent > 0:
            world.blocked = refused
    assert world.status.phase is P.PAUSED
    assert world.status.rejected == ()
    message = rollout(world).waiting_for
    assert message is not None
    assert message.message == "FieldConflict: conflict: spec.rules"
    assert world.condition("TrafficProgrammed").reason == "WeightNotWritten"
    world.blocked = None
    world.run_until(P.HEALTHY)


@made_once
def written_yet_not_there(provider: model.Provider) -> World:
    """The weight is in status, and something keeps the data plane or the pods from following."""
    world = serving(provider=provider, weights=(50.0,), progress_deadline_seconds=60.0)
    world.analysis = HOLD
    world.deploy(V2)
    if provider is RATIO:
        world.held[V2.hash] = 1
    world.run_while(lambda: rollout(world).exposure.live_percent < 50)
    return world


@pytest.mark.parametrize(
    ("provider", "refused", "told"),
    [
        (GATEWAY, "", "gives the candidate 0 %, and writes do not reach it"),
        (RATIO, "webhook: no more pods", "Forbidden: webhook: no more pods"),
    ],
)
def test_a_weight_that_does_not_come_pauses_and_says_what_keeps_it(
    provider: model.Provider, refused: str, told: str
) -> None:
    world = written_yet_not_there(provider)
    lost = replace(world.traffic, weights={V1.hash: 100.0})
    if refused:
        world.blocked = model.Violation(path="", message=refused, reason="Forbidden")
    for _ in range(30):
        if provider is GATEWAY:
            world.traffic = lost
        world.tick(5.0)
    assert world.status.phase is P.PAUSED
    assert world.status.rejected == ()
    waits = rollout(world).waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.ROUTE_NOT_READY
    assert told in waits.message
    world.blocked, world.analysis = None, ADVANCE
    world.held.clear()
    world.run_until(P.HEALTHY)


@BOTH
@pytest.mark.parametrize("trouble", ["none is ready", "one crashes"])
def test_what_stable_suffers_from_too_is_not_the_candidates_fault(
    provider: model.Provider, trouble: str
) -> None:
    world = serving(provider=provider, progress_deadline_seconds=60.0)
    world.deploy(V2)
    for _ in range(30):
        world.now += timedelta(seconds=5.0)
        world.step()
        set_ready(world, V2, 0, failure="CrashLoopBackOff", crash="CrashLoopBackOff")
        if trouble == "none is ready":
            set_ready(world, V1, 0)
        else:
            set_ready(world, V1, 3, failure="CrashLoopBackOff", crash="CrashLoopBackOff")
    assert world.status.phase is P.PAUSED
    assert world.status.rejected == ()
    assert world.condition("Paused").reason == "Capacity"
    assert "stable has no healthy pods either" in world.condition("Paused").message
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@BOTH
def test_one_whose_pods_crash_beside_a_healthy_stable_is_rejected(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider, progress_deadline_seconds=60.0)
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK, limit=40)
    assert world.status.rejected[0].by == "Deadline"


@BOTH
@pytest.mark.parametrize("asked", [True, False])
def test_an_answer_that_has_not_come_yet_rejects_nobody(
    provider: model.Provider,
    asked: bool,  # noqa: FBT001
) -> None:
    """A new leader looks first after the deadline: it has asked nobody yet."""
    world = serving(provider=provider, progress_deadline_seconds=60.0)
    world.deploy(V2)
    world.ready_url_failure = "503" if asked else ""
    world.ready_url_awaited = "" if asked else "has not answered yet"
    world.run_while(lambda: world.status.phase in {P.HEALTHY, P.PENDING})
    assert bool(world.status.rejected) is asked
    if not asked:
        assert world.status.phase is P.PAUSED
        world.ready_url_awaited = ""
        world.run_until(P.HEALTHY)


@pytest.mark.parametrize("analysis", [HOLD, ADVANCE, model.AnalysisState()])
def test_a_weight_that_is_lost_and_refused_is_one_wait(analysis: model.AnalysisState) -> None:
    """Each pass found the step reached and then the write refused: a write and an Event a pass."""
    world = at_weight(GATEWAY)
    world.analysis = analysis
    lost = replace(world.traffic, weights={V1.hash: 100.0})
    world.blocked = model.Violation(path="", message="spec.rules", reason="FieldConflict")
    writes = world.status_writes
    for _ in range(20):
        world.traffic = lost
        world.tick(0.01)
    assert world.reasons().count("RouteNotProgrammed") == 1
    assert world.status_writes - writes <= 2
    world.blocked = None
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


@BOTH
def test_a_full_promotion_tolerates_a_pod_that_is_always_being_replaced(
    provider: model.Provider,
) -> None:
    world = at_weight(provider, replicas=6)
    world.analysis = model.AnalysisState(judged=True, verdict=model.Verdict.ADVANCE)
    for _ in range(200):
        world.now += timedelta(seconds=5.0)
        world.step()
        state = world.revisions[V2.hash]
        if state.wanted == 6:
            set_ready(world, V2, 5, lost="Evicted: pod iris-1")
        if world.status.phase is P.HEALTHY:
            break
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


# --- 0 is a size ---------------------------------------------------------------------------------


@BOTH
def test_without_pods_a_new_revision_is_promoted_without_steps(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=0)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.HEALTHY, limit=20)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.reason == "no pods are asked for"


@BOTH
def test_one_that_loses_all_pods_it_asked_for_before_its_first_weight_skips_its_steps(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    world.tick()
    assert world.status.phase is P.PENDING
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.analysis = HOLD
    world.run_until(P.HEALTHY, limit=20)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.reason == "no pods are asked for"


@BOTH
def test_a_parked_canary_is_woken_up_without_a_verdict(provider: model.Provider) -> None:
    world = at_weight(provider)
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    for _ in range(200):
        world.tick(5.0)
    assert world.status.rejected == ()
    assert rollout(world).active, "half proven is not proven"
    assert world.traffic.weights.get(V2.hash, 0.0) == 0
    assert "workload.replicas is 0" in world.condition("Paused").message
    world.spec = replace(world.spec, replicas=4)
    world.now += timedelta(seconds=1)
    world.step()
    assert world.status.rejected == ()
    assert world.traffic.weights.get(V2.hash, 0.0) == 0
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
