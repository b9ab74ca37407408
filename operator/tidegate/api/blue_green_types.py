"""`strategy.blueGreen` as users write it. Source: api.md, 5.3."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate.api import profiles, schema
from tidegate.api.durations import seconds_of
from tidegate.api.schema import DurationBetween, Keyed, Part, Rule, built_in
from tidegate.api.shadow_types import CopiedPercent
from tidegate.api.smoke_test_types import SmokeTest
from tidegate.api.tester_types import TesterRoute

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
    routes: Annotated[list[TesterRoute], Field(max_length=8), Keyed("name")] = Field(
        default=[],
        description=(
            "Requests of testers, which the candidate answers while it is in preview, at the address of "
            "the users (GatewayAPI with mode Managed, Contour, Istio and NGINX)."
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
            "only lasts, and nothing has to be proven. With mirrorPercent it is analysis.minRequests unless "
            "it is larger than 0, as a comparison has to be proven."
        ),
    )
    mirror_percent: CopiedPercent = Field(
        default=0.0,
        description=(
            "Share of the users' requests that is copied to the preview (GatewayAPI), whose answers "
            "nobody gets: the candidate is then compared with stable."
        ),
    )
    job: SmokeTest | None = Field(
        default=None,
        description="A Job that has to succeed in preview; one that fails rejects. None by default.",
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
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V67",
            cel=(
                "self.?prePromotion.?mirrorPercent.orValue(0.0) <= "
                "self.?preview.?replicasPercent.orValue(100.0)"
            ),
            message=(
                "prePromotion.mirrorPercent must not be above preview.replicasPercent, which are the pods "
                "that answer the copies: lower it, or raise that"
            ),
            field="prePromotion.mirrorPercent",
            holds=lambda it: it.pre_promotion.mirror_percent <= it.preview.replicas_percent,
        ),
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
