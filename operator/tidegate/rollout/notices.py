"""What is out of the ordinary with an object, whatever its rollout does, in words.

Each is told by a condition that is absent in ordinary times, and once by an Event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidegate import model
from tidegate.rollout import adoption, capacity, failover, numbers, room
from tidegate.rollout.turn import Turn

BREACHED = "MetricBreached"
FAILED_OVER = "FailedOver"
INVALID = "InvalidSpec"
LOST = "StableLost"
MODIFIED = "RevisionModified"
PLAN = "PlanDiffers"
SCALED = "ScaledByOthers"
UNKNOWN = "UnknownFields"
PARTLY_READ = "StatusPartlyRead"
_NAMED_LOSSES = 5
_LONGEST = 1000  # what does not fit into a condition would look new at every look


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A condition that holds."""

    type: str
    reason: str
    message: str


def found(turn: Turn) -> Iterator[Notice]:
    """All that there is to be noticed; a lost stable is told by condition Available."""
    seen = turn.seen
    if (problem := hindrance(turn)) is not None:
        yield Notice(type=INVALID, reason=problem.reason, message=hindrance_text(turn))
    if revisions := modified(turn):
        text = modified_text(*revisions)
        yield Notice(type=MODIFIED, reason="TemplateChanged", message=text)
    known = turn.status.failover
    if known is not None and known.moved_at is not None:
        text = failover.text(turn, known)
        yield Notice(type=FAILED_OVER, reason="StableUnavailable", message=text)
    if revisions := capacity.sized_by_others(turn):
        text = capacity.others_text(turn, *revisions)
        yield Notice(type=SCALED, reason="ReplicasChanged", message=text)
    if breaches := breached(turn):
        text = breached_text(breaches)
        yield Notice(type=BREACHED, reason=breaches[0].reason, message=text)
    if text := plan_text(turn):
        yield Notice(type=PLAN, reason="SpecEdited", message=text)
    if text := room_text(turn):
        yield Notice(type=room.MISSING, reason="WillNotFit", message=text)
    if seen.unknown_fields:
        yield Notice(type=UNKNOWN, reason="Ignored", message=unknown_text(seen))
    if seen.status_losses:
        yield Notice(type=PARTLY_READ, reason="Ignored", message=losses_text(seen))


def told(seen: model.Observation, type_: str) -> bool:
    """Status has the condition already."""
    return any(one.type == type_ for one in seen.status.conditions)


def hindrance(turn: Turn) -> model.Violation | None:
    """The first reason why the spec cannot be carried out, if there is one."""
    found = turn.hindrances if turn.seen.spec is not None else turn.seen.violations
    return next(iter(found), None)


def hindrance_text(turn: Turn) -> str:
    """Which field it is, and how to mend it; empty where there is none."""
    problem = hindrance(turn)
    return "" if problem is None else f"{problem.path}: {problem.message}"[:_LONGEST]


def told_text(seen: model.Observation, type_: str) -> str:
    """What the condition says already, or empty."""
    return next((one.message for one in seen.status.conditions if one.type == type_), "")


def lost_text(turn: Turn) -> str:
    """What happened to stable, and what is done about it."""
    gone = f"the Deployment of stable revision {turn.stable} is gone"
    desired = turn.seen.desired
    known = turn.stable in turn.seen.frozen or (desired and desired.hash == turn.stable)
    if known:
        return f"{gone}; it is made again"
    rollout = turn.active_rollout
    # Another version would wait for a candidate that has nobody to give its traffic back to.
    others = (
        "" if rollout is not None and rollout.begun else ", or another one and promote it in full"
    )
    return f"{gone}, and nothing says how it was made: deploy its version again{others}"


def told_lost(turn: Turn) -> bool:
    """The condition said already that stable has no Deployment."""
    return any(one.reason == LOST for one in turn.seen.status.conditions)


def breached(turn: Turn) -> tuple[model.MetricResult, ...]:
    """Metrics that are breached and roll nothing back, by what they were told to do."""
    rollout = turn.active_rollout
    if rollout is None or not rollout.exposure.is_visited:
        return ()
    return tuple(
        one
        for one in numbers.results(turn)
        if one.outcome is model.Outcome.FAIL
        and one.on_breach is not model.OnBreach.ROLLBACK
        and not one.dry_run
    )


def held_breaches(results: Iterable[model.MetricResult]) -> tuple[model.MetricResult, ...]:
    """Metrics that are breached and keep the step from passing, for people to decide."""
    return tuple(
        one
        for one in results
        if one.outcome is model.Outcome.FAIL and one.acts and one.on_breach is model.OnBreach.HOLD
    )


def breached_text(results: Iterable[model.MetricResult]) -> str:
    """Which metrics, and what comes of it; their numbers move, and stand in `status.analysis`."""
    found = "; ".join(f"{one.name} (onBreach {one.on_breach}): {one.reason}" for one in results)
    return f"{found}; the numbers stand in status.analysis"


def plan_text(turn: Turn) -> str:
    """How the plan that is walked differs from the one that spec asks for; empty where it does not."""
    found = adoption.difference(turn)
    if not found:
        return ""
    return (
        "the plan was fixed when the rollout began, and the edited spec waits for the next one; the "
        f"request repin adopts it now: {found}"
    )[:_LONGEST]


def room_text(turn: Turn) -> str:
    """What of the rollout does not fit; empty where all does, or nobody knows."""
    return room.missing(turn)[:_LONGEST]


def unknown_text(seen: model.Observation) -> str:
    """Which fields of the spec were not read."""
    return (
        f"this release of the operator does not know {', '.join(seen.unknown_fields)}: they have no "
        "effect; upgrade the operator, or check their spelling"
    )


def modified(turn: Turn) -> tuple[str, ...]:
    """Stable and candidate, where somebody changed their pods in place."""
    rollout = turn.active_rollout
    named = {turn.stable, rollout.revision.hash if rollout is not None else ""}
    states = (turn.state_of(revision) for revision in sorted(named))
    return tuple(state.revision.hash for state in states if state is not None and state.modified)


def told_of(turn: Turn, type_: str) -> tuple[str, ...]:
    """The revisions of which a condition speaks already."""
    told = [one.message for one in turn.seen.status.conditions if one.type == type_]
    return tuple(r for r in turn.seen.revisions if any(r in message for message in told))


def modified_text(*revisions: str) -> str:
    """What was found, and how to go on."""
    return (
        f"the pod template of revision {', '.join(revisions)} was changed in its Deployment: what runs "
        "there was never judged. Change the spec of the ModelDeployment instead, and undo this"
    )


def losses_text(seen: model.Observation) -> str:
    """What of status could not be read."""
    named = "; ".join(seen.status_losses[:_NAMED_LOSSES])
    more = len(seen.status_losses) - _NAMED_LOSSES
    rest = f"; and {more} more" if more > 0 else ""
    return f"status was written by another release or by hand, and this of it was left out: {named}{rest}"
