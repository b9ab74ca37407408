"""How far distributions may move, as users write it (api.md, 5.4)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.schema import Part, Rule, built_in

BaselineType = Annotated[model.BaselineType, schema.LAX]
FeatureName = Annotated[str, Field(min_length=1, max_length=128)]


class ProfileRef(Part):
    """A profile of training data, as tidegate-probe writes it, in a ConfigMap of the same namespace."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: schema.ObjectName = Field(description="Name of the ConfigMap.")
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        default="profile.json", description="Its key that holds the profile."
    )


class Baseline(Part):
    """What the candidate is held against where a metric does not say it."""

    type: BaselineType = Field(
        default=model.BaselineType.STABLE,
        description=(
            "Stable, at the same time; or TrainingReference: distributions are held against the "
            "profile of the training data, everything else against stable."
        ),
    )
    reference: ProfileRef | None = Field(
        default=None,
        description="The profile of the candidate's training data.",
        json_schema_extra=built_in("none"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V70",
            cel="self.?type.orValue('Stable') != 'TrainingReference' || has(self.reference)",
            message="TrainingReference needs the ConfigMap with the profile: set reference",
            field="reference",
            holds=lambda it: it.type is not model.BaselineType.TRAINING or it.reference is not None,
        ),
    )


class Drift(Part):
    """How far the distribution of a feature, score or class may move from what it is held against."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    delta: Annotated[float, Field(ge=0, le=5)] | None = Field(
        default=None,
        description="Population stability index (PSI) that is tolerated; more, if proven, is a breach.",
        json_schema_extra=built_in("0.1"),
    )
    margin: Annotated[float, Field(gt=0, le=10)] | None = Field(
        default=None,
        description="Passes once a PSI of this or more is ruled out for every feature.",
        json_schema_extra=built_in("2.5 times delta, at least 0.1"),
    )
    rule: Annotated[model.DriftRule, schema.LAX] = Field(
        default=model.DriftRule.ANY,
        description="Any: one feature is a breach. AtMostK: more than k features are.",
    )
    k: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="For AtMostK: so many features may move."
    )
    ignore: Annotated[list[FeatureName], Field(max_length=64)] = Field(
        default=[],
        description="Features that are not judged, such as new ones that stable does not have.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V64",
            cel="(self.?rule.orValue('Any') == 'AtMostK') == has(self.k)",
            message="k must be set exactly when rule is AtMostK",
            field="k",
            holds=lambda it: (it.rule is model.DriftRule.AT_MOST_K) == (it.k is not None),
        ),
        Rule(
            id="V65",
            cel="!has(self.margin) || self.margin > self.?delta.orValue(0.1)",
            message="margin must be above delta (default 0.1): raise margin or lower delta",
            field="margin",
            holds=lambda it: (
                it.margin is None or it.margin > (0.1 if it.delta is None else it.delta)
            ),
        ),
    )
