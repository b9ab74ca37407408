"""Gates that policies ask for: in the plan, opened by approvals, and never on the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gate_world import decide, waiting
from policy_examples import policy
from rollout_world import BREACH, V1, V2, World, serving

from tidegate import model
from tidegate.api import policies
from tidegate.rollout import adoption, policy_gates
from tidegate.rollout.turn import Turn

P = model.Phase
PROVIDERS = pytest.mark.parametrize("provider", list(model.Provider))
HALF: dict[str, Any] = {
    "name": "board",
    "when": {"beforeWeight": 50},
    "approverGroups": ["ml-risk"],
}
PROMOTION = {"name": "board", "when": {"beforePromotion": True}}


def asking(*gates: dict[str, Any], name: str = "p", **spec: Any) -> model.Policy:
    found, wrong = policies.read_policy(
        policy({"approvals": [*gates], **spec}, name=name, cluster=True)
    )
    assert not wrong, wrong
    return found


def world_of(*policies_: model.Policy, **options: Any) -> World:
    """V1 serves; the plan is p25, p50, p75 and the promotion."""
    world = serving(weights=(25.0, 50.0, 75.0), replicas=4, **options)
    world.policies = policies_
    return world


def at_the_gate(*policies_: model.Policy, **options: Any) -> World:
    world = world_of(*policies_, **options)
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    return world


def share(world: World) -> float:
    assert world.status.rollout is not None
    return world.status.rollout.exposure.live_percent


def asked_at(world: World) -> list[tuple[str, str, bool]]:
    """Stage, gate, and whether it is open."""
    assert world.status.rollout is not None
    return [
        (stage.name, gate.name, gate.opened_at is not None)
        for stage in world.status.rollout.plan
        for gate in stage.gates
    ]


@PROVIDERS
def test_it_is_asked_before_the_first_step_that_gets_so_far(provider: model.Provider) -> None:
    world = at_the_gate(asking(HALF), provider=provider)
    assert share(world) == 25
    assert asked_at(world) == [("p50", "board", False)]
    assert "gate board before step p50: 0 of 1 approvals; kubectl tidegate approve" in waiting(
        world
    )
    decide(world, "alice", gate="board")
    world.tick()
    assert asked_at(world) == [("p50", "board", True)]
    decide(world)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@PROVIDERS
def test_before_the_promotion(provider: model.Provider) -> None:
    world = at_the_gate(asking(PROMOTION), provider=provider)
    assert share(world) == 75
    decide(world, "alice", gate="board", groups=frozenset())
    world.run_until(P.HEALTHY)


def test_who_is_in_no_group_of_it_and_no_request_opens_it() -> None:
    world = at_the_gate(asking(HALF))
    decide(world, "alice", gate="board", groups=frozenset({"ml-users"}))
    world.ask("promote", V2)
    world.settle()
    assert share(world) == 25
    assert "0 of 1 approvals" in waiting(world)
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.reason == "ApprovalNeeded"


def test_promote_full_asks_before_the_switch() -> None:
    world = at_the_gate(asking(HALF))
    world.ask("promote-full", V2)
    world.settle()
    assert share(world) == 25
    assert "gate board before step promotion" in waiting(world)
    decide(world, "alice", gate="board")
    world.run_until(P.HEALTHY)


def test_harm_and_a_rejection_go_back_at_once() -> None:
    world = at_the_gate(asking(HALF))
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    other = at_the_gate(asking(HALF))
    decide(other, "alice", gate="board", decision=model.Decision.REJECT)
    other.run_until(P.ROLLED_BACK)
    assert other.status.last_rollout is not None
    assert other.status.last_rollout.result is model.RolloutResult.ABORTED


def test_a_return_to_a_version_that_served_is_not_asked() -> None:
    world = world_of()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.policies = (asking(HALF), asking(PROMOTION, name="q"))
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_one_that_comes_in_the_middle_is_asked_before_the_next_step() -> None:
    world = world_of()
    world.deploy(V2)
    world.run_while(lambda: share(world) < 50)
    world.policies = (asking(HALF),)
    world.run_until(P.AWAITING_APPROVAL)
    assert share(world) == 50
    assert asked_at(world) == [("p75", "board", False)]


def test_one_that_is_taken_away_is_not_asked_any_more() -> None:
    world = at_the_gate(asking(HALF))
    world.policies = ()
    world.run_until(P.HEALTHY)


def test_what_was_opened_stays_open_unless_more_is_asked() -> None:
    world = at_the_gate(asking(HALF))
    decide(world, "alice", gate="board")
    world.run_while(lambda: share(world) < 50)
    world.policies = (asking(HALF | {"minApprovals": 2}),)
    world.run_until(P.AWAITING_APPROVAL)
    assert asked_at(world) == [("p50", "board", True), ("p75", "board", False)]
    decide(world, "alice", "bob", gate="board")
    world.run_until(P.HEALTHY)


def test_a_gate_of_the_plan_by_that_name_opens_only_itself() -> None:
    world = world_of(asking(HALF))
    assert world.spec is not None
    first, second, third = world.spec.steps
    own = replace(second, gate=model.Gate(name="board"))
    world.spec = replace(world.spec, steps=(first, own, third))
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert asked_at(world) == [("p50", "board", False), ("p50", "board", False)]
    world.ask("promote", V2)
    world.settle()
    assert asked_at(world) == [("p50", "board", True), ("p50", "board", False)]
    assert share(world) == 25
    decide(world, "alice", gate="board")
    world.run_until(P.HEALTHY)


def test_the_plan_differs_in_nothing_and_an_edited_one_keeps_what_is_open() -> None:
    world = at_the_gate(asking(HALF))
    seen = world.observe()
    assert adoption.difference(Turn(seen=seen, status=seen.status)) == ""
    decide(world, "alice", gate="board")
    world.run_while(lambda: asked_at(world) != [("p50", "board", True)])
    decide(world)
    world.ask("repin", V2)
    world.run_until(P.HEALTHY)


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_one_that_is_tried_out_asks_nobody_and_is_listed(action: str) -> None:
    world = world_of(asking(HALF, PROMOTION | {"name": "last"}, enforcementAction=action))
    world.deploy(V2)
    world.run_while(lambda: share(world) < 25)
    state = world.status.policy
    assert state is not None
    assert [it.message for it in state.violations] == [
        "gate board would be asked before 50 % of the users",
        "gate last would be asked before the promotion",
    ]
    world.run_until(P.HEALTHY)


def test_where_nobody_could_open_it_the_policies_are_named() -> None:
    far = asking(HALF | {"approverGroups": ["ml-board"]}, name="far")
    world = world_of(asking(HALF), far)
    world.deploy(V2)
    world.settle()
    assert waiting(world).startswith(
        "Policy: ClusterRolloutPolicy/far, ClusterRolloutPolicy/p together"
    )


def test_level_gated_keeps_its_own_gate_beside_that_of_a_policy() -> None:
    world = world_of(asking(PROMOTION))
    assert world.spec is not None
    world.spec = replace(world.spec, automation=model.Automation(level=model.AutomationLevel.GATED))
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    decide(world, "alice", gate="board", groups=frozenset())
    world.run_while(lambda: ("promotion", "board", True) not in asked_at(world))
    world.settle()
    assert share(world) == 75
    world.ask("promote", V2)
    world.run_until(P.HEALTHY)


def test_one_that_comes_while_a_step_is_reached_in_parts_lets_it_be_judged() -> None:
    """Users that it has already must not be left with what nobody judges."""
    world = world_of()
    world.deploy(V2)
    world.run_while(lambda: share(world) < 25)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.step is not None
    part = replace(rollout, exposure=model.Exposure(live_percent=10.0))
    plan = policy_gates.renewed(turn_of(world, part, asking(HALF | {"when": {"beforeWeight": 5}})))
    assert [stage.name for stage in plan.rollout.plan if stage.gates] == ["p50"]


def turn_of(world: World, rollout: model.Rollout, *policies_: model.Policy) -> Turn:
    """Before the active step is confirmed."""
    assert rollout.step is not None
    stages = tuple(replace(it, confirmed_at=None) for it in rollout.plan)
    step = replace(rollout.step, confirmed_at=None)
    status = replace(world.status, rollout=replace(rollout, plan=stages, step=step))
    return Turn(seen=replace(world.observe(), status=status, policies=policies_), status=status)


def test_one_that_is_tried_out_says_nothing_of_a_way_back() -> None:
    world = world_of()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.policies = (asking(HALF, enforcementAction="Warn"),)
    world.events.clear()
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert "PolicyViolation" not in world.reasons()


def test_a_first_version_is_not_asked() -> None:
    world = World(spec=serving().spec, desired=V1)
    world.policies = (asking(HALF),)
    world.run_until(P.HEALTHY)
