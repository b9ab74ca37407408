"""Shadows that may not send: a NetworkPolicy beside their copies, and none beside users.

It is made before a pod of the shadow is sent a copy, and stays until the copies end, or until nothing
else is waited for before users come. A candidate that is to answer users waits until it is gone, since
what its answers need may be denied. What takes traffic away never waits for it.
Source: api.md, 5.3 (`shadow.egress`); docs/adr/0072.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout.turn import Turn

BLOCKED = "IsolationBlocked"
LOOK_SECONDS = 5.0


def is_asked(status: model.Status) -> bool:
    """Whether the cluster is to be looked at: a policy is wanted, or may be there."""
    rollout = status.active_rollout
    return status.shadows_isolated or (rollout is not None and _is_shadow(rollout))


def hindrance(turn: Turn) -> str:
    """Why the stage must not begin yet: its policy is missing, or one is there that must not be."""
    rollout, seen = turn.rollout, turn.seen.isolation
    wanted = _is_shadow(rollout)
    if not is_asked(turn.status) or (not wanted and turn.served_before(rollout.revision.hash)):
        return ""  # what served had no policy: a way back waits for none
    if seen is None:
        return "the NetworkPolicies of the shadow are looked at first"
    if not wanted and seen.unreadable:
        return seen.unreadable  # it may be there
    there = rollout.revision.hash in seen.revisions
    if there is wanted:
        return ""
    if seen.obstacle:
        return seen.obstacle
    return (
        "the NetworkPolicy that keeps the shadow from sending is made first"
        if wanted
        else "the NetworkPolicy of the shadow is taken away before users are answered"
    )


def keep(turn: Turn) -> Turn:
    """Make the policy that is wanted, delete every other one, and note whether there may be any."""
    rollout, seen = turn.active_rollout, turn.seen.isolation
    wanted = _wanted(turn)
    if wanted:
        turn = turn.with_status(replace(turn.status, shadows_isolated=True))
    if not turn.status.shadows_isolated:
        return turn
    if seen is None:
        return turn.look_again(LOOK_SECONDS)
    turn = _told(turn, seen)
    # What it may send to has to be written down before.
    is_frozen = turn.seen.frozen_for(rollout) is not None
    if rollout is not None and wanted not in {"", *seen.revisions} and is_frozen:
        turn = turn.act(actions.CreateIsolation(revision=rollout.revision))
    others = sorted(seen.revisions - {wanted})
    turn = turn.act(*(actions.DeleteIsolation(revision=it) for it in others))
    if not wanted and not seen.revisions and not seen.unreadable:
        return turn.with_status(replace(turn.status, shadows_isolated=False))
    agrees = seen.revisions == {wanted} and not seen.obstacle
    return turn if agrees else turn.look_again(LOOK_SECONDS)


def _told(turn: Turn, seen: model.Isolation) -> Turn:
    """Say once what a rollout waits for."""
    now, before = _waits_for(turn.active_rollout), _waits_for(turn.seen.status.active_rollout)
    return turn.warn(BLOCKED, now) if now == seen.obstacle != before and now else turn


def _waits_for(rollout: model.Rollout | None) -> str:
    waits = rollout.waiting_for if rollout is not None else None
    return waits.message if waits is not None else ""


def _wanted(turn: Turn) -> str:
    """The revision whose pods may not send now.

    One whose shadow is over still may not while it gets copies: until users wait for nothing but
    the policy, or until the copies have ended. One that answers users may: it stands in for stable.
    """
    rollout = turn.active_rollout
    if rollout is None or rollout.revision.hash in turn.seen.traffic.answering:
        return ""
    return rollout.revision.hash if _is_shadow(rollout) or _is_copied(turn, rollout) else ""


def _is_copied(turn: Turn, rollout: model.Rollout) -> bool:
    written, waits = rollout.exposure, rollout.waiting_for
    copied = turn.seen.traffic.mirrors.get(rollout.revision.hash, 0.0)
    yields = waits is not None and waits.reason is model.Waiting.ISOLATION
    gets_copies = max(written.mirror_percent, copied) > 0 and not written.answers_users
    return _has_shadow(rollout) and gets_copies and not yields


def _is_shadow(rollout: model.Rollout) -> bool:
    """Its active stage copies requests to pods that may not send."""
    stage = rollout.stage
    return stage is not None and stage.isolated and not rollout.ending


def _has_shadow(rollout: model.Rollout) -> bool:
    return any(stage.isolated for stage in rollout.plan)
