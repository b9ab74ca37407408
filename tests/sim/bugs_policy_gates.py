"""Deliberate bugs of gates that policies ask for: not asked, opened by anybody, or asked for ever."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

_GATES = "rollout/policy_gates.py"

POLICY_GATES = (
    Bug(
        name="a gate of a policy is asked before the promotion only",
        file=_GATES,
        old="    return weight is not None and stage.exposure.live_percent >= weight\n",
        new="    return weight is None\n",
        plays=by_both("policy_gate_asked_for_all"),
    ),
    Bug(
        name="a gate of a policy stays in the plan when the policy is gone",
        file=_GATES,
        old="    return (it for it in stage.gates if not it.policies or it.opened_at is not None)\n",
        new="    return (it for it in stage.gates)\n",
        plays=by_both("policy_gate_comes_and_goes"),
    ),
    Bug(
        name="gates of policies are read when a rollout begins, and never again",
        file=_GATES,
        old="    return turn if plan == rollout.plan else turn.with_rollout(replace(rollout, plan=plan))\n",
        new="    begun = rollout.begun or plan == rollout.plan\n"
        "    return turn if begun else turn.with_rollout(replace(rollout, plan=plan))\n",
        plays=by_both("policy_gate_comes_and_goes"),
    ),
    Bug(
        name="a gate of a policy forgets whose approvals count",
        file="policy/gates.py",
        old="            named = replace(one, gate=replace(one.gate, policies=(policy.id,)))\n",
        new="            named = replace(\n"
        "                one, gate=replace(one.gate, policies=(policy.id,), approver_groups=())\n"
        "            )\n",
        plays=by_both("policy_gate_asked_for_all"),
    ),
)
