"""Deliberate bugs of what people steer: edits of the plan, gates, levels, terms of a step."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

STEERING = (
    Bug(
        name="skip-step skips all that is left",
        file="rollout/reach.py",
        old="    return go_on(turn, after=step.index)\n\n\ndef promote_fully",
        new="    return go_on(turn, after=len(turn.rollout.plan) - 2)\n\n\ndef promote_fully",
        plays=by_both("step_skipped"),
    ),
    Bug(
        name="nobody hears that a step was skipped",
        file="rollout/plan.py",
        old="        ended_by=by,\n",
        new='        ended_by="",\n',
        plays=by_both("step_skipped"),
    ),
    Bug(
        name="an edited plan is adopted unasked",
        file="rollout/walk.py",
        old="    turn = _skip_without_weight(plan.fit_to_pods(turn))\n",
        new="    from tidegate.rollout import adoption\n\n"
        "    if adoption.difference(turn):\n"
        "        turn = turn.with_rollout(adoption.adopted(turn.rollout, turn.spec))\n"
        "    turn = _skip_without_weight(plan.fit_to_pods(turn))\n",
        plays=by_both("plan_adopted"),
    ),
    Bug(
        name="an adopted plan begins with its first step",
        file="rollout/adoption.py",
        old="        confirmed_at=stage.confirmed_at,\n    )",
        new="        confirmed_at=None,\n    )",
        plays=by_both("plan_adopted"),
    ),
    Bug(
        name="after a repin the plan before stands in for a spec that cannot be read",
        file="rollout/duties.py",
        old="    if turn.seen.frozen_for(rollout) is not None:\n",
        new="    if any(one.name == rollout.id for one in turn.seen.frozen_rollouts):\n",
        plays=by_both("plan_adopted_then_spoilt"),
    ),
    Bug(
        name="a gate of the spec is not asked for",
        file="rollout/strategy/canary.py",
        old="            gates=(step.gate,) if step.gate else (),\n",
        new="            gates=(),\n",
        plays=by_both("gate_opened"),
    ),
    Bug(
        name="pods grow before a gate is open",
        file="rollout/capacity.py",
        old="    if given > 0 and gates.closed(turn) is not None:\n        return given\n",
        new="",
        plays=("gate_opened_gatewayapi", "by_hand_replicaratio"),
    ),
    Bug(
        name="a closed gate may be skipped",
        file="rollout/requests.py",
        old="    if kind is model.RequestKind.SKIP_STEP and gates.closed(turn) is not None:\n",
        new="    if kind is model.RequestKind.SKIP_STEP and gates.closed(turn) is None:\n",
        plays=by_both("gate_opened"),
    ),
    Bug(
        name="at level Manual the promotion asks nobody",
        file="rollout/gates.py",
        old="    if level in _BY_PEOPLE and not any(_is_of_plan(gate, MANUAL) for gate in stage.gates):\n",
        new="    if level in _BY_PEOPLE and MANUAL not in is_open and stage.needs_proof:\n",
        plays=by_both("by_hand"),
    ),
    Bug(
        name="level Shadow gives users to a candidate",
        file="rollout/gates.py",
        old="    return stage.asks_people and stage.exposure.answers_users\n",
        new="    return stage.kind is model.StageKind.SWITCH\n",
        plays=by_both("only_mirrored"),
    ),
    Bug(
        name="no advice where people decide",
        file="rollout/advice.py",
        old="    return level not in _WITHOUT_ADVICE or gates.asked(turn) is not None\n",
        new="    return level in _WITHOUT_ADVICE and gates.asked(turn) is not None\n",
        plays=by_both("by_hand"),
    ),
    Bug(
        name="what a step tolerates is tolerated for ever",
        file="controller/subjects.py",
        old="    stage = rollout.judged_stage\n",
        new="    stage = rollout.plan[0]\n",
        plays=by_both("tried_within_loose_limits"),
    ),
    Bug(
        name="the limits of a step are not heard",
        file="controller/subjects.py",
        old="limits.get(metric.name, metric.threshold)",
        new="metric.threshold",
        plays=by_both("tried_within_loose_limits"),
    ),
    Bug(
        name="the size of a step is not heard",
        file="traffic/sizing/by_weight.py",
        old="        if self.scaling.candidate_pods is not None:\n",
        new="        if self.scaling.candidate_pods == 0:\n",
        plays=("sized_apart",),
    ),
    Bug(
        name="what returns meets the gates of the level",
        file="rollout/gates.py",
        old="    if decided:\n        return",
        new="    if stage.control is None:\n        return",
        plays=by_both("returned_at_once"),
    ),
    Bug(
        name="whatever served once returns at once",
        file="rollout/turn.py",
        old="in self.status.served[: window + 1]\n",
        new="in self.status.served[: window + 9]\n",
        plays=by_both("walked_outside_the_window"),
    ),
)
