"""Status for readers: phase to health and conditions (api.md, 6.2 and 6.3); words are in `messages`.

Everything here is derived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from tidegate import model
from tidegate.model import objects
from tidegate.rollout import (
    capacity,
    completion,
    messages,
    notices,
    numbers,
    policies,
    preflight,
    serving,
    silence,
    waiting,
)
from tidegate.rollout.turn import Turn

LONGEST_MESSAGE = 1024
# Written by an operator that leaves the object to us; it goes when that one no longer says so.
OTHER_OPERATOR = "OtherOperator"
OTHER_OPERATOR_SECONDS = 3600.0
HEALTH = {
    model.Phase.AWAITING_APPROVAL: "Suspended",
    model.Phase.HEALTHY: "Healthy",
    model.Phase.FAILED: "Degraded",
    model.Phase.INVALID: "Degraded",
    model.Phase.POLICY_VIOLATION: "Degraded",
}
STALLED = frozenset(
    {
        model.Phase.ROLLED_BACK,
        model.Phase.FAILED,
        model.Phase.INVALID,
        model.Phase.POLICY_VIOLATION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """One condition before it gets its times."""

    type: str
    holds: bool | None
    reason: str
    message: str = ""


def describe(turn: Turn) -> model.Status:
    """The status to write; equal to the one seen when nothing changed that matters."""
    old = turn.seen.status
    turn = turn.with_status(_with_numbers(turn))
    health, why = _health(turn)
    status = replace(
        turn.status,
        health_status=health,
        health_message=why[:LONGEST_MESSAGE],
        conditions=_conditions(turn),
    )
    if status == old or numbers.without_movement(status, old) == old:
        return old
    return replace(status, epoch=turn.seen.epoch)


def rollback_unconfirmed(turn: Turn) -> bool:
    """A rollback was not confirmed by the data plane within the progress deadline."""
    rollout = turn.active_rollout
    if rollout is None or not rollout.ending or turn.seen.spec is None:
        return False
    return turn.stalled_seconds >= turn.seen.spec.progress_deadline_seconds


# --- numbers -------------------------------------------------------------------------------------


def _with_numbers(turn: Turn) -> model.Status:
    """The newest measurements and pod numbers, with the message."""
    old, status = turn.seen.status, turn.status
    return replace(
        status,
        observed_generation=max(old.observed_generation, turn.seen.meta.generation),
        message=messages.message(turn)[:LONGEST_MESSAGE],
        rollout=numbers.measured(turn),
        analysis=numbers.results(turn),
        evidence=preflight.rows(turn),
        stable=numbers.counted(turn, status.stable),
        candidate=numbers.counted(turn, status.candidate),
        previous=numbers.counted(turn, status.previous),
        replicas=numbers.pods(turn),
        selector=objects.selector_text(objects.model_selector(turn.seen.meta.name)),
    )


# --- health --------------------------------------------------------------------------------------


def _health(turn: Turn) -> tuple[str, str]:
    status = turn.status
    if status.phase is model.Phase.HEALTHY and (lack := _lack_of_stable(turn)):
        return "Degraded", lack
    if status.phase is model.Phase.HEALTHY and (found := _differs(turn)) is not None:
        drift = found.reason == messages.DRIFT
        return "Degraded" if drift else "Progressing", found.message
    if status.phase is model.Phase.ROLLED_BACK:
        report_as = turn.seen.spec.rollback.report_as if turn.seen.spec else "Degraded"
        return report_as, status.message
    if status.phase is model.Phase.PAUSED and _waits_for_a_person(turn):
        return "Suspended", status.message
    return HEALTH.get(status.phase, "Progressing"), status.message


def _waits_for_a_person(turn: Turn) -> bool:
    """Argo CD's word for that is Suspended; other waits end by themselves."""
    rollout = turn.active_rollout
    waits = rollout.waiting_for if rollout is not None else None
    by_hand = rollout is not None and silence.needs_a_person(rollout)
    return by_hand or (waits is not None and waits.reason in waiting.NEEDS_A_PERSON)


def _stable_is_down(turn: Turn) -> bool:
    if turn.seen.spec is None or turn.seen.spec.replicas == 0:
        return False
    state = turn.state_of(turn.serving)
    return bool(turn.serving) and (state is None or state.ready == 0)


def _is_swapped(turn: Turn) -> bool:
    """Its only pod went for that of the candidate, as was asked; one that is to come back is missing."""
    rollout, state = turn.active_rollout, turn.state_of(turn.stable)
    swaps = rollout is not None and not rollout.ending and capacity.swaps(turn)
    return swaps and turn.serving == turn.stable and state is not None and state.wanted == 0


