"""Bugs about pods of which nothing is seen: who holds, who loses traffic, and when it comes back."""

from __future__ import annotations

from tests.sim.bug import Bug
from tests.sim.finds_revisions import PLANES


def _by_both(script: str) -> tuple[str, ...]:
    return tuple(f"{script} {plane}" for plane in PLANES)


SILENCE = (
    Bug(
        name="a ready pod that nobody scrapes holds nothing",
        file="evidence/counts/completeness.py",
        old="    if none or len(candidate) <= len(stable):\n",
        new="    if none or len(candidate) <= len(stable) + 1:\n",
        plays=_by_both("unscraped_pod"),
    ),
    Bug(
        name="a silent candidate keeps its traffic",
        file="rollout/walk.py",
        old="    if silent := silence.found(turn):\n",
        new="    if (silent := silence.found(turn)) and not turn.stable:\n",
        plays=_by_both("black_hole") + _by_both("falls_silent"),
    ),
    Bug(
        name="a silent candidate gets its traffic again at once",
        file="rollout/silence.py",
        old="    if turn.now >= again_at:\n",
        new="    if turn.now >= rollout.silence.since:\n",
        plays=_by_both("black_hole"),
    ),
    Bug(
        name="a source that sees nobody makes the candidate silent",
        file="evidence/counts/silence.py",
        old="    finished = counts.n_s if counts is not None else 0.0\n",
        new="    finished = counts.n_s if counts is not None else 1e9\n",
        plays=_by_both("nobody_is_seen"),
    ),
)
