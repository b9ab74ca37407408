"""The RolloutRecord as it stands in the cluster (api.md, 11): what the operator writes once.

Readers come years later: unknown members are left out on reading, enums are words that may grow.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from tidegate.api import schema
from tidegate.api.status_types import (
    METRICS_MAX_ITEMS,
    PLAN_MAX_ITEMS,
    Line,
    Number,
    Outcome,
    Result,
    StatusPart,
    StepState,
    Text,
    Threshold,
    Time,
    Uri,
)

IMMUTABLE = {"rule": "self == oldSelf", "message": "a record is never changed: leave it as it is"}


class Owner(StatusPart):
    """A ModelDeployment."""

    name: Line = Field(description="Its name.")
    uid: Line = Field(description="Its uid.")


class From(StatusPart):
    """What served when the rollout began."""

    revision: Line = Field(description="Short hash of the revision.")
    model_version: Line = Field(default="", description="Version of its model, for people.")


class Model(StatusPart):
    """What was rolled out."""

    name: Line = Field(default="", description="Name of the model.")
    version: Line = Field(default="", description="Version of the model.")
    uri: Uri = Field(default="", description="Place of the model.")


class Counts(StatusPart):
    """Requests of one revision within the evidence."""

    total: Number = Field(description="All requests.")
    bad: Number = Field(description="Those that speak against it.")


class Evidence(StatusPart):
    """The judgement of one metric with which a step ended. Evidence and proof are logarithms."""

    metric: Line = Field(description="Name of the metric.")
    outcome: Outcome = Field(description="Pass, Fail, Inconclusive, NoData or Error.")
    reason: Line = Field(default="", description="Why, as one word.")
    candidate: Counts | None = Field(default=None, description="Counts of the candidate.")
    baseline: Counts | None = Field(default=None, description="Counts of stable.")
    value: Number | None = Field(default=None, description="Value of the candidate.")
    baseline_value: Number | None = Field(default=None, description="Value of stable.")
    threshold: Threshold | None = Field(default=None, description="Absolute limits of the value.")
    edge: Number | None = Field(
        default=None, description="Bucket bound that the counts speak of, in seconds."
    )
    ratio: Number | None = Field(
        default=None, description="Rate of bad requests of the candidate over that of stable."
    )
    lower: Number | None = Field(default=None, description="Lower end of the ratio's interval.")
    upper: Number | None = Field(default=None, description="Upper end of the ratio's interval.")
    evidence: Number | None = Field(default=None, description="Evidence of harm.")
    limit: Number | None = Field(default=None, description="Evidence of harm that rolls back.")
    proof: Number | None = Field(default=None, description="Evidence that nothing is worse.")
    proof_limit: Number | None = Field(default=None, description="Proof that a step needs.")
    dispersion: Number | None = Field(
        default=None, description="How much bad requests come in clumps; 1 is not at all."
    )
    dispersion_source: Line = Field(default="", description="Measured, Given or Unmeasured.")
    intervals: int = Field(default=0, description="Closed counting intervals behind it.")
    dry_run: bool = Field(default=False, description="Reported, but never acts.")


class Step(StatusPart):
    """A step of the plan and what became of it."""

    name: Line = Field(description="Name of the step.")
    weight: Number = Field(description="Share of the candidate in percent, after rounding.")
    state: StepState = Field(description="Pending, Active, Passed, Failed or Skipped.")
    started_at: Time | None = Field(default=None, description="When its weight was decided.")
    confirmed_at: Time | None = Field(
        default=None, description="When its weight was seen in the data plane."
    )
    ended_at: Time | None = Field(default=None, description="When it ended.")
    evidence: list[Evidence] = Field(
        default=[],
        max_length=METRICS_MAX_ITEMS,
        description="Judgements with which it ended, the worst first.",
        json_schema_extra=schema.ATOMIC_LIST,
    )


class Spec(StatusPart):
    """How one rollout went."""

    extensions: ClassVar[dict[str, Any]] = {schema.VALIDATIONS: [IMMUTABLE]}
    model_deployment: Owner = Field(description="Whose rollout it was.")
    revision: Line = Field(description="Short hash of the revision.")
    attempt: int = Field(description="From 1; rises with every try of the revision.")
    spec_hash: Line = Field(default="", description="Full hash of the revision.")
    result: Result = Field(
        description="Promoted, FastPromoted, RolledBack, Aborted, Superseded or Failed."
    )
    by: Line = Field(default="", description="Analysis, User, Deadline, Spec or Readiness.")
    reason: Text = Field(default="", description="Why, in words.")
    # `from` is no name in Python.
    from_: From | None = Field(
        default=None,
        alias="from",
        description="What served when it began; absent for the first revision.",
    )
    model: Model = Field(default=Model(), description="What was rolled out.")
    started_at: Time | None = Field(default=None, description="When it began.")
    finished_at: Time = Field(description="When it ended.")
    strategy: Line = Field(default="", description="Canary, or Direct for the first revision.")
    operator_version: Line = Field(default="", description="Version that wrote the record.")
    steps: list[Step] = Field(
        default=[],
        max_length=PLAN_MAX_ITEMS,
        description="The plan and what became of it.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    evidence_digest: Line = Field(
        default="",
        description="SHA-256 of the counting intervals, which are in the operator's log.",
    )
    omitted: Text = Field(
        default="", description="What was left out to keep the record small; empty: nothing."
    )