def _lack_of_stable(turn: Turn) -> str:
    """Stable alone has the load and too few ready pods for it; empty while others help."""
    if turn.seen.spec is None or not turn.stable:
        return ""
    if _stable_is_down(turn):
        return "no pod of the stable revision is ready"
    if turn.active_rollout is not None or not capacity.stable_is_short(turn):
        return ""
    kept = [entry.revision for entry in turn.status.retiring if entry.scale_down_at is None]
    waits = f"; revision {kept[0]} keeps its pods until they are" if kept else ""
    return f"too few pods of the stable revision are ready for its load{waits}"


# --- conditions ----------------------------------------------------------------------------------


def _conditions(turn: Turn) -> tuple[model.Condition, ...]:
    findings = (
        _ready(turn),
        _reconciling(turn),
        _stalled(turn),
        _available(turn),
        _traffic_programmed(turn),
        _evidence_ready(turn),
        _analysis_passing(turn),
        _promoted(turn),
        _paused(turn),
        *_watched(turn),
        *_compliant(turn),
        *_noticed(turn),
    )
    old = {c.type: c for c in turn.seen.status.conditions}
    found = (_timed(turn, finding, old.get(finding.type)) for finding in findings)
    return (*found, *_by_others(turn))


def _by_others(turn: Turn) -> Iterator[model.Condition]:
    """What another operator wrote beside ours."""
    for one in turn.seen.status.conditions:
        age = (turn.now - one.last_transition_at).total_seconds()
        if one.type == OTHER_OPERATOR and abs(age) < OTHER_OPERATOR_SECONDS:
            yield one


def _timed(turn: Turn, finding: _Finding, old: model.Condition | None) -> model.Condition:
    status = {True: "True", False: "False", None: "Unknown"}[finding.holds]
    kept = old is not None and old.status == status
    return model.Condition(
        type=finding.type,
        status=status,
        reason=finding.reason,
        message=finding.message[:LONGEST_MESSAGE],
        last_transition_at=old.last_transition_at if kept and old is not None else turn.now,
        observed_generation=turn.status.observed_generation,
    )


def _ready(turn: Turn) -> _Finding:
    status = turn.status
    if status.phase is model.Phase.HEALTHY:
        if _stable_is_down(turn):
            return _Finding(type="Ready", holds=False, reason="StableUnavailable")
        if lack := _lack_of_stable(turn):
            return _Finding(type="Ready", holds=False, reason="CapacityMissing", message=lack)
        if (found := _differs(turn)) is not None:
            return found
        if obstacle := turn.seen.traffic.obstacle:
            return _Finding(
                type="Ready", holds=False, reason=turn.seen.traffic.pending_reason, message=obstacle
            )
        return _Finding(type="Ready", holds=True, reason="Serving", message=status.message)
    walks = {model.Phase.PENDING, model.Phase.PROGRESSING, model.Phase.INITIALIZING}
    reason = "RolloutInProgress" if status.phase in walks else str(status.phase)
    return _Finding(type="Ready", holds=False, reason=reason, message=status.message)


def _reconciling(turn: Turn) -> _Finding:
    idle = turn.status.phase in STALLED or turn.status.phase is model.Phase.HEALTHY
    return _Finding(
        type="Reconciling", holds=not idle, reason="Idle" if idle else str(turn.status.phase)
    )


def _stalled(turn: Turn) -> _Finding:
    if turn.seen.blocked is not None:
        blocked = turn.seen.blocked
        return _Finding(
            type="Stalled",
            holds=True,
            reason=blocked.reason,
            message=f"{blocked.path}: {blocked.message}" if blocked.path else blocked.message,
        )
    if turn.status.phase in STALLED:
        message = turn.status.message
        return _Finding(type="Stalled", holds=True, reason=_stalled_reason(turn), message=message)
    idle = turn.status.phase is model.Phase.HEALTHY
    return _Finding(type="Stalled", holds=False, reason="Idle" if idle else "Progressing")


def _stalled_reason(turn: Turn) -> str:
    match turn.status.phase:
        case model.Phase.INVALID:
            found = turn.hindrances or turn.seen.violations
            return found[0].reason if found else "InvalidSpec"
        case model.Phase.FAILED:
            return "RollbackUnconfirmed" if turn.active_rollout else "FirstRevisionFailed"
        case model.Phase.POLICY_VIOLATION:
            return "PolicyViolation"
        case _:
            return "RolledBack"


def _available(turn: Turn) -> _Finding:
    if not turn.stable:
        return _Finding(type="Available", holds=None, reason="NoStable")
    if turn.stable_lost:
        return _Finding(
            type="Available", holds=False, reason=notices.LOST, message=notices.lost_text(turn)
        )
    if _stable_is_down(turn):
        return _Finding(
            type="Available",
            holds=False,
            reason="SwappedInPlace" if _is_swapped(turn) else "StableUnavailable",
            message=f"no pod of revision {turn.serving} is ready",
        )
    if lack := _lack_of_stable(turn):
        return _Finding(type="Available", holds=False, reason="CapacityMissing", message=lack)
    return _Finding(type="Available", holds=True, reason="StableReady")


