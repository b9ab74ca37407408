"""Bugs of a bake that is held against what was recorded of stable."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

RECORDING = (
    Bug(
        name="absolute limits alone judge a bake",
        file="evidence/verdict/rules.py",
        old="    return asked if beyond else min(asked, known.limit)\n",
        new="    return asked if beyond else max(asked, known.limit)\n",
        plays=by_both("worse_in_the_bake"),
    ),
    Bug(
        name="every rate above that of stable is harm in the bake",
        file="evidence/verdict/recorded.py",
        old="    limit = harm.sizes(usual, compare=compare).wanted\n",
        new="    limit = min(usual, harm.sizes(usual, compare=compare).wanted)\n",
        plays=by_both("the_same_in_the_bake"),
    ),
)
