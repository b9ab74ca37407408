"""Who need not keep which rules of a ClusterRolloutPolicy, until when, and why (api.md, 9.1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tidegate.api import schema
from tidegate.api.instants import Instant
from tidegate.api.rule_names import RuleName
from tidegate.api.schema import Part


class Exemption(Part):
    """Rules that a ModelDeployment, or a namespace, need not keep until an instant."""

    name: schema.Name = Field(description="Name of the exemption.")
    namespace: schema.Name = Field(description="The namespace that it is for.")
    model_deployment: schema.Name | None = Field(
        default=None, description="The ModelDeployment in it; without: all."
    )
    rule_names: Annotated[list[RuleName], Field(min_length=1, max_length=32)] = Field(
        alias="rules",
        description="Rules that need not be kept, as ruleActions names them.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    until: Instant = Field(
        description="From when on they have to be kept again, by RFC 3339 with its zone."
    )
    reason: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description="Why, for whoever reads it later."
    )
