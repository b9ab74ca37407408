"""Bugs of the way back: its pods go too early, or what it was about is forgotten."""

from __future__ import annotations

from tests.sim.bug import Bug

WAYS_BACK = (
    Bug(
        name="in a bake stable's pods go by the clock alone",
        file="rollout/capacity.py",
        old="    since = None if candidate_is_short(turn) else rollout.step.covered_since or turn.now\n",
        new="    since = rollout.step.covered_since or turn.now\n",
        plays=("short_in_the_bake_gatewayapi", "short_in_the_bake_contour"),
    ),
    Bug(
        name="a part that was taken for harm has no mark",
        file="rollout/ending.py",
        old="    harmful = rollout.ending and rollout.rollback_by == HARM\n",
        new="    harmful = rollout.ending and not rollout.rollback_by\n",
        plays=("killed_while_lowering_gatewayapi", "killed_while_lowering_contour"),
    ),
    Bug(
        name="a route that spec no longer names keeps our weights",
        file="traffic/planes/gateway_existing.py",
        old="        return tuple(it for it in known if it not in named)\n",
        new="        return tuple(it for it in known if it in named and False)\n",
        plays=("route_is_dropped_running", "route_is_dropped_killed"),
    ),
    Bug(
        name="what answers for stable stops to when it is deployed again",
        file="rollout/starting.py",
        old="    return failover.taken_along(plan.name_rounding(turn))\n",
        new="    return failover.forget(plan.name_rounding(turn))\n",
        plays=("stand_in_is_deployed_gatewayapi", "stand_in_is_deployed_existing"),
    ),
    Bug(
        name="parked pods of what answered stay",
        file="rollout/duties.py",
        old="    return turn.spec.replicas > 0 and _serves(turn, revision)\n",
        new="    return _serves(turn, revision)\n",
        plays=(
            "parked_while_another_answers_gatewayapi",
            "parked_while_another_answers_replicaratio",
        ),
    ),
    Bug(
        name="a fix waits until a rejected version has been kept long enough",
        file="rollout/duties.py",
        old="    return turn.by_pods and bool(turn.stable) and waits\n",
        new="    return turn.by_pods and not turn.stable and waits\n",
        plays=("kept_until_waited_for_replicaratio",),
    ),
)
