"""Blue-green: a preview at full size, a gate, one switch, the bake. Source: api.md, 5.3."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from blue_green_world import ASKED, PROVIDERS, STAFF, blue_green, in_preview, stage
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, make_spec, waits

from tidegate import model
from tidegate.rollout.strategy.compile import plan_of, routes_field_of
from tidegate.rollout.turn import exposure_text

P = model.Phase
K = model.StageKind


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


def test_testers_have_routes_in_preview_and_never_beside_users() -> None:
    spec = replace(make_spec(), blue_green=replace(ASKED, routes=(STAFF,)))
    preview, *rest = plan_of(replace(spec, bake=model.Bake(seconds=90.0)))
    assert preview.exposure.routes == (STAFF,)
    assert preview.exposure.answers_users
    assert routes_field_of(preview) == "spec.strategy.blueGreen.preview.routes"
    assert [it.exposure.routes for it in rest] == [(), ()]
    assert [routes_field_of(it) for it in rest] == ["spec.strategy.canary.routes"] * 2


def test_who_is_shown_to_testers_by_header_holds_the_finalizer() -> None:
    world = in_preview(routes=(STAFF,))
    assert world.finalizers
    assert world.traffic.by_header == {V2.hash: (STAFF.headers,)}
    assert "and the requests of staff (step preview)" in world.status.message
    world.ask("abort", V2)
    world.tick()
    assert world.traffic.by_header == {}


def test_a_preview_with_copies_says_who_its_testers_are() -> None:
    exposure = model.Exposure(live_percent=0.0, preview=True, mirror_percent=5.0, routes=(STAFF,))
    expected = "its preview and the requests of staff and copies of 5 % of the requests"
    assert exposure_text(exposure) == expected


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
    assert waits(world) is model.Waiting.PODS_NOT_READY


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
    assert waits(world) is model.Waiting.INCONCLUSIVE
    world.ask("promote", V2)
    world.run_until(P.BAKING)


# --- the gate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_waits_for_a_person_and_goes_on_when_asked(provider: model.Provider) -> None:
    world = in_preview(provider, auto_promote=False)
    world.run_until(P.PAUSED)
    assert waits(world) is model.Waiting.MANUAL_STEP
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
    assert waits(world) is None
    world.analysis = ADVANCE
    world.run_until(P.PAUSED)
    assert waits(world) is model.Waiting.MANUAL_STEP


def test_who_promotes_without_proof_has_not_opened_the_gate() -> None:
    world = in_preview(auto_promote=False, min_requests=50, deadline_seconds=120.0)
    world.analysis = HOLD
    world.run_until(P.PAUSED)
    assert waits(world) is model.Waiting.INCONCLUSIVE
    world.ask("promote", V2)
    world.tick()
    world.tick()
    assert waits(world) is model.Waiting.MANUAL_STEP
    world.ask("promote", V2)
    world.run_until(P.BAKING)


def test_missing_data_do_not_take_the_place_of_the_gate() -> None:
    world = in_preview(auto_promote=False, min_requests=50)
    world.run_until(P.PAUSED)
    world.analysis = replace(HOLD, consecutive_errors=99, without_data_since=world.now)
    world.now += timedelta(hours=2)
    world.settle()
    assert waits(world) is model.Waiting.MANUAL_STEP


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
    assert waits(world) is model.Waiting.REQUEST
    world.tick()
    world.ask("resume", V2)
    world.settle()
    assert waits(world) is model.Waiting.MANUAL_STEP


def test_promote_full_skips_preview_gate_and_bake() -> None:
    world = in_preview(auto_promote=False)
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.FAST_PROMOTED


def test_promote_full_answers_for_the_manual_gate_and_for_no_other() -> None:
    world = in_preview(auto_promote=False)
    rollout = world.status.rollout
    assert rollout is not None
    preview, switch, *later = rollout.plan
    switch = replace(switch, gates=(*switch.gates, model.Gate(name="board", min_approvals=1)))
    plan = (preview, switch, *later)
    world.status = replace(world.status, rollout=replace(rollout, plan=plan))
    world.ask("promote-full", V2)
    world.tick()
    assert world.status.rollout is not None
    opened = {gate.name for gate in world.status.rollout.plan[1].gates if gate.opened_at}
    assert opened == {model.MANUAL_GATE}


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
    assert waits(world) is model.Waiting.MANUAL_STEP
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)
