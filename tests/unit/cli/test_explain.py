"""Which policy asks for what of a ModelDeployment in a cluster."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import cli_world as world
import pytest
from cli_world import LeapingClock, MemoryApi

from tidegate import model, ports
from tidegate.cli import explain, kubectl, outcome
from tidegate.cli.outcome import CliError

IRIS = kubectl.NamespacedName(namespace="ml", name="iris")
FORBIDDEN = ports.Fatal(reason="Forbidden", message="user x cannot list clusterrolloutpolicies")
IMAGE = {"template": {"spec": {"containers": [{"name": "s", "image": "a.example.com/s:1"}]}}}


def policy(kind: ports.Kind, name: str, **spec: Any) -> ports.Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": "ml", "generation": 3},
        "spec": spec,
    }


def near(name: str = "near", **spec: Any) -> ports.Object:
    return policy(ports.ROLLOUT_POLICY, name, **spec)


def far(name: str = "far", **spec: Any) -> ports.Object:
    return policy(ports.CLUSTER_ROLLOUT_POLICY, name, **spec)


def served(
    *policies: ports.Object,
    status: model.Status = world.HEALTHY,
    hidden: bool = False,
    workload: dict[str, Any] = IMAGE,
) -> MemoryApi:
    body = world.document(status)
    body["metadata"]["labels"] = {"team": "risk"}
    body["spec"]["workload"] = workload
    api = MemoryApi(body)
    for kind in (ports.ROLLOUT_POLICY, ports.CLUSTER_ROLLOUT_POLICY):
        api.others[kind] = [it for it in policies if it["kind"] == kind.kind]
    if hidden:
        api.others[ports.CLUSTER_ROLLOUT_POLICY] = FORBIDDEN
    labels = {"environment": "production"}
    api.others[ports.NAMESPACE] = [{"metadata": {"name": "ml", "labels": labels}}]
    return api


def run(api: Any, *, output: str = "table") -> list[str]:
    lines: list[str] = []
    console = kubectl.Console(api=api, clock=LeapingClock(), say=lines.append)
    assert asyncio.run(explain.explain(console, IRIS, output=output)) == outcome.DONE
    return lines


def told(api: MemoryApi) -> dict[str, Any]:
    return dict(json.loads(run(api, output="json")[0]))


def test_each_value_names_the_policy_it_is_from() -> None:
    loose = near(constraints={"maxInitialWeight": 50, "minSteps": 2})
    strict = far(constraints={"maxInitialWeight": 5})
    rows = {it["constraint"]: it for it in told(served(loose, strict))["values"]}
    first, steps = rows["maxInitialWeight"], rows["minSteps"]
    assert (first["value"], first["from"]) == ("5", ["ClusterRolloutPolicy/far"])
    assert (steps["value"], steps["from"], steps["kept"]) == ("2", ["RolloutPolicy/near"], True)


def test_people_see_values_and_what_is_not_kept() -> None:
    lines = run(served(near(constraints={"minBake": "1h", "minSteps": 1})))
    assert lines[1].split() == ["Policies:", "RolloutPolicy/near@3"]
    rows = [it.split() for it in lines]
    assert ["minBake", "1h", "Enforce", "no", "RolloutPolicy/near"] in rows
    assert ["minSteps", "1", "Enforce", "yes", "RolloutPolicy/near"] in rows
    assert "strategy.postPromotion.bake is 0s, at least 1h" in lines[-1]


def test_a_running_rollout_is_judged_by_its_own_plan() -> None:
    """It is on its way from half of the users to all: 5 % at first is no longer to be had."""
    asked = near(constraints={"maxInitialWeight": 5, "maxStepIncrease": 10, "minSteps": 3})
    broken = [it["rule"] for it in told(served(asked, status=world.PROGRESSING))["violations"]]
    assert broken == ["minSteps"]


@pytest.mark.parametrize(
    ("selector", "applies"),
    [
        ({"namespaceSelector": {"matchLabels": {"environment": "production"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"environment": "test"}}}, False),
        ({"selector": {"matchLabels": {"team": "risk"}}}, True),
        ({"selector": {"matchLabels": {"team": "ads"}}}, False),
    ],
)
def test_only_policies_that_apply_count(selector: dict[str, Any], *, applies: bool) -> None:
    found = told(served(far(**selector)))["policies"]
    assert found == (["ClusterRolloutPolicy/far@3"] if applies else [])


@pytest.mark.parametrize("member", ["selector", "namespaceSelector"])
def test_what_the_running_rollout_began_with_applies_whatever_the_labels_are(member: str) -> None:
    rollout = world.PROGRESSING.rollout
    assert rollout is not None
    began = dataclasses.replace(rollout, policies=("ClusterRolloutPolicy/far@1",))
    status = dataclasses.replace(world.PROGRESSING, rollout=began)
    elsewhere = {member: {"matchLabels": {"tier": "gold"}}}
    found = told(served(far(**elsewhere), far("other", **elsewhere), status=status))
    assert found["policies"] == ["ClusterRolloutPolicy/far@3"]


def test_a_closed_window_and_what_the_rollout_waits_for() -> None:
    window = {"name": "show", "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    waits = model.WaitingFor(reason=model.Waiting.FREEZE, message="closed until x", since=world.NOW)
    held = dataclasses.replace(
        world.PROGRESSING, rollout=dataclasses.replace(world.ROLLOUT, waiting_for=waits)
    )
    lines = run(served(near(freezeWindows=[window]), status=held))
    text = "\n".join(lines)
    assert "closed now until 2026-11-21T00:00:00Z by RolloutPolicy/near (show)" in text
    assert "Freeze: closed until x" in text


def test_without_the_right_to_read_them_the_operator_s_word_counts() -> None:
    """A namespace's own people see which policies of the cluster hold them."""
    found = model.PolicyViolation(
        rule="minBake",
        policy="ClusterRolloutPolicy/far",
        action=model.EnforcementAction.ENFORCE,
        message="raise it",
    )
    state = model.PolicyState(
        sources=("ClusterRolloutPolicy/far@7", "RolloutPolicy/near@3"), violations=(found,)
    )
    status = dataclasses.replace(world.HEALTHY, policy=state)
    api = served(near(constraints={"minSteps": 1}), status=status, hidden=True)
    answer = told(api)
    assert answer["notReadable"] == ["ClusterRolloutPolicy/far@7"]
    assert answer["policies"] == ["RolloutPolicy/near@3"]
    assert [it["message"] for it in answer["violations"]] == ["raise it"]
    assert any("by those that can be read" in it for it in run(api))