def _traffic_programmed(turn: Turn) -> _Finding:
    traffic = turn.seen.traffic
    kind = "TrafficProgrammed"
    if traffic.conflict:
        return _Finding(type=kind, holds=False, reason="NameConflict", message=traffic.conflict)
    if traffic.obstacle:
        return _Finding(
            type=kind, holds=False, reason=traffic.pending_reason, message=traffic.obstacle
        )
    if not traffic.exists:
        return _Finding(type=kind, holds=None, reason="Unverified", message="no route yet")
    if messages.write_is_missing(turn):
        message = turn.rollout.waiting_for.message if turn.rollout.waiting_for else ""
        return _Finding(type=kind, holds=False, reason="WeightNotWritten", message=message)
    if (found := _differs(turn)) is not None:
        return replace(found, type=kind)
    if traffic.accepted and traffic.unconfirmed:
        message = f"written as wanted; {traffic.unconfirmed}: the measured share tells"
        return _Finding(type=kind, holds=None, reason="Unverified", message=message)
    if traffic.accepted:
        return _Finding(type=kind, holds=True, reason="RouteAccepted")
    return _Finding(
        type=kind,
        holds=False,
        reason="RouteNotProgrammed",
        message=f"{traffic.pending_reason}: {traffic.pending_message}".strip(": "),
    )


def _evidence_ready(turn: Turn) -> _Finding:
    """Whether a candidate could be judged, as seen on stable; long before there is one."""
    kind = "EvidenceReady"
    if turn.seen.spec is not None and not turn.seen.spec.analysis.metrics:
        return _Finding(type=kind, holds=True, reason="NoMetrics", message="no metric is judged")
    row = preflight.worst(preflight.rows(turn))
    if row is None:
        reason = "NotLookedYet" if turn.stable else "NoStable"
        return _Finding(type=kind, holds=None, reason=reason)
    return _Finding(
        type=kind, holds=row.ready, reason=row.reason, message=f"{row.metric}: {row.message}"
    )


def _differs(turn: Turn) -> _Finding | None:
    """Service or route are not as the spec asks: its edit is being written, or somebody else's stays."""
    found = messages.difference(turn)
    if found is None:
        return None
    reason, message = found
    return _Finding(type="Ready", holds=False, reason=reason, message=message)


def _analysis_passing(turn: Turn) -> _Finding:
    """The step's verdict in words; its message stays out, since its numbers move."""
    rollout = turn.active_rollout
    kind = "AnalysisPassing"
    if rollout is None or not rollout.exposure.is_visited:
        return _Finding(type=kind, holds=None, reason="NotRunning")
    judged = turn.seen.analysis
    match judged.verdict:
        case model.Verdict.ADVANCE:
            return _Finding(type=kind, holds=True, reason="AllPassing")
        case model.Verdict.ROLL_BACK:
            return _Finding(type=kind, holds=False, reason="Breached")
        case model.Verdict.HOLD:
            return _Finding(type=kind, holds=None, reason=judged.reason or "Warmup")
        case _ as never:
            assert_never(never)


def _promoted(turn: Turn) -> _Finding:
    desired = turn.status.desired
    if desired is not None and desired.hash in {turn.stable, turn.serving}:
        return _Finding(type="Promoted", holds=True, reason="Promoted")
    rejected = desired is not None and turn.status.rejects(desired.hash)
    reason = "RolledBack" if rejected else "InProgress"
    if completion.is_completed(turn):
        reason = "Completed"
    return _Finding(type="Promoted", holds=False, reason=reason)


def _paused(turn: Turn) -> _Finding:
    rollout = turn.active_rollout
    if rollout is None or rollout.waiting_for is None or not waiting.stands_still(turn):
        return _Finding(type="Paused", holds=False, reason="NotPaused")
    waits = rollout.waiting_for
    return _Finding(type="Paused", holds=True, reason=str(waits.reason), message=waits.message)


def _watched(turn: Turn) -> Iterator[_Finding]:
    """What the watch for the revision that serves has found."""
    for one in serving.aspects(turn):
        yield _Finding(type=one.type, holds=one.holds, reason=one.reason, message=one.message)


def _compliant(turn: Turn) -> Iterator[_Finding]:
    if (said := policies.compliance(turn)) is not None:
        holds, reason, message = said
        yield _Finding(type="PolicyCompliant", holds=holds, reason=reason, message=message)


def _noticed(turn: Turn) -> Iterator[_Finding]:
    """What is out of the ordinary; in ordinary times there are no such conditions."""
    for one in notices.found(turn):
        yield _Finding(type=one.type, holds=True, reason=one.reason, message=one.message)
