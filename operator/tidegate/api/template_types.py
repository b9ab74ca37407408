"""MetricTemplate and ClusterMetricTemplate as users write them (api.md, 8.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tidegate.api import schema
from tidegate.api.analysis_types import VariableName, VariableValue
from tidegate.api.schema import Keyed, Part, Rule, built_in
from tidegate.evidence.terms import COHORT_LABEL, Aggregate, Form, Measure, Operator

# The operator adds these to every selector; a template that had them could leave its namespace.
RESERVED_LABELS = (
    "namespace",
    "model_deployment",
    "revision",
    "tidegate_dev_model_deployment",
    "tidegate_dev_revision",
    "pod",
    "le",
)
DEFAULT_PATTERN = "[A-Za-z0-9_.:/-]{1,512}"

MetricName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
]
LabelName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
LabelValue = Annotated[str, Field(max_length=512)]
# One bounded character class: matching it takes linear time, whoever wrote it.
CharacterClass = Annotated[
    str,
    Field(
        max_length=128,
        pattern=r"^\[[^\[\]]{1,100}\](\*|\+|\{[0-9]{1,3}(,[0-9]{0,3})?\})$",
    ),
]
_RESERVED_CEL = "[" + ", ".join(f"'{label}'" for label in RESERVED_LABELS) + "]"
_RESERVED_MESSAGE = (
    f"labels {', '.join(RESERVED_LABELS)} are added by the operator: leave them out of selectors"
)


class Expression(Part):
    """A condition on a label."""

    label: LabelName = Field(description="Name of the label.")
    operator: Annotated[Operator, schema.LAX] = Field(
        description="In and NotIn compare texts; Matches and NotMatches regular expressions."
    )
    values: Annotated[list[LabelValue], Field(min_length=1, max_length=16)] = Field(
        description="Alternatives.", json_schema_extra=schema.ATOMIC_LIST
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="T1",
            cel=f"!(self.label in {_RESERVED_CEL})",
            message=_RESERVED_MESSAGE,
            field="label",
            holds=lambda it: it.label not in RESERVED_LABELS,
        ),
    )


class Selector(Part):
    """Series by metric name and labels."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    metric: MetricName = Field(description="Name of the metric.")
    match_labels: Annotated[dict[LabelName, LabelValue], Field(max_length=8)] = Field(
        default={}, description="Labels and their values."
    )
    match_expressions: Annotated[list[Expression], Field(max_length=8)] = Field(
        default=[], description="Conditions on labels.", json_schema_extra=schema.ATOMIC_LIST
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="T2",
            cel=f"!has(self.matchLabels) || !self.matchLabels.exists(k, k in {_RESERVED_CEL})",
            message=_RESERVED_MESSAGE,
            field="matchLabels",
            holds=lambda it: not any(label in RESERVED_LABELS for label in it.match_labels),
        ),
    )


class Ratio(Part):
    """Bad events out of all events, both counters."""

    bad: Selector = Field(description="Counter of bad events.")
    total: Selector = Field(description="Counter of all events.")


class Latency(Part):
    """A quantile of a classic histogram."""

    histogram: Selector = Field(description="The histogram; its name without _bucket.")
    quantile: Annotated[float, Field(gt=0, lt=1)] = Field(description="Such as 0.95.")
    unit_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=1.0, description="Length of the histogram's unit in seconds."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="T3",
            cel="!self.histogram.metric.endsWith('_bucket')",
            message="give the name of the histogram without _bucket",
            field="histogram",
            holds=lambda it: not it.histogram.metric.endswith("_bucket"),
        ),
    )


class Value(Part):
    """One number per revision."""

    series: Selector = Field(description="A gauge, or a counter.")
    aggregate: Annotated[Aggregate, schema.LAX] = Field(
        default=Aggregate.AVG, description="How the pods of a revision become one number."
    )
    counter: bool = Field(
        default=False,
        description="The series count: their rate per second over the metric's window is judged.",
    )
    scale: Annotated[float, Field(gt=0, le=1e12)] = Field(
        default=1.0, description="Factor from the unit of the series to that of the threshold."
    )


class Distribution(Part):
    """Observations of features, scores or classes by bin."""

    series: Selector = Field(
        description="Counters of observations; of a histogram its name without _bucket."
    )
    form: Annotated[Form, schema.LAX] = Field(
        default=Form.BINS,
        description="Bins: each observation is in one bin. Histogram: a classic histogram, by le.",
    )
    bin_label: LabelName | None = Field(
        default=None,
        description=(
            "Label of the bin: an upper edge up to +Inf, a category, missing or other; every bin is "
            "exported from the start."
        ),
        json_schema_extra=built_in("bin; le for a Histogram"),
    )
    dimension_label: LabelName = Field(
        default="feature", description="Label of the feature; several are judged together."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="T6",
            cel="self.?form.orValue('Bins') != 'Histogram' || !has(self.binLabel)",
            message="a histogram is read by le: remove binLabel",
            field="binLabel",
            holds=lambda it: it.form is not Form.HISTOGRAM or it.bin_label is None,
        ),
        Rule(
            id="T7",
            # One side has to be a field or a text: what orValue gives on both is without bound to the
            # API server, which then refuses the whole definition.
            cel=(
                "has(self.binLabel) ? self.binLabel != self.?dimensionLabel.orValue('feature') : "
                "self.?dimensionLabel.orValue('feature') != 'bin'"
            ),
            message="binLabel and dimensionLabel must differ: name two labels",
            field="dimensionLabel",
            holds=lambda it: (it.bin_label or "bin") != it.dimension_label,
        ),
    )


