"""What a metric reads and what was read, as frozen data.

Units: instants in unix seconds, latencies in seconds, ratios from 0 to 1.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.model import IdentityMode


class Operator(enum.StrEnum):
    """How a label is compared (api.md, 8.1)."""

    IN = "In"
    NOT_IN = "NotIn"
    MATCHES = "Matches"
    NOT_MATCHES = "NotMatches"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMatch:
    """One condition on a label; `values` are alternatives.

    `also` names labels that say the same elsewhere; those that a series carries are compared.
    `known` is a pattern: without any value that matches it, the label says something else.
    `optional` says that older servers lack the label; then it says nothing.
    """

    label: str
    operator: Operator
    values: tuple[str, ...]
    also: tuple[str, ...] = ()
    known: str = ""
    optional: bool = False


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
    """Bad events out of all events, both counters. `bad` may be a sum of several counters.

    `sparse` says that the counter of bad events appears with the first of them.
    """

    bad: Selector
    total: Selector
    sparse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A classic histogram judged at a quantile. `unit_seconds` is the length of its unit."""

    histogram: Selector
    quantile: float
    unit_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Requests that are finished per second: of all traffic, or of each pod where `per_pod`."""

    requests: Selector
    per_pod: bool = False


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


BIN_LABEL = "bin"  # of a distribution that names none


class Form(enum.StrEnum):
    """How bins are counted (api.md, 8.1)."""

    BINS = "Bins"  # each observation in one bin
    HISTOGRAM = "Histogram"  # a classic histogram: in every bucket that it is not above


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Observations by bin: counters with a label for the feature and one for the bin.

    A feature stands for whatever is observed: an input, a score, a predicted class. Without a
    `dimension_label` all bins are of one. A histogram is given by its base name and read by `le`.
    """

    series: Selector
    bin_label: str = BIN_LABEL
    dimension_label: str = "feature"
    form: Form = Form.BINS


class Measure(enum.StrEnum):
    """A quality of predictions that labels tell (api.md, 8.1)."""

    ACCURACY = "Accuracy"
    PRECISION = "Precision"
    RECALL = "Recall"
    F1 = "F1"


COHORT_LABEL = "cohort"  # of labels that name none
PREDICTIONS, LABELLED, CORRECT = "predictions", "labelled", "correct"  # roles of their counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels that come later, counted by when their prediction was made.

    `predictions` are those that may get a label, `labelled` those that have one. Accuracy is told by
    `correct`, any other measure by the cells of the confusion matrix that it needs; `cells` are by the
    names `tp`, `fp` and `fn`. Each counter has a label that says when the cohort of its predictions begins.
    """

    predictions: Selector
    labelled: Selector
    correct: Selector | None = None
    cells: Mapping[str, Selector] = field(default_factory=dict)
    measure: Measure = Measure.ACCURACY
    cohort_label: str = COHORT_LABEL

    @property
    def roles(self) -> Mapping[str, Selector]:
        """The counters by what they count."""
        correct = {} if self.correct is None else {CORRECT: self.correct}
        return {PREDICTIONS: self.predictions, LABELLED: self.labelled, **correct, **self.cells}


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
    platform wrote it, which lifts that rule. `mode` says by which labels its series are told apart,
    None that its source shows none yet. `missing` says why there is nothing to read it by.
    """

    name: str
    measure: Ratio | Latency | Throughput | Value | Distribution | Labels | Query
    source: str = ""
    variables: tuple[Variable, ...] = ()
    cluster: bool = False
    mode: IdentityMode | None = IdentityMode.LABEL
    missing: str = ""


# --- what was read -------------------------------------------------------------------------------

STALE_SCRAPES = 3
LOOKBACK_SCRAPES = 5
EDGE = "le"  # label of the upper edge of a bucket


class Reason(enum.StrEnum):
    """Why a metric or a step was judged as it was (evidence.md, 13, in CamelCase)."""

    WARMUP = "Warmup"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    ERROR = "Error"
    SCRAPED_TWICE = "ScrapedTwice"
    STALE = "Stale"
    NO_DATA = "NoData"
    INCOMPATIBLE_BUCKETS = "IncompatibleBuckets"
    INCOMPATIBLE_BINS = "IncompatibleBins"
    PROFILE_MISMATCH = "ProfileMismatch"
    UNKNOWN_COHORT = "UnknownCohort"
    LABELS_ONE_SIDED = "LabelsOneSided"
    LABELS_IMMATURE = "LabelsImmature"
    SATURATED = "Saturated"
    SHARED_INCIDENT = "SharedIncident"
    SUSPICIOUS = "Suspicious"
    INSUFFICIENT = "Insufficient"
    UNDECIDED = "Undecided"
    NO_METRICS = "NoMetrics"
    REGRESSION = "Regression"
    SLO_BREACH = "SloBreach"
    LIMIT = "Limit"
    OUTAGE = "Outage"
    DRIFT = "Drift"
    UNANSWERED = "Unanswered"
    INCOMPLETE = "Incomplete"
    TRAFFIC_SPLIT = "TrafficSplit"
    NO_BASELINE = "NoBaseline"
    NON_INFERIOR = "NonInferior"
    NO_HARM_FOUND = "NoHarmFound"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an answer or an arm cannot be used. With `too_large` less of it could be had."""

    reason: Reason
    message: str
    too_large: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What training data looked like: observations by feature and bin, or why they cannot be used.

    Units: rows of the training data.
    """

    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    problem: Problem | None = None


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
