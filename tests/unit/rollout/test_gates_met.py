"""Gates where other features meet them: equal shares, failover, testers, sizes, edits of the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, HOLD, START, V2, World, made_once, serving, waits

from tidegate import model
from tidegate.rollout import adoption, gates

L, W = model.AutomationLevel, model.Waiting
TESTERS = (model.HeaderRoute(name="testers", headers=(model.Header(name="x-t", value="1"),)),)
PROVIDERS = list(model.Provider)


def world_of(world: World, *, level: L = L.FULL, gate: str = "", **second: object) -> World:
    """The same, with other terms of the second step."""
    assert world.spec is not None
    first, last = world.spec.steps
    asked = model.Gate(name=gate) if gate else None
    steps = (first, replace(last, gate=asked, **second))  # type: ignore[arg-type]
    world.spec = replace(world.spec, steps=steps, automation=model.Automation(level=level))
    world.deploy(V2)
    return world


def step(world: World) -> str:
    rollout = world.status.active_rollout
    return rollout.step.name if rollout is not None and rollout.step is not None else ""


def stands(world: World) -> bool:
    """The active step has its weight."""
    rollout = world.status.active_rollout
    return (
        rollout is not None and rollout.step is not None and rollout.step.confirmed_at is not None
    )


def until_asked(world: World) -> None:
    world.run_while(lambda: waits(world) not in gates.OPENABLE)
    world.settle()


@pytest.mark.parametrize(("level", "gate"), [(L.FULL, "board"), (L.MANUAL, "")])
def test_a_step_is_asked_for_though_rounding_leaves_the_share_as_it_is(level: L, gate: str) -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO, weights=(30.0, 40.0), replicas=2)
    world_of(world, level=level, gate=gate)
    if level is L.MANUAL:
        until_asked(world)
        world.ask("promote", V2)
    world.run_while(lambda: waits(world) not in gates.OPENABLE or step(world) != "p40")
    world.settle()
    assert not stands(world)
    world.ask("promote", V2)
    world.run_until(model.Phase.HEALTHY if level is L.FULL else model.Phase.PAUSED)


def test_a_level_that_is_raised_ends_the_wait_where_the_share_stays_as_it_is() -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO, weights=(30.0, 40.0), replicas=2)
    world_of(world, level=L.MANUAL)
    until_asked(world)
    world.ask("promote", V2)
    world.run_while(lambda: waits(world) not in gates.OPENABLE or step(world) != "p40")
    assert world.spec is not None
    world.spec = replace(world.spec, automation=model.Automation())
    world.run_until(model.Phase.HEALTHY)


@pytest.mark.parametrize("level", [L.GATED, L.MANUAL])
def test_who_stands_in_for_stable_is_not_promoted_while_people_are_asked(level: L) -> None:
    world = serving(weights=(25.0, 50.0), replicas=4)
    world_of(world, level=level)
    if level is L.MANUAL:
        for _ in range(2):
            until_asked(world)
            world.ask("promote", V2)
            world.tick()
    world.run_while(lambda: step(world) != "promotion" or waits(world) is not W.MANUAL_STEP)
    stable = world.status.stable
    assert stable is not None
    world.broken = frozenset({stable.revision})
    world.run_while(lambda: world.traffic.weights.get(V2.hash) != 100.0)
    world.settle()
    assert world.status.stable is not None
    assert world.status.stable.revision == stable.revision
    assert waits(world) is W.MANUAL_STEP
    world.ask("promote", V2)
    world.run_until(model.Phase.HEALTHY)


def test_behind_a_gate_there_are_pods_for_testers_and_no_more() -> None:
    world = world_of(serving(weights=(0.0, 75.0), routes=TESTERS), gate="board")
    until_asked(world)
    assert world.pods()[V2.hash] == 1
    assert world.traffic.by_header[V2.hash]
    world.ask("promote", V2)
    world.run_until(model.Phase.HEALTHY)


@pytest.mark.parametrize(("size", "pods"), [({"replicas": 4}, 1), ({"replicas_percent": 100.0}, 1)])
def test_the_size_of_a_step_waits_for_its_gate(size: dict[str, object], pods: int) -> None:
    world = world_of(serving(weights=(25.0, 50.0), replicas=4), gate="board", **size)
    until_asked(world)
    assert world.pods()[V2.hash] == pods
    world.ask("promote", V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash) != 50.0)
    assert world.pods()[V2.hash] == 4


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_step_that_has_begun_is_not_asked_for_at_a_level_that_is_lowered(
    provider: model.Provider,
) -> None:
    world = world_of(serving(provider=provider, weights=(25.0, 50.0), replicas=4))
    world.analysis = HOLD
    world.run_while(lambda: not stands(world))
    assert world.spec is not None
    world.spec = replace(world.spec, automation=model.Automation(level=L.MANUAL))
    world.settle()
    assert waits(world) is None
    world.ask("skip-step", V2)
    world.tick()
    answer = world.status.last_handled_request
    assert answer is not None
    assert answer.outcome == "Accepted"
    world.run_while(lambda: waits(world) is not W.MANUAL_STEP)
    assert step(world) == "p50"


@pytest.mark.parametrize(
    ("level", "gate"), [(L.FULL, "board"), (L.MANUAL, ""), (L.MANUAL, "board")]
)
def test_what_was_opened_differs_from_no_spec_and_stays_open(level: L, gate: str) -> None:
    world = world_of(serving(weights=(25.0, 50.0), replicas=4), level=level, gate=gate)
    for _ in range(1 if level is L.FULL else 2):
        until_asked(world)
        world.ask("promote", V2)
        world.tick()
    world.run_while(lambda: step(world) != "p50" or not stands(world))
    world.analysis = HOLD
    rollout = world.status.active_rollout
    assert rollout is not None
    assert world.spec is not None
    same = adoption.adopted(rollout, world.spec)
    assert replace(same, repinned=rollout.repinned) == rollout
    first, last = world.spec.steps
    edited = replace(world.spec, steps=(first, replace(last, hold_seconds=1.0)))
    adopted = adoption.adopted(rollout, edited)
    assert adopted.stage is not None
    assert rollout.stage is not None
    assert adopted.stage.gates == rollout.stage.gates
    assert all(gate.opened_at for gate in adopted.stage.gates)


def test_an_edit_that_adds_a_gate_keeps_what_was_opened_and_is_still_asked_for() -> None:
    given = {"weight_percent": 1.0, "effective_weight_percent": 1.0}
    asked = model.Gate(name="board")
    agreed = replace(asked, opened_at=START)
    other = model.Gate(name="other")
    stage = model.Stage(name="s0", gates=(asked, other), **given)  # type: ignore[arg-type]
    gone = model.Gate(name="gone", opened_at=START)
    by_level = model.Gate(name="manual", opened_at=START)
    reopened = gates.reopened(stage, opened=(agreed, gone, by_level))
    assert reopened.gates == (agreed, other, by_level)
    assert gates.reopened(stage, opened=(asked, other)) == stage


SILENT = replace(HOLD, reason="NoData", silent="NoData: nothing for 60 s")


@made_once
def silent_at(step_name: str, provider: model.Provider) -> World:
    """People are asked for this step; nothing is seen of the candidate any more."""
    level = L.GATED if step_name == "promotion" else L.FULL
    gate = "" if step_name == "promotion" else "board"
    world = serving(provider=provider, weights=(25.0, 50.0), replicas=4)
    world_of(world, level=level, gate=gate)
    until_asked(world)
    assert step(world) == step_name
    world.analysis = SILENT
    world.tick()
    return world


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("asked", "again"), [("p50", "p25"), ("promotion", "p50")])
def test_silence_at_a_gate_takes_the_step_before_it_again(
    asked: str, again: str, provider: model.Provider
) -> None:
    world = silent_at(asked, provider)
    assert world.traffic.weights.get(V2.hash, 0.0) == 0.0
    assert world.status.rejected == ()
    assert (step(world), waits(world)) == (again, W.WITHDRAWN)
    rollout = world.status.active_rollout
    assert rollout is not None
    by_name = {stage.name: stage for stage in rollout.plan}
    assert by_name[asked].state is model.StepState.PENDING
    assert by_name[again].state is model.StepState.ACTIVE
    assert by_name[again].ended_at is None
    world.analysis = ADVANCE
    world.ask("promote", V2)
    world.run_while(lambda: waits(world) not in gates.OPENABLE)
    assert step(world) == asked, "proven anew, then asked for anew"
    world.ask("promote", V2)
    world.run_until(model.Phase.HEALTHY)


def test_whoever_asked_for_everything_at_once_is_not_sent_back_by_silence() -> None:
    world = world_of(serving(weights=(25.0, 50.0), replicas=4), gate="board")
    until_asked(world)
    world.ask("promote-full", V2)
    world.run_while(lambda: step(world) != "promotion" or waits(world) is not W.APPROVAL)
    world.analysis = SILENT
    world.settle()
    assert (step(world), waits(world)) == ("promotion", W.APPROVAL)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_pods_pass_no_gate_of_the_steps_that_are_left_out(provider: model.Provider) -> None:
    """0 replicas need no steps, and the people of a gate are asked all the same."""
    world = serving(provider=provider, weights=(20.0, 50.0), replicas=2)
    world_of(world, gate="board")
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    until_asked(world)
    stable = world.status.stable
    assert stable is not None
    assert stable.revision != V2.hash
    assert waits(world) in gates.OPENABLE
    world.ask("promote", V2)
    world.run_while(lambda: world.status.active_rollout is not None)
    stable = world.status.stable
    assert stable is not None
    assert stable.revision == V2.hash
