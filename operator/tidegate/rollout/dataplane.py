"""Entry Service and route as the spec asks, at rest and in every step; a quarrel is not fought.

Their documents are compared whole. Who gets requests is always put right, since that is what a
rollout is about. Every other field of `spec.service` and `spec.traffic` follows the spec, and what
somebody else changed is taken back once: if it comes again within ten minutes it is left, and told.
Source: api.md, 2.6 and 5.2; docs/adr/0016.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import capacity, failover, reach
from tidegate.rollout.turn import CONFIRM_LOOK_SECONDS, Turn
from tidegate.traffic.changes import Changes, changes_of

QUARREL_SECONDS = 600.0
# A write that did not last is repeated after as long as it was tried already, within these bounds.
LEAST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 3.0, 600.0
USER_ROUTE_LOOK_SECONDS = 60.0  # a route without our label is not watched
OBSTACLE_LOOK_SECONDS = 10.0  # what the user has to mend may not be watched
D = model.Difference


def rest(turn: Turn, revision: str) -> actions.SetTraffic:
    """Everything to one revision; the marks of an earlier rollback stay."""
    return actions.SetTraffic(
        stable=revision,
        candidate="",
        exposure=model.NO_TRAFFIC,
        marker=turn.seen.traffic.rolled_back_revision,
        fence=turn.seen.traffic.lowered_rollout,
    )


def shared(turn: Turn, kept: capacity.Kept) -> actions.SetTraffic:
    """As much to stable as it can take of what somebody else has, whose rest stays there."""
    return actions.SetTraffic(
        stable=turn.stable,
        candidate=kept.revision,
        exposure=model.Exposure(live_percent=kept.percent),
        marker=turn.seen.traffic.rolled_back_revision,
    )


def keep(turn: Turn) -> Turn:
    """Write what differs from the spec, as long as nobody fights for it."""
    if turn.spec.traffic.routes:
        turn = turn.look_again(USER_ROUTE_LOOK_SECONDS)
    planned = next((it for it in turn.actions if isinstance(it, actions.SetTraffic)), None)
    if planned is not None and planned.lowering:
        return turn  # it writes everything
    wanted, traffic = planned or _intent(turn), turn.seen.traffic
    if wanted is None or traffic.conflict:
        return turn
    found = changes_of(wanted, turn.seen)
    if lacks(turn):
        return turn if planned is not None else _make_again(turn, wanted, found)
    if not traffic.exists:
        return turn  # a route of the user, or one of a kind that is not served
    if not found.fields:
        turn = _agree(turn)
        restored = found.moves_traffic and _moves_at_once(turn, wanted)
        if planned is not None or not restored:
            return turn
        return turn.act(wanted).look_again(CONFIRM_LOOK_SECONDS)
    turn, writes = _differ(turn, ", ".join(found.fields))
    if planned is not None:
        return turn if writes or found.moves_traffic else _without(turn, planned)
    # Without a candidate, traffic that is elsewhere moves when stable can take it, not by this.
    waits = found.moves_traffic and not _moves_at_once(turn, wanted)
    return turn.act(wanted) if writes and not waits else turn


def lacks(turn: Turn) -> bool:
    """An object of ours is gone, whatever the stage: the write of the intent makes it again."""
    traffic = turn.seen.traffic
    ours = not turn.spec.traffic.routes and not traffic.obstacle
    lost = not traffic.entry_exists or (ours and not traffic.exists)
    return lost or _lacks_preview(turn)


def _lacks_preview(turn: Turn) -> bool:
    """A foreign Service of that name is no gap that we could fill."""
    asked = bool(turn.spec.preview_service) and turn.plane.capabilities.preview
    traffic = turn.seen.traffic
    return asked and not traffic.preview_revision and not traffic.preview_conflict


def _make_again(turn: Turn, wanted: actions.SetTraffic, found: Changes) -> Turn:
    """The same write moves no traffic of a route that stands before stable can take it."""
    if turn.seen.traffic.exists and found.moves_traffic and not _moves_at_once(turn, wanted):
        return turn
    obstacle = turn.seen.traffic.obstacle
    return turn.act(wanted).look_again(OBSTACLE_LOOK_SECONDS if obstacle else CONFIRM_LOOK_SECONDS)


def _moves_at_once(turn: Turn, wanted: actions.SetTraffic) -> bool:
    """A candidate has what it is to have, or somebody answers for stable: neither waits for pods."""
    return wanted.exposure.is_visited or bool(failover.stands_in(turn))


def _intent(turn: Turn) -> actions.SetTraffic | None:
    """What the data plane is to hold by status; None before anything serves."""
    rollout = turn.active_rollout
    if turn.stable and rollout is not None and rollout.exposure.is_visited:
        return reach.exposure_of(turn)
    if turn.stable:
        return failover.intent(turn) or rest(turn, turn.stable)
    first = rollout.revision.hash if rollout is not None else ""
    serves = turn.seen.traffic.weights.get(first, 0.0) >= 100
    return rest(turn, first) if serves else None


def _without(turn: Turn, planned: actions.SetTraffic) -> Turn:
    return replace(turn, actions=tuple(it for it in turn.actions if it is not planned))


def _agree(turn: Turn) -> Turn:
    """The cluster has what this generation asks for; what was taken back stays known for a while."""
    known = turn.status.traffic
    difference = known.difference
    if difference is not None and difference.state in {D.RESTORING, D.LEFT}:
        difference = replace(difference, state=D.RESTORED, written_at=turn.now)
    elif known.generation != turn.seen.meta.generation:
        difference = None
    synced = model.TrafficSync(generation=turn.seen.meta.generation, difference=difference)
    return turn.with_status(replace(turn.status, traffic=synced))


def _differ(turn: Turn, fields: str) -> tuple[Turn, bool]:
    """What is known of the difference now, and whether to write in this pass."""
    known = turn.status.traffic
    if known.generation != turn.seen.meta.generation:
        return _apply(turn, fields)
    found = known.difference
    if found is None or found.state is D.APPLYING:
        return _begin(turn, D.RESTORING, fields), True
    match found.state:
        case D.RESTORED if _seconds(found.written_at, turn.now) < QUARREL_SECONDS:
            return _begin(turn, D.LEFT, fields), False
        case D.RESTORED:
            return _begin(turn, D.RESTORING, fields), True
        case D.RESTORING:
            return _try_again(turn, found)
        case D.LEFT:
            return _note(turn, replace(found, fields=fields)), False
        case _ as never:
            assert_never(never)


def _apply(turn: Turn, fields: str) -> tuple[Turn, bool]:
    """The spec was edited, or its objects have never been compared with it."""
    found = turn.status.traffic.difference
    edited = turn.seen.status.observed_generation != turn.seen.meta.generation
    if found is None or found.state is not D.APPLYING or edited:
        return _begin(turn, D.APPLYING, fields), True
    return _try_again(turn, found)


def _begin(turn: Turn, state: model.Difference, fields: str) -> Turn:
    found = model.TrafficDifference(state=state, fields=fields, since=turn.now, written_at=turn.now)
    turn = _note(turn, found)
    match state:
        case D.APPLYING:
            return turn.say("TrafficUpdated", f"written as the spec asks: {fields}")
        case D.LEFT:
            return turn.warn("TrafficDrift", f"changed by somebody else again, and left: {fields}")
        case _:
            return turn.warn("TrafficDrift", f"not as the spec asks, and taken back: {fields}")


def _try_again(turn: Turn, found: model.TrafficDifference) -> tuple[Turn, bool]:
    """The write failed, or somebody changed it back before it was seen.

    What the API server refuses is repeated in the time of its own.
    """
    tried = _seconds(found.since, found.written_at)
    pause = min(max(tried, LEAST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    due = found.written_at + timedelta(seconds=pause)
    if turn.seen.blocked is not None:
        return turn, True
    if turn.now < due:
        return turn.look_at(due), False
    return _note(turn, replace(found, written_at=turn.now)), True


def _note(turn: Turn, found: model.TrafficDifference) -> Turn:
    synced = replace(turn.status.traffic, difference=found)
    return turn.with_status(replace(turn.status, traffic=synced))


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
