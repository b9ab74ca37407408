"""One RolloutRecord per ended rollout: when it is due, how long it is kept, and attempts by it.

A record is named by the rollout and made of what status says, so that it is due until it is seen:
a crash between status and record only delays it. Where another rollout began in the same write,
status keeps the result of the ended one, and its record says that steps and evidence are missing.
Source: api.md, 11.
"""

from __future__ import annotations

from tidegate import model
from tidegate.model import actions
from tidegate.rollout.turn import Turn


def keep(turn: Turn) -> Turn:
    """Make the record that is due, and delete those beyond `rolloutHistoryLimit`."""
    last = turn.seen.status.last_rollout
    if last is not None and _due(turn, last):
        rollout = turn.seen.status.rollout
        known = rollout if rollout is not None and rollout.id == last.id else None
        turn = turn.act(actions.CreateRecord(last=last, rollout=known))
    return _trim(turn)


def ended(turn: Turn, rollout: model.Rollout, *, last: model.LastRollout) -> Turn:
    """The same with the record of a rollout that ends now, while all about it is known."""
    return turn.act(actions.CreateRecord(last=last, rollout=rollout)) if last.record else turn


def name_of(turn: Turn, rollout: model.Rollout) -> str:
    """The name of the rollout's record, empty where none is to be kept."""
    wanted = _is_wanted(turn, revision=rollout.revision.hash, attempt=rollout.attempt)
    return rollout.id if wanted else ""


def next_attempt(turn: Turn, revision: str) -> int:
    """One more than the attempts at this revision that are known, so that no record is in its way."""
    seen = turn.seen
    known = [one.attempt for one in seen.records if one.revision == revision]
    known += [one.attempt for one in seen.frozen_rollouts if one.revision == revision]
    # As read and as decided so far: this very pass may have ended another rollout in between.
    for status in (turn.seen.status, turn.status):
        last, rollout = status.last_rollout, status.rollout
        if last is not None and last.revision == revision:
            known.append(last.attempt)
        if rollout is not None and rollout.revision.hash == revision:
            known.append(rollout.attempt)
    return max(known, default=0) + 1


def _due(turn: Turn, last: model.LastRollout) -> bool:
    known = {one.name for one in turn.seen.records}
    wanted = _is_wanted(turn, revision=last.revision, attempt=last.attempt)
    return bool(last.record) and last.record not in known and wanted


def _is_wanted(turn: Turn, *, revision: str, attempt: int) -> bool:
    return turn.spec.rollout_history_limit > 0 or (revision, attempt) in _rejected(turn)


def _rejected(turn: Turn) -> set[tuple[str, int]]:
    return {(one.revision, one.attempt) for one in turn.status.rejected}


def _trim(turn: Turn) -> Turn:
    """The newest stay, and those of revisions that are still rejected.

    The last rollout's stays too, whatever its time: clocks jump, and it would only be made again.
    """
    last = turn.status.last_rollout
    last_name = last.record if last is not None else ""
    newest = sorted(turn.seen.records, key=lambda one: (one.finished_at, one.name), reverse=True)
    surplus = [
        one.name
        for one in newest[turn.spec.rollout_history_limit :]
        if (one.revision, one.attempt) not in _rejected(turn)
        and not (turn.spec.rollout_history_limit > 0 and one.name == last_name)
    ]
    return turn.act(*(actions.DeleteRecord(name=name) for name in surplus))
