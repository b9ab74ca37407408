"""What must hold whatever the rollout does: pods, roles, drained revisions, history, finalizer.

Level-triggered: each pass compares what is wanted with what was seen and acts on the difference.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import (
    autoscaling,
    capacity,
    dataplane,
    ending,
    failover,
    isolation,
    notices,
    policies,
    record,
    room,
    smoke_test,
)
from tidegate.rollout.turn import Turn
from tidegate.traffic.changes import changes_of
from tidegate.traffic.plane import common_port

FINALIZER = "tidegate.dev/traffic-restore"
DRAIN_LOOK_SECONDS = 1.0


def tidy(turn: Turn) -> Turn:
    """All standing duties, in an order that never takes capacity before traffic has left."""
    turn = _hold_finalizer(_freeze_rollout(_tell_all(turn)))
    turn = _keep_pods(_tell_lost_stable(turn))
    turn = _delete_old_previews(_rest_traffic(turn))
    turn = _tell_other_sizes(_note_templates(_label_roles(turn)))
    turn = _retire_strays(turn)
    turn = _scale_down_retired(turn)
    # Last, since a conflict ends the pass.
    turn = dataplane.keep(_forget_frozen(_trim_history(turn)))
    turn = autoscaling.keep(turn, _wanted_pods(turn) if autoscaling.is_on(turn.spec) else ())
    return record.keep(smoke_test.tidy(isolation.keep(turn)))


def _freeze_rollout(turn: Turn) -> Turn:
    """Write down what the rollout goes by, before it makes anything."""
    rollout = turn.active_rollout
    if rollout is None or turn.hindrances or rollout.ending:
        return turn
    if turn.seen.frozen_for(rollout) is not None:
        return turn
    return turn.act(actions.FreezeRollout(rollout=rollout))


def _tell_all(turn: Turn) -> Turn:
    """Everything out of the ordinary that one Event says."""
    return _tell_room(_tell_breach(_tell_plan(_tell_unknown_fields(_tell_losses(turn)))))


def _tell_breach(turn: Turn) -> Turn:
    """Say once which metrics are breached that roll nothing back, with their numbers."""
    found = notices.breached(turn)
    if not found or notices.breached_text(found) == notices.told_text(turn.seen, notices.BREACHED):
        return turn
    return turn.warn(notices.BREACHED, "; ".join(one.message for one in found))


def _tell_unknown_fields(turn: Turn) -> Turn:
    """Say once which fields of the spec have no effect."""
    if not turn.seen.unknown_fields or notices.told(turn.seen, notices.UNKNOWN):
        return turn
    return turn.warn(notices.UNKNOWN, notices.unknown_text(turn.seen))


def _tell_plan(turn: Turn) -> Turn:
    """Say once for each edit that the plan stays as it is."""
    text = notices.plan_text(turn)
    told = notices.told_text(turn.seen, notices.PLAN)
    return turn.say(notices.PLAN, text) if text and text != told else turn


def _tell_room(turn: Turn) -> Turn:
    """Say once that the rollout will not find the room that it needs."""
    text = notices.room_text(turn)
    return (
        turn.warn(room.MISSING, text)
        if text and not notices.told(turn.seen, room.MISSING)
        else turn
    )


def _tell_losses(turn: Turn) -> Turn:
    """Say once what of status could not be read; this pass writes it anew without that."""
    if not turn.seen.status_losses or notices.told(turn.seen, notices.PARTLY_READ):
        return turn
    return turn.warn(notices.PARTLY_READ, notices.losses_text(turn.seen))


def _forget_frozen(turn: Turn) -> Turn:
    """What the last rollout froze stands in for a spec that cannot be carried out; the rest goes."""
    rollout = turn.status.rollout
    if rollout is None:
        return turn
    names = {one.name for one in turn.seen.frozen_rollouts}
    if rollout.frozen_name not in names:
        return turn
    old = sorted(names - {rollout.frozen_name})
    return turn.act(*(actions.DeleteFrozenRollout(name=name) for name in old))


def _tell_lost_stable(turn: Turn) -> Turn:
    """Say once that what serves has lost its Deployment; it is made again in this very pass."""
    if not turn.stable_lost or notices.told_lost(turn):
        return turn
    return turn.warn("StableLost", notices.lost_text(turn))


def _hold_finalizer(turn: Turn) -> Turn:
    """Hold deletion back while a candidate has, or is about to get, requests or copies.

    It goes with the write that says that the rollout has ended, once that is confirmed.
    """
    rollout = turn.active_rollout
    intended = rollout is not None and rollout.exposure.owes_an_end
    owed = intended or bool(failover.stands_in(turn)) or not ending.only_stable_serves(turn)
    owed = owed or turn.seen.traffic.owed
    held = FINALIZER in turn.seen.meta.finalizers
    if owed and not held and turn.stable:
        return replace(turn, actions=(actions.AddFinalizer(), *turn.actions))
    ends = rollout is not None and rollout.ending
    if held and not owed and not ends:
        return turn.act(actions.RemoveFinalizer())
    return turn


def _keep_pods(turn: Turn) -> Turn:
    """Create and size the Deployments of stable and candidate."""
    turn = capacity.note_cover(turn) if turn.active_rollout is not None else turn
    wanted = _wanted_pods(turn)
    for revision, replicas in wanted:
        turn = _want(turn, revision, replicas)
    turn = _keep_stand_in(turn)
    return turn.look_at(capacity.drained_at(turn)) if turn.active_rollout is not None else turn


def _keep_stand_in(turn: Turn) -> Turn:
    """Who answers for stable gets back what of it was deleted; its number of pods stays as it is."""
    revision = failover.stands_in(turn)
    state, frozen = turn.state_of(revision), turn.seen.frozen.get(revision)
    if frozen is None or (state is not None and state.has_service):
        return turn
    replicas = state.wanted if state is not None else turn.spec.replicas
    return _want(turn, frozen.revision, replicas)


def _wanted_pods(turn: Turn) -> list[tuple[model.Revision, int]]:
    """Revisions that must have pods, with their number."""
    rollout = turn.active_rollout
    stable = _stable_revision(turn)
    if rollout is None or (rollout.ending and not ending.leaves_slowly(turn)):
        return [] if stable is None else [(stable, capacity.pods_at_rest(turn))]
    if stable is None:
        return [(rollout.revision, 0 if policies.keeps_out(turn) else turn.spec.replicas)]
    wanted = capacity.wanted(turn)
    both = [(stable, wanted.stable), (rollout.revision, wanted.candidate)]
    return list(reversed(both)) if turn.scaling.lends and rollout.ending else both


def _stable_revision(turn: Turn) -> model.Revision | None:
    """Stable as a revision that can be created again."""
    status = turn.status.stable
    if status is None:
        return None
    frozen, state = turn.seen.frozen.get(status.revision), turn.state_of(status.revision)
    if frozen is not None:
        return frozen.revision
    if state is not None:
        return state.revision
    desired = turn.seen.desired
    if desired is not None and desired.hash == status.revision:
        return desired
    return model.Revision(hash=status.revision, digest="", model_version=status.model_version)


def _want(turn: Turn, revision: model.Revision, replicas: int) -> Turn:
    """Create the revision where parts are missing, else set its replicas.

    What makes it was frozen; where that is lost together with its Deployment, spec may still have it.
    """
    state, frozen = turn.state_of(revision.hash), turn.seen.frozen.get(revision.hash)
    if frozen is None and revision != turn.seen.desired:
        return turn
    complete = state is not None and state.has_service and frozen is not None and frozen.kept
    if frozen is not None and (server := _corrected(turn, frozen)) is not None:
        turn = turn.act(actions.CorrectRevision(revision=revision.hash, server=server))
    autoscaled = autoscaling.moves(turn, revision.hash)
    if state is None or not complete:
        create = actions.CreateRevision(
            revision=revision,
            replicas=replicas,
            role=_role_of(turn, revision.hash),
            autoscaled=autoscaled,
        )
        return turn.act(create)
    settled = state.wanted == replicas and not state.moved and state.autoscaled is autoscaled
    if settled or _left_alone(turn, state, replicas):
        return turn
    scale = actions.Scale(
        revision=revision.hash,
        replicas=replicas,
        seen_replicas=state.wanted,
        autoscaled=autoscaled,
    )
    return turn.act(scale)


def _left_alone(turn: Turn, state: model.RevisionState, replicas: int) -> bool:
    """Another writer has this number: he is not fought, and the condition says so."""
    if state.foreign_autoscaler and state.wanted > 0:
        return True
    if state.sized_by_others and state.wanted != replicas:
        return True
    ends = state.autoscaler is not None and not autoscaling.is_on(turn.spec)
    return ends or autoscaling.leaves(turn, state, replicas)


def _corrected(turn: Turn, frozen: model.FrozenRevision) -> model.Server | None:
    """How to read the server, where spec still asks for this revision and says otherwise by now.

    What stands in the pods stays: ports and the path of the metrics.
    """
    if frozen.revision != turn.seen.desired or turn.hindrances or not frozen.kept:
        return None
    asked = turn.spec.server
    server = replace(frozen.server, preset=asked.preset, ready_path=asked.ready_path)
    return server if server != frozen.server else None


def _rest_traffic(turn: Turn) -> Turn:
    """While no candidate is meant to have traffic, stable has everything."""
    rollout = turn.active_rollout
    if not turn.stable or (rollout is not None and rollout.exposure.is_visited):
        return turn
    if failover.stands_in(turn):
        return turn  # what answers for stable is kept by `dataplane`
    traffic = turn.seen.traffic
    at_rest = traffic.exists and traffic.entry_exists and traffic.entry_revision == turn.stable
    at_rest = at_rest and ending.only_stable_serves(turn) and _lists_nobody_else(turn)
    at_rest = at_rest and _reaches_stable(turn) and not traffic.owed and _preview_rests(turn)
    at_rest = at_rest or not capacity.stable_can_take(turn)
    if at_rest or turn.moves_traffic or traffic.conflict or turn.state_of(turn.stable) is None:
        return turn
    look_seconds = dataplane.OBSTACLE_LOOK_SECONDS if traffic.obstacle else DRAIN_LOOK_SECONDS
    turn = turn.look_again(look_seconds)
    kept = capacity.kept_beside(turn)
    if kept.percent == 0 or _was_taken_away(rollout):
        return turn.act(dataplane.rest(turn, turn.stable))
    return turn if kept.waits else turn.act(dataplane.shared(turn, kept))


def _was_taken_away(rollout: model.Rollout | None) -> bool:
    """It was decided that this candidate gets nothing, whatever the target still gives it."""
    return rollout is not None and (rollout.ending or rollout.withdrawn)


def _lists_nobody_else(turn: Turn) -> bool:
    """The target names stable and who is on the way alone; or nobody who is to leave can do so yet."""
    traffic, rollout = turn.seen.traffic, turn.active_rollout
    listed = set(traffic.weights)
    if rollout is None and listed == {turn.stable} and not traffic.holds_place:
        return True
    if rollout is not None and (turn.by_pods or listed <= {turn.stable, rollout.revision.hash}):
        return True
    waits = not changes_of(dataplane.rest(turn, turn.stable), turn.seen).moves_traffic
    return turn.stable in listed and waits


def _reaches_stable(turn: Turn) -> bool:
    """The entry Service sends to the port on which stable's pods listen."""
    stable = turn.seen.frozen.get(turn.stable)
    return stable is None or turn.seen.traffic.entry_port == common_port([stable.port])


