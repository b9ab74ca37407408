"""Gates that only RolloutApprovals open, and rollouts that one of them ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gate_world import decide, waiting
from rollout_world import V2, World, made_once, serving

from tidegate import model

P = model.Phase
PROVIDERS = list(model.Provider)
STRICT = model.Gate(
    name="board",
    min_approvals=2,
    approver_groups=("ml-risk",),
    not_author=True,
    expires_seconds=3600.0,
)
SOFT = model.Gate(name="chat", expires_seconds=3600.0)


def world_of(
    *gates: model.Gate | None, provider: model.Provider = model.Provider.GATEWAY_API
) -> World:
    """V1 serves; the gates stand before the steps p25 and p50, and carol makes the change."""
    world = serving(provider=provider, weights=(25.0, 50.0), replicas=4)
    assert world.spec is not None
    steps = tuple(
        replace(step, gate=gate)
        for step, gate in zip(world.spec.steps, (*gates, None), strict=False)
    )
    world.spec = replace(world.spec, steps=steps)
    world.author = "carol"
    return world


@made_once
def at_the_gate(*gates: model.Gate | None, **options: Any) -> World:
    world = world_of(*(gates or (None, STRICT)), **options)
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    return world


def asked(world: World, kind: str) -> tuple[str, str]:
    world.ask(kind, V2)
    world.tick()
    found = world.status.last_handled_request
    assert found is not None
    return found.outcome, found.reason


def gate(world: World, step: int = 1) -> model.Gate:
    assert world.status.rollout is not None
    return world.status.rollout.plan[step].gates[0]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_enough_people_open_a_gate(provider: model.Provider) -> None:
    world = at_the_gate(provider=provider)
    assert "0 of 2 approvals; kubectl tidegate approve iris --gate board by ml-risk" in waiting(
        world
    )
    decide(world, "alice", "carol")
    world.tick()
    assert "1 of 2 approvals (alice)" in waiting(world)
    decide(world, "alice", "bob")
    world.tick()
    assert gate(world).approved_by == ("alice", "bob")
    assert "Approved" in world.reasons()
    decide(world)
    world.run_until(P.HEALTHY)


@pytest.mark.parametrize("kind", ["promote", "resume"])
def test_no_request_opens_it(kind: str) -> None:
    world = at_the_gate()
    assert asked(world, kind) == ("Refused", "ApprovalNeeded")
    assert gate(world).opened_at is None
    assert asked(world, "skip-step") == ("Refused", "GateOpen")


def test_promote_full_leaves_it_before_the_switch() -> None:
    world = at_the_gate()
    assert asked(world, "promote-full") == ("Accepted", "")
    world.settle()
    assert "gate board before step promotion: 0 of 2 approvals" in waiting(world)
    decide(world, "alice", "bob")
    world.run_until(P.HEALTHY)


def test_one_that_a_request_opens_is_opened_by_one_approval_too() -> None:
    world = at_the_gate(None, SOFT)
    decide(world, "carol", gate="chat", groups=frozenset())
    world.tick()
    assert gate(world).approved_by == ("carol",)
    world.run_until(P.HEALTHY)


def test_of_two_gates_each_is_opened_in_its_way() -> None:
    """The first step was left out for want of pods, so its gate is asked before the second."""
    world = world_of(SOFT, STRICT)
    assert world.spec is not None
    first, second = world.spec.steps
    world.spec = replace(world.spec, steps=(replace(first, weight_percent=0.0), second))
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert asked(world, "promote") == ("Accepted", "")
    assert "0 of 2 approvals" in waiting(world)
    assert asked(world, "promote") == ("Refused", "ApprovalNeeded")
    decide(world, "alice", "bob")
    world.run_until(P.HEALTHY)
    opened = {
        it.name: it.approved_by
        for stage in (world.status.rollout or pytest.fail("none")).plan
        for it in stage.gates
        if it.opened_at
    }
    assert opened == {"chat": (), "board": ("alice", "bob")}


def test_it_is_asked_when_its_stage_comes_and_what_was_withdrawn_before_is_not_heard() -> None:
    world = world_of(None, STRICT)
    world.deploy(V2)
    world.tick()
    decide(world, "alice", "bob")
    world.tick()
    assert gate(world).opened_at is None, "nobody has asked yet"
    decide(world, "alice")
    world.run_until(P.AWAITING_APPROVAL)
    assert "1 of 2 approvals (alice)" in waiting(world)


def test_given_in_advance_it_holds_up_nothing() -> None:
    world = world_of(None, STRICT)
    world.deploy(V2)
    world.tick()
    decide(world, "alice", "bob")
    world.run_until(P.HEALTHY)
    assert "ApprovalRequested" not in world.reasons()


def test_it_is_looked_at_again_when_an_approval_ends() -> None:
    world = at_the_gate()
    decide(world, "alice", expires_at=world.now + timedelta(seconds=20))
    decision = world.tick()
    assert 15.0 <= decision.requeue_after_seconds <= 20.0
    world.tick(21.0)
    assert "0 of 2 approvals;" in waiting(world)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("paused", [False, True])
def test_a_rejection_rolls_back_at_once(provider: model.Provider, *, paused: bool) -> None:
    world = at_the_gate(provider=provider)
    assert world.spec is not None
    world.spec = replace(world.spec, paused=paused)
    decide(world, "bob", decision=model.Decision.REJECT, comment="x" * 500)
    world.run_until(P.ROLLED_BACK)
    last = world.status.last_rollout
    assert last is not None
    assert (last.result, last.by) == (model.RolloutResult.ABORTED, "Approval")
    assert last.reason == f"gate board: rejected by bob: {'x' * 256}"
    assert world.status.rejects(V2.hash)


def test_a_rejection_counts_before_its_gate_is_asked_and_without_a_valid_spec() -> None:
    world = world_of(None, STRICT)
    world.deploy(V2)
    world.run_while(lambda: not world.traffic.weights.get(V2.hash))
    world.violations = (model.Violation(path="spec", message="mend it"),)
    decide(world, "bob", decision=model.Decision.REJECT)
    world.tick()
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.rollback_by == "Approval"
    assert rollout.rollback_reason == "gate board: rejected by bob"


def test_a_rejection_after_the_gate_is_open_changes_nothing() -> None:
    world = at_the_gate()
    decide(world, "alice", "bob")
    world.tick()
    decide(world, "bob", decision=model.Decision.REJECT)
    world.run_until(P.HEALTHY)


def test_where_nobody_knows_who_approves_it_stays_closed_and_says_so() -> None:
    world = world_of(None, STRICT)
    world.approvals = model.Approvals(problem="nobody checks who an approver is")
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    decide(world, "alice", "bob")
    world.tick()
    assert "0 of 2 approvals; nobody checks who an approver is" in waiting(world)
    decide(world, "bob", decision=model.Decision.REJECT)
    world.tick()
    assert world.status.phase is P.AWAITING_APPROVAL
    assert asked(world, "abort") == ("Accepted", "")


def test_the_author_is_who_was_named_first() -> None:
    world = at_the_gate()
    world.author = "alice"
    decide(world, "alice", "carol")
    world.tick()
    assert "1 of 2 approvals (alice)" in waiting(world)


def test_an_unknown_author_keeps_it_closed_until_he_is_named() -> None:
    world = world_of(None, STRICT)
    world.author = ""
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    assert "have annotation tidegate.dev/author name that user" in waiting(world)
    decide(world, "alice", "bob")
    world.author = "carol"
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.author == "carol"


def test_nobody_is_pinned_where_no_gate_asks_for_another() -> None:
    world = at_the_gate(None, replace(STRICT, not_author=False, approver_groups=()))
    assert world.status.rollout is not None
    assert world.status.rollout.author == ""
    assert waiting(world).endswith("kubectl tidegate approve iris --gate board")


def test_an_edit_of_the_plan_keeps_what_is_open() -> None:
    world = at_the_gate()
    decide(world, "alice", "bob")
    world.tick()
    assert world.spec is not None
    first, second = world.spec.steps
    stricter = replace(second, gate=replace(STRICT, min_approvals=3), hold_seconds=90.0)
    world.spec = replace(world.spec, steps=(first, stricter))
    world.generation += 1
    assert asked(world, "repin") == ("Accepted", "")
    assert gate(world).approved_by == ("alice", "bob")
    decide(world)
    world.run_until(P.HEALTHY)
