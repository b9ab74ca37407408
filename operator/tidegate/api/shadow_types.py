"""Mirrored requests as users write them (api.md, 5.3): a shadow, and the warm-up of a canary."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tidegate import model
from tidegate.api import profiles, schema
from tidegate.api.analysis_types import TemplateRef, Threshold
from tidegate.api.durations import seconds_of
from tidegate.api.egress_types import ShadowEgress
from tidegate.api.schema import DurationBetween, FourDecimals, Part, Rule, built_in

MIN_REQUESTS = MIN_PAIRS = 1000

MirrorPercent = Annotated[float, Field(gt=0, le=100), FourDecimals()]
CopiedPercent = Annotated[float, Field(ge=0, le=100), FourDecimals()]  # beside something else
Then = Annotated[model.Then, schema.LAX]
Reference = Annotated[model.Reference, schema.LAX]


class ShadowCompare(Part):
    """Answers to the same requests, held against each other; the share of pairs is limited."""

    preset: Literal["response-agreement"] | None = Field(
        default=None, description="Pairs that the comparer has counted: the share that agrees."
    )
    template_ref: TemplateRef | None = Field(
        default=None,
        description=(
            "A template of type Ratio over pairs, whose series have the labels namespace, "
            "model_deployment and revision."
        ),
    )
    threshold: Threshold = Field(
        description="Limit of the share, 0 to 1: min where the counted pairs agree, as the preset's do."
    )
    min_pairs: schema.Count = Field(
        default=MIN_PAIRS, description="Pairs without which nothing is proven."
    )
    reference: Reference = Field(
        default=model.Reference.STABLE,
        description=(
            "Whose answers the candidate is held against: those of stable to the same requests, or the "
            "labels that people give later. Preset only."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V25",
            cel="has(self.preset) != has(self.templateRef)",
            message="exactly one of preset and templateRef must be set",
            field="",
            holds=lambda it: (it.preset is None) != (it.template_ref is None),
        ),
        Rule(
            id="V26",
            cel="!has(self.preset) || (has(self.threshold.min) && !has(self.threshold.max))",
            message=(
                "response-agreement is the share of pairs that agree: set threshold.min, such as "
                "0.98, and remove threshold.max"
            ),
            field="threshold",
            holds=lambda it: (
                it.preset is None or (it.threshold.min is not None and it.threshold.max is None)
            ),
        ),
        Rule(
            id="V46",
            cel="!has(self.templateRef) || !has(self.reference) || self.reference == 'Stable'",
            message="reference Human is of the preset: let the template select labels, or use the preset",
            field="reference",
            holds=lambda it: it.template_ref is None or it.reference is model.Reference.STABLE,
        ),
    )


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
    compare: ShadowCompare | None = Field(
        default=None, description="Agreement of answers, as a part of the verdict."
    )
    egress: ShadowEgress | None = Field(
        default=None,
        description=(
            "A NetworkPolicy keeps the pods of the shadow from sending, but to DNS and whom it allows. Where "
            "it is absent they may send as their namespace lets them."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V68",
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
