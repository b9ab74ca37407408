"""RolloutApproval as users write it: what a person decides about a gate (api.md, 10)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.gate_types import Username
from tidegate.api.instants import Instant
from tidegate.api.schema import Part

Revision = Annotated[str, Field(max_length=10, pattern=r"^[0-9a-f]{10}$")]
IMMUTABLE = {
    schema.VALIDATIONS: [
        {
            "rule": "self == oldSelf",
            "message": "a decision is never changed: delete it, and decide again",
        }
    ]
}


class Approver(Part):
    """Who decides, as the API server knows that user."""

    username: Username = Field(description="Name of the user.")
    groups: Annotated[list[Username], Field(min_length=1, max_length=32)] = Field(
        description="Groups of that user, those by which a gate asks among them.",
        json_schema_extra=schema.ATOMIC_LIST,
    )


class Spec(Part):
    """One person's decision about one gate of one rollout; never changed."""

    model_deployment: schema.Name = Field(description="The ModelDeployment, in this namespace.")
    revision: Revision = Field(description="The revision that is being rolled out.")
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="Which attempt at it, from 1; status.rollout.attempt."
    )
    gate: schema.Name = Field(description="The gate; it counts for every step that asks there.")
    decision: Annotated[model.Decision, schema.LAX] = Field(
        description="Approve, or Reject: the rollout is rolled back, and the revision is rejected."
    )
    approver: Approver = Field(description="Who decides; admission refuses anybody else.")
    comment: Annotated[str, Field(max_length=512)] = Field(default="", description="Why.")
    expires_at: Instant | None = Field(
        default=None,
        description=(
            "Until when an approval counts, before expiresAfter of the gate; by RFC 3339 with its zone."
        ),
    )
