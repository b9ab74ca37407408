"""Status for readers: phase to health, message and conditions (api.md, 6.2 and 6.3).

Everything here is derived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from tidegate import model
from tidegate.model import objects
from tidegate.rollout import capacity, completion, notices, numbers, preflight, waiting
from tidegate.rollout.turn import Turn, exposure_text, routes_text, weight_text

LONGEST_MESSAGE = 1024
DRIFT = "TrafficDrift"
# Written by an operator that leaves the object to us; it goes when that one no longer says so.
OTHER_OPERATOR = "OtherOperator"
OTHER_OPERATOR_SECONDS = 3600.0
HEALTH = {
    model.Phase.PAUSED: "Suspended",
    model.Phase.AWAITING_APPROVAL: "Suspended",
    model.Phase.HEALTHY: "Healthy",
    model.Phase.FAILED: "Degraded",
    model.Phase.INVALID: "Degraded",
}
_DIFFERS = {
    model.Difference.APPLYING: "being written as the spec asks: ",
    model.Difference.RESTORING: "not as the spec asks, and being taken back: ",
    model.Difference.LEFT: (
        "somebody else changed this again after it was taken back; it stays until it is undone or the "
        "spec changes: "
    ),
}
STALLED = frozenset({model.Phase.ROLLED_BACK, model.Phase.FAILED, model.Phase.INVALID})


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
    rollout = status.rollout
    judged = turn.seen.analysis
    if rollout is not None and rollout.active and judged.observed_candidate_percent is not None:
        rollout = numbers.observed(rollout, judged.observed_candidate_percent)
    return replace(
        status,
        observed_generation=max(old.observed_generation, turn.seen.meta.generation),
        message=_message(turn)[:LONGEST_MESSAGE],
        rollout=rollout,
        analysis=numbers.results(turn),
        evidence=preflight.rows(turn),
        stable=numbers.counted(turn, status.stable),
        candidate=numbers.counted(turn, status.candidate),
        previous=numbers.counted(turn, status.previous),
        replicas=numbers.pods(turn),
        selector=objects.selector_text(objects.model_selector(turn.seen.meta.name)),
    )


# --- words ---------------------------------------------------------------------------------------


def _serving(turn: Turn) -> str:
    stable = turn.status.stable
    if stable is None:
        return "nothing serves yet"
    if turn.serving != turn.stable:
        return f"serving {turn.rollout.revision.model_version}"
    if turn.stable_lost:
        return f"{stable.model_version} is to serve; {notices.lost_text(turn)}"
    return f"serving {stable.model_version}"


def _message(turn: Turn) -> str:
    status, serving, blocked = turn.status, _serving(turn), turn.seen.blocked
    if blocked is not None and not _write_is_missing(turn):
        return f"{serving}; {blocked.reason}: {blocked.message}"
    match status.phase:
        case model.Phase.INVALID:
            return f"{serving}; {_violations(turn)}"
        case model.Phase.HEALTHY:
            found = _differs(turn)
            if completion.is_completed(turn):
                serving = f"{serving}; {completion.text(turn)}"
            more = _violations(turn) if turn.seen.violations else found.message if found else ""
            return f"{serving}; {more}" if more else serving
        case model.Phase.TERMINATING:
            return "deletion in progress"
        case model.Phase.ROLLED_BACK:
            return f"{serving}; {_rejection(turn)}"
        case model.Phase.FAILED if turn.active_rollout is None:
            return f"{serving}; {_rejection(turn)}"
        case _:
            more = f"; {_violations(turn)}" if turn.hindrances else ""
            return f"{serving}; {_progress(turn)}{more}"


def _violations(turn: Turn) -> str:
    problems = [f"{v.path}: {v.message}" for v in turn.seen.violations]
    return "; ".join(problems) or "the spec cannot be carried out"


def _rejection(turn: Turn) -> str:
    desired = turn.desired
    found = [r for r in turn.status.rejected if r.revision == desired.hash]
    reason = found[0].reason if found else "too long ago to say why"
    return f"spec asks for {desired.model_version}, rejected: {reason}"


def _progress(turn: Turn) -> str:
    rollout = turn.rollout
    parts = [rollout.revision.model_version]
    stage = rollout.stage
    if rollout.ending:
        ends = "leaves" if rollout.rollback_by in completion.BLAMELESS else "is rolled back"
        parts.append(f"{ends}: {rollout.rollback_reason}")
    elif stage is not None and stage.kind is model.StageKind.SWITCH:
        parts.append("is being promoted")
    elif rollout.withdrawn:
        parts.append("is withdrawn")
    elif rollout.switched:
        parts.append(f"is watched, and {turn.stable} is the way back")
    elif rollout.exposure.answers_users or rollout.exposure.mirror_percent > 0:
        parts.append(_weight(turn, rollout))
    elif rollout.exposure.preview:
        parts.append("is in preview")
    else:
        parts.append("is being prepared")
    if rollout.step is not None:
        parts.append(f"(step {rollout.step.name})")
    text = " ".join(parts)
    waits = rollout.waiting_for
    return f"{text}; waits for {waits.reason}: {waits.message}" if waits is not None else text


def _weight(turn: Turn, rollout: model.Rollout) -> str:
    """The exposure, and what the data plane gives instead where a write does not reach it."""
    copied = rollout.exposure.mirror_percent > 0
    wanted = f"{'with' if copied else 'at weight'} {_given(rollout.exposure)}"
    if not _write_is_missing(turn):
        return wanted
    traffic, revision = turn.seen.traffic, rollout.revision.hash
    seen = traffic.mirrors if copied else traffic.weights
    given = weight_text(seen.get(revision, 0.0))
    return f"{wanted}, of which the data plane gives {given}"


def _given(exposure: model.Exposure) -> str:
    if exposure.mirror_percent > 0:
        return exposure_text(exposure)
    return f"{weight_text(exposure.live_percent)}{routes_text(exposure)}"


def _write_is_missing(turn: Turn) -> bool:
    """A weight was written to status that the target does not have although it was tried."""
    rollout = turn.active_rollout
    if rollout is None or rollout.waiting_for is None or turn.seen.spec is None:
        return False
    if turn.by_pods or turn.target_agrees:
        return False
    return rollout.waiting_for.reason is model.Waiting.ROUTE_NOT_READY


def _health(turn: Turn) -> tuple[str, str]:
    status = turn.status
    if status.phase is model.Phase.HEALTHY and (lack := _lack_of_stable(turn)):
        return "Degraded", lack
    if status.phase is model.Phase.HEALTHY and (found := _differs(turn)) is not None:
        drift = found.reason == DRIFT
        return "Degraded" if drift else "Progressing", found.message
    if status.phase is model.Phase.ROLLED_BACK:
        report_as = turn.seen.spec.rollback.report_as if turn.seen.spec else "Degraded"
        return report_as, status.message
    return HEALTH.get(status.phase, "Progressing"), status.message


def _stable_is_down(turn: Turn) -> bool:
    if turn.seen.spec is None or turn.seen.spec.replicas == 0:
        return False
    state = turn.state_of(turn.serving)
    return bool(turn.serving) and (state is None or state.ready == 0)


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
            reason="StableUnavailable",
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
    if _write_is_missing(turn):
        message = turn.rollout.waiting_for.message if turn.rollout.waiting_for else ""
        return _Finding(type=kind, holds=False, reason="WeightNotWritten", message=message)
    if (found := _differs(turn)) is not None:
        return replace(found, type=kind)
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
    found = turn.status.traffic.difference
    if found is not None and found.state is not model.Difference.RESTORED:
        applying = found.state is model.Difference.APPLYING
        reason = "Applying" if applying else DRIFT
        return _Finding(
            type="Ready", holds=False, reason=reason, message=_DIFFERS[found.state] + found.fields
        )
    if turn.seen.spec is None or turn.status.traffic.generation == turn.seen.meta.generation:
        return None
    message = "spec.service and spec.traffic of this generation are not in force yet"
    return _Finding(type="Ready", holds=False, reason="Applying", message=message)


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


def _noticed(turn: Turn) -> Iterator[_Finding]:
    """What is out of the ordinary; in ordinary times there are no such conditions."""
    for one in notices.found(turn):
        yield _Finding(type=one.type, holds=True, reason=one.reason, message=one.message)
