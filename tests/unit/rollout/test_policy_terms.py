"""Exemptions that end, policies that people let a rollout through, rollbacks that have to be tried."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gate_world import decide, waiting
from policy_world import HOUR, PROVIDERS, canary, read, share, walk_to
from rollout_world import BREACH, START, V1, V2, V3, World

from tidegate import model

P, W = model.Phase, model.Waiting
OVERRIDE = "policy-override"


def compliant(world: World) -> tuple[str, str, str]:
    (one,) = (it for it in world.status.conditions if it.type == "PolicyCompliant")
    return one.status, one.reason, one.message


# --- exemptions ----------------------------------------------------------------------------------


def exempting(spec: dict[str, Any], *rules: str, hours: float = 0.02) -> model.Policy:
    one = {
        "name": "legacy",
        "namespace": "ml",
        "modelDeployment": "iris",
        "rules": list(rules),
        "until": (START + hours * HOUR).isoformat(),
        "reason": "is moved",
    }
    return read({**spec, "exemptions": [one]}, cluster=True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_exemption_ends_in_a_step(provider: model.Provider) -> None:
    world = canary(provider)
    world.policies = (exempting({"constraints": {"minBake": "1h"}}, "minBake", hours=1.0),)
    world.deploy(V2)
    walk_to(world, "p25")
    status, reason, message = compliant(world)
    assert (status, reason) == ("True", "Exempt")
    assert "exempt from minBake until 2026-11-20 13:00 UTC by legacy (is moved)" in message
    ends = START + HOUR
    assert world.step().requeue_after_seconds <= (ends - world.now).total_seconds()
    world.policies = (replace_until(world.policies[0], world),)
    world.settle()
    assert waiting(world).startswith("Policy: ClusterRolloutPolicy/p, minBake")
    assert "(exemption legacy ended " in waiting(world)
    assert compliant(world)[:2] == ("False", "ExemptionEnded")
    assert 0 < share(world) < 50
    world.policies = ()
    world.run_until(P.HEALTHY)


def replace_until(policy: model.Policy, world: World) -> model.Policy:
    (one,) = policy.exemptions
    return replace(policy, exemptions=(replace(one, until=world.now),))


def test_whoever_is_held_by_the_end_goes_back() -> None:
    world = canary()
    world.policies = (exempting({"stopPolicy": "Hold"}, "stopPolicy", hours=1.0),)
    world.deploy(V2)
    walk_to(world, "p25")
    world.policies = (replace_until(world.policies[0], world),)
    world.settle()
    assert "(exemption legacy ended" in waiting(world)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert share(world) == 0


def test_a_window_says_that_an_exemption_from_it_ended() -> None:
    window = {"name": "now", "from": START.isoformat(), "to": (START + 9 * HOUR).isoformat()}
    world = canary()
    world.policies = (exempting({"freezeWindows": [window]}, "freezeWindows", hours=-1.0),)
    world.deploy(V2)
    world.settle()
    assert "; exemption legacy ended 2026-11-20 11:00 UTC" in waiting(world)


# --- overrides -----------------------------------------------------------------------------------


def strict(name: str = "p", group: str = "ml-oncall", **spec: Any) -> model.Policy:
    rules = spec or {"constraints": {"minBake": "1h"}}
    return read({**rules, "overrides": {"approverGroups": [group]}}, name=name)


def held(*policies: model.Policy) -> World:
    world = canary()
    world.policies = policies
    world.deploy(V2)
    world.settle()
    assert world.status.phase is P.POLICY_VIOLATION
    return world


def let_through(world: World, who: str = "dana", *groups: str, comment: str = "an outage") -> None:
    mine = frozenset(groups or {"ml-oncall"})
    decide(world, who, gate=OVERRIDE, groups=mine, comment=comment)


def test_one_rollout_is_let_through_and_the_next_is_not() -> None:
    world = held(strict())
    assert waiting(world).endswith("; ml-oncall may let it through by gate policy-override")
    let_through(world)
    world.tick()
    assert world.status.rollout is not None
    (one,) = world.status.rollout.overrides
    assert (one.policy, one.by, one.comment) == ("RolloutPolicy/p", "dana", "an outage")
    assert compliant(world)[:2] == ("True", "Overridden")
    assert [it.message for it in world.events if it.reason == "Overridden"] == [
        "RolloutPolicy/p by dana: an outage"
    ]
    world.approvals = model.NO_APPROVALS  # what was let through stays so
    world.run_until(P.HEALTHY)
    world.deploy(V3)
    world.settle()
    assert world.status.phase is P.POLICY_VIOLATION
    assert len([it for it in world.events if it.reason == "Overridden"]) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"groups": frozenset({"ml-risk"})},
        {"comment": "  "},
        {"gate": "board"},
        {"decision": model.Decision.REJECT},
        {"attempt": 7},
        {"created_at": START - 9 * HOUR},
    ],
    ids=lambda it: next(iter(it)),
)
def test_nobody_else_lets_it_through_nor_ends_it(changed: dict[str, Any]) -> None:
    world = held(strict())
    terms = {"gate": OVERRIDE, "groups": frozenset({"ml-oncall"}), "comment": "why", **changed}
    decide(world, "dana", **terms)
    world.settle()
    assert world.status.phase is P.POLICY_VIOLATION
    assert not world.status.rejected


def test_where_nobody_checks_who_is_who_nobody_is_let_through() -> None:
    world = held(strict())
    let_through(world)
    world.approvals = replace(world.approvals, problem="nobody checks who an approver is")
    world.settle()
    assert world.status.phase is P.POLICY_VIOLATION


def test_each_policy_is_let_through_by_its_own_people() -> None:
    more = strict("q", "platform", constraints={"minReplicas": 9})
    world = held(strict(), more, read({"enforcementAction": "Audit"}, name="r"))
    assert "ml-oncall and platform may let it through" in waiting(world)
    let_through(world)
    world.settle()
    assert waiting(world).startswith("Policy: RolloutPolicy/q, minReplicas")
    let_through(world, "erin", "platform")
    world.run_until(P.HEALTHY)


def test_a_policy_without_such_people_lets_nobody_through() -> None:
    world = held(strict(), read({"stopPolicy": "Hold"}, name="q"))
    assert "policy-override" not in waiting(world)
    let_through(world)
    world.settle()
    assert waiting(world).startswith("Policy: RolloutPolicy/q, stopPolicy")


def test_gates_of_the_policy_are_asked_all_the_same() -> None:
    gate = {"name": "board", "when": {"beforeWeight": 50}, "approverGroups": ["ml-risk"]}
    world = held(strict(constraints={"minBake": "1h"}, approvals=[gate]))
    let_through(world)
    world.run_until(P.AWAITING_APPROVAL)
    assert "gate board" in waiting(world)


def test_a_kill_switch_holds_whoever_was_let_through() -> None:
    world = held(strict())
    let_through(world)
    walk_to(world, "p25")
    world.policies = (strict(constraints={"minBake": "1h"}, stopPolicy="Hold"),)
    world.settle()
    assert waiting(world) == (
        "Policy: RolloutPolicy/p, stopPolicy: the policy stops all rollouts: stopPolicy is Hold"
    )


# --- rehearsed rollbacks -------------------------------------------------------------------------

REHEARSED = read({"constraints": {"requireRehearsedRollback": {"within": "720h"}}}, cluster=True)


def at_the_promotion(world: World) -> None:
    world.run_while(lambda: not waiting(world).startswith("Policy"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_is_aborted_once_and_then_promoted(provider: model.Provider) -> None:
    world = canary(provider)
    world.policies = (REHEARSED,)
    world.deploy(V2)
    at_the_promotion(world)
    assert share(world) == 50
    assert "requireRehearsedRollback: no version of it was taken back within 720h" in waiting(world)
    assert "none is known" in waiting(world)
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    world.settle()
    world.ask("retry", V2, at=world.now)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_what_was_long_ago_or_met_nobody_does_not_count() -> None:
    world = canary()
    world.policies = (REHEARSED,)
    world.deploy(V2)
    walk_to(world, "p25")
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    world.settle()
    world.tick((timedelta(hours=721)).total_seconds())
    world.ask("retry", V2, at=world.now)
    at_the_promotion(world)
    assert "(the last one was at 2026-11-20 12:" in waiting(world)
    assert share(world) == 50


def test_what_never_met_a_request_is_no_rehearsal() -> None:
    world = canary()
    world.policies = (read({"stopPolicy": "Hold"}),)
    world.deploy(V2)
    world.settle()
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert [it.reached for it in world.observe().records] == [False, False]
    world.policies = (REHEARSED,)
    world.ask("retry", V2, at=world.now)
    at_the_promotion(world)
    assert "none is known" in waiting(world)


def test_a_return_asks_for_no_rehearsal() -> None:
    world = canary()
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.policies = (REHEARSED,)
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
