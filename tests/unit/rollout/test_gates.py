"""Gates before a stage: those of the spec, and those of the level of automation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, serving, waits

from tidegate import model

P, L = model.Phase, model.AutomationLevel
PROVIDERS = list(model.Provider)


def world_of(
    *, level: L = L.FULL, gate: str = "", provider: model.Provider = model.Provider.GATEWAY_API
) -> World:
    """V1 serves; `gate` stands before the step p50."""
    world = serving(provider=provider, weights=(25.0, 50.0), replicas=4)
    assert world.spec is not None
    first, second = world.spec.steps
    world.spec = replace(
        world.spec,
        steps=(first, replace(second, gate=model.Gate(name=gate) if gate else None)),
        automation=model.Automation(level=level),
    )
    return world


def until_it_waits(world: World) -> None:
    world.run_while(lambda: waits(world) not in {model.Waiting.APPROVAL, model.Waiting.MANUAL_STEP})


def answer(world: World) -> tuple[str, str]:
    found = world.status.last_handled_request
    assert found is not None
    return found.outcome, found.reason


def share(world: World) -> float:
    return world.traffic.weights.get(V2.hash, 0.0)


# --- a gate of the spec --------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", ["promote", "resume"])
def test_a_gate_stands_before_its_weight_until_somebody_opens_it(
    kind: str, provider: model.Provider
) -> None:
    world = world_of(gate="risk-board", provider=provider)
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert waits(world) is model.Waiting.APPROVAL
    pods = world.pods()
    world.settle()
    assert share(world) == 25.0
    assert world.pods() == pods, "no pods are made for a weight that nobody approved"
    assert "gate risk-board before step p50" in world.status.message
    assert world.status.health_status == "Suspended"
    assert world.reasons().count("ApprovalRequested") == 1
    world.ask(kind, V2, step="p50")
    world.tick()
    assert answer(world) == ("Accepted", "")
    assert "Approved" in world.reasons()
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.plan[1].gates[0].opened_at is not None


def test_harm_rolls_back_while_a_gate_is_closed() -> None:
    world = world_of(gate="risk-board")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)


@pytest.mark.parametrize("kind", ["abort", "deploy"])
def test_a_gate_keeps_nobody_from_leaving(kind: str) -> None:
    world = world_of(gate="risk-board")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    if kind == "abort":
        world.ask("abort", V2)
        world.run_until(P.ROLLED_BACK)
    else:
        world.deploy(V3)
        world.run_while(lambda: share(world) > 0)


def test_a_step_behind_a_gate_is_not_skipped() -> None:
    world = world_of(gate="risk-board")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    world.ask("skip-step", V2)
    world.tick()
    assert answer(world) == ("Refused", "GateOpen")


def test_everything_at_once_still_asks_at_the_gates_of_the_spec() -> None:
    world = world_of(gate="risk-board", level=L.MANUAL)
    world.deploy(V2)
    until_it_waits(world)
    world.ask("promote", V2)
    world.run_while(lambda: share(world) < 25)
    world.ask("promote-full", V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert "gate risk-board before step promotion" in world.status.message
    assert share(world) == 25.0
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.FAST_PROMOTED


def test_a_gate_before_the_first_weight_asks_once_the_pods_are_ready() -> None:
    world = world_of()
    assert world.spec is not None
    first, second = world.spec.steps
    world.spec = replace(world.spec, steps=(replace(first, gate=model.Gate(name="start")), second))
    world.broken = frozenset({V2.hash})
    world.deploy(V2)
    world.tick(5.0)
    world.tick(5.0)
    assert waits(world) is model.Waiting.PODS_NOT_READY
    world.ask("promote", V2)
    world.tick()
    assert answer(world) == ("Accepted", ""), "it may be opened beforehand"
    world.broken = frozenset()
    world.run_until(P.HEALTHY)
    assert "ApprovalRequested" not in world.reasons()


def test_a_pause_is_ended_by_resume_and_the_gate_stays_closed() -> None:
    world = world_of(gate="risk-board")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    world.ask("pause", V2)
    world.tick()
    assert waits(world) is model.Waiting.REQUEST
    world.ask("resume", V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert share(world) == 25.0


def test_a_revision_that_returns_meets_no_gate() -> None:
    world = world_of(gate="risk-board", level=L.MANUAL)
    world.deploy(V2)
    until_it_waits(world)
    world.ask("promote-full", V2)
    world.run_until(P.AWAITING_APPROVAL)
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


# --- levels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("level", [L.MANUAL, L.ADVISORY])
def test_every_step_waits_for_a_person(level: L, provider: model.Provider) -> None:
    world = world_of(level=level, provider=provider)
    world.deploy(V2)
    for before in (0.0, 25.0, 50.0):
        until_it_waits(world)
        world.settle()
        assert share(world) == before
        assert world.status.phase is P.PAUSED
        assert f"automation.level is {level}" in world.status.message
        world.ask("promote", V2)
        world.tick()
        assert answer(world) == ("Accepted", "")
    world.run_until(P.HEALTHY)


def test_gated_asks_once_before_promotion() -> None:
    world = world_of(level=L.GATED)
    world.deploy(V2)
    until_it_waits(world)
    world.settle()
    assert share(world) == 50.0
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)
    assert world.reasons().count("Approved") == 1


def test_gated_asks_at_the_gates_of_the_spec_alone() -> None:
    world = world_of(level=L.GATED, gate="risk-board")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)
    assert world.reasons().count("Approved") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_at_level_shadow_no_user_is_answered_until_it_is_raised(provider: model.Provider) -> None:
    world = world_of(level=L.SHADOW, provider=provider)
    world.deploy(V2)
    world.run_until(P.PAUSED)
    assert waits(world) is model.Waiting.AUTOMATION_LEVEL
    world.ask("promote", V2)
    world.settle()
    assert answer(world) == ("Refused", "NotWaiting")
    assert share(world) == 0
    assert world.spec is not None
    world.spec = replace(world.spec, automation=model.Automation(level=L.FULL))
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@pytest.mark.parametrize("level", list(L))
def test_the_first_revision_serves_and_harm_rolls_back_at_every_level(level: L) -> None:
    world = World()
    assert world.spec is not None
    world.spec = replace(world.spec, automation=model.Automation(level=level))
    world.run_until(P.HEALTHY)
    world.deploy(V2)
    if level is L.SHADOW:
        return
    for _ in range(40):
        if world.traffic.weights.get(V2.hash, 0.0) > 0:
            break
        rollout = world.status.active_rollout
        if rollout is not None and rollout.waiting_for is not None:
            world.ask("promote", V2)
        world.tick(5.0)
    assert share(world) > 0
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejected[0].by == "Analysis"


# --- advice --------------------------------------------------------------------------------------


def advised(world: World) -> tuple[str, str]:
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.recommendation is not None
    return str(rollout.recommendation.action), rollout.recommendation.reason


def test_the_advice_follows_the_evidence_and_each_change_is_told() -> None:
    world = world_of(level=L.ADVISORY)
    world.deploy(V2)
    world.tick()
    assert advised(world) == ("Hold", "it is being prepared")
    until_it_waits(world)
    assert advised(world) == ("Promote", "its pods are ready; nothing is measured yet")
    world.analysis = HOLD
    world.ask("promote", V2)
    world.run_while(lambda: share(world) == 0)
    world.settle()
    assert advised(world) == ("Hold", "not proven: Insufficient")
    world.analysis = ADVANCE
    world.ask("skip-step", V2)
    world.tick()
    until_it_waits(world)
    assert advised(world) == ("Promote", "every metric that decides is proven, but for p25")
    told = [event.message for event in world.events if event.reason == "Recommended"]
    assert [text.split(":")[0] for text in told] == ["Hold", "Promote", "Hold", "Promote"]
    world.settle()
    writes = world.status_writes
    world.settle()
    assert world.status_writes == writes


def test_nobody_is_advised_where_nobody_decides() -> None:
    world = world_of()
    world.deploy(V2)
    world.run_while(lambda: share(world) < 25)
    assert world.status.rollout is not None
    assert world.status.rollout.recommendation is None
    assert "Recommended" not in world.reasons()


def test_at_a_gate_there_is_advice_which_goes_with_it() -> None:
    world = world_of(gate="risk-board")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert advised(world)[0] == "Promote"
    world.ask("promote", V2)
    world.run_while(lambda: share(world) < 50)
    assert world.status.rollout is not None
    assert world.status.rollout.recommendation is None