class Labels(Part):
    """Labels that come later, counted by cohort: by when their predictions were made."""

    cohort_label: LabelName = Field(
        default=COHORT_LABEL,
        description="Label that says when the cohort begins, such as 2026-11-30T06:00Z.",
    )
    predictions: Selector = Field(description="Counter of predictions that may get a label.")
    labelled: Selector = Field(description="Counter of predictions whose label has come.")
    correct: Selector | None = Field(
        default=None, description="For Accuracy: counter of labelled predictions that were right."
    )
    tp: Selector | None = Field(
        default=None, description="For Precision, Recall and F1: counter of true positives."
    )
    fp: Selector | None = Field(
        default=None, description="For Precision and F1: counter of false positives."
    )
    fn: Selector | None = Field(
        default=None, description="For Recall and F1: counter of false negatives."
    )
    measure: Annotated[Measure, schema.LAX] = Field(
        default=Measure.ACCURACY, description="What is told of them."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="T8",
            cel="(self.?measure.orValue('Accuracy') == 'Accuracy') == has(self.correct)",
            message="correct must be set exactly for measure Accuracy",
            field="correct",
            holds=lambda it: (it.measure is Measure.ACCURACY) == (it.correct is not None),
        ),
        Rule(
            id="T9",
            cel="(self.?measure.orValue('Accuracy') != 'Accuracy') == has(self.tp)",
            message="tp must be set exactly for measures Precision, Recall and F1",
            field="tp",
            holds=lambda it: (it.measure is not Measure.ACCURACY) == (it.tp is not None),
        ),
        Rule(
            id="T10",
            cel="(self.?measure.orValue('Accuracy') in ['Precision', 'F1']) == has(self.fp)",
            message="fp must be set exactly for measures Precision and F1",
            field="fp",
            holds=lambda it: (it.measure in {Measure.PRECISION, Measure.F1}) == (it.fp is not None),
        ),
        Rule(
            id="T11",
            cel="(self.?measure.orValue('Accuracy') in ['Recall', 'F1']) == has(self.fn)",
            message="fn must be set exactly for measures Recall and F1",
            field="fn",
            holds=lambda it: (it.measure in {Measure.RECALL, Measure.F1}) == (it.fn is not None),
        ),
    )


class Query(Part):
    """Free PromQL that returns one number."""

    promql: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="The query; ${...} stands for variables."
    )


class Provider(Part):
    """Where the numbers come from."""

    type: Literal["Prometheus"] = Field(default="Prometheus", description="Kind of source.")
    source: schema.Name | None = Field(
        default=None,
        description="Metric source, by the name the administrator gave it.",
        json_schema_extra=built_in("analysis.source of the ModelDeployment"),
    )


class Variable(Part):
    """A variable of the template."""

    name: VariableName = Field(description="Name of the variable.")
    required: bool = Field(default=False, description="Every user must give a value.")
    pattern: CharacterClass = Field(
        default=DEFAULT_PATTERN,
        description="What a whole value looks like: one character class with a repetition.",
    )
    value: VariableValue | None = Field(
        default=None, description="Value where a user gives none; needed unless required."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="T4",
            cel="self.?required.orValue(false) != has(self.value)",
            message="a variable is either required or has a value: set exactly one of them",
            field="value",
            holds=lambda it: it.required != (it.value is not None),
        ),
    )


def _block_rule(block: str) -> Rule:
    kind = block.capitalize()
    return Rule(
        id=f"T5-{block}",
        cel=f"(self.type == '{kind}') == has(self.{block})",
        message=f"member {block} must be set exactly when type is {kind}",
        field=block,
        holds=lambda it: (it.type == kind) == (getattr(it, block) is not None),
    )


class Spec(Part):
    """How a number is read from a metric source."""

    type: Literal["Ratio", "Latency", "Value", "Distribution", "Labels", "Query"] = Field(
        description="Which block is set: ratio, latency, value, distribution, labels or query."
    )
    provider: Provider = Field(default=Provider(), description="Where the numbers come from.")
    variables: Annotated[list[Variable], Field(max_length=16), Keyed("name")] = Field(
        default=[], description="Variables of the template."
    )
    ratio: Ratio | None = Field(default=None, description="For type Ratio.")
    latency: Latency | None = Field(default=None, description="For type Latency.")
    value: Value | None = Field(default=None, description="For type Value.")
    distribution: Distribution | None = Field(default=None, description="For type Distribution.")
    labels: Labels | None = Field(default=None, description="For type Labels.")
    query: Query | None = Field(default=None, description="For type Query.")
    rules: ClassVar[tuple[Rule, ...]] = (
        _block_rule("ratio"),
        _block_rule("latency"),
        _block_rule("value"),
        _block_rule("distribution"),
        _block_rule("labels"),
        _block_rule("query"),
    )
