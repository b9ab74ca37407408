"""A step of a canary as users write it: weight, stay, gate, limits and size (api.md, 5.3)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate.api import profiles, schema
from tidegate.api.analysis_types import Threshold
from tidegate.api.durations import seconds_of
from tidegate.api.gate_types import Gate
from tidegate.api.schema import DurationBetween, FourDecimals, Keyed, Part, Rule, built_in
from tidegate.api.shadow_types import CopiedPercent

Weight = Annotated[float, Field(ge=0, le=100), FourDecimals()]
ALL_AND_A_LITTLE = 100.00001


class StepMetric(Part):
    """Limits of a metric that hold in one step."""

    name: schema.Name = Field(description="Name of a metric of spec.analysis.metrics.")
    threshold: Threshold = Field(description="Its absolute limits in this step.")


class Step(Part):
    """A planned weight."""

    name: schema.Name = Field(description="Stable name of the step.")
    weight: Weight = Field(
        description=(
            "Share of requests for the candidate in percent; higher than the step before. 0: only "
            "what its routes send."
        )
    )
    hold: Annotated[str, DurationBetween("0s", "720h")] = Field(
        default="10m", description="Least time at this weight, from its confirmation on."
    )
    deadline: Annotated[str, DurationBetween("0s", "2160h")] | None = Field(
        default=None,
        description="Longest wait for proof at this weight; then analysis.onInconclusive.",
        json_schema_extra=built_in(
            f"{profiles.in_words(lambda it: it.deadline_seconds, text=profiles.hours)}; at least 4 x hold"
        ),
    )
    min_requests: schema.Count | None = Field(
        default=None,
        description="Requests the candidate must have answered in this step.",
        json_schema_extra=built_in("analysis.minRequests"),
    )
    mirror_percent: CopiedPercent = Field(
        default=0.0,
        description=(
            "Share of all requests that is copied to the candidate beside those that it answers "
            "(GatewayAPI); copies count for minRequests and in every metric."
        ),
    )
    approval: Gate | None = Field(
        default=None, description="People are asked before this weight is set."
    )
    metrics: Annotated[list[StepMetric], Field(min_length=1, max_length=32), Keyed("name")] = Field(
        default=[],
        description="Metrics that have other limits in this step; evidence begins anew with them.",
    )
    replicas: Annotated[int, Field(ge=1, le=5000)] | None = Field(
        default=None,
        description="Pods of the candidate in this step, at most workload.replicas (not ReplicaRatio).",
        json_schema_extra=built_in("as the weight needs"),
    )
    replicas_percent: Annotated[float, Field(gt=0, le=100), FourDecimals()] | None = Field(
        default=None,
        description="The same in percent of workload.replicas, rounded up (not ReplicaRatio).",
        json_schema_extra=built_in("as the weight needs"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V12",
            cel=(
                "!has(self.deadline) || "
                "duration(self.deadline) >= duration(self.?hold.orValue('10m'))"
            ),
            message="deadline must not be shorter than hold (default hold: 10m): raise it",
            field="deadline",
            holds=lambda it: it.deadline is None or seconds_of(it.deadline) >= seconds_of(it.hold),
        ),
        Rule(
            id="V21",
            cel="!(has(self.replicas) && has(self.replicasPercent))",
            message="replicas and replicasPercent exclude each other: remove one of them",
            field="replicasPercent",
            holds=lambda it: it.replicas is None or it.replicas_percent is None,
        ),
        Rule(
            id="V66",
            # Both have four decimals, which their sum as a float may miss by a little.
            cel="self.weight + self.?mirrorPercent.orValue(0.0) < 100.00001",
            message=(
                "weight and mirrorPercent together must not be above 100: no more pods than for all "
                "requests are made: lower mirrorPercent"
            ),
            field="mirrorPercent",
            holds=lambda it: it.weight + it.mirror_percent < ALL_AND_A_LITTLE,
        ),
    )
