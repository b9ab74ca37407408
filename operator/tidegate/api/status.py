"""`model.Status` to its document in the cluster and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pydantic

from tidegate import model
from tidegate.api import status_types as doc
from tidegate.api import sync
from tidegate.api.revision import mapping

_ATTEMPTS = 3  # broken members and items go first, then items that repeat a key


def write_status(status: model.Status) -> dict[str, Any]:
    """The document for a server-side apply of the status.

    No nulls; times in UTC, with a fraction of a second only where there is one. Texts and lists
    beyond the limits of the schema are cut, so that they never block the write; within the limits
    `read_status` gives back an equal status.
    """
    document = doc.Status(
        observed_generation=status.observed_generation,
        phase=status.phase,
        message=status.message,
        health=doc.Health(status=status.health_status, message=status.health_message),
        desired=_revision(status.desired) if status.desired else None,
        stable=_in_role(status.stable) if status.stable else None,
        candidate=_in_role(status.candidate) if status.candidate else None,
        previous=_in_role(status.previous) if status.previous else None,
        rollout=_rollout(status.rollout) if status.rollout else None,
        analysis=[write_metric(it) for it in status.analysis[: doc.METRICS_MAX_ITEMS]],
        identity=[
            doc.SourceIdentity(source=it.source, mode=it.mode)
            for it in status.identity[: doc.METRICS_MAX_ITEMS]
        ],
        last_handled_request=_request(status.last_handled_request),
        last_rollout=_last_rollout(status.last_rollout),
        rejected_revisions=[_rejected(it) for it in status.rejected[: doc.REJECTED_MAX_ITEMS]],
        rejected_earlier=list(status.rejected_earlier[: doc.REJECTED_EARLIER_MAX_ITEMS]),
        retiring=[
            doc.Retiring(revision=it.revision, scale_down_at=it.scale_down_at)
            for it in status.retiring[-doc.RETIRING_MAX_ITEMS :]
        ],
        served=list(status.served[: doc.SERVED_MAX_ITEMS]),
        traffic=sync.write_sync(status.traffic),
        controller=doc.Controller(epoch=status.epoch, operator=status.operator),
        evidence=[_preflight(it) for it in status.evidence[: doc.METRICS_MAX_ITEMS]],
        conditions=[_condition(it) for it in status.conditions[: doc.CONDITIONS_MAX_ITEMS]],
    )
    return document.model_dump(mode="json", by_alias=True, exclude_none=True)


def read_status(document: object) -> model.Status:
    """The status of an object; what is unknown is ignored, what is broken counts as absent.

    Errors: none raised, on any JSON. A broken member takes only itself away, a broken item of a
        list only that item.
    """
    return _status(_parsed(mapping(document)))


def _parsed(document: Mapping[str, Any]) -> doc.Status:
    content = {key: value for key, value in document.items() if value is not None}
    for _ in range(_ATTEMPTS):
        try:
            return doc.Status.model_validate(content, by_alias=True, by_name=False)
        except pydantic.ValidationError as error:
            content = _without(content, [it["loc"] for it in error.errors()])
    return doc.Status()


def _without(content: dict[str, Any], broken: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """The document without the members, and of lists without the items, that are broken."""
    rest = dict(content)
    for key in {str(location[0]) for location in broken}:
        items = {it[1] for it in broken if it[0] == key and len(it) > 1}
        value = rest.pop(key, None)
        if isinstance(value, list) and items and all(isinstance(it, int) for it in items):
            rest[key] = [it for index, it in enumerate(value) if index not in items]
    return rest


# --- writing -------------------------------------------------------------------------------------


def _revision(it: model.Revision) -> doc.Revision:
    return doc.Revision(revision=it.hash, digest=it.digest, model_version=it.model_version)


def _in_role(it: model.RevisionStatus) -> doc.RevisionInRole:
    return doc.RevisionInRole(
        revision=it.revision,
        model_version=it.model_version,
        replicas=it.replicas,
        ready_replicas=it.ready_replicas,
        since=it.since,
    )


def _rollout(it: model.Rollout) -> doc.Rollout:
    return doc.Rollout(
        id=it.id,
        revision=it.revision.hash,
        digest=it.revision.digest,
        model_version=it.revision.model_version,
        attempt=it.attempt,
        active=it.active,
        stage=it.stage,
        started_at=it.started_at,
        progress_at=it.progress_at,
        plan=[_plan_step(step) for step in it.plan[: doc.PLAN_MAX_ITEMS]],
        step=_active_step(it.step) if it.step else None,
        traffic=doc.Traffic(
            stable=it.split.stable_percent,
            candidate=it.split.candidate_percent,
            observed_candidate=_finite(it.observed_candidate_percent),
        ),
        first_traffic_at=it.first_traffic_at,
        judged_since=it.judged_since,
        evidence_since=it.evidence_since,
        evidence_digest=it.evidence_digest,
        waiting_for=_waiting_for(it.waiting_for) if it.waiting_for else None,
        skip_analysis=it.skip_analysis,
        analysis_key=it.analysis_key,
        rollback_reason=it.rollback_reason,
        rollback_by=it.rollback_by,
        model_name=it.model_name,
        model_uri=it.model_uri,
        from_revision=it.from_revision,
        from_model_version=it.from_model_version,
    )


def _plan_step(it: model.PlanStep) -> doc.PlanStep:
    return doc.PlanStep(
        name=it.name,
        weight=it.weight_percent,
        effective_weight=it.effective_weight_percent,
        hold=it.hold_seconds,
        deadline=it.deadline_seconds,
        min_requests=it.min_requests,
        state=it.state,
        started_at=it.started_at,
        confirmed_at=it.confirmed_at,
        ended_at=it.ended_at,
        evidence=[write_metric(one) for one in it.evidence[: doc.METRICS_MAX_ITEMS]],
    )


def _active_step(it: model.ActiveStep) -> doc.ActiveStep:
    return doc.ActiveStep(
        index=it.index,
        name=it.name,
        started_at=it.started_at,
        confirmed_at=it.confirmed_at,
        hold_until=it.hold_until,
        deadline_at=it.deadline_at,
        estimate=it.estimate,
    )


def _waiting_for(it: model.WaitingFor) -> doc.WaitingFor:
    return doc.WaitingFor(reason=it.reason, since=it.since, message=it.message)


def write_metric(it: model.MetricResult) -> doc.MetricResult:
    """One judgement as it stands in documents; what JSON cannot say is left out."""
    return doc.MetricResult(
        name=it.name,
        outcome=it.outcome,
        reason=it.reason,
        message=it.message,
        value=_finite(it.value),
        value_bounds=_bounds(it.value_bounds),
        baseline_value=_finite(it.baseline_value),
        threshold=_threshold(it.threshold),
        edge=_finite(it.edge),
        ratio=_finite(it.ratio),
        ratio_bounds=_bounds(it.ratio_bounds),
        evidence=_finite(it.evidence),
        evidence_limit=_finite(it.evidence_limit),
        proof=_finite(it.proof),
        proof_limit=_finite(it.proof_limit),
        dispersion=_finite(it.dispersion),
        dispersion_source=it.dispersion_source,
        candidate=doc.ArmCounts(total=it.candidate.total, bad=it.candidate.bad),
        baseline=doc.ArmCounts(total=it.baseline.total, bad=it.baseline.bad),
        intervals=it.intervals,
        failures=it.failures,
        dry_run=it.dry_run,
        critical=it.critical,
        evaluated_at=it.evaluated_at,
    )


def _threshold(it: model.Threshold) -> doc.Threshold | None:
    # An empty object that had members before is refused by the API server (api.md, 2.4).
    return None if it == model.NO_THRESHOLD else doc.Threshold(min=it.min, max=it.max)


def _bounds(it: model.Bounds) -> doc.Bounds | None:
    lower, upper = _finite(it.lower), _finite(it.upper)
    return None if lower is None and upper is None else doc.Bounds(lower=lower, upper=upper)


def _finite(value: float | None) -> float | None:
    """The number; `None` for what JSON cannot say (an open histogram bucket ends at infinity)."""
    return value if value is not None and math.isfinite(value) else None


def _request(it: model.HandledRequest | None) -> doc.HandledRequest | None:
    if it is None:
        return None
    return doc.HandledRequest(
        request=it.request,
        revision=it.revision,
        requested_at=it.requested_at,
        handled_at=it.handled_at,
        outcome=it.outcome,
        reason=it.reason,
    )


def _last_rollout(it: model.LastRollout | None) -> doc.LastRollout | None:
    if it is None:
        return None
    return doc.LastRollout(
        id=it.id,
        result=it.result,
        finished_at=it.finished_at,
        reason=it.reason,
        by=it.by,
        revision=it.revision,
        attempt=it.attempt,
        record=it.record,
    )


def _preflight(it: model.Preflight) -> doc.Preflight:
    return doc.Preflight(
        metric=it.metric,
        source=it.source,
        reason=it.reason,
        ready=it.ready,
        message=it.message,
        dry_run=it.dry_run,
    )


def _rejected(it: model.RejectedRevision) -> doc.RejectedRevision:
    return doc.RejectedRevision(
        revision=it.revision,
        model_version=it.model_version,
        reason=it.reason,
        at=it.at,
        by=it.by,
        attempt=it.attempt,
    )


def _condition(it: model.Condition) -> doc.Condition:
    return doc.Condition(
        type=it.type,
        status=it.status,
        reason=it.reason,
        message=it.message,
        last_transition_time=it.last_transition_at,
        observed_generation=it.observed_generation,
    )


# --- reading -------------------------------------------------------------------------------------


def _status(it: doc.Status) -> model.Status:
    absent = model.Status()
    return model.Status(
        observed_generation=it.observed_generation,
        phase=it.phase,
        message=it.message,
        health_status=it.health.status if it.health else absent.health_status,
        health_message=it.health.message if it.health else absent.health_message,
        desired=_model_revision(it.desired) if it.desired else None,
        stable=_model_in_role(it.stable) if it.stable else None,
        candidate=_model_in_role(it.candidate) if it.candidate else None,
        previous=_model_in_role(it.previous) if it.previous else None,
        rollout=_model_rollout(it.rollout) if it.rollout else None,
        analysis=tuple(_model_metric(metric) for metric in it.analysis),
        identity=tuple(
            model.SourceIdentity(source=one.source, mode=one.mode) for one in it.identity
        ),
        last_handled_request=_model_request(it.last_handled_request),
        last_rollout=_model_last_rollout(it.last_rollout),
        rejected=tuple(_model_rejected(entry) for entry in it.rejected_revisions),
        rejected_earlier=tuple(it.rejected_earlier),
        retiring=tuple(
            model.Retiring(revision=entry.revision, scale_down_at=entry.scale_down_at)
            for entry in it.retiring
        ),
        served=tuple(it.served),
        traffic=sync.read_sync(it.traffic),
        epoch=it.controller.epoch,
        operator=it.controller.operator,
        evidence=tuple(_model_preflight(one) for one in it.evidence),
        conditions=tuple(_model_condition(condition) for condition in it.conditions),
    )


def _model_revision(it: doc.Revision) -> model.Revision:
    return model.Revision(hash=it.revision, digest=it.digest, model_version=it.model_version)


def _model_in_role(it: doc.RevisionInRole) -> model.RevisionStatus:
    return model.RevisionStatus(
        revision=it.revision,
        model_version=it.model_version,
        replicas=it.replicas,
        ready_replicas=it.ready_replicas,
        since=it.since,
    )


def _model_rollout(it: doc.Rollout) -> model.Rollout:
    return model.Rollout(
        id=it.id,
        revision=model.Revision(hash=it.revision, digest=it.digest, model_version=it.model_version),
        attempt=it.attempt,
        active=it.active,
        started_at=it.started_at,
        progress_at=it.progress_at,
        plan=tuple(_model_plan_step(step) for step in it.plan),
        step=_model_active_step(it.step) if it.step else None,
        split=model.Split(candidate_percent=it.traffic.candidate),
        observed_candidate_percent=it.traffic.observed_candidate,
        first_traffic_at=it.first_traffic_at,
        judged_since=it.judged_since,
        evidence_since=it.evidence_since,
        evidence_digest=it.evidence_digest,
        waiting_for=_model_waiting_for(it.waiting_for) if it.waiting_for else None,
        stage=it.stage,
        skip_analysis=it.skip_analysis,
        analysis_key=it.analysis_key,
        rollback_reason=it.rollback_reason,
        rollback_by=it.rollback_by,
        model_name=it.model_name,
        model_uri=it.model_uri,
        from_revision=it.from_revision,
        from_model_version=it.from_model_version,
    )


def _model_plan_step(it: doc.PlanStep) -> model.PlanStep:
    return model.PlanStep(
        name=it.name,
        weight_percent=it.weight,
        effective_weight_percent=it.effective_weight,
        hold_seconds=it.hold,
        deadline_seconds=it.deadline,
        min_requests=it.min_requests,
        state=it.state,
        started_at=it.started_at,
        confirmed_at=it.confirmed_at,
        ended_at=it.ended_at,
        evidence=tuple(_model_metric(one) for one in it.evidence),
    )


def _model_active_step(it: doc.ActiveStep) -> model.ActiveStep:
    return model.ActiveStep(
        index=it.index,
        name=it.name,
        started_at=it.started_at,
        confirmed_at=it.confirmed_at,
        hold_until=it.hold_until,
        deadline_at=it.deadline_at,
        estimate=it.estimate,
    )


def _model_waiting_for(it: doc.WaitingFor) -> model.WaitingFor:
    return model.WaitingFor(reason=it.reason, since=it.since, message=it.message)


def _model_metric(it: doc.MetricResult) -> model.MetricResult:
    limits = it.threshold
    return model.MetricResult(
        name=it.name,
        outcome=it.outcome,
        reason=it.reason,
        message=it.message,
        value=it.value,
        value_bounds=_model_bounds(it.value_bounds),
        baseline_value=it.baseline_value,
        threshold=(
            model.Threshold(min=limits.min, max=limits.max) if limits else model.NO_THRESHOLD
        ),
        edge=it.edge,
        ratio=it.ratio,
        ratio_bounds=_model_bounds(it.ratio_bounds),
        evidence=it.evidence,
        evidence_limit=it.evidence_limit,
        proof=it.proof,
        proof_limit=it.proof_limit,
        dispersion=it.dispersion,
        dispersion_source=it.dispersion_source,
        candidate=model.ArmCounts(total=it.candidate.total, bad=it.candidate.bad),
        baseline=model.ArmCounts(total=it.baseline.total, bad=it.baseline.bad),
        intervals=it.intervals,
        failures=it.failures,
        dry_run=it.dry_run,
        critical=it.critical,
        evaluated_at=it.evaluated_at,
    )


def _model_bounds(it: doc.Bounds | None) -> model.Bounds:
    return model.Bounds(lower=it.lower, upper=it.upper) if it else model.OPEN_BOUNDS


def _model_request(it: doc.HandledRequest | None) -> model.HandledRequest | None:
    if it is None:
        return None
    return model.HandledRequest(
        request=it.request,
        revision=it.revision,
        requested_at=it.requested_at,
        handled_at=it.handled_at,
        outcome=it.outcome,
        reason=it.reason,
    )


def _model_last_rollout(it: doc.LastRollout | None) -> model.LastRollout | None:
    if it is None:
        return None
    return model.LastRollout(
        id=it.id,
        result=it.result,
        finished_at=it.finished_at,
        reason=it.reason,
        by=it.by,
        revision=it.revision,
        attempt=it.attempt,
        record=it.record,
    )


def _model_preflight(it: doc.Preflight) -> model.Preflight:
    return model.Preflight(
        metric=it.metric,
        source=it.source,
        reason=it.reason,
        ready=it.ready,
        message=it.message,
        dry_run=it.dry_run,
    )


def _model_rejected(it: doc.RejectedRevision) -> model.RejectedRevision:
    return model.RejectedRevision(
        revision=it.revision,
        model_version=it.model_version,
        reason=it.reason,
        at=it.at,
        by=it.by,
        attempt=it.attempt,
    )


def _model_condition(it: doc.Condition) -> model.Condition:
    return model.Condition(
        type=it.type,
        status=it.status,
        reason=it.reason,
        message=it.message,
        last_transition_at=it.last_transition_time,
        observed_generation=it.observed_generation,
    )
