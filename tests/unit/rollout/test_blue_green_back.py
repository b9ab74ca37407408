"""Blue-green: the way back, its data plane, and edits in the middle. Source: api.md, 5.3."""

from __future__ import annotations

from dataclasses import replace

import pytest
from blue_green_world import ASKED, PROVIDERS, blue_green, in_preview, stage, switching
from rollout_world import BREACH, HOLD, V1, V2, V3, World, make_spec, serving, waits

from tidegate import model
from tidegate.rollout.strategy.compile import in_effect
from tidegate.traffic.sizing import whole

P = model.Phase
K = model.StageKind


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
    assert waits(world) is model.Waiting.MANUAL_STEP


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


def test_a_pinned_plan_keeps_the_sizes_that_it_began_with() -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PROGRESSING)
    assert world.spec is not None
    began = replace(world.spec, scaling=model.Scaling(max_surge_percent=25.0))
    edited = replace(
        world.spec,
        blue_green=ASKED,
        traffic=replace(world.spec.traffic, exclusive=True),
        scaling=whole.SCALING,
    )
    rollout = world.status.active_rollout
    found = in_effect(edited, rollout, began=began)
    assert (found.scaling, found.preview_service) == (began.scaling, "")
    unread = in_effect(edited, rollout, began=None)
    assert (unread.scaling, unread.preview_service) == (model.Scaling(), "")
    assert edited.preview_service == ASKED.preview_service
    assert in_effect(edited, rollout, began=edited).scaling == model.Scaling(), "not its plan"


@pytest.mark.parametrize("known", [True, False])
def test_a_pinned_preview_keeps_its_name(*, known: bool) -> None:
    world = switching()
    world.deploy(V2)
    world.run_until(P.PROGRESSING)
    began = world.spec
    assert began is not None
    edited = replace(
        began,
        blue_green=None,
        traffic=replace(began.traffic, exclusive=False),
        scaling=model.Scaling(),
    )
    found = in_effect(edited, world.status.active_rollout, began=began if known else None)
    assert found.preview_service == (ASKED.preview_service if known else "")
    assert (found.scaling, found.traffic.exclusive) == (whole.SCALING, True)


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
