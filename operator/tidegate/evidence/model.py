"""What a metric reads and what was read, as frozen data.

Units: instants in unix seconds, latencies in seconds, ratios from 0 to 1.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tidegate.rollout import model


class Operator(enum.StrEnum):
    """How a label is compared (api.md, 8.1)."""

    IN = "In"
    NOT_IN = "NotIn"
    MATCHES = "Matches"
    NOT_MATCHES = "NotMatches"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMatch:
    """One condition on a label; `values` are alternatives."""

    label: str
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Series by metric name and labels. Identity, `le` and windows are added by the operator."""

    metric: str
    matches: tuple[LabelMatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Bad events out of all events, both counters. `bad` may be a sum of several counters."""

    bad: Selector
    total: Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A classic histogram judged at a quantile. `unit_seconds` is the length of its unit."""

    histogram: Selector
    quantile: float
    unit_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Free PromQL that returns one number. Runs alone, never grouped."""

    promql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A declared variable of a template with its anchored pattern; a default makes it optional."""

    name: str
    pattern: str = "[A-Za-z0-9_.:/-]{1,512}"
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How a number is read: a preset, a MetricTemplate or an inline query, all in one form.

    `free_query` sources must enforce the namespace (api.md, 8.2, rule 3); `cluster` says that the
    platform wrote it, which lifts that rule.
    """

    name: str
    measure: Ratio | Latency | Query
    source: str = ""
    variables: tuple[Variable, ...] = ()
    default_threshold: model.Threshold = model.NO_THRESHOLD
    cluster: bool = False
