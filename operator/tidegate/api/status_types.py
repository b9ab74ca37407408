"""The status as it stands in the cluster (api.md, 6.1): what `model.Status` carries.

The schema must know every field that is written: an applied status with an undeclared field is
answered with 500. Texts are cut at their limit, so that a long message never blocks a write.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import AfterValidator

from tidegate import model
from tidegate.api import durations, schema
from tidegate.api.schema import Part

PLAN_MAX_ITEMS = 32
METRICS_MAX_ITEMS = 32
REJECTED_MAX_ITEMS = 50
REJECTED_EARLIER_MAX_ITEMS = 1000
RETIRING_MAX_ITEMS = 64
SERVED_MAX_ITEMS = 21
CONDITIONS_MAX_ITEMS = 16


def _clip(limit: int) -> BeforeValidator:
    def clip(value: object) -> object:
        # Half a surrogate pair is no text for the API server; it can only come from a log line.
        if isinstance(value, str):
            return value[:limit].encode(errors="replace").decode()
        return value

    return BeforeValidator(clip)


def _utc(value: dt.datetime) -> dt.datetime:
    try:
        return value.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _rfc3339(value: dt.datetime) -> str:
    return value.isoformat().removesuffix("+00:00") + "Z"


Line = Annotated[str, Field(max_length=253), _clip(253)]
Text = Annotated[str, Field(max_length=1024), _clip(1024)]
Uri = Annotated[str, Field(max_length=2048), _clip(2048)]
Time = Annotated[
    AwareDatetime,
    schema.LAX,
    AfterValidator(_utc),
    PlainSerializer(_rfc3339),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]


def _seconds(value: object) -> object:
    seconds = durations.parse(value) if isinstance(value, str) else None
    return value if seconds is None else seconds


Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    PlainSerializer(durations.text_of),
    WithJsonSchema(
        {"type": "string", "maxLength": durations.MAX_LENGTH, "pattern": durations.PATTERN}
    ),
]


def _number(value: float) -> float | int:
    # As the API server writes it back; beyond this size it would take an integer for a float.
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


Number = Annotated[float, PlainSerializer(_number), WithJsonSchema({"type": "number"})]

# Enums may grow: the schema takes any word, so that it never refuses what a newer operator writes.
_WORD = WithJsonSchema({"type": "string", "maxLength": 63})
Phase = Annotated[model.Phase, schema.LAX, _WORD]
StepState = Annotated[model.StepState, schema.LAX, _WORD]
Difference = Annotated[model.Difference, schema.LAX, _WORD]
Waiting = Annotated[model.Waiting, schema.LAX, _WORD]
Outcome = Annotated[model.Outcome, schema.LAX, _WORD]
IdentityMode = Annotated[model.IdentityMode, schema.LAX, _WORD]
PreflightReason = Annotated[model.PreflightReason, schema.LAX, _WORD]
Result = Annotated[model.RolloutResult, schema.LAX, _WORD]


class StatusPart(Part):
    """An object of the status; unknown members are left out on reading."""

    model_config = ConfigDict(extra="ignore")


class Health(StatusPart):
    """Health as Argo CD shows it."""

    status: Line = Field(description="Healthy, Progressing, Degraded or Suspended.")
    message: Text = Field(default="", description="Why, in words.")


class Revision(StatusPart):
    """A revision."""

    revision: Line = Field(description="Short hash of model and pod template.")
    digest: Line = Field(default="", description="Full hash, SHA-256 in hexadecimal digits.")
    model_version: Line = Field(default="", description="Version of its model, for people.")


class RevisionInRole(StatusPart):
    """A revision with its pods."""

    revision: Line = Field(description="Short hash of model and pod template.")
    model_version: Line = Field(default="", description="Version of its model, for people.")
    replicas: int = Field(default=0, description="Pods asked for.")
    ready_replicas: int = Field(default=0, description="Pods that are ready.")
    since: Time | None = Field(default=None, description="In this role since.")


class Threshold(StatusPart):
    """Limits that were applied."""

    extensions = schema.ATOMIC_MAP
    min: Number | None = Field(default=None, description="Values below fail.")
    max: Number | None = Field(default=None, description="Values above fail.")


class Bounds(StatusPart):
    """A 95 % confidence interval that holds at every look; an absent end is open."""

    extensions = schema.ATOMIC_MAP
    lower: Number | None = Field(default=None, description="Lower end.")
    upper: Number | None = Field(default=None, description="Upper end.")


class ArmCounts(StatusPart):
    """Requests of one revision within the evidence."""

    total: Number = Field(default=0.0, description="All requests.")
    bad: Number = Field(default=0.0, description="Those that speak against it.")


class MetricResult(StatusPart):
    """Last judgement of a metric."""

    name: Line = Field(description="Name of the metric.")
    outcome: Outcome = Field(description="Pass, Fail, Inconclusive, NoData or Error.")
    reason: Line = Field(default="", description="Why, as one word.")
    message: Text = Field(default="", description="Why, in words.")
    value: Number | None = Field(default=None, description="Value of the candidate.")
    value_bounds: Bounds | None = Field(
        default=None, description="Confidence interval of the candidate's value."
    )
    baseline_value: Number | None = Field(default=None, description="Value of stable.")
    threshold: Threshold | None = Field(default=None, description="Limits that were applied.")
    edge: Number | None = Field(
        default=None, description="Bucket bound that the counts speak of, in seconds."
    )
    ratio: Number | None = Field(
        default=None, description="Rate of bad requests of the candidate over that of stable."
    )
    ratio_bounds: Bounds | None = Field(
        default=None, description="Confidence interval of the ratio."
    )
    evidence: Number | None = Field(
        default=None, description="Evidence of harm: logarithm of an e-value."
    )
    evidence_limit: Number | None = Field(
        default=None, description="Evidence of harm that rolls back."
    )
    proof: Number | None = Field(
        default=None, description="Evidence that nothing is worse: logarithm of an e-value."
    )
    proof_limit: Number | None = Field(default=None, description="Proof that a step needs.")
    dispersion: Number | None = Field(
        default=None, description="How much bad requests come in clumps; 1 is not at all."
    )
    dispersion_source: Line = Field(
        default="",
        description="Measured on stable's pods, or Unmeasured: then the value is assumed.",
    )
    candidate: ArmCounts = Field(default=ArmCounts(), description="Counts of the candidate.")
    baseline: ArmCounts = Field(default=ArmCounts(), description="Counts of stable.")
    intervals: int = Field(default=0, description="Closed counting intervals behind it.")
    failures: int = Field(default=0, description="Failing evaluations among the last ones.")
    dry_run: bool = Field(default=False, description="Reported, but never acts.")
    critical: bool = Field(default=False, description="Rolls back without waiting.")
    evaluated_at: Time | None = Field(default=None, description="When it was judged.")


class PlanStep(StatusPart):
    """A step as fixed when the rollout began."""

    name: Line = Field(description="Name of the step.")
    weight: Number = Field(description="Wanted share of the candidate in percent.")
    effective_weight: Number = Field(description="Share after rounding to what is possible.")
    hold: Seconds = Field(description="Least time at this weight.")
    deadline: Seconds = Field(description="Longest wait for proof.")
    min_requests: int = Field(default=0, description="Candidate requests needed.")
    state: StepState = Field(
        default=model.StepState.PENDING,
        description="Pending, Active, Passed, Failed or Skipped.",
    )
    started_at: Time | None = Field(default=None, description="When its weight was decided.")
    confirmed_at: Time | None = Field(
        default=None, description="When its weight was seen in the data plane."
    )
    ended_at: Time | None = Field(default=None, description="When it ended.")
    evidence: list[MetricResult] = Field(
        default=[],
        max_length=METRICS_MAX_ITEMS,
        description="Judgements with which it ended.",
        json_schema_extra=schema.ATOMIC_LIST,
    )


class ActiveStep(StatusPart):
    """The step being walked."""

    index: int = Field(description="Position in the plan, from 0.")
    name: Line = Field(description="Name of the step.")
    started_at: Time = Field(description="When its weight was decided.")
    confirmed_at: Time | None = Field(
        default=None, description="When its weight was seen in the data plane."
    )
    hold_until: Time | None = Field(default=None, description="End of its hold.")
    deadline_at: Time | None = Field(default=None, description="End of the wait for proof.")
    estimate: Text = Field(default="", description="What it can find out in its time.")


class Traffic(StatusPart):
    """Shares of the requests in percent."""

    stable: Number = Field(default=100.0, description="Intended share of stable.")
    candidate: Number = Field(description="Intended share of the candidate.")
    observed_candidate: Number | None = Field(
        default=None, description="Measured share of the candidate."
    )


class WaitingFor(StatusPart):
    """What the rollout waits for."""

    reason: Waiting = Field(description="Why it stands still, as one word.")
    since: Time = Field(description="Since when.")
    message: Text = Field(default="", description="Why it stands still, in words.")


class Rollout(StatusPart):
    """One attempt to bring a revision into service."""

    id: Line = Field(description="Name, revision and attempt.")
    revision: Line = Field(description="Short hash of the revision.")
    digest: Line = Field(default="", description="Full hash of the revision.")
    model_version: Line = Field(default="", description="Version of its model, for people.")
    attempt: int = Field(default=1, description="From 1; rises with retry.")
    active: bool = Field(default=False, description="True until its result stands.")
    stage: Phase = Field(
        default=model.Phase.PENDING, description="Phase the rollout works in, also while paused."
    )
    started_at: Time = Field(description="When it began.")
    progress_at: Time = Field(description="Last progress of pods or route.")
    plan: Annotated[list[PlanStep], Field(max_length=PLAN_MAX_ITEMS)] = Field(
        default=[], description="Steps as fixed at the start.", json_schema_extra=schema.ATOMIC_LIST
    )
    step: ActiveStep | None = Field(default=None, description="The step being walked.")
    traffic: Traffic = Field(
        default=Traffic(candidate=0.0), description="Shares of the requests in percent."
    )
    first_traffic_at: Time | None = Field(
        default=None, description="When the candidate got its first traffic."
    )
    judged_since: Time | None = Field(
        default=None, description="Evidence counts from here: the last confirmation of a weight."
    )
    evidence_since: Time | None = Field(
        default=None, description="Evidence of steps confirmed from here on counts together."
    )
    evidence_digest: Line = Field(
        default="", description="SHA-256 of the counting intervals behind the last decision."
    )
    waiting_for: WaitingFor | None = Field(
        default=None, description="Absent while only time and evidence are needed."
    )
    skip_analysis: bool = Field(default=False, description="Promotion in full was asked for.")
    analysis_key: Line = Field(
        default="", description="Hash of the analysis that the evidence belongs to."
    )
    rollback_reason: Text = Field(default="", description="Why it is rolled back.")
    rollback_by: Line = Field(default="", description="Who or what rolled it back.")
    model_name: Line = Field(default="", description="Name of its model.")
    model_uri: Uri = Field(default="", description="Place of its model.")
    from_revision: Line = Field(default="", description="Revision that served when it began.")
    from_model_version: Line = Field(default="", description="Version of that revision's model.")


class Preflight(StatusPart):
    """Whether a metric could be judged, seen on stable."""

    metric: Line = Field(description="Name of the metric.")
    source: Line = Field(default="", description="Metric source that was asked.")
    reason: PreflightReason = Field(description="What was found, as one word.")
    ready: bool | None = Field(
        default=None, description="Whether a candidate could be judged; absent: not known yet."
    )
    message: Text = Field(default="", description="What was asked and which part is missing.")
    dry_run: bool = Field(default=False, description="The metric is reported, but never acts.")


class HandledRequest(StatusPart):
    """Answer to the newest request annotation."""

    request: Text = Field(description="What was asked for.")
    revision: Line = Field(default="", description="Revision it was bound to.")
    requested_at: Line = Field(default="", description="When it was asked, as it was written.")
    handled_at: Time = Field(description="When it was answered.")
    outcome: Line = Field(description="Accepted, NoOp or Refused.")
    reason: Text = Field(default="", description="Why.")


class LastRollout(StatusPart):
    """How the rollout before ended."""

    id: Line = Field(description="Name, revision and attempt.")
    result: Result = Field(description="How it ended.")
    finished_at: Time = Field(description="When it ended.")
    reason: Text = Field(default="", description="Why.")
    by: Line = Field(default="", description="Who or what ended it.")
    revision: Line = Field(default="", description="Short hash of the revision.")
    attempt: int = Field(default=1, description="From 1; rises with every try of the revision.")
    record: Line = Field(default="", description="Name of its RolloutRecord; empty: none is kept.")


class RejectedRevision(StatusPart):
    """A revision that is not tried again until a person asks for it."""

    revision: Line = Field(description="Short hash of the revision.")
    model_version: Line = Field(default="", description="Version of its model, for people.")
    reason: Text = Field(default="", description="Why it was rejected.")
    at: Time = Field(description="When it was rejected.")
    by: Line = Field(default="", description="Who or what rejected it.")
    attempt: int = Field(default=1, description="The rejected attempt.")


class Retiring(StatusPart):
    """A revision without traffic."""

    revision: Line = Field(description="Short hash of the revision.")
    scale_down_at: Time | None = Field(
        default=None,
        description="When its pods go; absent while its successor lacks pods for the load.",
    )


class TrafficDifference(StatusPart):
    """Fields of the entry Service or the route that differ from spec, or did last."""

    state: Difference = Field(
        description=(
            "Applying: an edit of spec is being written. Restoring: somebody else's is being taken "
            "back. Restored: that was done. Left: it came again soon and is not fought."
        )
    )
    fields: Text = Field(description="Objects and fields.")
    since: Time = Field(description="When it was found.")
    written_at: Time = Field(description="When it was written last, or confirmed.")


class TrafficSync(StatusPart):
    """Whether the entry Service and the route are as spec.service and spec.traffic ask."""

    observed_generation: int = Field(
        default=0, description="Newest generation that they were as asked for."
    )
    difference: TrafficDifference | None = Field(
        default=None, description="What differs from spec, or did last."
    )


class SourceIdentity(StatusPart):
    """How a metric source tells the revisions apart."""

    source: Line = Field(description="Name of the metric source.")
    mode: IdentityMode = Field(
        description="Label: revision and model_deployment. PodLabel: tidegate_dev_revision and "
        "tidegate_dev_model_deployment. Pod: the name of the pod. Gateway: reported by a proxy."
    )


class Controller(StatusPart):
    """The writer of this status."""

    epoch: int = Field(default=0, description="Lease epoch of the last writer.")
    operator: Line = Field(
        default="", description="Namespace and name of the Lease of the operator that serves it."
    )


class Condition(StatusPart):
    """One aspect of the state, as a Kubernetes condition."""

    type: Line = Field(description="Name of the aspect.")
    status: Line = Field(description='"True", "False" or "Unknown".')
    reason: Line = Field(description="Why, as one word.")
    message: Text = Field(default="", description="Why, in words.")
    last_transition_time: Time = Field(description="When status changed.")
    observed_generation: int = Field(default=0, description="Generation it speaks of.")


def _listed(limit: int, text: str, **extra: Any) -> Any:
    return Field(default=[], max_length=limit, description=text, json_schema_extra=extra)


class Status(StatusPart):
    """What the operator decided and saw."""

    observed_generation: int = Field(default=0, description="Generation this speaks of.")
    phase: Phase = Field(default=model.Phase.PENDING, description="Where the object stands.")
    message: Text = Field(default="", description="One line for people.")
    health: Health | None = Field(default=None, description="Health as Argo CD shows it.")
    desired: Revision | None = Field(default=None, description="What spec asks for.")
    stable: RevisionInRole | None = Field(default=None, description="The revision that serves.")
    candidate: RevisionInRole | None = Field(default=None, description="The revision being tried.")
    previous: RevisionInRole | None = Field(default=None, description="Served before; kept.")
    rollout: Rollout | None = Field(default=None, description="The running or last rollout.")
    analysis: list[MetricResult] = _listed(
        METRICS_MAX_ITEMS,
        "Last judgement per metric, written with decisions.",
        **schema.ATOMIC_LIST,
    )
    identity: Annotated[list[SourceIdentity], schema.Keyed("source")] = _listed(
        METRICS_MAX_ITEMS,
        "Labels that tell revisions apart, per metric source; fixed during a rollout.",
    )
    last_handled_request: HandledRequest | None = Field(
        default=None, description="Answer to the newest request annotation."
    )
    last_rollout: LastRollout | None = Field(
        default=None, description="How the rollout before ended."
    )
    rejected_revisions: list[RejectedRevision] = _listed(
        REJECTED_MAX_ITEMS, "Not tried again until a person asks for it.", **schema.ATOMIC_LIST
    )
    rejected_earlier: list[Line] = _listed(
        REJECTED_EARLIER_MAX_ITEMS,
        "Revisions rejected before those; they are not tried again either.",
        **schema.ATOMIC_LIST,
    )
    retiring: list[Retiring] = _listed(
        RETIRING_MAX_ITEMS, "Revisions without traffic whose pods go soon.", **schema.ATOMIC_LIST
    )
    served: list[Line] = _listed(
        SERVED_MAX_ITEMS, "Revisions that were promoted, newest first.", **schema.ATOMIC_LIST
    )
    traffic: TrafficSync = Field(
        default=TrafficSync(), description="Whether Service and route are as spec asks."
    )
    controller: Controller = Field(default=Controller(), description="The writer of this status.")
    evidence: list[Preflight] = _listed(
        METRICS_MAX_ITEMS,
        "Whether stable shows the series of each metric.",
        **schema.ATOMIC_LIST,
    )
    conditions: Annotated[list[Condition], schema.Keyed("type")] = _listed(
        CONDITIONS_MAX_ITEMS, "Aspects of the state."
    )
