"""The table that admission and steps share, asked of the operator's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from admission_cases import CASES, Case, Verdict
from policy_examples import NOON, policy
from tools import admission

from tidegate.api import convert, policies
from tidegate.policy import judge, queue, rules
from tidegate.policy import case as judged
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
