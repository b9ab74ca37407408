"""Bugs of blue-green: who looks, who decides, and how users change sides."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

BLUE_GREEN = (
    Bug(
        name="the preview Service stays on stable",
        file="traffic/planes/preview.py",
        old="    newest = target.candidate if exposure.preview or exposure.live_percent == 100 else ",
        new="    newest = target.candidate if exposure.live_percent == 100 else ",
        plays=by_both("shown_and_switched"),
    ),
    Bug(
        name="the entry Service follows the preview",
        file="traffic/planes/service.py",
        old="        switched = target.exposure.live_percent == 100\n",
        new="        switched = target.exposure.is_visited\n",
        plays=("shown_and_switched_replicaratio",),
    ),
    Bug(
        name="users are switched to as many pods as were in preview",
        file="traffic/sizing/whole.py",
        old="    def part_of(\n",
        new="    def candidate_needed(self, weight_percent, *, replicas, scaling):\n"
        "        return min(int(weight_percent), 1)\n\n"
        "    def part_of(\n",
        plays=by_both("small_preview"),
    ),
    Bug(
        name="from the bake users go back before stable has its pods",
        file="traffic/sizing/whole.py",
        old="        ready = stable >= max(replicas - missing_pods, 1)\n",
        new="        ready = stable >= 1\n",
        plays=by_both("bad_after_the_switch"),
    ),
    Bug(
        name="a route goes back in parts",
        file="traffic/planes/managed.py",
        old="Whole() if exclusive else self.by_share()",
        new="self.by_share()",
        plays=("bad_after_the_switch_gatewayapi",),
    ),
    Bug(
        name="testers are not sent to a preview",
        file="rollout/strategy/blue_green.py",
        old="        routes=asked.routes,\n",
        new="",
        plays=("testers_until_the_switch", "testers_until_the_switch HTTPProxy"),
    ),
    Bug(
        name="testers keep a rule of their own in the switch",
        file="rollout/strategy/blue_green.py",
        old="    switch = replace(switch, control=model.Control.LIMITS_ONLY, gates=gates)\n",
        new="    limits = model.Control.LIMITS_ONLY\n"
        "    switch = replace(switch, control=limits, gates=gates, routes=asked.routes)\n",
        plays=("testers_until_the_switch",),
    ),
    Bug(
        name="the switch does not wait for a person",
        file="rollout/strategy/blue_green.py",
        old="    gates = () if asked.auto_promote else (model.Gate(name=model.MANUAL_GATE),)\n",
        new="    gates = ()\n",
        plays=by_both("asked_for_by_hand"),
    ),
    Bug(
        name="who waits for a person is not watched",
        file="rollout/walk.py",
        old="    harm = delivery.harm(turn) if _is_judged(rollout) else None\n",
        new="    looks = _is_judged(rollout) and not waiting.is_paused(rollout)\n"
        "    harm = delivery.harm(turn) if looks else None\n",
        plays=by_both("bad_at_the_gate"),
    ),
    Bug(
        name="an edit of the strategy changes the plane of the running rollout",
        file="rollout/strategy/compile.py",
        old="    exclusive = model.StageKind.PREVIEW in kinds\n",
        new="    exclusive = spec.traffic.exclusive\n",
        plays=("edited_in_preview_replicaratio",),
    ),
    Bug(
        name="a preview that has to be visited ends by time",
        file="model/stages.py",
        old="        proves = proves or (self.kind is StageKind.PREVIEW and self.min_requests > 0)\n",
        new="        proves = proves or (self.kind is StageKind.PREVIEW and self.min_requests < 0)\n",
        plays=by_both("seen_by_nobody"),
    ),
    Bug(
        name="a target that is gone agrees with a preview",
        file="rollout/turn.py",
        old="        there = traffic.exists or not exposure.is_visited\n",
        new="        there = traffic.exists or exposure.live_percent == 0\n",
        plays=("target_deleted_in_preview_gatewayapi",),
    ),
    Bug(
        name="preview Services that nobody names stay",
        file="rollout/duties.py",
        old="    turn = _delete_old_previews(_rest_traffic(turn))\n",
        new="    turn = _rest_traffic(turn)\n",
        plays=by_both("edited_in_preview"),
    ),
    Bug(
        name="pods of stable go with the switch",
        file="rollout/capacity.py",
        old="    if (drained is None or turn.now < drained) and state is not None:\n",
        new="    if drained is None and state is not None:\n",
        plays=by_both("shown_and_switched"),
    ),
)
