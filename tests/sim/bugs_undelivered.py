"""Bugs of a candidate that lacks what its stage gives it."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

UNDELIVERED = (
    Bug(
        name="a stage goes on while the target does not give it",
        file="rollout/delivery.py",
        old="        return turn if stands(turn) else _begin_anew(turn, plan.undated(turn))\n",
        new="        return turn\n",
        plays=by_both("refused_in_the_bake"),
    ),
    Bug(
        name="a candidate is blamed for copies that it never got",
        file="rollout/delivery.py",
        old="    return None if lacked and judged.reason == Reason.UNANSWERED.value else judged.message\n",
        new="    return judged.message\n",
        plays=("taken_by_another shadow",),
        more=(
            (
                "rollout/delivery.py",
                "        return turn if stands(turn) else _begin_anew(turn, plan.undated(turn))\n",
                "        return turn\n",
            ),
        ),
    ),
    Bug(
        name="a status that forgot what the candidate is given is believed",
        file="rollout/repair.py",
        old="_restart_clocks(_reach_again(end_unsound(_complete_plan(turn))))",
        new="_restart_clocks(end_unsound(_complete_plan(turn)))",
        plays=by_both("status_forgot_its_traffic"),
    ),
    Bug(
        name="a Service without a Deployment leaves the route at once",
        file="traffic/changes.py",
        old="        services=seen.services,\n",
        new="        services=seen.services & seen.revisions.keys(),\n",
        plays=("deployment_deleted live", "deployment_deleted bake"),
    ),
)
