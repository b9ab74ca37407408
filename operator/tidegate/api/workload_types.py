"""How the pods of a revision are sized (api.md, 5.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.schema import Part, Rule

AutoscaledPods = Annotated[int, Field(ge=1, le=5000)]


class WorkloadRef(Part):
    """An existing Deployment of this namespace: read, and never scaled, relabelled or written."""

    api_version: Literal["apps/v1"] = Field(
        default="apps/v1", description="API version of the object."
    )
    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind of the object.")
    name: schema.ObjectName = Field(description="Name of the object.")


class Autoscaling(Part):
    """A HorizontalPodAutoscaler for each live revision; `replicas` are the pods of the start."""

    min_replicas: AutoscaledPods = Field(
        default=1, description="Fewest pods of a revision that gets all traffic."
    )
    max_replicas: AutoscaledPods = Field(
        description="Most pods of a revision that gets all traffic."
    )
    cpu_utilization_percent: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=80,
        description="CPU time that the pods shall use, in percent of what their containers request.",
    )
    during_rollout: Annotated[model.DuringRollout, schema.LAX] = Field(
        default=model.DuringRollout.PROPORTIONAL,
        description=(
            "Proportional: the side with more of the load may grow, and the other follows. "
            "Frozen: both keep their pods."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V20",
            cel="!has(self.minReplicas) || self.minReplicas <= self.maxReplicas",
            message="minReplicas must not be above maxReplicas: lower it, or raise maxReplicas",
            field="minReplicas",
            holds=lambda it: it.min_replicas <= it.max_replicas,
        ),
    )
