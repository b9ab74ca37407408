"""What a metric reads and what was read, as frozen data.

Units: instants in unix seconds, latencies in seconds, ratios from 0 to 1.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """Series by metric name and labels. Identity, `le` and windows are added by the operator.

    `also` names further metrics that are counted together with it, where no counter has it all.
    """

    metric: str
    matches: tuple[LabelMatch, ...] = ()
    also: tuple[str, ...] = ()


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


class Aggregate(enum.StrEnum):
    """How the pods of one revision become one number (api.md, 8.1)."""

    AVG = "Avg"
    MAX = "Max"
    MIN = "Min"
    SUM = "Sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number per revision: a gauge, or the rate of a counter per second, times `scale`."""

    series: Selector
    aggregate: Aggregate = Aggregate.AVG
    counter: bool = False
    scale: float = 1.0


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
    measure: Ratio | Latency | Value | Query
    source: str = ""
    variables: tuple[Variable, ...] = ()
    cluster: bool = False


# --- what was read -------------------------------------------------------------------------------

STALE_SCRAPES = 3
LOOKBACK_SCRAPES = 5


class Reason(enum.StrEnum):
    """Why a metric or a step was judged as it was (evidence.md, 13, in CamelCase)."""

    WARMUP = "Warmup"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    ERROR = "Error"
    STALE = "Stale"
    NO_DATA = "NoData"
    INCOMPATIBLE_BUCKETS = "IncompatibleBuckets"
    SATURATED = "Saturated"
    SHARED_INCIDENT = "SharedIncident"
    INSUFFICIENT = "Insufficient"
    UNDECIDED = "Undecided"
    NO_METRICS = "NoMetrics"
    BREACH = "Breach"
    PASSED = "Passed"
    REGRESSION = "Regression"
    SLO_BREACH = "SloBreach"
    LIMIT = "Limit"
    TRAFFIC_SPLIT = "TrafficSplit"
    NO_BASELINE = "NoBaseline"
    NON_INFERIOR = "NonInferior"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an answer or an arm cannot be used."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Usable samples of one series: (unix seconds, finite value), ascending in time."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose series are read. `stable` is empty when nothing serves beside the candidate."""

    namespace: str
    name: str
    candidate: str
    stable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The half-open interval (start, end] in unix seconds, and how often its source scrapes."""

    start: float
    end: float
    scrape_interval_seconds: float

    @property
    def stale_after_seconds(self) -> float:
        """Age at which a sample no longer speaks for an instant."""
        return STALE_SCRAPES * self.scrape_interval_seconds

    @property
    def range_seconds(self) -> int:
        """Range to ask for: the window and enough before it to tell a new series from a gap."""
        lookback = LOOKBACK_SCRAPES * self.scrape_interval_seconds
        return max(1, math.ceil(self.end - self.start + lookback))


class Limit(enum.StrEnum):
    """How a value stands to its threshold. `UNKNOWN`: the buckets do not reach that far."""

    KEPT = "Kept"
    BROKEN = "Broken"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one revision showed within the window.

    `samples` counts requests, `bad` those that speak against the threshold, `edge` is the bucket
    bound (seconds) at which a latency was judged, `saturated` says that `value` is only a lower
    bound. With a `problem` the numbers mean nothing.
    """

    value: float | None = None
    samples: float = 0.0
    bad: float = 0.0
    edge: float | None = None
    saturated: bool = False
    limit: Limit = Limit.KEPT
    newest: float | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One look at one metric. `counted` says that the numbers of samples are known."""

    at: float
    threshold: model.Threshold
    candidate: Arm
    stable: Arm
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The newest look at a metric, and the last usable looks that brought new samples."""

    latest: Measurement
    history: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvidence:
    """Everything that was measured in a step; the only memory of `verdicts.judge`.

    `requests` counts candidate requests since traffic settled; `requests_problem` says why that
    number may be behind.
    """

    tracks: Mapping[str, Track] = field(default_factory=dict)
    requests: float = 0.0
    requests_problem: str = ""
    observed_candidate_percent: float | None = None
    consecutive_errors: int = 0
    without_data_since: float | None = None
