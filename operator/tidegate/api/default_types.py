"""What a ModelDeployment gets by a policy where it says nothing (api.md, 9.1).

A closed list: nothing of what a revision is made of, and nothing that changes how traffic is sent.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tidegate.api import schema
from tidegate.api.analysis_types import OnInconclusive, Profile
from tidegate.api.schema import DurationBetween, Part
from tidegate.api.steering_types import Level


class AutomationDefaults(Part):
    """Of spec.automation."""

    level: Level | None = Field(default=None, description="Of automation.level.")


class AnalysisDefaults(Part):
    """Of spec.analysis."""

    profile: Profile | None = Field(default=None, description="Of analysis.profile.")
    warmup: Annotated[str, DurationBetween("0s", "24h")] | None = Field(
        default=None, description="Of analysis.warmup."
    )
    min_requests: schema.Count | None = Field(default=None, description="Of analysis.minRequests.")
    no_data_timeout: Annotated[str, DurationBetween("1m", "24h")] | None = Field(
        default=None, description="Of analysis.noDataTimeout."
    )
    on_inconclusive: OnInconclusive | None = Field(
        default=None, description="Of analysis.onInconclusive."
    )


class PostPromotionDefaults(Part):
    """Of spec.strategy.postPromotion."""

    bake: Annotated[str, DurationBetween("0s", "720h")] | None = Field(
        default=None, description="Of strategy.postPromotion.bake."
    )
    keep_previous_percent: schema.Percent | None = Field(
        default=None, description="Of strategy.postPromotion.keepPreviousPercent."
    )


class StrategyDefaults(Part):
    """Of spec.strategy."""

    post_promotion: PostPromotionDefaults = Field(
        default=PostPromotionDefaults(), description="Of strategy.postPromotion."
    )
    scale_down_delay: Annotated[str, DurationBetween("0s", "168h")] | None = Field(
        default=None, description="Of strategy.scaleDownDelay."
    )


class RollbackDefaults(Part):
    """Of spec.rollback."""

    keep_candidate_for: Annotated[str, DurationBetween("0s", "168h")] | None = Field(
        default=None, description="Of rollback.keepCandidateFor."
    )


class Defaults(Part):
    """Values for ModelDeployments that say nothing; what each of them says counts more."""

    automation: AutomationDefaults = Field(
        default=AutomationDefaults(), description="Of automation."
    )
    analysis: AnalysisDefaults = Field(default=AnalysisDefaults(), description="Of analysis.")
    strategy: StrategyDefaults = Field(default=StrategyDefaults(), description="Of strategy.")
    rollback: RollbackDefaults = Field(default=RollbackDefaults(), description="Of rollback.")
    progress_deadline: Annotated[str, DurationBetween("1m", "24h")] | None = Field(
        default=None, description="Of progressDeadline."
    )
