"""Bugs of a pinned plan: what it needs is asked from a spec that was edited since."""

from __future__ import annotations

from tests.sim.bug import Bug

PINNED = (
    Bug(
        name="a preview goes with the strategy that asked for it",
        file="rollout/strategy/compile.py",
        old='        pinned_preview=pinned.preview_service if pinned is not None else "",\n',
        new='        pinned_preview="",\n',
        plays=("preview_is_pinned_replicaratio", "preview_is_pinned_gatewayapi"),
    ),
    Bug(
        name="a shadow takes the size of the strategy that comes next",
        file="rollout/strategy/compile.py",
        old="        scaling=pinned.scaling if pinned is not None else scaling,\n",
        new="        scaling=spec.scaling,\n",
        plays=("shadow_is_pinned_at_once", "shadow_is_pinned_in_the_middle"),
    ),
)
