"""How many pods a rollout may add or miss, as users write it (api.md, 5.3)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.schema import Part, Rule, built_in


class Scaling(Part):
    """How many pods a rollout may add or miss."""

    match_traffic: bool = Field(
        default=True,
        description="Size the candidate by its weight; false: full size from the first step (not ReplicaRatio).",
    )
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="Fewest pods of a candidate with traffic."
    )
    max_surge_percent: schema.Percent | None = Field(
        default=None,
        description="Pods beyond workload.replicas during a rollout, in percent of it.",
        json_schema_extra=built_in("100; ReplicaRatio: 25; Borrow and Recreate: 0"),
    )
    max_unavailable_percent: schema.Percent | None = Field(
        default=None,
        description=(
            "Pods that may be missing meanwhile, in percent of workload.replicas (ReplicaRatio, Borrow, "
            "Recreate)."
        ),
        json_schema_extra=built_in("0; Recreate: 100"),
    )
    surge_policy: Annotated[model.SurgePolicy, schema.LAX] = Field(
        default=model.SurgePolicy.SURGE,
        description=(
            "Who makes room for the candidate. Surge: pods are added. Borrow: stable gives pods up "
            "first, as far as its share allows. Recreate: stable alone gives them, below its share, too; "
            "no pod is ever added."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V58",
            cel=(
                "self.?surgePolicy.orValue('Surge') == 'Surge' || self.?matchTraffic.orValue(true)"
            ),
            message=(
                "matchTraffic: false asks for all pods of the candidate at once, for which stable cannot "
                "make room: remove it, or set surgePolicy: Surge"
            ),
            field="matchTraffic",
            holds=lambda it: it.surge_policy is model.SurgePolicy.SURGE or it.match_traffic,
        ),
        Rule(
            id="V59",
            cel=(
                "self.?surgePolicy.orValue('Surge') != 'Recreate' || "
                "self.?maxSurgePercent.orValue(0.0) == 0.0"
            ),
            message=(
                "surgePolicy: Recreate adds no pods: remove maxSurgePercent, or set surgePolicy: Borrow"
            ),
            field="maxSurgePercent",
            holds=lambda it: (
                it.surge_policy is not model.SurgePolicy.RECREATE or not it.max_surge_percent
            ),
        ),
    )
