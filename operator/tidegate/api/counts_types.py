"""Counts from anywhere, for `tidegate evaluate`: the JSON that people or programs hand in."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate.api import schema
from tidegate.api.analysis_types import Compare, Risk
from tidegate.api.schema import Keyed, Part, Rule

Events = Annotated[float, Field(ge=0, le=1e15)]


class ArmCounts(Part):
    """Requests of one side in one interval, and those of them that speak against it."""

    total: Events = Field(description="All requests.")
    bad: Events = Field(description="Those that speak against it.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="E1",
            cel="self.bad <= self.total",
            message="bad must not be above total: bad requests are counted in total, too",
            field="bad",
            holds=lambda it: it.bad <= it.total,
        ),
    )


class Row(Part):
    """Both sides over the same stretch of time."""

    candidate: ArmCounts = Field(description="The new version.")
    stable: ArmCounts = Field(
        default=ArmCounts(total=0, bad=0), description="The old version at the same time."
    )
    weight: Annotated[float, Field(gt=0, lt=100)] | None = Field(
        default=None, description="Intended share of the candidate in percent."
    )
    pods: Annotated[list[ArmCounts], Field(max_length=1000)] = Field(
        default=[], description="The stable version pod by pod; tells how much requests clump."
    )


class Metric(Part):
    """One judged rate of bad requests."""

    name: schema.Name = Field(description="Name of the metric.")
    limit: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Tolerated rate of bad requests, whatever stable does."
    )
    compare: Compare | None = Field(default=None, description="The candidate held against stable.")
    dispersion: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="How much bad requests clump, 1 is not at all; absent: measured on the pods.",
    )
    rows: Annotated[list[Row], Field(min_length=1, max_length=10_000)] = Field(
        description="Closed intervals in the order of time."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="E2",
            cel="has(self.limit) || has(self.compare)",
            message="a metric needs limit or compare: without, nothing can be judged",
            field="",
            holds=lambda it: it.limit is not None or it.compare is not None,
        ),
    )


class Counts(Part):
    """Everything that is judged together."""

    metrics: Annotated[list[Metric], Field(min_length=1, max_length=32), Keyed("name")] = Field(
        description="Metrics; the first one's requests are the requests of the step."
    )
    risk: Risk = Field(default=Risk(), description="How often a judgement may be wrong.")
    min_requests: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        default=100, description="Candidate requests without which nothing advances."
    )
    min_intervals: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=3, description="Intervals without which nothing advances."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="E3",
            cel="self.metrics.all(m, m.rows.size() == self.metrics[0].rows.size())",
            message="every metric needs the same number of rows: row by row they are one interval",
            field="metrics",
            holds=lambda it: len({len(metric.rows) for metric in it.metrics}) == 1,
        ),
    )
