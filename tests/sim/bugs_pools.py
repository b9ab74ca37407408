"""Bugs of pools without room: who lends, who waits, and who is given up."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

POOLS = (
    Bug(
        name="what will not fit is said only once it has begun",
        file="rollout/room.py",
        old="    if rollout.begun and not told:\n",
        new="    if not rollout.begun:\n",
        plays=("told_what_will_not_fit",),
    ),
    Bug(
        name="stable lends nothing where a route makes the share",
        file="traffic/sizing/by_weight.py",
        old="        return _Room(ceiling=ceiling - request.others.wanted, goal=self.replicas)\n",
        new="        return _Room(ceiling=ceiling - request.others.wanted, goal=2 * ceiling)\n",
        plays=("promoted_in_a_full_pool_gatewayapi_recreate",),
    ),
    Bug(
        name="stable has all pods again before those that leave are gone",
        file="rollout/capacity.py",
        old="    return min(replicas, max(room, state.wanted if state is not None else 0))\n",
        new="    return max(replicas, room, state.wanted if state is not None else 0)\n",
        plays=("back_in_a_full_pool_gatewayapi_borrow_bad",),
    ),
    Bug(
        name="the old pods wait for the new ones that wait for them",
        file="rollout/duties.py",
        old="(served and capacity.successor_is_short(turn))",
        new="(served and capacity.stable_is_short(turn))",
        plays=("promoted_with_two_pods_gatewayapi_borrow",),
    ),
    Bug(
        name="a candidate is blamed for the room that it does not get",
        file="rollout/links.py",
        old="    if turn.scaling.lends and state.wanted <= capacity.wanted(turn).candidate < needed:\n",
        new="    if turn.scaling.lends and not state.current and needed < 0:\n",
        plays=("newer_waits_for_the_room_of_the_older_borrow",),
    ),
    Bug(
        name="nobody serves, and the pod that does not come is waited for",
        file="rollout/lateness.py",
        old="    if capacity.nobody_serves_for_it(turn) and not turn.rollout.exposure.is_visited:\n",
        new="    if capacity.nobody_serves_for_it(turn) and turn.rollout.exposure.is_visited:\n",
        plays=by_both("the_pool_shrinks_while_the_only_pod_is_swapped"),
    ),
    Bug(
        name="the only pod keeps the room that the way back needs",
        file="rollout/capacity.py",
        old="live_percent(turn, rollout) > 0 and not swaps(turn):\n",
        new="live_percent(turn, rollout) > 0:\n",
        plays=by_both("the_only_pod"),
    ),
    Bug(
        name="a single pod that is swapped is shared",
        file="rollout/strategy/compile.py",
        old="    if spec.scaling.in_place and spec.replicas == 1 and stage.weight_percent < 100:\n",
        new="    if spec.scaling.in_place and spec.replicas == 1 and stage.weight_percent < 0:\n",
        plays=("the_only_pod_is_promoted_gatewayapi",),
    ),
    Bug(
        name="who serves alone is not asked for the labels of its series",
        file="controller/beside.py",
        old="    if rollout is None or rollout.exposure.live_percent < 100 or seen.meta.deleting:\n",
        new="    if rollout is None or rollout.exposure.live_percent <= 100 or seen.meta.deleting:\n",
        plays=("the_only_pod_gatewayapi",),
    ),
)