def _preview_rests(turn: Turn) -> bool:
    """The preview Service shows what serves, or cannot be ours."""
    traffic = turn.seen.traffic
    wanted = bool(turn.spec.preview_service) and not traffic.preview_conflict
    return not wanted or traffic.preview_revision == turn.stable


def _delete_old_previews(turn: Turn) -> Turn:
    """Those that spec no longer names; none while a candidate is shown there, or is still to be."""
    rollout = turn.active_rollout
    if rollout is not None and (rollout.exposure.preview or _is_to_be_shown(rollout)):
        return turn
    return turn.act(*(actions.DeletePreview(name=it) for it in turn.seen.traffic.old_previews))


def _is_to_be_shown(rollout: model.Rollout) -> bool:
    ahead = rollout.plan[rollout.step.index if rollout.step is not None else 0 :]
    return any(stage.kind is model.StageKind.PREVIEW for stage in ahead)


def _label_roles(turn: Turn) -> Turn:
    """Role labels of Deployments and Services follow status; one that was removed comes back."""
    for state in sorted(turn.seen.revisions.values(), key=lambda s: s.revision.hash):
        revision = state.revision.hash
        role = _role_of(turn, revision)
        if state.role is not role or not state.watched:
            turn = turn.act(actions.SetRole(revision=revision, role=role))
    return turn


