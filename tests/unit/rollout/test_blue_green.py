"""Blue-green: a preview at full size, a gate, one switch, the bake. Source: api.md, 5.3."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, make_spec, serving

from tidegate import model
from tidegate.rollout.strategy.compile import in_effect, plan_of
from tidegate.traffic.sizing import whole

P = model.Phase
K = model.StageKind
PROVIDERS = list(model.Provider)
ASKED = model.BlueGreen(preview_service="iris-preview", preview_seconds=60.0)


def blue_green(
    provider: model.Provider = model.Provider.GATEWAY_API,
    *,
    kept_percent: float = 100.0,
    **asked: object,
) -> World:
    """A world in which 1.0 serves, and rollouts are blue-green with a bake."""
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(
        world.spec,
        steps=(),
        blue_green=replace(ASKED, **asked),
        traffic=replace(world.spec.traffic, exclusive=True),
        scaling=whole.SCALING,
        bake=model.Bake(seconds=600.0, kept_percent=kept_percent),
    )
    world.generation += 1
    world.settle()
    world.weights_seen.clear()
    world.events.clear()
    return world


def in_preview(provider: model.Provider = model.Provider.GATEWAY_API, **asked: object) -> World:
    world = blue_green(provider, **asked)
    world.deploy(V2)
    world.tick()
    world.run_while(lambda: stage(world).confirmed_at is None)
    assert stage(world).kind is K.PREVIEW
    return world


def stage(world: World) -> model.Stage:
    rollout = world.status.active_rollout
    assert rollout is not None
    found = rollout.stage
    assert found is not None
    return found


def waits_for(world: World) -> model.Waiting | None:
    rollout = world.status.active_rollout
    waits = rollout.waiting_for if rollout is not None else None
    return waits.reason if waits is not None else None


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("auto", "gates"), [(True, []), (False, ["manual"])])
def test_it_is_made_of_a_preview_a_switch_and_the_bake(
    auto: bool,  # noqa: FBT001
    gates: list[str],
) -> None:
    asked = replace(ASKED, auto_promote=auto, min_requests=7, preview_percent=25.0)
    spec = replace(make_spec(), blue_green=asked, bake=model.Bake(seconds=90.0))
    preview, switch, bake = plan_of(spec)
    assert [it.kind for it in (preview, switch, bake)] == [K.PREVIEW, K.SWITCH, K.BAKE]
    assert preview.exposure == model.Exposure(live_percent=0.0, preview=True)
    assert (preview.replicas_percent, preview.min_requests) == (25.0, 7)
    assert preview.gates == ()
    assert [gate.name for gate in switch.gates] == gates
    assert {it.control for it in (preview, switch, bake)} == {model.Control.LIMITS_ONLY}


@pytest.mark.parametrize(("requests", "proves"), [(0, False), (1, True)])
def test_a_preview_proves_something_where_it_has_to_be_visited(
    requests: int,
    proves: bool,  # noqa: FBT001
) -> None:
    spec = replace(make_spec(), blue_green=replace(ASKED, min_requests=requests))
    preview = plan_of(spec)[0]
    assert preview.needs_proof is proves
    assert preview.is_held


# --- the good way --------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_users_change_sides_in_one_write(provider: model.Provider) -> None:
    world = in_preview(provider)
    assert world.pods() == {V1.hash: 4, V2.hash: 4}
    assert world.traffic.weights.get(V2.hash, 0.0) == 0
    assert world.traffic.preview_revision == V2.hash
    assert world.status.phase is P.PROGRESSING
    assert "2.0 is in preview" in world.status.message
    assert not world.finalizers
    world.weights_seen.clear()
    world.run_until(P.BAKING)
    assert world.weights_seen == [{V1.hash: 0.0, V2.hash: 100.0}]
    assert world.condition("Promoted").status == "True"
    assert world.pods() == {V1.hash: 4, V2.hash: 4}
    assert world.finalizers
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.pods() == {V2.hash: 4}
    assert world.traffic.preview_revision == V2.hash


def test_the_preview_lasts_its_time() -> None:
    world = in_preview()
    since = world.now
    world.run_while(lambda: stage(world).kind is K.PREVIEW)
    assert (world.now - since).total_seconds() >= 60


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_small_preview_is_at_full_size_before_the_switch(provider: model.Provider) -> None:
    world = in_preview(provider, preview_percent=25.0)
    assert world.pods() == {V1.hash: 4, V2.hash: 1}
    world.held[V2.hash] = 3
    world.weights_seen.clear()
    for _ in range(20):
        world.tick(5.0)
    assert stage(world).kind is K.SWITCH
    assert world.pods() == {V1.hash: 4, V2.hash: 4}
    assert not world.weights_seen
    world.held.clear()
    world.run_until(P.BAKING)
    assert world.weights_seen == [{V1.hash: 0.0, V2.hash: 100.0}]


def test_no_pod_of_the_candidate_is_missing_when_the_preview_begins() -> None:
    world = blue_green()
    world.held[V2.hash] = 3
    world.deploy(V2)
    for _ in range(5):
        world.tick(5.0)
    assert world.status.phase is P.PENDING
    assert waits_for(world) is model.Waiting.PODS_NOT_READY


def test_what_has_to_be_visited_waits_for_its_requests() -> None:
    world = in_preview(min_requests=50)
    world.analysis = HOLD
    world.settle()
    assert stage(world).kind is K.PREVIEW
    world.analysis = ADVANCE
    world.run_until(P.BAKING)


def test_without_proof_it_pauses_at_its_deadline() -> None:
    world = in_preview(min_requests=50, deadline_seconds=120.0)
    world.analysis = HOLD
    world.run_until(P.PAUSED)
    assert waits_for(world) is model.Waiting.INCONCLUSIVE
    world.ask("promote", V2)
    world.run_until(P.BAKING)


# --- the gate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_waits_for_a_person_and_goes_on_when_asked(provider: model.Provider) -> None:
    world = in_preview(provider, auto_promote=False)
    world.run_until(P.PAUSED)
    assert waits_for(world) is model.Waiting.MANUAL_STEP
    assert "promote" in world.status.message
    assert world.status.health_status == "Suspended"
    world.settle()
    assert world.traffic.weights.get(V2.hash, 0.0) == 0
    world.ask("promote", V2)
    world.run_until(P.BAKING)
    assert world.reasons().count("Paused") == 1


def test_promote_is_refused_where_nothing_waits_for_it() -> None:
    world = in_preview(auto_promote=False)
    world.ask("promote", V2)
    world.tick()
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.reason == "NotWaiting"
    world.run_until(P.PAUSED)


def test_a_gate_is_asked_only_when_the_preview_has_passed() -> None:
    world = in_preview(auto_promote=False, min_requests=50)
    world.analysis = HOLD
    world.settle()
    assert waits_for(world) is None
    world.analysis = ADVANCE
    world.run_until(P.PAUSED)
    assert waits_for(world) is model.Waiting.MANUAL_STEP


def test_who_promotes_without_proof_has_not_opened_the_gate() -> None:
    world = in_preview(auto_promote=False, min_requests=50, deadline_seconds=120.0)
    world.analysis = HOLD
    world.run_until(P.PAUSED)
    assert waits_for(world) is model.Waiting.INCONCLUSIVE
    world.ask("promote", V2)
    world.tick()
    world.tick()
    assert waits_for(world) is model.Waiting.MANUAL_STEP
    world.ask("promote", V2)
    world.run_until(P.BAKING)


def test_missing_data_do_not_take_the_place_of_the_gate() -> None:
    world = in_preview(auto_promote=False, min_requests=50)
    world.run_until(P.PAUSED)
    world.analysis = replace(HOLD, consecutive_errors=99, without_data_since=world.now)
    world.now += timedelta(hours=2)
    world.settle()
    assert waits_for(world) is model.Waiting.MANUAL_STEP


def test_a_breach_at_the_gate_rejects() -> None:
    world = in_preview(auto_promote=False)
    world.run_until(P.PAUSED)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)


def test_a_pause_at_the_gate_leads_back_to_the_gate() -> None:
    world = in_preview(auto_promote=False)
    world.run_until(P.PAUSED)
    world.ask("pause", V2)
    world.tick()
    assert waits_for(world) is model.Waiting.REQUEST
    world.tick()
    world.ask("resume", V2)
    world.settle()
    assert waits_for(world) is model.Waiting.MANUAL_STEP


def test_promote_full_skips_preview_gate_and_bake() -> None:
    world = in_preview(auto_promote=False)
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.FAST_PROMOTED


def test_what_served_before_returns_without_a_gate() -> None:
    world = in_preview(auto_promote=False)
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert "ReturnsAtOnce" in world.reasons()


def test_a_gate_stands_before_the_switch_of_no_pods_too() -> None:
    world = blue_green(auto_promote=False)
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.settle()
    world.deploy(V2)
    world.run_until(P.PAUSED)
    assert waits_for(world) is model.Waiting.MANUAL_STEP
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)


# --- the way back --------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_breach_in_preview_rejects_and_no_user_notices(provider: model.Provider) -> None:
    world = in_preview(provider)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert all(not one.get(V2.hash) for one in world.weights_seen)
    assert world.traffic.preview_revision == V1.hash
    assert world.traffic.rolled_back_revision == V2.hash
    assert world.pods() == {V1.hash: 4}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_breach_in_the_bake_goes_back_in_one_write(provider: model.Provider) -> None:
    world = blue_green(provider, kept_percent=50.0)
    world.deploy(V2)
    world.run_until(P.BAKING)
    world.run_while(lambda: world.pods()[V1.hash] == 4)
    assert world.pods() == {V1.hash: 2, V2.hash: 4}
    world.analysis = BREACH
    world.held[V1.hash] = 3
    world.weights_seen.clear()
    for _ in range(3):
        world.tick()
    assert world.pods() == {V1.hash: 4, V2.hash: 4}
    assert not world.weights_seen  # not before stable can carry everything
    world.held.clear()
    world.run_until(P.ROLLED_BACK)
    assert world.weights_seen[0] == {V1.hash: 100.0}
    assert world.traffic.preview_revision == V1.hash


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("phase", [P.PROGRESSING, P.BAKING])
def test_it_is_aborted_anywhere(provider: model.Provider, phase: model.Phase) -> None:
    world = blue_green(provider)
    world.deploy(V2)
    world.run_until(phase)
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    assert world.traffic.weights[V1.hash] == 100.0
    assert world.traffic.preview_revision == V1.hash


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("phase", [P.PROGRESSING, P.BAKING])
def test_a_newer_version_takes_its_place(provider: model.Provider, phase: model.Phase) -> None:
    world = blue_green(provider)
    world.deploy(V2)
    world.run_until(phase)
    world.deploy(V3)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V3.hash
    assert not world.status.rejected


def test_pods_that_the_cluster_takes_end_the_preview_until_they_are_back() -> None:
    world = in_preview()
    state = world.revisions[V2.hash]
    world.revisions[V2.hash] = replace(state, ready=0, lost="evicted")
    world.tick()
    assert world.traffic.preview_revision == V1.hash
    assert not world.status.rejected
    world.run_until(P.BAKING)


# --- the data plane ------------------------------------------------------------------------------


def test_a_preview_that_somebody_turned_away_is_put_right() -> None:
    world = in_preview()
    world.traffic = replace(world.traffic, preview_revision=V1.hash)
    world.tick()
    assert world.traffic.preview_revision == V2.hash


def test_a_route_that_is_gone_while_nobody_is_sent_to_the_candidate_is_made_again() -> None:
    world = in_preview()
    world.traffic = model.TrafficState(exists=False, preview_revision=V2.hash)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0, V2.hash: 0.0}


def test_at_rest_the_preview_shows_what_serves() -> None:
    world = blue_green()
    assert world.traffic.preview_revision == V1.hash
    world.traffic = replace(world.traffic, preview_revision="")
    world.tick()
    assert world.traffic.preview_revision == V1.hash


def test_a_preview_that_spec_no_longer_names_goes_when_nobody_is_shown_in_it() -> None:
    world = in_preview()
    world.traffic = replace(world.traffic, old_previews=("iris-trial",))
    world.tick()
    assert world.traffic.old_previews == ("iris-trial",)
    world.run_until(P.BAKING)
    world.traffic = replace(world.traffic, old_previews=("iris-trial",))
    world.tick()
    assert world.traffic.old_previews == ()


def test_a_name_that_somebody_else_has_is_said_and_not_fought() -> None:
    world = blue_green()
    world.traffic = replace(
        world.traffic, preview_revision="", preview_conflict="NameConflict: Service iris-preview"
    )
    writes = world.writes.count("SetTraffic")
    world.deploy(V2)
    for _ in range(5):
        world.tick(5.0)
    assert world.writes.count("SetTraffic") == writes
    assert "iris-preview" in world.status.message


def test_who_stands_in_for_stable_does_so_beside_a_preview() -> None:
    """What served before answers users; who is only looked at takes nothing over."""
    world = blue_green()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.status.previous is not None
    world.deploy(V3)
    world.tick()
    world.run_while(lambda: stage(world).confirmed_at is None)
    world.status = replace(
        world.status,
        previous=model.RevisionStatus(revision=V1.hash, model_version="1.0"),
        retiring=(),
    )
    first = world.revisions[V1.hash]
    world.revisions[V1.hash] = replace(first, wanted=4, ready=4, asked=4)
    world.held[V2.hash] = 0
    for _ in range(10):
        state = world.revisions[V2.hash]
        world.revisions[V2.hash] = replace(state, ready=0)
        world.tick(1.0)
    assert world.traffic.weights == {V1.hash: 100.0, V3.hash: 0.0}
    assert world.traffic.preview_revision == V3.hash


# --- edits in the middle -------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_edit_to_canary_in_the_middle_changes_nothing_of_this_rollout(
    provider: model.Provider,
) -> None:
    world = in_preview(provider)
    canary = make_spec(provider=provider, version="2.0")
    world.spec = replace(canary, scaling=model.Scaling(max_surge_percent=25.0))
    world.generation += 1
    world.weights_seen.clear()
    world.run_until(P.BAKING)
    assert world.weights_seen == [{V1.hash: 0.0, V2.hash: 100.0}]


def test_repin_does_not_change_the_strategy_in_the_middle() -> None:
    world = in_preview(auto_promote=False)
    world.spec = make_spec(version="2.0")
    world.generation += 1
    plan = world.status.rollout.plan if world.status.rollout else ()
    world.ask("repin", V2)
    world.run_until(P.PAUSED)
    assert world.status.rollout is not None
    assert [it.name for it in world.status.rollout.plan] == [it.name for it in plan]


def test_what_waits_at_the_gate_is_put_right_where_it_is_gone() -> None:
    world = in_preview(auto_promote=False)
    world.run_until(P.PAUSED)
    world.traffic = replace(world.traffic, preview_revision="")
    world.tick()
    assert world.traffic.preview_revision == V2.hash
    assert waits_for(world) is model.Waiting.MANUAL_STEP


def test_an_edit_to_blue_green_in_the_middle_leaves_the_shares() -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PROGRESSING)
    assert world.spec is not None
    rollout = world.status.active_rollout
    edited = replace(
        world.spec, blue_green=ASKED, traffic=replace(world.spec.traffic, exclusive=True)
    )
    assert not in_effect(edited, rollout).traffic.exclusive
    assert in_effect(edited, None).traffic.exclusive


def test_without_a_plan_that_switches_the_spec_counts() -> None:
    spec = replace(make_spec(), traffic=model.Traffic(provider=PROVIDERS[0], exclusive=True))
    first = model.Rollout(
        id="iris-1",
        revision=V1,
        attempt=1,
        active=True,
        started_at=World().now,
        progress_at=World().now,
        plan=(model.Stage(name="f", kind=K.FIRST, weight_percent=1, effective_weight_percent=1),),
    )
    assert in_effect(spec, first) is spec
