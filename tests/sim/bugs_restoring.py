"""Bugs of what is deleted or emptied under way: users lose objects, or the pods that carry them."""

from __future__ import annotations

from tests.sim.bug import Bug

RESTORING = (
    Bug(
        name="a Service that is gone stays away in a step",
        file="rollout/dataplane.py",
        old="    lost = not traffic.entry_exists or (ours and not traffic.exists)\n",
        new="    lost = ours and not traffic.exists\n",
        plays=("service_gone_gatewayapi", "service_gone_contour", "service_gone_existing"),
    ),
    Bug(
        name="a route that is gone stays away while the candidate answers for stable",
        file="rollout/dataplane.py",
        old="    lost = not traffic.entry_exists or (ours and not traffic.exists)\n",
        new="    lost = not traffic.entry_exists\n",
        plays=("route_gone_gatewayapi", "route_gone_contour"),
    ),
    Bug(
        name="the only pod of stable goes for copies",
        file="rollout/capacity.py",
        old="        copied=_is_copied_to(turn),\n",
        new="",
        plays=("copies_of_the_only_pod_gatewayapi",),
    ),
    Bug(
        name="after an emptied status stable gets all users with one pod",
        file="rollout/capacity.py",
        old="    if not others or turn.spec.replicas == 0:\n",
        new="    if True:\n",
        plays=("emptied_in_the_bake_gatewayapi", "emptied_in_the_bake_contour"),
    ),
    Bug(
        name="promote-full makes stable what has no pods",
        file="rollout/reach.py",
        old="    if turn.rollout.switched and not _serves_all(turn):\n",
        new="    if False:\n",
        plays=("hurried_without_pods_gatewayapi", "hurried_without_pods_replicaratio"),
    ),
)
