"""Bugs of shadows that may not send: copies without a policy, users with one, and what is left over."""

from __future__ import annotations

from tests.sim.bug import Bug

ISOLATING = (
    Bug(
        name="copies do not wait for the policy of their shadow",
        file="rollout/isolation.py",
        old="    if there is wanted:\n",
        new="    if wanted or not there:\n",
        plays=("isolation_is_refused",),
    ),
    Bug(
        name="users reach a shadow that may not send yet",
        file="rollout/isolation.py",
        old="    if there is wanted:\n",
        new="    if there or not wanted:\n",
        plays=("isolated_then_canary", "isolation_stays"),
    ),
    Bug(
        name="the policy of a shadow outlives its rollout",
        file="rollout/isolation.py",
        old="    others = sorted(seen.revisions - {wanted})\n",
        new="    others = sorted(seen.revisions - {wanted}) if rollout is not None else []\n",
        plays=("isolated_and_aborted",),
    ),
    Bug(
        name="copies outlast the policy of their shadow",
        file="rollout/isolation.py",
        old="    return _has_shadow(rollout) and gets_copies and not yields\n",
        new="    return _has_shadow(rollout) and gets_copies and not yields and rollout.ending\n",
        plays=("isolated_then_gated",),
    ),
)
