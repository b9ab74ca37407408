"""An ended rollout as a RolloutRecord, small enough whatever happened in it, and back.

Source: api.md, 11. The same rollout gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import tidegate
from tidegate import model, ports
from tidegate.api.revision import mapping
from tidegate.api.shapes.reader import UnreadableError, reader
from tidegate.api.shapes.shape import Form
from tidegate.api.shapes.writer import writer
from tidegate.model import objects
from tidegate.model.record import RECORDED_OVERRIDES_MAX_ITEMS

# Of 10 kB; metadata, with the fields that the API server manages, takes up to 2 kB.
LIMIT_BYTES = 7_500
_LEAST_TEXT = 256
NO_DETAIL = "steps and evidence: the operator was interrupted while another rollout replaced it"

Spec = dict[str, Any]

_write = writer(model.RolloutRecord, Form.RECORDED)
_read = reader(model.RolloutRecord, Form.RECORDED)


def write_record(
    meta: model.ObjectMeta, *, last: model.LastRollout, rollout: model.Rollout | None
) -> ports.Object:
    """The object to create; `rollout` is None where only its result is still known.

    A record that would be too large loses the evidence of its earliest steps first, then the least
    bad metrics of the last one, then its earliest steps, then ends of texts; `omitted` says so.
    """
    spec = _write(_spec(meta, last=last, rollout=rollout))
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


def read_kept(body: Mapping[str, Any]) -> model.KeptRecord | None:
    """The little that is asked of a record, None where it cannot be read."""
    try:
        slim = slim_spec(mapping(body.get("spec")))
        slim.pop("steps", None)
        spec: model.RolloutRecord = _read(slim, [])
    except UnreadableError:
        return None
    return model.KeptRecord(
        name=objects.object_name(dict(body)),
        revision=spec.revision,
        attempt=spec.attempt,
        started_at=spec.started_at,
        finished_at=spec.finished_at,
        result=spec.result,
        by=spec.by,
        reason=spec.reason,
        model_version=spec.model.version,
        reached=any(it.get("confirmedAt") for it in _steps(body)),
    )


def slim_spec(spec: Mapping[str, Any]) -> Spec:
    """The members that are worth memory: those of `read_kept`, and when a step was first reached."""
    kept = ("modelDeployment", "revision", "attempt", "result", "finishedAt")
    told = ("startedAt", "by", "reason", "model")
    slim = {name: spec[name] for name in (*kept, *told) if name in spec}
    reached = next((it for it in _steps({"spec": spec}) if it.get("confirmedAt")), None)
    return slim if reached is None else {**slim, "steps": [{"confirmedAt": reached["confirmedAt"]}]}


def _steps(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = mapping(body.get("spec")).get("steps")
    return [mapping(it) for it in steps] if isinstance(steps, list) else []


# --- writing -------------------------------------------------------------------------------------


def _spec(
    meta: model.ObjectMeta, *, last: model.LastRollout, rollout: model.Rollout | None
) -> model.RolloutRecord:
    result = model.RolloutRecord(
        owner=model.RecordOwner(name=meta.name, uid=meta.uid),
        revision=last.revision,
        attempt=last.attempt,
        result=last.result,
        by=last.by,
        reason=last.reason,
        finished_at=last.finished_at,
        operator_version=tidegate.__version__,
    )
    if rollout is None:
        return replace(result, omitted=NO_DETAIL)
    steps = tuple(it for it in rollout.plan if it.kind is not model.StageKind.FIRST)
    before = model.ServedBefore(
        revision=rollout.from_revision, model_version=rollout.from_model_version
    )
    return replace(
        result,
        spec_hash=rollout.revision.digest,
        served_before=before if rollout.from_revision else None,
        model=model.RecordedModel(
            name=rollout.model_name,
            version=rollout.revision.model_version,
            uri=rollout.model_uri,
        ),
        started_at=rollout.started_at,
        strategy=_strategy(steps),
        steps=steps,
        overrides=rollout.overrides[:RECORDED_OVERRIDES_MAX_ITEMS],
        evidence_digest=rollout.evidence_digest,
    )


def _strategy(steps: Sequence[model.Stage]) -> str:
    """What people call this plan; a warm-up belongs to the canary after it."""
    judged = {it.kind for it in steps if it.needs_proof}
    if model.StageKind.SHADOW in judged:
        return "Shadow"
    return "Canary" if steps else "Direct"


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
