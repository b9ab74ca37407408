"""A step of a canary as users write it: weight, stay, gate, limits and size (api.md, 5.3)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate.api import profiles, schema
from tidegate.api.analysis_types import Threshold
from tidegate.api.durations import seconds_of
from tidegate.api.schema import DurationBetween, FourDecimals, Keyed, Part, Rule, built_in

Weight = Annotated[float, Field(ge=0, le=100), FourDecimals()]


class Approval(Part):
    """A gate before a step; the request promote opens it."""

    name: schema.Name = Field(description="Name of the gate, such as the board that is asked.")


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
    approval: Approval | None = Field(
        default=None, description="A person is asked before this weight is set."
    )
    metrics: Annotated[list[StepMetric], Field(min_length=1, max_length=32), Keyed("name")] = Field(
        default=[],
        description="Metrics that have other limits in this step; evidence begins anew with them.",
    )
    replicas: Annotated[int, Field(ge=1, le=5000)] | None = Field(
        default=None,
        description="Pods of the candidate in this step, at most workload.replicas (GatewayAPI).",
        json_schema_extra=built_in("as the weight needs"),
    )
    replicas_percent: Annotated[float, Field(gt=0, le=100), FourDecimals()] | None = Field(
        default=None,
        description="The same in percent of workload.replicas, rounded up (GatewayAPI).",
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
    )