def _role_of(turn: Turn, revision: str) -> model.Role:
    rollout = turn.active_rollout
    if revision == turn.stable:
        return model.Role.STABLE
    tried = rollout is not None and revision == rollout.revision.hash
    return model.Role.CANDIDATE if tried else model.Role.PREVIOUS


def _note_templates(turn: Turn) -> Turn:
    """What a revision was made with is noted once; a change of it is told, and not fought.

    A Service that is still to be created brings the note along. Once the pods were changed the
    Deployment has to say so itself: a Service that is made anew would take the change for the original.
    """
    modified = set(notices.modified(turn)) - set(notices.told_of(turn, notices.MODIFIED))
    for state in sorted(turn.seen.revisions.values(), key=lambda s: s.revision.hash):
        unknown = not state.made_with and state.has_service
        if unknown or (state.modified and not state.noted):
            note = actions.NoteTemplate(
                revision=state.revision.hash, template_hash=state.made_with or state.template_hash
            )
            turn = turn.act(note)
    for revision in sorted(modified):
        turn = turn.warn(notices.MODIFIED, notices.modified_text(revision))
    return turn


def _tell_other_sizes(turn: Turn) -> Turn:
    """Say once which revisions somebody else sizes."""
    told = notices.told_of(turn, notices.SCALED)
    new = [one for one in capacity.sized_by_others(turn) if one not in told]
    return turn.warn(notices.SCALED, capacity.others_text(turn, *new)) if new else turn


