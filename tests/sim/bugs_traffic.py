"""Bugs of entry Service and route: edits of the spec, other writers, what Gateways report."""

from __future__ import annotations

from tests.sim.bug import Bug

TRAFFIC = (
    Bug(
        name="an edit of traffic waits for the next version",
        file="rollout/duties.py",
        old="    turn = dataplane.keep(_forget_frozen(_trim_history(turn)))\n",
        new="    turn = _forget_frozen(_trim_history(turn))\n",
        plays=("edited_at_rest", "edited_at_rest_by_pods"),
    ),
    Bug(
        name="an edit of traffic waits for the end of the step",
        file="rollout/dataplane.py",
        old="        return reach.exposure_of(turn)\n",
        new="        return None\n",
        plays=("edited_in_a_step", "edited_in_a_step_by_pods"),
    ),
    Bug(
        name="the route of a first revision that waits is not mended",
        file="rollout/dataplane.py",
        old="    return rest(turn, first) if serves else None\n",
        new="    return rest(turn, first) if serves and turn.stable else None\n",
        plays=("first_edited",),
    ),
    Bug(
        name="Ready before an edit of traffic is in force",
        file="rollout/conditions.py",
        old="        if (found := _differs(turn)) is not None:\n            return found\n",
        new="",
        plays=("edited_at_rest",),
    ),
    Bug(
        name="a field removed from the spec stays in the cluster",
        file="traffic/writes.py",
        old="sorted((want.keys() | have.keys()) - _ALLOCATED)",
        new="sorted(want.keys() - _ALLOCATED)",
        plays=("edited_at_rest",),
    ),
    Bug(
        name="a quarrel is fought for ever",
        file="rollout/dataplane.py",
        old="        case D.RESTORED if _seconds(found.written_at, turn.now) < QUARREL_SECONDS:\n",
        new="        case D.RESTORED if _seconds(found.written_at, turn.now) < 0:\n",
        plays=("left_when_fought",),
    ),
    Bug(
        name="what another owns is taken by force at rest",
        file="controller/actuator.py",
        old="body=body, force=urgent, urgent=urgent",
        new="body=body, force=True, urgent=urgent",
        plays=("timeout_by_hand",),
    ),
    Bug(
        name="what another controller left behind blocks the route",
        file="traffic/planes/route.py",
        old="    if None in findings:\n",
        new="    if not any(findings):\n",
        plays=("left_behind_by_a_controller",),
    ),
    Bug(
        name="one Gateway answers for all",
        file="traffic/planes/route.py",
        old="    for parent in parents:\n",
        new="    for parent in parents[:1]:\n",
        plays=("one_gateway_at_a_time",),
    ),
)
