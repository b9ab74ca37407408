"""Gates as users write them: at a step, and in a policy for all rollouts that it applies to (api.md, 5.3 and 9.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate.api import schema
from tidegate.api.schema import DurationBetween, Part, Rule
from tidegate.model.steering import GROUPS_MAX_ITEMS

EXPIRES_AFTER = "72h"
Username = Annotated[str, Field(min_length=1, max_length=253)]
Groups = Annotated[list[Username], Field(min_length=1, max_length=GROUPS_MAX_ITEMS)]


class Gate(Part):
    """People are asked before the step, and have to say yes."""

    name: schema.Name = Field(description="Name of the gate, such as the board that is asked.")
    min_approvals: Annotated[int, Field(ge=1, le=10)] | None = Field(
        default=None,
        description=(
            "How many people have to approve it by a RolloutApproval; without: one of them, or "
            "anybody's request promote."
        ),
    )
    approver_groups: Groups | None = Field(
        default=None,
        description="Only members of one of these groups may; with minApprovals.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    not_author: bool = Field(
        default=False,
        description=(
            "Not whoever made the change, by annotation tidegate.dev/author; with minApprovals."
        ),
    )
    expires_after: Annotated[str, DurationBetween("1m", "720h")] = Field(
        default=EXPIRES_AFTER, description="How long an approval counts before the gate is open."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V91",
            cel="has(self.minApprovals) || (!has(self.approverGroups) && !self.?notAuthor.orValue(false))",
            message=(
                "approverGroups and notAuthor ask who approves, and a request promote does not say: "
                "add minApprovals"
            ),
            field="minApprovals",
            holds=lambda it: (
                it.min_approvals is not None or not (it.approver_groups or it.not_author)
            ),
        ),
    )


class GatePoint(Part):
    """Before what people are asked."""

    before_weight: Annotated[float, Field(gt=0, le=100)] | None = Field(
        default=None,
        description="Before the first step that gives so many percent of the users, or more.",
    )
    before_promotion: bool = Field(
        default=False, description="true: before the candidate gets all users for good."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V94",
            cel="has(self.beforeWeight) != self.?beforePromotion.orValue(false)",
            message="exactly one of beforeWeight and beforePromotion must be set: say when people are asked",
            field="",
            holds=lambda it: (it.before_weight is not None) != it.before_promotion,
        ),
    )


class PolicyGate(Part):
    """People are asked in every rollout that the policy applies to; only RolloutApprovals open it."""

    name: schema.Name = Field(description="Name of the gate, such as the board that is asked.")
    when: GatePoint = Field(description="Before what it is asked.")
    min_approvals: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="How many people have to approve it."
    )
    approver_groups: Groups | None = Field(
        default=None,
        description="Only members of one of these groups may.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    not_author: bool = Field(
        default=False,
        description="Not whoever made the change, by annotation tidegate.dev/author.",
    )
    expires_after: Annotated[str, DurationBetween("1m", "720h")] = Field(
        default=EXPIRES_AFTER, description="How long an approval counts before the gate is open."
    )


class Overrides(Part):
    """Who may let a single rollout through a policy, by a RolloutApproval for gate policy-override."""

    approver_groups: Annotated[list[Username], Field(max_length=GROUPS_MAX_ITEMS)] = Field(
        default=[],
        description=(
            "Groups whose members may; their comment has to say why. Approvals that the policy asks for "
            "stay, and so does stopPolicy."
        ),
        json_schema_extra=schema.ATOMIC_LIST,
    )
