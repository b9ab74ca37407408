"""What `tidegate status` and `tidegate watch` show of a ModelDeployment. Pure: values to lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate import model
from tidegate.api import convert, durations, record
from tidegate.cli.render import NOTHING, age, clipped, escaped, fields, instant, number, table

_MESSAGE_LIMIT = 80
UNSEEN = "not seen by the operator yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A ModelDeployment as read; `reported` is False while it has no status at all."""

    meta: model.ObjectMeta
    status: model.Status
    reported: bool = True
    created_at: datetime | None = None

    @property
    def up_to_date(self) -> bool:
        """The status speaks of the newest edit."""
        return self.reported and self.status.observed_generation >= self.meta.generation

    @property
    def active_rollout(self) -> model.Rollout | None:
        """The rollout that has no result yet, if any."""
        return self.status.active_rollout


def read(body: dict[str, Any]) -> Seen:
    """An object of the API server; what is broken in it counts as absent."""
    return Seen(
        meta=convert.read_meta(body),
        status=convert.read_status(body.get("status")),
        reported=bool(body.get("status")),
        created_at=_created_at(body),
    )


def _created_at(body: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(body["metadata"]["creationTimestamp"]))
    except (KeyError, TypeError, ValueError):
        return None


# --- all objects ---------------------------------------------------------------------------------


def overview(objects: Sequence[Seen], *, now: datetime, with_namespace: bool) -> list[str]:
    """One line for each object, the columns as in `kubectl get`."""
    heads = ["NAME", "READY", "PHASE", "STEP", "WEIGHT", "STABLE", "CANDIDATE", "AGE", "MESSAGE"]
    rows = [_row(it, now=now) for it in objects]
    if with_namespace:
        heads = ["NAMESPACE", *heads]
        rows = [[it.meta.namespace, *row] for it, row in zip(objects, rows, strict=True)]
    return table(heads, rows)


def _row(seen: Seen, *, now: datetime) -> list[str]:
    status = seen.status
    rollout = seen.active_rollout
    ready = {it.type: it.status for it in status.conditions}.get("Ready", "")
    return [
        seen.meta.name,
        ready,
        _phase(seen),
        rollout.step.name if rollout and rollout.step else "",
        share_text(rollout.exposure) if rollout else "",
        status.stable.model_version if status.stable else "",
        status.candidate.model_version if status.candidate else "",
        age(seen.created_at, now=now),
        clipped(_message(seen), limit=_MESSAGE_LIMIT),
    ]


def _phase(seen: Seen) -> str:
    return str(seen.status.phase) if seen.reported else ""


def _message(seen: Seen) -> str:
    if not seen.reported:
        return UNSEEN
    said = seen.status.message
    return said if seen.up_to_date else f"(newest edit {UNSEEN}) {said}".rstrip()


# --- one object ----------------------------------------------------------------------------------


def detail(seen: Seen) -> list[str]:
    """Everything the status says about one object, in sections that are left out when empty."""
    status = seen.status
    sections = (
        ("", fields(_summary(seen))),
        ("Plan", _plan(status)),
        ("Metrics", _metrics(status)),
        ("Conditions", _conditions(status)),
        ("Rejected revisions (tried again only after a retry)", _rejected(status)),
    )
    lines: list[str] = []
    for title, content in sections:
        if content:
            lines += ["", title] if title else []
            lines += content
    return lines


def _summary(seen: Seen) -> list[tuple[str, str]]:
    status = seen.status
    return [
        ("Name", f"{seen.meta.namespace}/{seen.meta.name}"),
        ("Phase", f"{_phase(seen)} (health {status.health_status})" if seen.reported else ""),
        ("Message", _message(seen)),
        ("Wanted", _revision(status.desired)),
        ("Stable", _in_role(status.stable)),
        ("Candidate", _in_role(status.candidate)),
        ("Previous", _in_role(status.previous)),
        ("Rollout", _rollout(seen.active_rollout)),
        ("Traffic", _traffic(seen.active_rollout)),
        ("Step", _step(seen.active_rollout)),
        ("Waiting for", _waiting(seen.active_rollout)),
        ("Recommended", _recommendation(seen.active_rollout)),
        ("Last rollout", _last_rollout(status.last_rollout)),
        ("Last request", _last_request(status.last_handled_request)),
    ]


