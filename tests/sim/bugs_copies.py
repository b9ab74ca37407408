"""Bugs of copies beside a share, and of copies for a preview."""

from __future__ import annotations

from tests.sim.bug import Bug

COPIES = (
    Bug(
        name="copies beside a share come before the pods for both",
        file="rollout/reach.py",
        old="    if live == 0 or live + mirror <= load + 1e-6:\n",
        new="    if live == 0 or live <= load:\n",
        plays=("copied_in_a_small_surge",),
    ),
    Bug(
        name="what copies beside a share have shown counts on without them",
        file="rollout/plan.py",
        old="    ended = before.mirror_percent > 0 and after.mirror_percent <= 0\n",
        new="    ended = before.mirror_percent > 0 and after.mirror_percent < 0\n",
        plays=("copied_beside",),
    ),
    Bug(
        name="a preview with copies is held against limits alone",
        file="rollout/strategy/blue_green.py",
        old="        control=model.Control.CONCURRENT if copied else model.Control.LIMITS_ONLY,\n",
        new="        control=model.Control.LIMITS_ONLY,\n",
        plays=("preview_worse_than_stable",),
    ),
    Bug(
        name="a step gives the candidate the users of its copies, too",
        file="rollout/strategy/canary.py",
        old="            effective_weight_percent=step.weight_percent,\n",
        new="            effective_weight_percent=step.weight_percent + step.mirror_percent,\n",
        plays=("copied_beside",),
    ),
)
