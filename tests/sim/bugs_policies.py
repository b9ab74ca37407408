"""Deliberate bugs of policies: steps that nobody holds, ways back that somebody does."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

POLICIES = (
    Bug(
        name="policies are asked at the start only",
        file="rollout/policies.py",
        old="    if stage is None or (stage.kind is model.StageKind.BAKE and not rollout.withdrawn):\n",
        new="    if stage is None or rollout.begun:\n",
        plays=by_both("policy_frozen_in_a_step"),
    ),
    Bug(
        name="while a policy holds the next step nobody watches the present one",
        file="rollout/walk.py",
        old="    turn = safety_watch(delivery.note_loss(_note_new_batch(turn)))\n"
        "    if turn.rollout.ending:\n",
        new="    from tidegate.rollout import policies\n\n"
        "    stopped = any(one.stopped for one in turn.seen.policies)\n"
        "    turn = turn if stopped else safety_watch(_note_new_batch(turn))\n"
        "    if turn.rollout.ending:\n",
        plays=by_both("policy_bad_in_a_freeze"),
    ),
    Bug(
        name="a rollback waits for the window",
        file="rollout/decide.py",
        old="    if rollout.ending:\n        return starting.follow_on(ending.work_rolling_back(turn))\n",
        new="    from tidegate.policy.windows import freeze\n\n"
        "    if rollout.ending and freeze(turn.seen.policies, turn.now).closed_by:\n"
        "        return turn\n"
        "    if rollout.ending:\n"
        "        return starting.follow_on(ending.work_rolling_back(turn))\n",
        plays=by_both("policy_bad_in_a_freeze"),
    ),
    Bug(
        name="what was given is not confirmed while a window is closed",
        file="rollout/policies.py",
        old="    return not policy_gates.is_given(rollout)\n",
        new="    return True\n",
        plays=("policy_frozen_before_it_is_confirmed_gatewayapi",),
    ),
    Bug(
        name="a policy that cannot be read is none",
        file="policy/judge.py",
        old='            yield _violation(policy, UNREADABLE, f"the policy cannot be read: {policy.problem}")\n',
        new="",
        plays=by_both("policy_unreadable"),
    ),
    Bug(
        name="a policy that cannot be read says nothing",
        file="controller/policy_status.py",
        old="    if not policy.problem:\n",
        new="    if True:\n",
        plays=by_both("policy_unreadable"),
    ),
    Bug(
        name="a policy as it was at the start holds for the whole rollout",
        file="controller/policies.py",
        old="    return sorted((it.read(read) for it in entries), key=lambda it: it.name)\n",
        new="    first = [it for it in entries if it.snapshot['metadata']['generation'] == 1]\n"
        "    return sorted((it.read(read) for it in first), key=lambda it: it.name)\n",
        plays=by_both("policy_tightened_and_taken_away"),
    ),
    Bug(
        name="labels of a namespace are read once",
        file="controller/policies.py",
        old="        if known is not None and now - known.read_at < KEPT_SECONDS:\n",
        new="        if known is not None:\n",
        plays=by_both("policy_of_other_namespaces"),
    ),
    Bug(
        name="a policy lets go of a rollout whose labels are taken away",
        file="controller/policies.py",
        old="        found = selected(known, labels, kept=kept)\n",
        new="        found = selected(known, labels)\n",
        plays=by_both("policy_relabelled"),
    ),
    Bug(
        name="an exemption never ends",
        file="policy/exemptions.py",
        old="    names = frozenset(rule for it in own if at < it.until for rule in it.rules)\n",
        new="    names = frozenset(rule for it in own for rule in it.rules)\n",
        plays=by_both("policy_exemption_ends"),
    ),
    Bug(
        name="nobody asks for a rehearsal of the way back",
        file="policy/rules.py",
        old="    within = constraints.rehearsed_within_seconds\n",
        new="    within = None\n",
        plays=by_both("policy_rehearsed"),
    ),
    Bug(
        name="while people are asked first, who may have no pods is blamed for it (found by the simulator)",
        file="rollout/reach.py",
        old=" and (gate[0] in waiting.BY_POLICIES or policies.keeps_out(turn))\n",
        new=" and gate[0] in waiting.BY_POLICIES\n",
        plays=by_both("policy_people_are_asked_first"),
    ),
)
