"""`strategy.blueGreen` as users write it. Source: api.md, 5.3."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate.api import profiles, schema
from tidegate.api.durations import seconds_of
from tidegate.api.schema import DurationBetween, Part, Rule, built_in

SizePercent = Annotated[float, Field(ge=1, le=100)]
Requests = Annotated[int, Field(ge=0, le=10**9)]


class Preview(Part):
    """Where the candidate can be looked at before any user is answered by it."""

    service_name: schema.ServiceName | None = Field(
        default=None,
        description=(
            "Name of the preview Service; it selects the candidate while there is one, else stable."
        ),
        json_schema_extra=built_in("metadata.name, followed by -preview"),
    )
    replicas_percent: SizePercent = Field(
        default=100.0,
        description=(
            "Pods of the candidate in preview, in percent of workload.replicas; the switch waits for "
            "all of them."
        ),
    )


class PrePromotion(Part):
    """What has to come before the switch."""

    duration: Annotated[str, DurationBetween("0s", "720h")] = Field(
        default="10m", description="Least time in preview; a metric over its limit rejects."
    )
    deadline: Annotated[str, DurationBetween("0s", "2160h")] | None = Field(
        default=None,
        description="Longest wait for minRequests and their proof; then analysis.onInconclusive.",
        json_schema_extra=built_in(profiles.deadlines("duration")),
    )
    min_requests: Requests = Field(
        default=0,
        description=(
            "Requests that the preview must have answered within the limits of the metrics; 0: it "
            "only lasts, and nothing has to be proven."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V43",
            cel=(
                "!has(self.deadline) || "
                "duration(self.deadline) >= duration(self.?duration.orValue('10m'))"
            ),
            message="deadline must not be shorter than duration (default duration: 10m): raise it",
            field="deadline",
            holds=lambda it: (
                it.deadline is None or seconds_of(it.deadline) >= seconds_of(it.duration)
            ),
        ),
    )


class BlueGreen(Part):
    """A candidate at full size beside stable, looked at, then all users at once."""

    preview: Preview = Field(default=Preview(), description="Where it can be looked at.")
    pre_promotion: PrePromotion = Field(
        default=PrePromotion(), description="What has to come before the switch."
    )
    auto_promote: bool = Field(
        default=True,
        description="false: the switch waits until a person asks for it with promote.",
    )


# Of `strategy`: each type has its own members, and none of another.
ONE_STRATEGY: tuple[Rule, ...] = (
    Rule(
        id="V8",
        cel="!has(self.blueGreen) || self.?type.orValue('Canary') == 'BlueGreen'",
        message=(
            "member blueGreen belongs to type BlueGreen (default type: Canary): "
            "set type: BlueGreen, or remove it"
        ),
        field="blueGreen",
        holds=lambda it: it.blue_green is None or it.type == "BlueGreen",
    ),
    Rule(
        id="V42",
        cel="!has(self.scaling) || self.?type.orValue('Canary') != 'BlueGreen'",
        message=(
            "member scaling has no meaning for type BlueGreen, where both versions have their "
            "full size: remove it"
        ),
        field="scaling",
        holds=lambda it: "scaling" not in it.model_fields_set or it.type != "BlueGreen",
    ),
)