def test_policies_that_nobody_can_name_are_not_called_none() -> None:
    answer = told(served(hidden=True))
    assert answer["notReadable"] == ["ClusterRolloutPolicies, of which the operator names none"]


def test_pods_of_a_deployment_that_is_referred_to_are_judged() -> None:
    api = served(
        near(constraints={"images": {"requireDigest": True}}),
        workload={"workloadRef": {"name": "served"}},
    )
    api.others[ports.DEPLOYMENT] = [{"metadata": {"name": "served"}, "spec": IMAGE}]
    assert [it["rule"] for it in told(api)["violations"]] == ["images"]
    api.others[ports.DEPLOYMENT] = []
    with pytest.raises(CliError, match=r"Deployment served does not exist in this namespace"):
        run(api)


@pytest.mark.parametrize(
    ("kind", "failure", "said"),
    [
        (ports.ROLLOUT_POLICY, FORBIDDEN, "cannot list RolloutPolicies"),
        (ports.ROLLOUT_POLICY, ports.Retryable(message="no"), "cannot list rolloutpolicies"),
        (
            ports.CLUSTER_ROLLOUT_POLICY,
            ports.Fatal(reason="NotServed", message="no"),
            "install the kinds of Tidegate first",
        ),
    ],
)
def test_what_cannot_be_read_is_said(kind: ports.Kind, failure: ports.Failure, said: str) -> None:
    api = served()
    api.others[kind] = failure
    with pytest.raises(CliError, match=said):
        run(api)


def test_labels_of_a_namespace_that_cannot_be_read_are_a_doubt() -> None:
    api = served(far(namespaceSelector={"matchLabels": {"environment": "test"}}))
    api.others[ports.NAMESPACE] = FORBIDDEN
    [violation] = told(api)["violations"]
    assert "its namespaceSelector: labels of namespace ml" in violation["message"]


GATE = {"name": "board", "when": {"beforeWeight": 50}, "approverGroups": ["ml-risk"]}
BAKE = {"strategy": {"postPromotion": {"bake": "2h"}}}


def test_each_term_of_a_gate_names_the_policy_it_is_from() -> None:
    api = served(near(approvals=[GATE | {"minApprovals": 2}]), far(approvals=[GATE]))
    rows = {it["term"]: (it["value"], it["from"]) for it in told(api)["gates"]}
    near_, far_ = "RolloutPolicy/near", "ClusterRolloutPolicy/far"
    assert rows == {
        "approvals.board.when": ("beforeWeight 50", [far_, near_]),
        "approvals.board.minApprovals": ("2", [near_]),
        "approvals.board.approverGroups": ("ml-risk", [far_, near_]),
        "approvals.board.expiresAfter": ("72h", [far_, near_]),
    }
    lines = [it.split() for it in run(api)]
    assert ["approvals.board.minApprovals", "2", "Enforce", near_] in lines


