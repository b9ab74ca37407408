"""Stable has no ready pod: whoever shares the traffic and has some answers for it meanwhile.

A route gives a backend without endpoints its share all the same, and those requests fail. So a
candidate with traffic gets all of it, and where none has any, what served before and still has its
pods. Where pods are the weight, endpoints do this by themselves while both are selected.

Never a revision that is rejected, and never one without traffic yet: it is not proven at all.
It begins and ends some time after the pods went and came, so that pods which flap do not swing the
weights. Source: house.md, H6; docs/adr/0031.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import capacity, plan
from tidegate.rollout.turn import Turn

BEGIN_SECONDS = 3.0  # a readiness probe that fails once is no outage
END_SECONDS = 30.0


def keep(turn: Turn) -> Turn:
    """Begin, keep or end it. Traffic of a revision that stands in is put right by `dataplane`."""
    if turn.seen.spec is None or not turn.stable or turn.spec.replicas == 0:
        return forget(turn)
    known = turn.status.failover
    if known is not None and known.moved_at is not None and _stands(turn, known):
        return _go_on(turn, known)
    revision = "" if capacity.ready(turn, turn.stable) > 0 else _who(turn)
    if not revision:
        return forget(turn)
    if known is None or known.revision != revision:
        known = model.Failover(revision=revision, since=turn.now)
    due = known.since + timedelta(seconds=BEGIN_SECONDS)
    if turn.now < due:
        return _note(turn, known).look_at(due)
    return _begin(turn, known)


def holds(turn: Turn) -> bool:
    """The candidate of the running rollout answers for stable."""
    known, rollout = turn.status.failover, turn.active_rollout
    return known is not None and rollout is not None and _is_moved_to(known, rollout.revision.hash)


def stands_in(turn: Turn) -> str:
    """What served before and answers for stable, while no candidate answers users; or empty."""
    known, rollout = turn.status.failover, turn.active_rollout
    if known is None or known.moved_at is None:
        return ""
    if rollout is None:
        return known.revision
    shared = rollout.exposure.live_percent > 0 or rollout.revision.hash == known.revision
    return "" if shared else known.revision


def stands_in_with_pods(turn: Turn) -> bool:
    """What answers for stable can answer: whatever is taken from others goes to it."""
    revision = stands_in(turn)
    return bool(revision) and capacity.ready(turn, revision) > 0


def intent(turn: Turn) -> actions.SetTraffic | None:
    """What the data plane is to hold while no candidate has a share; None in ordinary times.

    A candidate whom requests reach otherwise, by header or as copies, keeps those, and stable its place.
    """
    revision, rollout = stands_in(turn), turn.active_rollout
    if not revision:
        return None
    if rollout is not None and rollout.exposure.is_visited:
        return actions.SetTraffic(
            stable=revision,
            candidate=rollout.revision.hash,
            exposure=rollout.exposure,
            kept=turn.stable,
        )
    return actions.SetTraffic(
        stable=revision,
        candidate="",
        kept=turn.stable,
        exposure=model.NO_TRAFFIC,
        marker=turn.seen.traffic.rolled_back_revision,
    )


def taken_over(turn: Turn, weight: float) -> tuple[Turn, float]:
    """The weight to write for a candidate, who at once takes over from what answers for stable.

    One that is to answer no users takes nothing over.
    """
    known, revision = turn.status.failover, turn.rollout.revision.hash
    if not plan.wanted_exposure(turn.rollout).answers_users:
        return turn, weight  # a shadow answers nobody, whoever is missing
    if known is None or known.moved_at is None or capacity.ready(turn, turn.stable) > 0:
        return turn, weight
    if weight == 0:
        return turn, weight
    if turn.by_pods:
        return forget(turn), weight  # both are selected: endpoints do the rest
    taken = replace(known, revision=revision, percent_before=weight, stable_ready_since=None)
    return _note(turn, taken), 100.0


def taken_along(turn: Turn) -> Turn:
    """A rollout begins of what answers for stable: it goes on to, as a candidate with all traffic.

    When stable has its pods again it has everything again, and the first weight is asked for as any other.
    """
    known, rollout = turn.status.failover, turn.active_rollout
    if known is None or rollout is None or not _is_moved_to(known, rollout.revision.hash):
        return turn
    weight = plan.wanted_exposure(rollout).live_percent
    if turn.by_pods or not 0 < weight < 100 or capacity.ready(turn, known.revision) == 0:
        return turn
    exposure = model.Exposure(live_percent=100.0)
    turn = turn.with_rollout(replace(rollout, exposure=exposure))
    return _note(turn, replace(known, percent_before=0.0, stable_ready_since=None))


def forget(turn: Turn) -> Turn:
    """The same without it."""
    return turn.with_status(replace(turn.status, failover=None))


def text(turn: Turn, known: model.Failover) -> str:
    """Who answers, and why."""
    return (
        f"no pod of stable revision {turn.stable} is ready: revision {known.revision} answers for it "
        f"until pods of stable have been ready for {END_SECONDS:g}s"
    )


def restarted(known: model.Failover, *, now: datetime) -> model.Failover:
    """The same where none of its times lies in the future."""
    moved, ready = known.moved_at, known.stable_ready_since
    return replace(
        known,
        since=min(known.since, now),
        moved_at=min(moved, now) if moved is not None else None,
        stable_ready_since=min(ready, now) if ready is not None else None,
    )


def _is_moved_to(known: model.Failover, revision: str) -> bool:
    return known.moved_at is not None and known.revision == revision


def _who(turn: Turn) -> str:
    """The revision that can answer, or empty."""
    rollout = turn.active_rollout
    if rollout is not None and rollout.exposure.live_percent > 0:
        return rollout.revision.hash if _candidate_can(turn, rollout) else ""
    previous = turn.status.previous
    if previous is None or (rollout is not None and rollout.revision.hash == previous.revision):
        return ""
    return previous.revision if _previous_can(turn, previous.revision) else ""


def _candidate_can(turn: Turn, rollout: model.Rollout) -> bool:
    """It shares the traffic, and nobody has rejected it."""
    if turn.by_pods or rollout.exposure.live_percent == 100:
        return False
    rejected = turn.status.rejects(rollout.revision.hash)
    return not rejected and capacity.ready(turn, rollout.revision.hash) > 0


def _previous_can(turn: Turn, revision: str) -> bool:
    """It served before, and still has its pods."""
    return not turn.status.rejects(revision) and capacity.ready(turn, revision) > 0


def _stands(turn: Turn, known: model.Failover) -> bool:
    """What answers is still there to answer, and nothing else was decided about it meanwhile."""
    rollout = turn.active_rollout
    if rollout is not None and rollout.revision.hash == known.revision:
        return rollout.exposure.live_percent > 0
    shared = rollout is not None and rollout.exposure.live_percent > 0
    exists = known.revision in turn.seen.revisions or known.revision in turn.seen.frozen
    return not shared and exists


def _begin(turn: Turn, known: model.Failover) -> Turn:
    rollout = turn.active_rollout
    moved = replace(known, moved_at=turn.now)
    turn = turn.warn("FailedOver", text(turn, moved))
    if rollout is None or rollout.revision.hash != known.revision:
        return _write(_note(turn, moved))
    before = rollout.exposure.live_percent
    turn = _note(turn, replace(moved, percent_before=before))
    return _with_share(turn, 100.0)


def _go_on(turn: Turn, known: model.Failover) -> Turn:
    """Stable has its share back once it has had the pods for it for a while; at once if it is needed."""
    if capacity.ready(turn, known.revision) == 0 and capacity.ready(turn, turn.stable) > 0:
        return _end(turn, known)
    if not _stable_carries(turn, 100.0 - known.percent_before):
        return _note(turn, replace(known, stable_ready_since=None))
    since = known.stable_ready_since or turn.now
    due = since + timedelta(seconds=END_SECONDS)
    if turn.now < due:
        return _note(turn, replace(known, stable_ready_since=since)).look_at(due)
    return _end(turn, known)


def _stable_carries(turn: Turn, percent: float) -> bool:
    """Stable has ready pods for this share of the load, but for those that may always be missing."""
    replicas = capacity.full_size(turn)
    share = math.ceil(replicas * percent / 100 - 1e-6)
    needed = min(share, replicas - replicas // capacity.PATIENT_PART)
    return capacity.ready(turn, turn.stable) >= max(needed, 1)


def _end(turn: Turn, known: model.Failover) -> Turn:
    rollout = turn.active_rollout
    turn = forget(turn).say("FailoverEnded", f"pods of stable revision {turn.stable} are ready")
    if rollout is None or rollout.revision.hash != known.revision:
        return turn  # stable has everything at rest
    if rollout.ending:
        return turn  # its share is given back as far as stable carries it
    turn = _judged_anew(turn)
    return _with_share(turn, known.percent_before)


def _judged_anew(turn: Turn) -> Turn:
    """What was counted meanwhile has another share than the step's, and no stable beside it."""
    turn = plan.undated(turn)
    stage = turn.rollout.stage
    if stage is None or not stage.needs_proof:
        return turn
    return turn.with_rollout(replace(turn.rollout, evidence_since=None))


def _with_share(turn: Turn, percent: float) -> Turn:
    """The share as the intent of the running rollout, and in the data plane.

    Who answers for stable gets no copies beside that.
    """
    rollout = turn.rollout
    exposure = replace(rollout.exposure, live_percent=percent, mirror_percent=0.0)
    return _write(turn.with_rollout(replace(rollout, exposure=exposure, progress_at=turn.now)))


def _write(turn: Turn) -> Turn:
    rest = intent(turn)
    if rest is not None:
        return turn.act(rest)
    rollout = turn.rollout
    action = actions.SetTraffic(
        stable=turn.stable, candidate=rollout.revision.hash, exposure=rollout.exposure
    )
    return turn.act(action)


def _note(turn: Turn, known: model.Failover) -> Turn:
    return turn.with_status(replace(turn.status, failover=known))
