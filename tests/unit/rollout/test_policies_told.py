"""Policies on the way back, which they never hold; and what status says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from policy_world import (
    CONFLICT,
    EVERY,
    PROVIDERS,
    STOP,
    STRICT,
    canary,
    closed,
    read,
    said,
    share,
    walk_to,
)
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, World, waits

from tidegate import model
from tidegate.api.status import read_status, write_status
from tidegate.rollout import decide

P, W = model.Phase, model.Waiting


# --- the way back --------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("how", ["breach", "abort", "crash", "deletion", "spec"])
def test_nothing_keeps_it_from_going_back(
    held: tuple[model.Policy, ...], reason: model.Waiting, provider: model.Provider, how: str
) -> None:
    free, bound = canary(provider), canary(provider)
    for world in (free, bound):
        world.deploy(V2)
        walk_to(world, "p25")
        world.analysis = HOLD
    bound.policies = held
    for world in (free, bound):
        _go_back(world, how)
    assert share(free) == share(bound) == 0
    assert free.weights_seen == bound.weights_seen, "as fast as without a policy"
    assert free.finalizers == bound.finalizers == ()
    assert bound.status.phase is free.status.phase
    assert waits(bound) is not reason


def _go_back(world: World, how: str) -> None:
    match how:
        case "breach":
            world.analysis = BREACH
        case "abort":
            world.ask("abort", V2)
        case "crash":
            world.broken = frozenset({V2.hash})
        case "deletion":
            world.deleting = True
        case "spec":
            world.deploy(V1)
    for _ in range(60):
        world.tick(5.0)


def test_what_served_a_short_while_ago_returns_at_once() -> None:
    """A revert in Git is a way back, in a freeze as well."""
    world = canary()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.policies = (STOP, closed(hours=1000))
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_a_person_cannot_jump_over_a_policy() -> None:
    world = canary()
    world.policies = (read({"constraints": {"maxStepIncrease": 50}}),)
    world.deploy(V2)
    walk_to(world, "p25")
    world.ask("promote-full", V2)
    world.settle()
    assert waits(world) is W.POLICY
    assert "step promotion goes from 25 % to 100 %" in said(world)
    assert share(world) == 25
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)


def test_what_waits_for_a_policy_cannot_be_skipped_or_promoted() -> None:
    world = canary()
    world.policies = (STOP,)
    world.deploy(V2)
    world.settle()
    for kind, answer in (("skip-step", "PolicyForbids"), ("promote", "NotWaiting")):
        world.now += timedelta(seconds=1)
        world.ask(kind, V2)
        world.tick()
        last = world.status.last_handled_request
        assert last is not None
        assert (last.outcome, last.reason) == ("Refused", answer)
    assert share(world) == 0


def test_while_stable_is_down_the_candidate_answers_and_is_not_promoted() -> None:
    world = canary()
    world.deploy(V2)
    walk_to(world, "p50")
    world.policies = (STOP,)
    world.broken = frozenset({V1.hash})
    world.run_while(lambda: share(world) < 100)
    world.analysis = ADVANCE
    for _ in range(100):
        world.tick(5.0)
    assert share(world) == 100
    assert world.pods()[V2.hash] > 0
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


# --- what stands in status -----------------------------------------------------------------------


def test_what_applied_at_the_start_and_what_does_now() -> None:
    world = canary()
    world.policies = (read({}, name="first", generation=4),)
    world.deploy(V2)
    walk_to(world, "p25")
    world.policies = (read({"constraints": {"minBake": "1h"}}, name="first", generation=5),)
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.policies == ("RolloutPolicy/first@4",)
    assert world.status.policy is not None
    assert world.status.policy.sources == ("RolloutPolicy/first@5",)
    (found,) = world.status.policy.violations
    assert (found.rule, found.action) == ("minBake", "Enforce")
    assert world.condition("PolicyCompliant").status == "False"
    assert world.condition("PolicyCompliant").reason == "PolicyViolation"
    world.policies = ()
    world.tick()
    assert world.status.policy is None
    assert "PolicyCompliant" not in {it.type for it in world.status.conditions}


@pytest.mark.parametrize(
    ("action", "status", "reason", "events"),
    [("Warn", "True", "PolicyWarning", 1), ("Audit", "True", "Compliant", 0)],
)
def test_what_only_warns_or_is_listed_holds_nobody(
    action: str, status: str, reason: str, events: int
) -> None:
    world = canary()
    rule = {"constraints": {"minBake": "1h"}, "enforcementAction": action}
    world.policies = (read(rule),)
    world.tick()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.condition("PolicyCompliant").status == status
    assert world.condition("PolicyCompliant").reason == reason
    assert world.status.policy is not None
    assert [it.action for it in world.status.policy.violations] == [action]
    assert world.reasons().count("PolicyViolation") == events


LONG = read(
    {
        "constraints": {
            "modelURIs": {"allowedPrefixes": [f"s3://{'b' * 100}-{it}/" for it in range(16)]}
        },
        "enforcementAction": "Warn",
    },
    name="long",
)
MANY = tuple(
    read({"constraints": {"minBake": "1h"}, "enforcementAction": "Warn"}, name=f"p{it}")
    for it in range(40)
)


@pytest.mark.parametrize("held", [(LONG,), (*MANY, STRICT)], ids=["long", "many"])
def test_what_status_has_no_room_for_is_told_once_as_well(held: tuple[model.Policy, ...]) -> None:
    world = canary()
    world.policies = held
    for _ in range(4):
        world.tick()
        world.status = read_status(write_status(world.status))
    found = [it.message for it in world.events if it.reason == "PolicyViolation"]
    assert 0 < len(found) == len(set(found)) <= 32
    assert world.status.policy is not None
    enforced = STRICT in held
    assert world.condition("PolicyCompliant").status == ("False" if enforced else "True")


def test_policies_that_contradict_each_other_are_named() -> None:
    world = canary()
    world.policies = CONFLICT
    world.tick()
    found = world.condition("PolicyCompliant")
    assert (found.status, found.reason) == ("Unknown", "PolicyConflict")
    assert "RolloutPolicy/a, RolloutPolicy/b" in found.message


def test_a_spec_that_cannot_be_carried_out_keeps_what_policies_said() -> None:
    world = canary()
    world.policies = (STOP,)
    world.tick()
    before = world.status.policy
    assert before is not None
    world.spec = None
    world.tick()
    assert world.status.policy == before


def test_a_gate_is_asked_first_and_can_be_opened_meanwhile() -> None:
    world = canary()
    assert world.spec is not None
    first, second = world.spec.steps
    world.spec = replace(world.spec, steps=(first, replace(second, gate=model.Gate(name="board"))))
    world.policies = (read({}),)
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    world.policies = (STOP,)
    world.settle()
    assert waits(world) is W.APPROVAL
    world.ask("promote", V2)
    world.settle()
    assert waits(world) is W.POLICY
    world.policies = ()
    world.run_until(P.HEALTHY)


def test_the_same_observation_gives_the_same_decision() -> None:
    world = canary()
    world.policies = (STOP, closed(hours=1))
    world.deploy(V2)
    seen = world.observe()
    assert decide.decide(seen) == decide.decide(seen)