def test_a_gate_before_the_promotion_not_by_its_author() -> None:
    last = {"name": "board", "when": {"beforePromotion": True}, "notAuthor": True}
    rows = {it["term"]: it["value"] for it in told(served(near(approvals=[last])))["gates"]}
    assert rows["approvals.board.when"] == "beforePromotion"
    assert rows["approvals.board.notAuthor"] == "true"


def test_defaults_count_and_name_their_policy() -> None:
    api = served(near(constraints={"minBake": "1h"}), far(defaults=BAKE))
    answer = told(api)
    assert answer["violations"] == []
    assert answer["defaults"] == [
        {
            "field": "strategy.postPromotion.bake",
            "value": "2h",
            "from": "ClusterRolloutPolicy/far",
        }
    ]
    assert ["strategy.postPromotion.bake", "2h", "ClusterRolloutPolicy/far"] in [
        it.split() for it in run(api)
    ]


def test_defaults_that_may_not_be_read_are_those_that_the_operator_names() -> None:
    value = model.DefaultValue(
        field="strategy.postPromotion.bake", value="3h", policy="ClusterRolloutPolicy/far"
    )
    status = dataclasses.replace(world.HEALTHY, policy=model.PolicyState(defaults=(value,)))
    api = served(near(constraints={"minBake": "3h"}), status=status, hidden=True)
    answer = told(api)
    assert answer["violations"] == []
    assert [it["value"] for it in answer["defaults"]] == ["3h"]


def test_an_exemption_is_told_with_its_end() -> None:
    one = {"name": "legacy", "namespace": "ml", "rules": ["minBake"], "reason": "is moved"}
    policy_ = far(
        constraints={"minBake": "1h"}, exemptions=[one | {"until": "2027-01-31T00:00:00Z"}]
    )
    answer = told(served(policy_))
    assert answer["violations"] == []
    assert answer["values"] == []
    assert answer["exempt"] == [
        "ClusterRolloutPolicy/far: exempt from minBake until 2027-01-31 00:00 UTC by legacy (is moved)"
    ]
    assert "is moved" in "\n".join(run(served(policy_)))


@pytest.mark.parametrize("hidden", [False, True])
def test_a_policy_that_the_rollout_was_let_through_holds_it_by_gates_alone(*, hidden: bool) -> None:
    """As the operator has it: no violation, no closed window, and who said so."""
    passed = model.Override(policy="RolloutPolicy/near", by="dana", at=world.NOW, comment="outage")
    rollout = dataclasses.replace(world.ROLLOUT, overrides=(passed,))
    status = dataclasses.replace(world.PROGRESSING, rollout=rollout)
    window = {"name": "show", "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    policies = (
        near(constraints={"minSteps": 3}, freezeWindows=[window], approvals=[GATE]),
        near("other", constraints={"minSteps": 4}),
    )
    api = served(*policies, status=status, hidden=hidden)
    answer = told(api)
    assert answer["overridden"] == ["RolloutPolicy/near by dana: outage"]
    assert answer["policies"] == ["RolloutPolicy/near@3", "RolloutPolicy/other@3"]
    assert [it["policy"] for it in answer["violations"]] == ["RolloutPolicy/other"]
    assert answer["closed"]["by"] == ""
    assert {tuple(it["from"]) for it in answer["gates"]} == {("RolloutPolicy/near",)}
    assert ["Overridden:", "RolloutPolicy/near", "by", "dana:", "outage"] in [
        it.split() for it in run(api)
    ]


def test_an_override_ends_with_its_rollout() -> None:
    passed = model.Override(policy="RolloutPolicy/near", by="dana", at=world.NOW, comment="outage")
    ended = dataclasses.replace(world.ROLLOUT, active=False, overrides=(passed,))
    status = dataclasses.replace(world.HEALTHY, rollout=ended)
    answer = told(served(near(constraints={"minBake": "1h"}), status=status))
    assert answer["overridden"] == []
    assert [it["rule"] for it in answer["violations"]] == ["minBake"]


def test_rollbacks_are_looked_for_where_a_policy_asks() -> None:
    api = served(far(constraints={"requireRehearsedRollback": {"within": "24h"}}))
    api.others[ports.ROLLOUT_RECORD] = []
    (row,) = told(api)["values"]
    assert (row["constraint"], row["value"]) == ("requireRehearsedRollback.within", "24h")
    api.others[ports.ROLLOUT_RECORD] = ports.Fatal(reason="Forbidden", message="no")
    assert told(api)["violations"] == []