def _live_revisions(turn: Turn) -> set[str]:
    rollout = turn.active_rollout
    live = {turn.stable}
    return live | {rollout.revision.hash} if rollout is not None else live


def _retire_strays(turn: Turn) -> Turn:
    """Pods of a revision that nothing refers to go the same way as those of a rejected one."""
    known = _live_revisions(turn) | {r.revision for r in turn.status.retiring}
    for revision in sorted(set(turn.seen.revisions) - known):
        state = turn.seen.revisions[revision]
        if state.wanted > 0 and not state.woken and not _keeps_pods(turn, revision):
            turn = ending.retire(turn, revision, delay_seconds=turn.spec.scale_down_delay_seconds)
    return turn


def _serves(turn: Turn, revision: str) -> bool:
    """This revision may be asked, through the route, the entry Service or the preview."""
    traffic = turn.seen.traffic
    selected = revision in {traffic.entry_revision, traffic.preview_revision}
    return selected or revision in traffic.answering


def _keeps_pods(turn: Turn, revision: str) -> bool:
    """It may be asked, and somebody is to have pods: with `replicas: 0` whoever answers goes as well."""
    return turn.spec.replicas > 0 and _serves(turn, revision)


def _scale_down_retired(turn: Turn) -> Turn:
    """Scale retired revisions to 0 when their delay is over.

    One that still serves is let off; as a stray it begins its whole delay when its traffic is gone. Not in
    the pass that retires it, whose writes have yet to take it out of the entry Service.
    """
    live = _live_revisions(turn)
    kept: list[model.Retiring] = []
    for entry in turn.status.retiring:
        state = turn.state_of(entry.revision)
        if entry.revision in live or state is None or (state.wanted == 0 and state.current):
            continue
        if state.woken:
            continue
        if _keeps_pods(turn, entry.revision):
            turn = turn.look_again(DRAIN_LOOK_SECONDS)
            if entry not in turn.seen.status.retiring:
                kept.append(replace(entry, scale_down_at=None))
            continue
        nothing_drains = capacity.swaps(turn) and state.ready == 0
        timed = replace(entry, scale_down_at=turn.now) if nothing_drains else _timed(turn, entry)
        kept.append(timed)
        if timed.scale_down_at is None or turn.now < timed.scale_down_at:
            turn = turn.look_at(timed.scale_down_at)
        elif state.wanted > 0:
            turn = turn.act(
                actions.Scale(revision=entry.revision, replicas=0, seen_replicas=state.wanted)
            )
    if tuple(kept) != turn.status.retiring:
        turn = turn.with_status(replace(turn.status, retiring=tuple(kept)))
    return _forget_previous(turn)


