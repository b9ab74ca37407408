"""Bugs about steps whose looks prove nothing: when people are asked, and what is still watched."""

from __future__ import annotations

from tests.sim.bug import Bug
from tests.sim.finds_revisions import PLANES


def _by_both(script: str) -> tuple[str, ...]:
    return tuple(f"{script} {plane}" for plane in PLANES)


STALLING = (
    Bug(
        name="every look begins the wait for a conclusive one anew",
        file="rollout/inconclusive.py",
        old="    since = rollout.inconclusive_since or turn.now\n",
        new="    since = turn.now\n",
        plays=_by_both("nothing_is_proven") + _by_both("asked_to_roll_back"),
    ),
    Bug(
        name="what was proven is no conclusive look",
        file="rollout/inconclusive.py",
        old="    return seen.verdict is not model.Verdict.HOLD or bool(",
        new="    return bool(",
        plays=_by_both("evidence_dries_up"),
    ),
    Bug(
        name="a stalled step is not watched",
        file="rollout/walk.py",
        old="    turn = safety_watch(delivery.note_loss(_note_new_batch(turn)))\n",
        new="    turn = _note_new_batch(turn)\n"
        "    waits = turn.rollout.waiting_for\n"
        "    if waits is None or waits.reason is not model.Waiting.STALLED:\n"
        "        turn = safety_watch(turn)\n",
        plays=_by_both("goes_bad_while_stalled"),
    ),
)
