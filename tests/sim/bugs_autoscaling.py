"""Bugs of autoscalers: whose number stands there, and who follows whom."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

AUTOSCALING = (
    Bug(
        name="at rest the number of our autoscaler is fought",
        file="rollout/autoscaling.py",
        old="        return stable.wanted if stable.lowered else max(known, stable.wanted)\n",
        new="        return known or stable.wanted\n",
        plays=by_both("autoscaled_at_rest"),
    ),
    Bug(
        name="the other side does not follow the one that grows",
        file="rollout/autoscaling.py",
        old="    return max(known, side.load(state.wanted, most=asked.max_replicas))\n",
        new="    return known\n",
        plays=by_both("autoscaled_rollout"),
    ),
    Bug(
        name="frozen sides may grow",
        file="rollout/autoscaling.py",
        old="        return pods, pods\n",
        new="        return pods, asked.max_replicas\n",
        more=(
            (
                "rollout/autoscaling.py",
                "    if asked.during_rollout is model.DuringRollout.FROZEN:\n        return known\n",
                "",
            ),
        ),
        plays=by_both("frozen_rollout"),
    ),
    Bug(
        name="who leaves keeps the autoscaler",
        file="rollout/autoscaling.py",
        old="        if wanted != state.autoscaler:\n",
        new="        if wanted not in {None, state.autoscaler}:\n",
        plays=by_both("autoscaled_rollout"),
    ),
    Bug(
        name="the autoscaler of somebody else is not seen",
        file="rollout/duties.py",
        old="    if state.foreign_autoscaler and state.wanted > 0:\n",
        new="    if state.foreign_autoscaler == 'nobody':\n",
        more=(
            (
                "model/observation.py",
                "        if self.foreign_autoscaler:\n",
                "        if self.foreign_autoscaler == 'nobody':\n",
            ),
        ),
        plays=by_both("foreign_without_ours"),
    ),
)
