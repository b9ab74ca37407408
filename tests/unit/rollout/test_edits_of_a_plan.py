"""Edits of a running plan: a step that is skipped, and an edited plan that is adopted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, World, made_once, make_spec, serving

from tidegate import model
from tidegate.rollout import adoption
from tidegate.rollout.strategy.compile import plan_of

P = model.Phase
PROVIDERS = list(model.Provider)


@made_once
def at_step(name: str, *, provider: model.Provider = model.Provider.GATEWAY_API) -> World:
    """A rollout whose step of this name is held, without proof."""
    world = serving(provider=provider, weights=(25.0, 50.0), replicas=4)
    world.deploy(V2)
    world.run_while(lambda: not held(world, name))
    world.analysis = HOLD
    return world


def held(world: World, name: str) -> bool:
    rollout = world.status.active_rollout
    step = rollout.step if rollout is not None else None
    return step is not None and step.name == name and step.confirmed_at is not None


def answer(world: World) -> tuple[str, str]:
    found = world.status.last_handled_request
    assert found is not None
    return found.outcome, found.reason


def states(world: World) -> dict[str, str]:
    assert world.status.rollout is not None
    return {stage.name: str(stage.state) for stage in world.status.rollout.plan}


# --- skip-step -----------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_skipped_step_ends_without_proof_and_the_next_one_is_held(
    provider: model.Provider,
) -> None:
    world = at_step("p25", provider=provider)
    world.ask("skip-step", V2)
    world.tick()
    assert answer(world) == ("Accepted", "")
    assert states(world) == {"p25": "Skipped", "p50": "Active", "promotion": "Pending"}
    world.run_while(lambda: not held(world, "p50"))
    world.settle()
    assert world.status.phase is P.PROGRESSING
    assert world.traffic.weights[V2.hash] == 50.0
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    last = world.status.last_rollout
    assert last is not None
    assert (last.result, last.by) == (model.RolloutResult.PROMOTED, "Analysis")
    assert last.reason == "all steps passed, of them by request: p25"


def test_where_people_let_every_step_pass_they_promote_it() -> None:
    world = at_step("p25")
    for name in ("p25", "p50"):
        world.run_while(lambda name=name: not held(world, name))
        world.ask("skip-step", V2, step=name)
        world.tick()
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.by == "User"


def test_harm_that_a_skipped_step_has_shown_still_rolls_back() -> None:
    world = at_step("p25")
    world.ask("skip-step", V2)
    world.tick()
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].by == "Analysis"


def test_a_pause_that_was_asked_for_outlasts_a_skipped_step() -> None:
    world = at_step("p25")
    world.ask("pause", V2)
    world.tick()
    world.ask("skip-step", V2)
    world.settle()
    assert states(world)["p25"] == "Skipped"
    assert world.traffic.weights[V2.hash] == 25.0
    assert world.status.phase is P.PAUSED
    world.ask("resume", V2)
    world.run_while(lambda: not held(world, "p50"))


def test_a_skip_ends_a_wait_for_people() -> None:
    world = at_step("p25")
    world.run_until(P.PAUSED, limit=2000)
    world.ask("skip-step", V2)
    world.tick()
    world.run_while(lambda: not held(world, "p50"))


def test_a_promotion_is_no_step_and_a_bake_is_one() -> None:
    world = at_step("p50")
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0))
    world.ask("repin", V2)
    world.tick()
    world.accept = False
    world.analysis = ADVANCE
    world.run_until(P.PROMOTING)
    world.ask("skip-step", V2)
    world.tick()
    assert answer(world) == ("Refused", "NotSkippable")
    world.accept, world.traffic = True, replace(world.traffic, accepted=True)
    world.run_until(P.BAKING, seconds=1.0)
    world.run_while(lambda: not held(world, "bake"))
    world.ask("skip-step", V2)
    world.run_until(P.HEALTHY)
    assert states(world)["bake"] == "Skipped"


# --- which step a request is about ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["skip-step", "promote", "promote-full", "resume", "pause"])
@pytest.mark.parametrize(
    ("step", "reason", "words"),
    [("p50", "OtherStep", "another step"), ("p75", "UnknownStep", "no step of this name")],
)
def test_a_request_for_another_step_is_refused_and_told(
    kind: str, step: str, reason: str, words: str
) -> None:
    world = at_step("p25")
    world.ask(kind, V2, step=step)
    world.tick()
    assert answer(world) == ("Refused", reason)
    told = [event.message for event in world.events if event.reason == "RequestRefused"]
    assert len(told) == 1
    assert step in told[0]
    assert words in told[0]
    assert states(world)["p25"] == "Active"


def test_an_abort_is_never_refused_for_the_step_that_it_names() -> None:
    world = at_step("p25")
    world.ask("abort", V2, step="p50")
    world.run_until(P.ROLLED_BACK)


@pytest.mark.parametrize("kind", ["skip-step", "repin"])
def test_without_a_rollout_there_is_nothing_to_edit(kind: str) -> None:
    world = serving()
    world.ask(kind, V1)
    world.tick()
    assert answer(world) == ("Refused", "NotActive")


# --- repin ---------------------------------------------------------------------------------------


def edit(world: World, *weights: float, hold_seconds: float = 60.0) -> None:
    assert world.spec is not None
    steps = make_spec(weights=weights).steps
    steps = tuple(replace(step, hold_seconds=hold_seconds) for step in steps)
    world.spec = replace(world.spec, steps=steps)
    world.generation += 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_edited_plan_is_told_and_adopted_by_request_without_losing_progress(
    provider: model.Provider,
) -> None:
    world = at_step("p50", provider=provider)
    world.analysis = HOLD
    edit(world, 25.0, 50.0, 75.0)
    world.settle()
    differs = world.condition("PlanDiffers")
    assert (differs.status, differs.reason) == ("True", "SpecEdited")
    assert "p75 is new (weight 75" in differs.message
    assert "repin" in differs.message
    assert world.reasons().count("PlanDiffers") == 1
    before = world.status.active_rollout
    world.ask("repin", V2)
    world.tick()
    assert answer(world) == ("Accepted", "")
    after = world.status.active_rollout
    assert before is not None
    assert after is not None
    assert (after.plan[:2], after.step) == (before.plan[:2], before.step)
    assert after.evidence_since == before.evidence_since
    assert states(world) == {
        "p25": "Passed",
        "p50": "Active",
        "p75": "Pending",
        "promotion": "Pending",
    }
    assert all(one.type != "PlanDiffers" for one in world.status.conditions)
    world.tick()
    assert set(world.frozen_rollouts) == {f"{after.id}-1"}
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert 75.0 in {share for w in world.weights_seen for share in w.values()}


def test_the_edited_step_keeps_its_clock_and_takes_the_new_terms() -> None:
    world = at_step("p25")
    before = world.status.active_rollout
    assert before is not None
    assert before.step is not None
    edit(world, 25.0, 50.0, hold_seconds=200.0)
    world.ask("repin", V2)
    world.tick()
    after = world.status.active_rollout
    assert after is not None
    assert after.step is not None
    assert after.step.confirmed_at == before.step.confirmed_at
    assert after.step.hold_until is not None
    assert after.step.confirmed_at is not None
    assert (after.step.hold_until - after.step.confirmed_at).total_seconds() == 200


def renamed(world: World, weight: float) -> None:
    """The active step p25 with another weight, and one more behind it."""
    assert world.spec is not None
    first, second = world.spec.steps
    world.spec = replace(world.spec, steps=(replace(first, weight_percent=weight), second))
    world.generation += 1


def test_a_raised_weight_of_the_active_step_is_reached_and_held_anew() -> None:
    world = at_step("p25")
    renamed(world, 40.0)
    world.ask("repin", V2)
    world.tick()
    world.run_while(lambda: not held(world, "p25"))
    assert world.traffic.weights[V2.hash] == 40.0


def test_a_lowered_weight_of_the_active_step_takes_no_traffic_away() -> None:
    world = at_step("p25")
    renamed(world, 5.0)
    world.ask("repin", V2)
    world.settle()
    assert answer(world) == ("NoOp", "SamePlan")
    assert world.traffic.weights[V2.hash] == 25.0
    assert held(world, "p25")


def test_steps_that_lie_behind_are_not_walked() -> None:
    world = at_step("p50")
    edit(world, 5.0, 10.0, 50.0, 60.0)
    world.ask("repin", V2)
    world.tick()
    assert list(states(world)) == ["p25", "p50", "p60", "promotion"]


def test_a_step_that_the_edited_plan_has_no_more_is_walked_to_its_end() -> None:
    world = at_step("p25")
    edit(world, 10.0, 80.0)
    world.ask("repin", V2)
    world.tick()
    assert list(states(world)) == ["p25", "p80", "promotion"]
    assert held(world, "p25")


def test_the_same_plan_is_nothing_to_adopt() -> None:
    world = at_step("p25")
    world.ask("repin", V2)
    world.tick()
    assert answer(world) == ("NoOp", "SamePlan")


def test_a_spec_that_cannot_be_carried_out_is_not_adopted() -> None:
    world = at_step("p25")
    edit(world, 25.0, 60.0)
    world.violations = (model.Violation(path="spec.strategy", message="mend it"),)
    world.ask("repin", V2)
    world.tick()
    assert answer(world) == ("Refused", "InvalidSpec")
    assert all(one.type != "PlanDiffers" for one in world.status.conditions)


def test_a_plan_that_status_has_no_room_for_is_not_adopted() -> None:
    world = at_step("p50")
    edit(world, *(51.0 + index for index in range(32)))
    world.ask("repin", V2)
    world.tick()
    assert answer(world) == ("Refused", "PlanTooLong")


def test_a_first_revision_has_no_plan_that_could_be_edited() -> None:
    world = World()
    world.accept = False
    world.tick()
    edit(world, 5.0)
    world.ask("repin", V1)
    world.tick()
    assert answer(world) == ("NoOp", "SamePlan")


WEIGHTS = st.lists(st.sampled_from([0.5, 5.0, 10.0, 25.0, 33.3, 50.0, 75.0, 100.0]), max_size=6)


@settings(deadline=None)
@given(
    old=WEIGHTS,
    new=WEIGHTS,
    at=st.integers(0, 6),
    bake=st.sampled_from([0.0, 60.0]),
    provider=st.sampled_from(PROVIDERS),
)
def test_adopting_keeps_what_was_reached_rises_and_is_done_at_once(
    old: list[float], new: list[float], at: int, bake: float, provider: model.Provider
) -> None:
    plan = plan_of(make_spec(weights=tuple(sorted(set(old))), provider=provider))
    spec = make_spec(weights=tuple(sorted(set(new))), provider=provider)
    spec = replace(spec, bake=model.Bake(seconds=bake))
    at = min(at, len(plan) - 1)
    now = World().now
    rollout = model.Rollout(
        id="iris-1",
        revision=V2,
        attempt=1,
        active=True,
        started_at=now,
        progress_at=now,
        plan=plan,
        step=model.ActiveStep(index=at, name=plan[at].name, started_at=now),
        exposure=plan[at].exposure,
    )
    adopted = adoption.adopted(rollout, spec)
    assert [stage.name for stage in adopted.plan[: at + 1]] == [it.name for it in plan[: at + 1]]
    weights = [stage.weight_percent for stage in adopted.plan if stage.kind.value == "Live"]
    assert weights == sorted(weights)
    assert adopted.plan[at].exposure.live_percent >= plan[at].exposure.live_percent
    kinds = [stage.kind for stage in adopted.plan]
    assert kinds.count(model.StageKind.SWITCH) == 1
    assert (model.StageKind.BAKE in kinds) is (bake > 0)
    assert adoption.adopted(adopted, spec).plan == adopted.plan
