"""The way back that a drift or a breach takes where the user asked for it: to what served before, once.

It begins at rest only, when a look of this process has proven the drift that status tells of: what
stands there from before a rollout or a restart, and data that are missing, take nobody out of service.
From then on it is an ordinary rollout of what served before, without steps and gates: its pods come
first, then the traffic. What has drifted is rejected once that is done, or spec would bring it back.
Source: ADR 0082; ADR 0037 for limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegate import model
from tidegate.rollout import completion
from tidegate.rollout.turn import Turn

# By whether it is a drift: the Event of a way back, and the condition where there is none.
TAKEN = {True: "DriftRollback", False: "BreachRollback"}
FAILED = {True: "DriftNotRolledBack", False: "BreachNotRolledBack"}
FIRST_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a drift or a breach leads back to, and which one it is, in words."""

    back_to: model.FrozenRevision
    cause: str
    is_drift: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why there is no way back."""

    reason: str
    message: str


def due(turn: Turn) -> Way | None:
    """The way back that is to be taken now; None where there is none, or nobody asked for it."""
    watch = turn.status.monitoring
    if watch is None or turn.active_rollout is not None or watch.revision != turn.stable:
        return None
    rows = _proven(turn, watch)
    if not rows or watch.rollback is not None:
        return None
    found = _previous(turn)
    if isinstance(found, Obstacle):
        return None
    return Way(back_to=found, cause=_cause(rows), is_drift=rows[0].is_drift)


def begun(turn: Turn, way: Way) -> Turn:
    """The same with the way back written down: what it is for takes no other one."""
    watch = turn.status.monitoring
    assert watch is not None
    back_to = way.back_to.revision
    taken = replace(watch, rollback=model.DriftRollback(revision=back_to.hash, at=turn.now))
    what = "has drifted" if way.is_drift else "breaks its limits"
    text = f"revision {turn.stable} {what}, {back_to.model_version} returns: {way.cause}"
    turn = turn.with_status(replace(turn.status, monitoring=taken))
    return turn.warn(TAKEN[way.is_drift], text)


def goes_on(turn: Turn) -> bool:
    """A way back is taken, and spec asks for nothing new since: what it leads away from, or what is over."""
    rollout, desired = turn.rollout, turn.desired
    if not rollout.cause or rollout.ending:
        return False
    over = turn.status.rejects(desired.hash) or completion.was_completed(turn)
    return desired.hash == turn.stable or over


def keep(turn: Turn, watch: model.Watch) -> tuple[Turn, model.Watch]:
    """The watch without a way back of what is over; why there is none is told once."""
    if not _asking(turn, watch):
        return turn, replace(watch, rollback=None)
    why = problem(turn, watch)
    if why is not None and not _told(turn, watch, why):
        turn = turn.warn(failed(turn, watch), why.message)
    if _is_due_next(turn, watch):
        turn = turn.look_again(FIRST_LOOK_SECONDS)
    return turn, watch


def problem(turn: Turn, watch: model.Watch) -> Obstacle | None:
    """Why what fails goes on to serve although the user asked for a rollback."""
    asking = _asking(turn, watch)
    if not asking or turn.active_rollout is not None:
        return None
    if watch.rollback is not None:
        what = "drift" if asking[0].is_drift else "breach"
        taken = f"revision {watch.rollback.revision} was returned to once for this {what}"
        last = turn.status.last_rollout
        of_it = last is not None and last.revision == watch.rollback.revision
        why = f", and that ended: {last.reason}" if last is not None and of_it else ""
        return Obstacle(reason="TriedBefore", message=taken + why)
    if turn.hindrances:
        return Obstacle(reason="InvalidSpec", message="the spec cannot be carried out")
    found = _previous(turn)
    return found if isinstance(found, Obstacle) else None


def failed(turn: Turn, watch: model.Watch) -> str:
    """The condition that tells of such a problem."""
    return FAILED[_asking(turn, watch)[0].is_drift]


def _told(turn: Turn, watch: model.Watch, why: Obstacle) -> bool:
    known = {(one.type, one.reason) for one in turn.seen.status.conditions}
    return (failed(turn, watch), why.reason) in known


def _is_due_next(turn: Turn, watch: model.Watch) -> bool:
    """It begins with the next pass, when status tells of the drift."""
    proven = turn.active_rollout is None and bool(_proven(turn, watch))
    return proven and watch.rollback is None and problem(turn, watch) is None


def _asking(turn: Turn, watch: model.Watch) -> list[model.WatchedMetric]:
    """Metrics that fail and ask for a rollback; a breach only of one that acts in a rollout, too."""
    asked = turn.seen.spec.monitoring if turn.seen.spec is not None else None
    if asked is None:
        return []
    acting = {one.name for one in turn.spec.analysis.metrics if one.acts}
    drifts = asked.on_drift is model.OnDrift.ROLLBACK
    breaks = asked.on_breach is model.WatchAction.ROLLBACK
    return [
        one
        for one in watch.metrics
        if one.fails and (drifts if one.is_drift else breaks and one.name in acting)
    ]


def _proven(turn: Turn, watch: model.Watch) -> list[model.WatchedMetric]:
    """Those whose failure stands in status, and was proven again by the newest look of this process."""
    newest = {one.name for one in turn.seen.watched or () if one.outcome is model.Outcome.FAIL}
    return [one for one in _asking(turn, watch) if one.name in newest]


def _cause(rows: list[model.WatchedMetric]) -> str:
    first = rows[0]
    more = f" (and {len(rows) - 1} more metrics)" if len(rows) > 1 else ""
    return f"{first.alarm}: {first.name} against {first.against}: {first.message}{more}"


def _previous(turn: Turn) -> model.FrozenRevision | Obstacle:
    """What served before and can serve again; why nothing can."""
    before = next((one for one in turn.status.served if one != turn.stable), "")
    if not before:
        return Obstacle(reason="NothingBefore", message="no revision has served before")
    if not turn.served_before(before):
        text = f"revision {before} is further back than rollback.window.revisions allows"
        return Obstacle(reason="OutsideWindow", message=text)
    if turn.status.rejects(before):
        return Obstacle(
            reason="Rejected", message=f"revision {before} served before and is rejected"
        )
    frozen = turn.seen.frozen.get(before)
    if frozen is None or not frozen.kept:
        text = f"what made revision {before} is gone; revisionHistoryLimit says how many are kept"
        return Obstacle(reason="NotKept", message=text)
    if turn.spec.replicas == 0:
        return Obstacle(reason="NoPods", message="workload.replicas is 0, so nobody serves")
    return frozen