def _revision(revision: model.Revision | None) -> str:
    return f"{revision.model_version} (revision {revision.hash})" if revision else ""


def _in_role(role: model.RevisionStatus | None) -> str:
    if role is None:
        return ""
    since = f", since {instant(role.since)}" if role.since else ""
    pods = f"{role.ready_replicas} of {role.replicas} pods ready"
    return f"{role.model_version} (revision {role.revision}), {pods}{since}"


def _rollout(rollout: model.Rollout | None) -> str:
    if rollout is None:
        return ""
    text = f"{rollout.id}, attempt {rollout.attempt}, since {instant(rollout.started_at)}"
    return f"{text}; rolled back: {rollout.rollback_reason}" if rollout.rollback_reason else text


def _traffic(rollout: model.Rollout | None) -> str:
    if rollout is None:
        return ""
    exposure = rollout.exposure
    names = ", ".join(route.name for route in exposure.routes)
    also = f" and the requests of {names}" if names else ""
    live = f"candidate {number(exposure.live_percent)} %{also} intended"
    shares = [f"{live}, {_observed(rollout.observed_candidate_percent)}"]
    if exposure.mirror_percent > 0:
        copies = f"copies of requests {number(exposure.mirror_percent)} % intended"
        whole = [live] if exposure.answers_users else []  # both are counted as one
        shares = [*whole, f"{copies}, {_observed(rollout.observed_mirror_percent)}"]
    return "; ".join(shares)


def _observed(percent: float | None) -> str:
    seen = number(percent)
    return f"{seen} % observed" if seen else "not observed yet"


def share_text(exposure: model.Exposure) -> str:
    """The percentage of users' requests, `mirror 20` where they are only copied, or both."""
    live, mirror = number(exposure.live_percent), number(exposure.mirror_percent)
    if exposure.mirror_percent <= 0:
        return live
    return f"{live}, mirror {mirror}" if exposure.answers_users else f"mirror {mirror}"


def _step(rollout: model.Rollout | None) -> str:
    step = rollout.step if rollout else None
    if rollout is None or step is None:
        return ""
    parts = [f"{step.name} ({step.index + 1} of {len(rollout.plan)})"]
    parts.append(
        f"weight confirmed {instant(step.confirmed_at)}"
        if step.confirmed_at
        else "weight not confirmed yet"
    )
    if step.hold_until:
        parts.append(f"holds until {instant(step.hold_until)}")
    if step.deadline_at:
        parts.append(f"deadline {instant(step.deadline_at)}")
    return ", ".join(parts)


def _waiting(rollout: model.Rollout | None) -> str:
    waits = rollout.waiting_for if rollout else None
    if waits is None:
        return ""
    text = f"{waits.reason} since {instant(waits.since)}"
    return f"{text}: {waits.message}" if waits.message else text


def _recommendation(rollout: model.Rollout | None) -> str:
    advice = rollout.recommendation if rollout else None
    return f"{advice.action}: {advice.reason}" if advice is not None else ""


def _last_rollout(last: model.LastRollout | None) -> str:
    if last is None:
        return ""
    text = f"{last.result} {last.id} at {instant(last.finished_at)}"
    return f"{text}: {last.reason}" if last.reason else text


def _last_request(request: model.HandledRequest | None) -> str:
    if request is None:
        return ""
    text = f"{request.request} of {request.revision}: {request.outcome}"
    reason = f" ({request.reason})" if request.reason else ""
    return f"{text}{reason} at {instant(request.handled_at)}"


def _plan(status: model.Status) -> list[str]:
    if status.rollout is None or not status.rollout.plan:
        return []
    heads = ["STEP", "STATE", "WEIGHT", "EFFECTIVE", "HOLD", "DEADLINE", "REQUESTS"]
    rows = [
        [
            it.name,
            str(it.state),
            number(it.weight_percent),
            share_text(it.exposure),
            durations.text_of(it.hold_seconds),
            durations.text_of(it.deadline_seconds),
            str(it.min_requests),
        ]
        for it in status.rollout.plan
    ]
    gates = [_gates(it) for it in status.rollout.plan]
    if any(gates):
        heads.append("GATES")
        rows = [[*row, text] for row, text in zip(rows, gates, strict=True)]
    return table(heads, rows)


