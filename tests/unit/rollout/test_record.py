"""When records are made, what they know, and how long they are kept."""

from __future__ import annotations

import dataclasses

import pytest
from rollout_world import BREACH, HOLD, V1, V2, V3, World, make_spec

from tidegate import model
from tidegate.model import actions

Phase = model.Phase


def running(**spec: int) -> World:
    """A world in which 1.0 serves, and whose first rollout has its record."""
    world = World(spec=make_spec(**spec))  # type: ignore[arg-type]
    world.run_until(Phase.HEALTHY)
    return world


def roll_back(world: World, wanted: model.Revision) -> None:
    world.analysis = dataclasses.replace(HOLD)
    world.deploy(wanted)
    world.run_until(Phase.PROGRESSING)
    world.run_while(lambda: world.status.rollout.first_traffic_at is None)  # type: ignore[union-attr]
    world.analysis = BREACH
    world.run_until(Phase.ROLLED_BACK)
    world.tick()


def promote(world: World, wanted: model.Revision) -> None:
    world.analysis = model.AnalysisState(judged=True, verdict=model.Verdict.ADVANCE)
    world.deploy(wanted)
    world.run_until(Phase.HEALTHY)
    world.tick()


def test_the_first_revision_has_a_record_without_steps() -> None:
    [made] = running().records.values()
    assert made.last.record == f"iris-{V1.hash}-1"
    assert (made.last.result, made.last.by) == (model.RolloutResult.PROMOTED, "Readiness")
    assert made.rollout is not None
    assert [it.kind for it in made.rollout.plan] == [model.StageKind.FIRST]
    assert made.rollout.from_revision == ""


def test_a_promotion_is_recorded_with_what_served_before() -> None:
    world = running()
    promote(world, V2)
    made = world.records[f"iris-{V2.hash}-1"]
    assert (made.last.result, made.last.by) == (model.RolloutResult.PROMOTED, "Analysis")
    assert made.rollout is not None
    assert made.rollout.from_revision == V1.hash
    assert made.rollout.model_name == "iris"
    kinds = model.StageKind
    assert [it.kind for it in made.rollout.plan] == [kinds.LIVE, kinds.LIVE, kinds.SWITCH]
    assert {step.state for step in made.rollout.plan} == {model.StepState.PASSED}
    assert all(step.confirmed_at and step.ended_at for step in made.rollout.plan)


def test_a_rollback_is_recorded_with_its_reason() -> None:
    world = running()
    roll_back(world, V2)
    made = world.records[f"iris-{V2.hash}-1"]
    assert (made.last.result, made.last.by) == (model.RolloutResult.ROLLED_BACK, "Analysis")
    assert made.last.reason == BREACH.message
    assert made.rollout is not None
    assert made.rollout.plan[0].state is model.StepState.FAILED


def test_a_replaced_rollout_is_recorded_whole_although_the_next_has_begun() -> None:
    world = running()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(Phase.PROGRESSING)
    world.deploy(V3)
    world.tick()
    world.tick()  # its traffic is seen to be gone
    made = world.records[f"iris-{V2.hash}-1"]
    assert (made.last.result, made.last.by) == (model.RolloutResult.SUPERSEDED, "Spec")
    assert made.rollout is not None
    assert made.rollout.plan[0].state is model.StepState.SKIPPED
    assert world.status.rollout is not None
    assert world.status.rollout.revision == V3


def _records_due(world: World) -> int:
    wanted = actions.bookkeeping(world.tick().actions)
    return sum(isinstance(one, actions.CreateRecord) for one in wanted)


def test_a_record_is_due_until_it_is_seen() -> None:
    world = running()
    world.keeps_records = False
    roll_back(world, V2)
    assert len(world.records) == 1
    assert [_records_due(world) for _ in range(3)] == [1, 1, 1]
    world.keeps_records = True
    world.tick()
    assert world.records[f"iris-{V2.hash}-1"].rollout is not None
    assert actions.bookkeeping(world.tick().actions) == ()


def test_where_the_next_rollout_has_begun_only_the_result_is_left_to_record() -> None:
    world = running()
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(Phase.PROGRESSING)
    world.keeps_records = False
    world.deploy(V3)
    world.tick()
    world.tick()
    world.keeps_records = True
    world.tick()
    made = world.records[f"iris-{V2.hash}-1"]
    assert made.rollout is None
    assert (made.last.revision, made.last.attempt) == (V2.hash, 1)


def test_a_rollout_does_not_wait_for_records() -> None:
    world = running()
    world.keeps_records = False
    promote(world, V2)
    roll_back(world, V3)
    assert world.status.phase is Phase.ROLLED_BACK


def test_at_rest_nothing_is_written() -> None:
    world = running()
    promote(world, V2)
    world.settle()
    writes, made = world.status_writes, dict(world.records)
    world.settle()
    assert (world.status_writes, world.records) == (writes, made)


@pytest.mark.parametrize(("limit", "kept"), [(1, {"C-1"}), (2, {"B-1", "C-1"}), (5, None)])
def test_the_oldest_records_beyond_the_limit_go(limit: int, kept: set[str] | None) -> None:
    world = running(rollout_history_limit=limit)
    # Where the record of an attempt is gone, its number is free again.
    names = {V1.hash: "A", V2.hash: "B", V3.hash: "C"}
    for wanted in (V2, V3, V1, V2, V3):
        promote(world, wanted)
    found = {f"{names[it.last.revision]}-{it.last.attempt}" for it in world.records.values()}
    everything = {"A-1", "B-1", "C-1", "A-2", "B-2", "C-2"}
    assert found == (kept or everything - {"A-1"})


def test_an_attempt_whose_record_is_not_made_yet_is_not_named_again() -> None:
    """From one version to another and back, before the record of the first could be made."""
    world = running()
    world.deploy(V2)
    world.tick()
    world.deploy(V3)
    world.tick()
    world.records.clear()
    world.deploy(V2)
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.attempt == 2


def test_no_attempt_that_has_a_record_is_named_twice() -> None:
    world = running()
    for wanted in (V2, V1, V2):
        promote(world, wanted)
    assert f"iris-{V2.hash}-2" in world.records
    assert f"iris-{V1.hash}-2" in world.records


def test_the_record_of_a_rejected_revision_outlives_the_limit() -> None:
    world = running(rollout_history_limit=1)
    roll_back(world, V2)
    promote(world, V3)
    promote(world, V1)
    assert set(world.records) == {f"iris-{V2.hash}-1", f"iris-{V1.hash}-1"}


def test_limit_zero_keeps_rejections_only() -> None:
    world = running(rollout_history_limit=0)
    promote(world, V2)
    assert world.records == {}
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.record == ""
    roll_back(world, V3)
    assert set(world.records) == {f"iris-{V3.hash}-1"}
    world.settle()
    world.ask("retry", V3)
    world.tick()
    assert world.records == {}


def test_the_last_record_is_not_made_and_deleted_in_turns_when_clocks_jump() -> None:
    world = running(rollout_history_limit=1)
    promote(world, V2)
    [made] = world.records.values()
    later = dataclasses.replace(
        made.last, record="iris-old-1", finished_at=made.last.finished_at.replace(year=2030)
    )
    world.records["iris-old-1"] = actions.CreateRecord(last=later, rollout=None)
    for _ in range(3):
        world.tick()
    assert f"iris-{V2.hash}-1" in world.records
