"""By which labels metric sources tell revisions apart: the same as long as a candidate is judged.

Found for stable and used for both sides: an answer that changed meanwhile would compare a revision
by one kind of labels with another by other ones.
Source: api.md, 8.2.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.rollout.turn import Turn


def keep(turn: Turn) -> Turn:
    """Write down what was found; once a candidate has traffic, only what was not known before."""
    known = {one.source: one for one in turn.status.identity}
    found = {one.source: one for one in turn.seen.identity}
    rollout = turn.active_rollout
    fixed = rollout is not None and rollout.first_traffic_at is not None
    merged = found | known if fixed else known | found
    identity = tuple(merged[source] for source in sorted(merged))
    if identity == turn.status.identity:
        return turn
    return turn.with_status(replace(turn.status, identity=identity))