def _gates(stage: model.Stage) -> str:
    named = (f"{it.name} ({'open' if it.opened_at else 'closed'})" for it in stage.gates)
    return ", ".join(named)


def _metrics(status: model.Status) -> list[str]:
    if not status.analysis:
        return []
    heads = [
        "METRIC",
        "OUTCOME",
        "VALUE",
        "LIMIT",
        "STABLE",
        "SAMPLES",
        "HARM",
        "PROOF",
        "AT",
        "WHY",
    ]
    return table(heads, [metric_cells(it) for it in status.analysis])


def metric_cells(it: model.MetricResult) -> list[str]:
    """Name, outcome, value, limit, stable's value, samples, harm, proof, when, and why."""
    marks = [
        word for word, is_set in (("critical", it.critical), ("dry run", it.dry_run)) if is_set
    ]
    return [
        f"{it.name} ({', '.join(marks)})" if marks else it.name,
        str(it.outcome),
        number(it.value),
        _limit(it),
        number(it.baseline_value),
        f"{number(it.candidate.total)} / {number(it.baseline.total)}",
        _of_limit(it.evidence, limit=it.evidence_limit) or f"{it.failures} failed",
        _of_limit(it.proof, limit=it.proof_limit),
        instant(it.evaluated_at),
        ": ".join(part for part in (it.reason, it.message) if part),
    ]


def _of_limit(evidence: float | None, *, limit: float | None) -> str:
    """Evidence and what is needed of it; empty where a metric has none, as a plain value."""
    return "" if evidence is None or limit is None else f"{evidence:z.1f} of {limit:.1f}"


def _limit(it: model.MetricResult) -> str:
    limits = []
    if it.threshold.min is not None:
        limits.append(f">= {number(it.threshold.min)}")
    if it.threshold.max is not None:
        limits.append(f"<= {number(it.threshold.max)}")
    text = " and ".join(limits)
    # A latency is judged at a bucket bound of its histogram, never between two (api.md, 5.4).
    return f"{text} (at {number(it.edge)})" if it.edge is not None else text


def _conditions(status: model.Status) -> list[str]:
    if not status.conditions:
        return []
    heads = ["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"]
    rows = [
        [it.type, it.status, it.reason, instant(it.last_transition_at), it.message]
        for it in status.conditions
    ]
    return table(heads, rows)


def _rejected(status: model.Status) -> list[str]:
    if not status.rejected:
        return []
    heads = ["REVISION", "VERSION", "BY", "AT", "REASON"]
    rows = [
        [it.revision, it.model_version, it.by, instant(it.at), it.reason] for it in status.rejected
    ]
    return table(heads, rows)


# --- records -------------------------------------------------------------------------------------


def history(bodies: Sequence[dict[str, Any]]) -> list[str]:
    """One line for each RolloutRecord; one that cannot be read shows its name only."""
    heads = ["RECORD", "VERSION", "RESULT", "BY", "STARTED", "FINISHED", "REASON"]
    return table(heads, [_record(body) for body in bodies])


def _record(body: dict[str, Any]) -> list[str]:
    name, kept = str(body["metadata"]["name"]), record.read_kept(body)
    if kept is None:
        return [name, *[""] * 6]
    return [
        name,
        kept.model_version,
        str(kept.result),
        kept.by,
        instant(kept.started_at),
        instant(kept.finished_at),
        clipped(kept.reason, limit=_MESSAGE_LIMIT),
    ]


# --- one line of a watch -------------------------------------------------------------------------


def progress(seen: Seen) -> str:
    """Phase, message and, while a rollout runs, the outcomes of its metrics; without a time."""
    metrics = ", ".join(f"{it.name} {it.outcome}" for it in seen.status.analysis)
    running = f"  [{metrics}]" if metrics and seen.active_rollout else ""
    return escaped(f"{_phase(seen) or NOTHING:<12}  {_message(seen)}{running}")
