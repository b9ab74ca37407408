"""An ended rollout as a RolloutRecord, small enough whatever happened in it, and back.

Source: api.md, 11. The same rollout gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

import tidegate
from tidegate import model, ports
from tidegate.api import record_types as doc
from tidegate.api import status as status_api
from tidegate.api import status_types
from tidegate.api.revision import mapping
from tidegate.model import objects

# Of 10 kB; metadata, with the fields that the API server manages, takes up to 2 kB.
LIMIT_BYTES = 7_500
_LEAST_TEXT = 256
NO_DETAIL = "steps and evidence: the operator was interrupted while another rollout replaced it"

Spec = dict[str, Any]


def write_record(
    meta: model.ObjectMeta, *, last: model.LastRollout, rollout: model.Rollout | None
) -> ports.Object:
    """The object to create; `rollout` is None where only its result is still known.

    A record that would be too large loses the evidence of its earliest steps first, then the least
    bad metrics of the last one, then its earliest steps, then ends of texts; `omitted` says so.
    """
    spec = _document(_spec(meta, last=last, rollout=rollout))
    labels = objects.common_labels(meta.name, component="record")
    return {
        "apiVersion": ports.ROLLOUT_RECORD.api_version,
        "kind": ports.ROLLOUT_RECORD.kind,
        "metadata": {
            "name": last.record,
            "namespace": meta.namespace,
            "labels": labels | {objects.LABEL_REVISION: last.revision},
            "ownerReferences": [dict(objects.owner_reference(meta))],
        },
        "spec": _fitted(spec),
    }


def read_record(body: Mapping[str, Any]) -> doc.Spec | None:
    """What a record says, None where it cannot be read."""
    try:
        return doc.Spec.model_validate(mapping(body).get("spec"), by_alias=True, by_name=False)
    except pydantic.ValidationError:
        return None


def read_kept(body: Mapping[str, Any]) -> model.KeptRecord | None:
    """The little that the operator asks of a record, None where it cannot be read."""
    spec = read_record({"spec": slim_spec(mapping(body.get("spec")))})
    if spec is None:
        return None
    return model.KeptRecord(
        name=objects.object_name(dict(body)),
        revision=spec.revision,
        attempt=spec.attempt,
        finished_at=spec.finished_at,
        result=spec.result,
        by=spec.by,
        reason=spec.reason,
        model_version=spec.model.version,
    )


def slim_spec(spec: Mapping[str, Any]) -> Spec:
    """The members that are worth memory: those of `read_kept`."""
    kept = ("modelDeployment", "revision", "attempt", "result", "finishedAt")
    told = ("by", "reason", "model")
    return {name: spec[name] for name in (*kept, *told) if name in spec}


# --- writing -------------------------------------------------------------------------------------


def _spec(
    meta: model.ObjectMeta, *, last: model.LastRollout, rollout: model.Rollout | None
) -> doc.Spec:
    result = doc.Spec(
        model_deployment=doc.Owner(name=meta.name, uid=meta.uid),
        revision=last.revision,
        attempt=last.attempt,
        result=last.result,
        by=last.by,
        reason=last.reason,
        finished_at=last.finished_at,
        operator_version=tidegate.__version__,
        omitted="" if rollout is not None else NO_DETAIL,
    )
    if rollout is None:
        return result
    came_from = doc.From(revision=rollout.from_revision, model_version=rollout.from_model_version)
    return result.model_copy(
        update={
            "spec_hash": rollout.revision.digest,
            "from_": came_from if rollout.from_revision else None,
            "model": doc.Model(
                name=rollout.model_name,
                version=rollout.revision.model_version,
                uri=rollout.model_uri,
            ),
            "started_at": rollout.started_at,
            "strategy": "Canary" if rollout.plan else "Direct",
            "steps": [_step(step) for step in rollout.plan[: status_types.PLAN_MAX_ITEMS]],
            "evidence_digest": rollout.evidence_digest,
        }
    )


def _step(it: model.PlanStep) -> doc.Step:
    return doc.Step(
        name=it.name,
        weight=it.effective_weight_percent,
        state=it.state,
        started_at=it.started_at,
        confirmed_at=it.confirmed_at,
        ended_at=it.ended_at,
        evidence=[_evidence(one) for one in it.evidence[: status_types.METRICS_MAX_ITEMS]],
    )


def _evidence(it: model.MetricResult) -> doc.Evidence:
    written = status_api.write_metric(it)
    bounds = written.ratio_bounds or status_types.Bounds()
    return doc.Evidence(
        metric=written.name,
        outcome=written.outcome,
        reason=written.reason,
        candidate=_counts(it.candidate),
        baseline=_counts(it.baseline),
        value=written.value,
        baseline_value=written.baseline_value,
        threshold=written.threshold,
        edge=written.edge,
        ratio=written.ratio,
        lower=bounds.lower,
        upper=bounds.upper,
        evidence=written.evidence,
        limit=written.evidence_limit,
        proof=written.proof,
        proof_limit=written.proof_limit,
        dispersion=written.dispersion,
        dispersion_source=written.dispersion_source,
        intervals=written.intervals,
        dry_run=written.dry_run,
    )


def _counts(it: model.ArmCounts) -> doc.Counts | None:
    return doc.Counts(total=it.total, bad=it.bad) if it.total > 0 else None


def _document(spec: doc.Spec) -> Spec:
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


# --- size ----------------------------------------------------------------------------------------


def _fitted(spec: Spec) -> Spec:
    """The spec within the limit, with what had to go counted in `omitted`."""
    if _bytes(spec) <= LIMIT_BYTES:
        return spec
    for smaller in _smaller(spec):
        spec = smaller
        if _bytes(spec) <= LIMIT_BYTES:
            break
    return spec


def _smaller(spec: Spec) -> Iterator[Spec]:
    """Ever smaller forms, in the order in which detail is given up."""
    steps = [dict(step) for step in spec.get("steps", [])]
    judged = [index for index, step in enumerate(steps) if step.get("evidence")]
    without, metrics, gone = 0, 0, 0

    def form() -> Spec:
        text = (
            f"to stay below 10 kB: evidence of {without} steps, {metrics} metrics of the last one, "
            f"{gone} steps"
        )
        return {**spec, "steps": list(steps), "omitted": text}

    for index in judged[:-1]:
        del steps[index]["evidence"]
        without += 1
        yield form()
    for index in judged[-1:]:
        while len(steps[index]["evidence"]) > 1:
            steps[index]["evidence"] = steps[index]["evidence"][:-1]
            metrics += 1
            yield form()
    while len(steps) > 1:
        del steps[0]
        gone += 1
        yield form()
    smallest = form()
    smallest["reason"] = smallest.get("reason", "")[:_LEAST_TEXT]
    smallest["model"] = {
        name: text[:_LEAST_TEXT] for name, text in smallest.get("model", {}).items()
    }
    yield smallest | {"omitted": f"{smallest['omitted']}, ends of reason and model"}


def _bytes(spec: Spec) -> int:
    return len(json.dumps(spec, separators=(",", ":"), ensure_ascii=False).encode())
