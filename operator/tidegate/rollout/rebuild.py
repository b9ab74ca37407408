"""Status that was lost, worked out again from what is left: no revision is ever promoted by that.

It was emptied by a restore or by another writer. Who serves is found from the roles of the revisions,
the entry Service and what rollouts froze; who was rejected, from the records and the mark on the
target. A rollout that was under way is not gone on with: it starts again, with the weight of its
first step and without evidence.
Source: api.md, 6.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate import model
from tidegate.model import objects
from tidegate.rollout import completion, ending
from tidegate.rollout.turn import Turn

_PROMOTED = frozenset({model.RolloutResult.PROMOTED, model.RolloutResult.FAST_PROMOTED})


def rebuild(turn: Turn) -> Turn:
    """Status with what serves, and what was rejected, where it no longer says so."""
    if turn.stable:
        return turn
    rollout = turn.status.rollout
    emptied = rollout is None or _began_blind(turn, rollout)
    revision = _from_cluster(turn) if emptied else _from_rollout(turn)
    if not revision:
        return turn
    stable = model.RevisionStatus(
        revision=revision, model_version=_version(turn, revision), since=turn.now
    )
    status = replace(turn.status, stable=stable)
    if emptied:
        known = (*status.rejected, *_rejected(turn, stable=revision))
        status = ending.remember(replace(status, rejected=()), *known)
        # What began blind has the number of an attempt that the records may know already.
        status = replace(status, rollout=None, candidate=None, last_rollout=None)
        # A NetworkPolicy may have been left beside pods that are to answer users now.
        status = replace(status, shadows_isolated=_may_be_isolated(turn))
    text = f"status was lost: {stable.model_version} (revision {revision}) serves"
    return turn.with_status(status).warn("StatusRebuilt", text)


def _may_be_isolated(turn: Turn) -> bool:
    """A rollout began with a shadow that may not send."""
    path = ("strategy", "shadow", "egress")
    return any(objects.at(one.spec, *path) is not None for one in turn.seen.frozen_rollouts)


def _began_blind(turn: Turn, rollout: model.Rollout) -> bool:
    """A first revision is rolled out although another one has the role of stable.

    So it looks when an object without status is restored before what it owned is given to it.
    """
    mine = rollout.revision.hash
    others = (state.role for hash_, state in turn.seen.revisions.items() if hash_ != mine)
    return not rollout.from_revision and model.Role.STABLE in others


def _from_rollout(turn: Turn) -> str:
    """What served when the rollout began, or what it brought into service."""
    rollout, last = turn.status.rollout, turn.status.last_rollout
    assert rollout is not None
    promoted = last is not None and last.id == rollout.id and last.result in _PROMOTED
    served = rollout.revision.hash if promoted else rollout.from_revision
    return served if _is_known(turn, served) else ""


def _from_cluster(turn: Turn) -> str:
    """The likeliest revision of those that may have served; one with ready pods comes first."""
    found = [revision for revision in _candidates_for_stable(turn) if _is_known(turn, revision)]
    ready = [revision for revision in found if _ready(turn, revision)]
    return next(iter([*ready, *found]), "")


def _candidates_for_stable(turn: Turn) -> Iterator[str]:
    roles = {hash_: state.role for hash_, state in turn.seen.revisions.items()}
    yield from sorted(hash_ for hash_, role in roles.items() if role is model.Role.STABLE)
    entry = turn.seen.traffic.entry_revision
    if roles.get(entry) is not model.Role.CANDIDATE:
        yield entry
    for one in turn.seen.frozen_rollouts:
        if roles.get(one.revision) is model.Role.CANDIDATE:
            yield one.from_revision


def _is_known(turn: Turn, revision: str) -> bool:
    return revision in turn.seen.revisions or revision in turn.seen.frozen


def _ready(turn: Turn, revision: str) -> bool:
    state = turn.state_of(revision)
    return state is not None and state.ready > 0


def _version(turn: Turn, revision: str) -> str:
    frozen, state = turn.seen.frozen.get(revision), turn.state_of(revision)
    if frozen is not None:
        return frozen.revision.model_version
    return state.revision.model_version if state is not None else ""


def _rejected(turn: Turn, *, stable: str) -> list[model.RejectedRevision]:
    """Rejections by the newest record of each revision, and the one that the target is marked with."""
    newest: dict[str, model.KeptRecord] = {}
    for one in sorted(turn.seen.records, key=lambda it: (it.finished_at, it.name)):
        newest[one.revision] = one
    found = {
        one.revision: model.RejectedRevision(
            revision=one.revision,
            model_version=one.model_version or _version(turn, one.revision),
            reason=one.reason,
            at=one.finished_at,
            by=one.by,
            attempt=one.attempt,
        )
        for one in newest.values()
        if _rejects(one)
    }
    marked = turn.seen.traffic.rolled_back_revision
    if marked and marked not in found:
        found[marked] = model.RejectedRevision(
            revision=marked,
            model_version=_version(turn, marked),
            reason=ending.FOUND_MARKED,
            at=turn.now,
            by="Analysis",
        )
    found.pop(stable, None)
    return sorted(found.values(), key=lambda it: it.at, reverse=True)


def _rejects(one: model.KeptRecord) -> bool:
    """What the spec itself took away was never rejected."""
    ended = {
        model.RolloutResult.ROLLED_BACK,
        model.RolloutResult.ABORTED,
        model.RolloutResult.FAILED,
    }
    return one.result in ended and one.by not in completion.BLAMELESS
