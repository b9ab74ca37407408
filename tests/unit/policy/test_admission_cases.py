"""The table that admission and steps share, asked of the operator's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from admission_cases import CASES, REACHES, Case, Reach, Verdict
from policy_examples import NOON, policy
from tools import admission

from tidegate.api import convert, policies
from tidegate.api.defaults import applied
from tidegate.policy import case as judged
from tidegate.policy import defaults, exemptions, judge, queue, rules
from tidegate.policy.selectors import Place, placed, selected
from tidegate.rollout.strategy.compile import plan_of


@pytest.mark.parametrize("case", CASES, ids=lambda it: it.name)
def test_a_step_is_held_where_it_is_refused(case: Case) -> None:
    spec, wrong = convert.read_spec(case.asked)
    assert spec is not None
    assert wrong == (), "only what could be carried out says something of policies"
    read, problems = policies.read_policy(policy(case.policy))
    assert problems == ()
    found = judge.violations([read], judged.Case(spec=spec, plan=plan_of(spec)), at=NOON)
    expected = set() if case.verdict is Verdict.KEPT else {case.rule}
    assert {it.rule for it in found} == expected


@pytest.mark.parametrize("reach", REACHES, ids=lambda it: it.name)
def test_whom_a_policy_binds_and_how(reach: Reach) -> None:
    read, problems = policies.read_policy(policy(reach.policy, cluster=reach.cluster))
    assert problems == ()
    here = Place(labels={"kubernetes.io/metadata.name": "default"})
    apply = selected(placed([read], here), reach.asked["metadata"]["labels"])
    spec, _ = convert.read_spec(applied(defaults.merged(apply), reach.asked))
    assert spec is not None
    bound = exemptions.binding(apply, namespace="default", name="iris", at=NOON)
    found = judge.violations(bound, judged.Case(spec=spec, plan=plan_of(spec)), at=NOON)
    assert [str(it.action) for it in found] == ([reach.step] if reach.step else [])


def test_nothing_is_refused_that_a_step_would_let_go() -> None:
    assert {it.step for it in REACHES if it.admission == "Deny"} == {"Enforce"}


def test_every_rule_is_judged_at_admission_or_left_to_the_step_for_a_reason() -> None:
    left: dict[str, Any] = dict(admission.LEFT_TO_THE_STEP)
    assert not left.keys() & admission.RULES.keys()
    assert left.keys() | admission.RULES.keys() == rules.RULES.keys()
    assert queue.RULE not in admission.RULES


def test_every_rule_is_kept_and_refused_in_the_table() -> None:
    for name in admission.RULES:
        verdicts = {it.verdict for it in CASES if it.rule == name}
        assert verdicts >= {Verdict.KEPT, Verdict.REFUSED}, name
    for name in admission.LEFT_TO_THE_STEP:
        assert Verdict.REFUSED not in {it.verdict for it in CASES if it.rule == name}