def _timed(turn: Turn, entry: model.Retiring) -> model.Retiring:
    """The delay runs while the data plane confirms that others serve, and they can.

    It begins anew when the successor of a revision that served has its pods: readiness is looked
    at, not only the clock.
    """
    traffic, previous = turn.seen.traffic, turn.status.previous
    confirmed = traffic.accepted or not traffic.exists
    # Who leaves the target had no requests any more: its delay, begun then, goes on meanwhile.
    left = entry in turn.seen.status.retiring and entry.revision not in traffic.weights
    confirmed |= left and entry.scale_down_at is not None
    served = previous is not None and previous.revision == entry.revision
    if not confirmed or (served and capacity.successor_is_short(turn)):
        return replace(entry, scale_down_at=None)
    drained = turn.after(turn.spec.scale_down_delay_seconds)
    if entry.scale_down_at is None:
        return replace(entry, scale_down_at=drained)
    return (
        replace(entry, scale_down_at=min(entry.scale_down_at, drained))
        if _waited_for(turn)
        else entry
    )


def _waited_for(turn: Turn) -> bool:
    """A rollout waits for the pods of older revisions, which are not kept beyond their drain then."""
    rollout = turn.active_rollout
    waits = rollout is not None and not rollout.ending and not policies.keeps_out(turn)
    return turn.by_pods and bool(turn.stable) and waits


def _forget_previous(turn: Turn) -> Turn:
    """The previous revision is named as long as it has pods to go back to."""
    previous = turn.status.previous
    if previous is None or _serves(turn, previous.revision):
        return turn
    if previous.revision in {r.revision for r in turn.status.retiring}:
        return turn
    return turn.with_status(replace(turn.status, previous=None))


def _trim_history(turn: Turn) -> Turn:
    """Delete revisions without pods beyond `revisionHistoryLimit`: first the oldest that never served.

    Never one that requests or their copies are sent to: its pods may be missing for a moment only,
    such as those of a revision that answers for stable while nobody asks for any pods.
    """
    kept = _live_revisions(turn) | {r.revision for r in turn.status.retiring}
    kept |= {turn.desired.hash, failover.stands_in(turn), *turn.seen.traffic.mirrors}
    kept |= turn.seen.traffic.weights.keys()  # some refuse all that names a Service which is gone
    kept |= {revision for revision in turn.seen.revisions if _serves(turn, revision)}
    idle = [
        state
        for state in turn.seen.revisions.values()
        if state.revision.hash not in kept and state.wanted == 0 and state.ready == 0
    ]
    idle.sort(key=partial(_worth_keeping, turn), reverse=True)
    surplus = {state.revision.hash for state in idle[turn.spec.revision_history_limit :]}
    # Without a Deployment nothing is left to go back to, whatever made it.
    surplus |= turn.seen.frozen.keys() - turn.seen.revisions.keys() - kept
    return turn.act(*(actions.DeleteRevision(revision=hash_) for hash_ in sorted(surplus)))


def _worth_keeping(turn: Turn, state: model.RevisionState) -> tuple[int, datetime, str]:
    """What served comes before all that never did, the last first: it is the way back."""
    revision, served = state.revision.hash, turn.status.served
    last = -served.index(revision) if turn.served_before(revision) else -len(served)
    return last, state.created_at, revision
