"""Mirrored requests as users write them (api.md, 5.3): a shadow, and the warm-up of a canary."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import profiles, schema
from tidegate.api.durations import seconds_of
from tidegate.api.schema import DurationBetween, FourDecimals, Part, Rule, built_in

MIN_REQUESTS = 1000

MirrorPercent = Annotated[float, Field(gt=0, le=100), FourDecimals()]
Then = Annotated[model.Then, schema.LAX]


class Shadow(Part):
    """Copies of requests for a candidate that answers nobody, judged beside stable."""

    mirror_percent: MirrorPercent = Field(
        description="Share of requests copied to the candidate in percent; 0.5 is one of 200."
    )
    duration: Annotated[str, DurationBetween("1m", "720h")] = Field(
        description="Least time with copies, from their confirmation on."
    )
    deadline: Annotated[str, DurationBetween("1m", "2160h")] | None = Field(
        default=None,
        description="Longest wait for proof; then analysis.onInconclusive.",
        json_schema_extra=built_in(
            f"{profiles.in_words(lambda it: it.deadline_seconds, text=profiles.hours)}; at least "
            "4 x duration"
        ),
    )
    min_requests: schema.Count = Field(
        default=MIN_REQUESTS, description="Copied requests that the candidate must have answered."
    )
    then: Then = Field(
        default=model.Then.HOLD,
        description=(
            "What follows a good verdict. Hold: a person requests promote or abort. Canary: the steps of "
            "strategy.canary, with the same pods. Promote: all traffic. Stop: the candidate leaves, "
            "neither promoted nor rejected."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V39",
            cel="!has(self.deadline) || duration(self.deadline) >= duration(self.duration)",
            message="deadline must not be shorter than duration: raise it",
            field="deadline",
            holds=lambda it: (
                it.deadline is None or seconds_of(it.deadline) >= seconds_of(it.duration)
            ),
        ),
    )


class WarmUp(Part):
    """Copies of requests before the first weight, so that no user meets cold pods; no evidence."""

    mirror_percent: MirrorPercent = Field(
        description="Share of requests copied to the candidate in percent."
    )
    duration: Annotated[str, DurationBetween("1s", "24h")] = Field(
        description="How long, from their confirmation on."
    )
