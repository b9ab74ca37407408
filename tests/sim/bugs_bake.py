"""Bugs of the bake: who watches it, how long, and how traffic comes back from it."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

BAKE = (
    Bug(
        name="a clock that jumps ends a bake",
        file="rollout/repair.py",
        old="    if not turn.seen.clock_jump_seconds:\n",
        new="    if turn:\n",
        plays=(
            *by_both("watched_by_a_clock_ahead"),
            *by_both("watched_by_a_clock_back"),
        ),
    ),
    Bug(
        name="a jump of the clock is told again and again",
        file="controller/jumps.py",
        old="            self._settled[key] = self._seen[key]\n",
        new="            self._settled.setdefault(key, self._seen[key])\n",
        plays=by_both("watched_by_a_clock_ahead"),
    ),
    Bug(
        name="a breach in the bake ends as a promotion",
        file="rollout/walk.py",
        old="rollout.stage.control is not model.Control.NONE\n",
        new="rollout.stage.needs_proof\n",
        plays=by_both("broken_in_the_bake"),
    ),
    Bug(
        name="the roles change at the switch, before the bake",
        file="rollout/reach.py",
        old='            turn = turn.say("Promoted", f"{version} serves all traffic")\n',
        new='            turn = ending.become_stable(turn.say("Promoted", version))\n',
        plays=by_both("baked"),
    ),
    Bug(
        name="from a bake everything goes back at once",
        file="rollout/ending.py",
        old="    return rollout.rollback_by == HARM and not rollout.switched\n",
        new="    return rollout.rollback_by == HARM\n",
        plays=("broken_in_the_bake_gatewayapi",),
    ),
    Bug(
        name="the bake keeps every pod of stable",
        file="rollout/capacity.py",
        old="    return min(pods, kept)\n",
        new="    return max(pods, kept)\n",
        plays=("baked_gatewayapi",),
    ),
    Bug(
        name="a bake ends before its time",
        file="rollout/hold.py",
        old="    if passes and turn.now >= step.hold_until:\n",
        new="    if passes and turn.now >= (\n"
        "        step.hold_until if stage.needs_proof else step.confirmed_at or turn.now\n"
        "    ):\n",
        plays=by_both("baked"),
    ),
    Bug(
        name="promote-full does not end a bake",
        file="rollout/reach.py",
        old="    stays = stage.kind in {model.StageKind.FIRST, model.StageKind.SWITCH}\n",
        new="    stays = stage.kind is not model.StageKind.LIVE\n",
        plays=by_both("hurried_in_the_bake"),
    ),
)
