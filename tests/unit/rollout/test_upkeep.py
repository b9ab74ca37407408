"""Standing duties: pods, strays, drains; and the links that hold a weight back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model
from tidegate.model import actions

P = model.Phase
RATIO = model.Provider.REPLICA_RATIO


def at_first_weight(world: World) -> World:
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    return world


@pytest.mark.parametrize("frozen", [True, False])
def test_lost_deployment_of_stable_comes_back_while_spec_has_its_template(*, frozen: bool) -> None:
    world = serving()
    del world.revisions[V1.hash]
    if not frozen:
        del world.frozen[V1.hash]
    world.settle()
    assert world.pods() == {V1.hash: 4}


@made_once
def rejected_v2() -> World:
    """v1 serves while spec asks for v2, which was rejected."""
    world = serving()
    world.analysis = BREACH
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    world.settle()
    return world


def test_lost_deployment_of_an_older_stable_comes_back_as_it_was_frozen() -> None:
    world = rejected_v2()
    world.events.clear()
    del world.revisions[V1.hash]
    world.tick()
    assert world.pods() == {V1.hash: 4}
    assert world.condition("Available").reason == "StableLost"
    assert "1.0 is to serve; the Deployment of stable revision" in world.status.message
    world.tick()
    assert world.reasons() == ["StableLost"]
    assert world.condition("Available").reason == "StableReady"


def test_what_is_lost_with_all_that_made_it_is_reported_not_invented() -> None:
    world = rejected_v2()
    del world.revisions[V1.hash]
    del world.frozen[V1.hash]
    world.tick()
    assert V1.hash not in world.revisions
    message = world.condition("Available").message
    assert "nothing says how it was made: deploy its version again" in message
    assert message.endswith(", or another one and promote it in full")


def test_no_other_version_is_advised_while_a_candidate_can_give_its_traffic_to_nobody() -> None:
    world = serving()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not world.traffic.weights.get(V2.hash))
    del world.revisions[V1.hash]
    del world.frozen[V1.hash]
    world.tick()
    message = world.condition("Available").message
    assert message.endswith("nothing says how it was made: deploy its version again")


@pytest.mark.parametrize(
    ("replicas", "surge", "pods"),
    [
        (4, 25.0, 1),  # a way back, although nobody is sent to it
        (1, 100.0, 1),
        (1, 0.0, 0),  # the only pod that there may be is the candidate's
    ],
)
def test_stable_that_is_lost_while_the_candidate_serves_alone_comes_back_for_the_way_back(
    replicas: int, surge: float, pods: int
) -> None:
    scaling = model.Scaling(max_surge_percent=surge)
    world = serving(replicas=replicas, provider=RATIO, weights=(100.0,), scaling=scaling)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 100)
    world.traffic = replace(world.traffic, entry_revision=V2.hash)
    del world.revisions[V1.hash]
    world.tick()
    assert world.pods().get(V1.hash, 0) == pods


def test_candidate_whose_deployment_is_deleted_leaves_at_once_and_comes_back() -> None:
    world = at_first_weight(serving())
    del world.revisions[V2.hash]
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert "its Deployment is gone" in world.events[-1].message
    assert "is withdrawn" in world.status.message
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V2.hash: 100.0}
    assert world.status.rejected == ()


def test_candidate_that_cannot_be_scheduled_waits_for_capacity_by_name() -> None:
    world = serving()
    world.deploy(V2)
    world.tick()
    state = world.revisions[V2.hash]
    world.revisions[V2.hash] = replace(state, ready=0, unschedulable="0/1 nodes: no GPU")
    world.broken = frozenset({V2.hash})
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is not None
    assert world.status.rollout.waiting_for.reason is model.Waiting.CAPACITY
    assert "CapacityWait" in world.reasons()


def test_stray_pods_are_drained_like_those_of_a_rejected_revision() -> None:
    world = serving()
    world.revisions[V3.hash] = replace(world.revisions[V1.hash], revision=V3, wanted=2)
    world.tick()
    assert world.revisions[V3.hash].wanted == 2
    world.settle()
    assert world.pods() == {V1.hash: 4}


def test_retired_pods_stay_while_the_data_plane_still_names_them() -> None:
    world = serving()
    world.status = replace(
        world.status, retiring=(model.Retiring(revision=V3.hash, scale_down_at=world.now),)
    )
    world.revisions[V3.hash] = replace(world.revisions[V1.hash], revision=V3, wanted=2)
    world.accept = False
    world.traffic = replace(world.traffic, weights={V1.hash: 50.0, V3.hash: 50.0})
    world.tick()
    assert world.revisions[V3.hash].wanted == 2
    world.settle()
    assert world.pods() == {V1.hash: 4, V3.hash: 2}, "nobody confirms that its traffic is gone"
    world.traffic = replace(world.traffic, accepted=True)
    world.settle()
    assert world.pods() == {V1.hash: 4}


def test_what_was_scaled_to_nothing_is_let_off_once_its_deployment_has_taken_note() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.run_while(lambda: world.revisions[V1.hash].wanted > 0)
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], current=False)
    world.writes.clear()
    world.tick()
    world.tick()
    assert world.writes == []
    assert [one.revision for one in world.status.retiring] == [V1.hash]
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], current=True)
    world.tick()
    assert world.status.retiring == ()


def test_a_stray_that_somebody_gives_pods_again_is_let_off() -> None:
    """They sized it after it was to have none: that is theirs to undo."""
    world = serving()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.tick(1.0)
    world.tick(20.0)
    assert [one.revision for one in world.status.retiring] == [V1.hash]
    woken = replace(world.revisions[V1.hash], wanted=3, ready=3, available=3, asked=0)
    world.revisions[V1.hash] = woken
    world.settle()
    assert world.pods() == {V1.hash: 3, V2.hash: 4}
    assert world.status.retiring == ()


def test_third_revision_is_drained_before_pods_make_a_split() -> None:
    world = serving(provider=RATIO, scaling=model.Scaling(max_surge_percent=25.0))
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.deploy(V3)
    world.tick()
    world.tick()
    world.tick()
    assert world.status.rollout is not None
    waits = world.status.rollout.waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.DRAIN
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V3.hash: 100.0}


def test_rounded_weights_are_told() -> None:
    world = serving(provider=RATIO, scaling=model.Scaling(max_surge_percent=25.0))
    world.deploy(V2)
    world.tick()
    told = [e.message for e in world.events if e.reason == "WeightRounded"]
    assert len(told) == 1
    assert "p10: 10 -> 20" in told[0]


def test_steps_that_round_to_nothing_are_no_steps() -> None:
    world = serving(
        provider=RATIO,
        replicas=1,
        weights=(10.0, 40.0),
        scaling=model.Scaling(max_surge_percent=0.0, max_unavailable_percent=100.0),
    )
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.reasons().count("TrafficShifted") == 1


@pytest.mark.parametrize(("replicas", "skipped"), [(1, True), (2, False)])
def test_a_step_for_which_too_few_pods_are_left_is_skipped_while_it_is_reached(
    replicas: int, *, skipped: bool
) -> None:
    scaling = model.Scaling(max_surge_percent=0.0, max_unavailable_percent=100.0)
    world = serving(provider=RATIO, replicas=4, weights=(40.0,), scaling=scaling)
    world.deploy(V2)
    world.broken = frozenset({V2.hash})
    world.tick()
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=replicas)
    world.tick()
    assert world.status.rollout is not None
    step = model.StepState.SKIPPED if skipped else model.StepState.ACTIVE
    assert world.status.rollout.plan[0].state is step
    world.broken = frozenset()
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V2.hash: 100.0}
    assert world.status.rollout.plan[0].state is (step if skipped else model.StepState.PASSED)


def test_a_step_is_not_reached_while_one_side_of_the_split_has_no_deployment() -> None:
    """Its clock would run on a share that no pods make."""
    world = serving(provider=RATIO, weights=(50.0,))
    world.analysis = HOLD
    world.deploy(V2)
    world.held[V2.hash] = 1
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.settle()
    world.held.clear()
    world._pods_become_ready()
    del world.revisions[V1.hash]
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    assert world.status.rollout.step.confirmed_at is None
    assert world.pods()[V1.hash] > 0, "it is made again"
    world.tick()
    assert world.status.rollout.step.confirmed_at == world.now


PORT_OF_OLD = model.PodPort(number=8080)
PORT_KEPT = (8080, True)
PORT_CHANGED = (9000, False)


@pytest.mark.parametrize("provider", model.Provider)
@pytest.mark.parametrize(("port", "same"), [PORT_KEPT, PORT_CHANGED])
def test_one_service_for_two_ports_is_said_and_not_tried(
    provider: model.Provider,
    port: int,
    same: bool,  # noqa: FBT001
) -> None:
    """Pods of an older release do not name their port; a route has a Service for each revision."""
    world = serving(provider=provider)
    world.frozen[V1.hash] = replace(world.frozen[V1.hash], port=PORT_OF_OLD)
    world.deploy(V2)
    assert world.spec is not None
    frozen = world.freeze(V2)
    world.frozen[V2.hash] = replace(frozen, port=model.PodPort(number=port))
    if same or provider is not RATIO:
        world.run_until(P.HEALTHY)
        assert world.traffic.weights == {V2.hash: 100.0}
        return
    world.settle()
    assert world.status.rollout is not None
    waits = world.status.rollout.waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.ROUTE_NOT_READY
    assert f"{V1.hash} on 8080 and {V2.hash} on 9000" in waits.message
    assert not any(weights.get(V2.hash) for weights in world.weights_seen)


def test_what_no_plane_confirms_is_never_told_as_accepted() -> None:
    """It is Unknown, with who tells; only what it does not say is, an error is named as ever."""
    world = serving()
    assert world.condition("TrafficProgrammed").reason == "RouteAccepted"
    world.traffic = replace(world.traffic, unconfirmed="nobody says so")
    world.tick()
    told = world.condition("TrafficProgrammed")
    assert (told.status, told.reason) == ("Unknown", "Unverified")
    assert told.message == "written as wanted; nobody says so: the measured share tells"
    world.traffic = replace(world.traffic, accepted=False, pending_reason="NotFound")
    world.tick()
    told = world.condition("TrafficProgrammed")
    assert (told.status, told.reason) == ("False", "RouteNotProgrammed")
    assert told.message == "NotFound"


def test_route_that_is_not_accepted_in_time_is_named() -> None:
    world = serving()
    world.accept = False
    world.deploy(V2)
    for _ in range(40):
        world.tick(5.0)
    assert world.status.rollout is not None
    waits = world.status.rollout.waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.ROUTE_NOT_READY
    assert "RouteNotProgrammed" in world.reasons()
    world.run_until(P.PAUSED)
    assert world.condition("Paused").reason == "RouteNotReady"
    world.accept = True
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.HEALTHY)
    assert world.status.rejected == ()


def test_clock_that_goes_back_stretches_neither_hold_nor_drain() -> None:
    world = at_first_weight(serving())
    world.tick(5.0)
    world.now -= timedelta(hours=1)
    started = world.now
    world.run_until(P.HEALTHY)
    assert (world.now - started).total_seconds() < 300
    world.now -= timedelta(hours=1)
    world.settle()
    assert world.pods() == {V2.hash: 4}


def test_pause_while_promoting_keeps_the_roles() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.PROMOTING, seconds=1.0)
    world.ask("pause", V2)
    world.settle()
    assert world.status.phase is P.PAUSED
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    world.ask("resume", V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable.revision == V2.hash


def test_lowering_comes_before_status_and_everything_else_after_it() -> None:
    lower = actions.SetTraffic(
        stable="a", candidate="", exposure=model.NO_TRAFFIC, marker="b", lowering=True
    )
    raising = replace(lower, lowering=False, marker="")
    scale = actions.Scale(revision="a", replicas=1, seen_replicas=0)
    wanted = (scale, lower, raising)
    assert actions.lowering(wanted) == (lower,)
    assert actions.after_status(wanted) == (scale, raising)


def test_each_new_batch_of_pods_has_the_whole_progress_deadline() -> None:
    """Pods that take long to start come in batches; together they may take longer than that."""
    world = serving(progress_deadline_seconds=60.0)
    world.deploy(V2)
    world.broken = frozenset({V2.hash})
    world.tick()
    state = world.revisions[V2.hash]
    world.revisions[V2.hash] = replace(state, wanted=state.wanted - 1, asked=state.wanted - 1)
    decision = world.tick(40.0)
    assert any(isinstance(action, actions.Scale) for action in decision.actions)
    world.tick(40.0)
    world.tick(40.0)
    assert world.status.phase is P.PENDING, "40 s after the second batch was seen"
    world.tick(40.0)
    assert world.status.rejected[0].by == "Deadline"


@pytest.mark.parametrize("provider", list(model.Provider))
def test_a_rejected_version_is_kept_only_until_another_waits_for_its_pods(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(world.spec, rollback=model.Rollback(keep_candidate_seconds=3600.0))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert world.pods()[V2.hash] > 0, "kept for a look at it"
    world.analysis = HOLD
    world.deploy(V3)
    since = world.now
    world.run_while(lambda: world.traffic.weights.get(V3.hash, 0.0) == 0)
    assert (world.now - since).total_seconds() <= 60
    by_pods = provider is model.Provider.REPLICA_RATIO
    assert (V2.hash in world.pods()) is not by_pods, "only pods that would get a share go"
