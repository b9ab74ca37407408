"""How a step is judged, as users write it (api.md, 5.4)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tidegate import model
from tidegate.api import profiles, schema
from tidegate.api.drift_types import Baseline, BaselineType, Drift
from tidegate.api.schema import DurationBetween, Keyed, Part, Rule, built_in
from tidegate.evidence.queries import presets

DEFAULT_FAILURES, DEFAULT_OUT_OF = 3, 5

OnBreach = Annotated[model.OnBreach, schema.LAX]
OnInconclusive = Annotated[model.OnInconclusive, schema.LAX]
Profile = Annotated[model.Profile, schema.LAX]
VariableName = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
VariableValue = Annotated[str, Field(max_length=512)]
Variables = Annotated[dict[VariableName, VariableValue], Field(max_length=16)]


class TemplateRef(Part):
    """A metric template."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    kind: Literal["MetricTemplate", "ClusterMetricTemplate"] = Field(
        description="MetricTemplate of the same namespace, or ClusterMetricTemplate."
    )
    name: schema.ObjectName = Field(description="Name of the template.")


class Threshold(Part):
    """Absolute limits of the candidate, in the unit of the metric."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    min: float | None = Field(default=None, description="Values below fail.")
    max: float | None = Field(default=None, description="Values above fail.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V17a",
            cel="has(self.min) || has(self.max)",
            message="threshold needs min or max: set at least one of them",
            field="",
            holds=lambda it: it.min is not None or it.max is not None,
        ),
        Rule(
            id="V17b",
            cel="!has(self.min) || !has(self.max) || self.min <= self.max",
            message="min must not be above max: lower it",
            field="min",
            holds=lambda it: it.min is None or it.max is None or it.min <= it.max,
        ),
    )


Tolerated = Annotated[float, Field(ge=0, le=10)]
# Not a least value: the API server cuts a fraction off it when a user writes a whole number.
Ruled = Annotated[float, Field(gt=0, le=10)]
Risked = Annotated[float, Field(gt=0, le=0.2)]


class Detect(Part):
    """Harm of the size that one cares about: bad requests beside those of stable."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    ratio: Annotated[float, Field(gt=1, le=1000)] | None = Field(
        default=None,
        description="This many times as many; looked for while there is time.",
        json_schema_extra=built_in(profiles.in_words(lambda it: it.detect_ratio)),
    )
    absolute: Annotated[float, Field(gt=0, le=0.5)] | None = Field(
        default=None,
        description="A rate that is higher by this, at least twice stable's; enough in the end.",
        json_schema_extra=built_in(
            f"{profiles.in_words(lambda it: it.detect_absolute)}; of a latency "
            f"{profiles.in_words(lambda it: it.detect_slow)}"
        ),
    )


class Compare(Part):
    """The candidate held against stable at the same time."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    to: BaselineType | None = Field(
        default=None,
        description=(
            "What it is held against: Stable, or for distributions TrainingReference, the profile of "
            "analysis.baseline.reference."
        ),
        json_schema_extra=built_in("analysis.baseline.type for distributions, else Stable"),
    )
    tolerance: Tolerated | None = Field(
        default=None,
        description="Rolls back only if worse than stable by more than this ratio.",
        json_schema_extra=built_in(
            "0.1, with a candidate of a single pod or of a request rate 0.25; Quick 0.5"
        ),
    )
    margin: Ruled | None = Field(
        default=None,
        description="Passes only if worse than stable by more than this ratio is ruled out.",
        json_schema_extra=built_in(profiles.in_words(lambda it: it.margin)),
    )
    tolerance_absolute: Annotated[float, Field(gt=0, le=0.5)] | None = Field(
        default=None,
        description=(
            "Passes also if the candidate's own rate of bad requests is below this, and it is not "
            "clearly worse than margin in the step. Of a latency: of slow requests."
        ),
        json_schema_extra=built_in(profiles.in_words(lambda it: it.tolerance_absolute)),
    )
    detect: Detect = Field(
        default=Detect(),
        description="Passes also if harm of this size would have been found by now (NoHarmFound).",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V38",
            cel=(
                "!has(self.tolerance) || !has(self.detect) || !has(self.detect.ratio) || "
                "self.detect.ratio > 1.0 + self.tolerance"
            ),
            message=(
                "detect.ratio must be above 1 + tolerance: what is tolerated cannot be found; "
                "raise detect.ratio or lower tolerance"
            ),
            field="detect",
            holds=lambda it: (
                it.tolerance is None
                or it.detect.ratio is None
                or it.detect.ratio > 1 + it.tolerance
            ),
        ),
    )


class Risk(Part):
    """How often a rollout may be judged wrongly."""

    false_rollback: Risked | None = Field(
        default=None,
        description="Chance of rolling back an equal candidate, per rollout.",
        json_schema_extra=built_in(profiles.in_words(lambda it: it.false_rollback)),
    )
    false_promotion: Risked | None = Field(
        default=None,
        description="Chance of passing a candidate at the margin, per proof.",
        json_schema_extra=built_in(profiles.in_words(lambda it: it.false_promotion)),
    )


class Metric(Part):
    """One judged number: a preset, a template or a query."""

    name: schema.Name = Field(description="Name of the metric in status and Events.")
    preset: (
        Literal[
            "error-ratio",
            "client-error-ratio",
            "latency-p50",
            "latency-p95",
            "latency-p99",
            "ttft-p95",
            "itl-p95",
            "request-rate",
            "pod-request-rate",
            "feature-drift",
            "prediction-drift",
            "label-quality",
            "label-precision",
            "label-recall",
            "label-f1",
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "A number that server or data plane export by themselves; ratio, seconds, or requests/s: "
            "request-rate as it would be with all traffic, pod-request-rate of each pod. "
            "client-error-ratio, the share of 4xx, is compared beside every error-ratio by itself; "
            "a metric of that name replaces the comparison. feature-drift and prediction-drift: what "
            "the package tidegate-probe counts by bin. label-quality, label-precision, label-recall and "
            "label-f1: what it counts once labels have come; quality is accuracy."
        ),
    )
    template_ref: TemplateRef | None = Field(
        default=None, description="A MetricTemplate or ClusterMetricTemplate."
    )
    query: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description="PromQL that returns one number; only where the metric source allows it.",
    )
    variables: Variables = Field(
        default={}, description="Values for the variables of the template or query."
    )
    threshold: Threshold | None = Field(
        default=None,
        description="Absolute limits of the candidate.",
        json_schema_extra=built_in("none where the metric is compared with stable"),
    )
    compare: Compare | None = Field(
        default=None,
        description="Comparison with stable, for ratios, latencies and request rates.",
        json_schema_extra=built_in("presets are compared"),
    )
    drift: Drift | None = Field(
        default=None,
        description="How far distributions may move, for a template of type Distribution.",
        json_schema_extra=built_in("presets of distributions are held against stable"),
    )
    label_delay: Annotated[str, DurationBetween("0s", "2160h")] | None = Field(
        default=None,
        description=(
            "Age at which the labels of a cohort of predictions count, if at least 80 % of the usual number "
            "are in; for labels alone."
        ),
    )
    label_cohort: Annotated[str, DurationBetween("1m", "168h")] | None = Field(
        default=None,
        description="Length of a cohort, as the exporter counts by.",
        json_schema_extra=built_in("1h"),
    )
    window: Annotated[str, DurationBetween("30s", "1h")] | None = Field(
        default=None,
        description="Length of the window that is judged.",
        json_schema_extra=built_in("analysis.window"),
    )
    min_samples: schema.Count | None = Field(
        default=None,
        description="Fewest candidate requests in the evidence for a proof.",
        json_schema_extra=built_in("the smaller of 20 and analysis.minRequests"),
    )
    critical: bool = Field(
        default=False,
        description="Its limit acts without waiting for the counting interval to close.",
    )
    dry_run: bool = Field(default=False, description="Reported, but never acts.")
    on_breach: OnBreach | None = Field(
        default=None,
        description="Rollback; Hold: the step does not pass; Alert: reported, and nothing else.",
        json_schema_extra=built_in(
            "Rollback; Hold for prediction-drift, against TrainingReference, and for drift where testers "
            "or whole connections go to the candidate"
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V14",
            cel="[has(self.preset), has(self.templateRef), has(self.query)].exists_one(x, x)",
            message="exactly one of preset, templateRef and query must be set",
            field="",
            holds=lambda it: [it.preset, it.template_ref, it.query].count(None) == 2,
        ),
        Rule(
            id="V15",
            cel="has(self.preset) || has(self.threshold) || has(self.compare) || has(self.drift)",
            message=(
                "threshold, compare or drift is required unless a preset is used: set one of them"
            ),
            field="threshold",
            holds=lambda it: [it.preset, it.threshold, it.compare, it.drift].count(None) < 4,
        ),
        Rule(
            id="V16",
            cel=(
                "!self.?critical.orValue(false) || "
                "!self.?dryRun.orValue(false) && self.?onBreach.orValue('Rollback') != 'Alert'"
            ),
            message="critical acts at once, dryRun and onBreach: Alert never do: remove one of them",
            field="critical",
            holds=lambda it: (
                not it.critical or (not it.dry_run and it.on_breach is not model.OnBreach.ALERT)
            ),
        ),
        Rule(
            id="V32",
            cel="!has(self.variables) || !has(self.preset)",
            message="variables have no meaning for a preset: remove them or use templateRef",
            field="variables",
            holds=lambda it: not it.variables or it.preset is None,
        ),
        Rule(
            id="V37",
            cel="self.?preset.orValue('') != 'client-error-ratio' || !has(self.threshold)",
            message=(
                "client errors depend on who calls, so they are compared with stable and never "
                "limited: remove threshold"
            ),
            field="threshold",
            holds=lambda it: it.preset != "client-error-ratio" or it.threshold is None,
        ),
        Rule(
            id="V39",
            cel=(
                "!(self.?preset.orValue('') in ['request-rate', 'pod-request-rate']) || "
                "!has(self.compare) || !(has(self.compare.toleranceAbsolute) || "
                "has(self.compare.detect) && "
                "(has(self.compare.detect.ratio) || has(self.compare.detect.absolute)))"
            ),
            message=(
                "a request rate has no bad requests: compare it by tolerance and margin, remove "
                "toleranceAbsolute and detect"
            ),
            field="compare",
            holds=lambda it: (
                it.preset not in presets.RATES
                or it.compare is None
                or (
                    it.compare.tolerance_absolute is None
                    and it.compare.detect.ratio is None
                    and it.compare.detect.absolute is None
                )
            ),
        ),
        Rule(
            id="V71",
            cel=(
                "!has(self.compare) || self.compare.?to.orValue('Stable') != 'TrainingReference' || "
                "has(self.templateRef) || "
                "self.?preset.orValue('') in ['feature-drift', 'prediction-drift']"
            ),
            message=(
                "training data say nothing of errors or times: hold only distributions against "
                "TrainingReference"
            ),
            field="compare.to",
            holds=lambda it: (
                it.compare is None
                or it.compare.to is not model.BaselineType.TRAINING
                or it.template_ref is not None
                or it.preset in presets.PROBE
            ),
        ),
        Rule(
            id="V85",
            cel=(
                "has(self.labelDelay) || !(self.?preset.orValue('') in "
                "['label-quality', 'label-precision', 'label-recall', 'label-f1'])"
            ),
            message="labels come later: set labelDelay to the age at which most of them are in",
            field="labelDelay",
            holds=lambda it: it.label_delay is not None or it.preset not in presets.QUALITY,
        ),
        Rule(
            id="V86",
            cel="!has(self.labelCohort) || has(self.labelDelay)",
            message="labelCohort is of labels: set labelDelay, too, or remove it",
            field="labelCohort",
            holds=lambda it: it.label_cohort is None or it.label_delay is not None,
        ),
    )


class BreachAfter(Part):
    """How many of the last evaluations with new samples must fail for a breach."""

    failures: schema.UpToHundred = Field(
        default=DEFAULT_FAILURES, description="Failing evaluations that make a breach."
    )
    out_of: schema.UpToHundred = Field(
        default=DEFAULT_OUT_OF, description="Evaluations that are looked at."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V24",
            cel=(
                f"self.?failures.orValue({DEFAULT_FAILURES}) <= "
                f"self.?outOf.orValue({DEFAULT_OUT_OF})"
            ),
            message=(
                f"failures must not be above outOf (defaults: {DEFAULT_FAILURES} of "
                f"{DEFAULT_OUT_OF}): lower failures or raise outOf"
            ),
            field="failures",
            holds=lambda it: it.failures <= it.out_of,
        ),
    )


class Analysis(Part):
    """How a step is judged."""

    profile: Profile = Field(
        default=profiles.DEFAULT,
        description=(
            "How carefully it is judged, in one word: sets risk, tolerance, margin, detect and the "
            "deadline of steps; each of these wins where it is set."
        ),
    )
    source: schema.Name = Field(
        default="default", description="Metric source, by the name the administrator gave it."
    )
    data_plane: Literal["Envoy", "Istio", "LLMD"] | None = Field(
        default=None,
        description=(
            "Read error-ratio and latencies from this data plane instead of the model server: "
            "Envoy is a gateway's, Istio the sidecar's of the pod, LLMD the endpoint picker's."
        ),
    )
    interval: Annotated[str, DurationBetween("1s", "1h")] | None = Field(
        default=None,
        description="Time between evaluations.",
        json_schema_extra=built_in("5s; 30s where every metric is a query that is not critical"),
    )
    warmup: Annotated[str, DurationBetween("0s", "24h")] | None = Field(
        default=None,
        description="Ignored after the candidate's first traffic, and of each pod after its first sample.",
        json_schema_extra=built_in(
            "what stable's pods showed after their own start, from 1m to 10m; else 1m"
        ),
    )
    settle: Annotated[str, DurationBetween("0s", "10m")] = Field(
        default="30s", description="Ignored after every change of weight."
    )
    min_requests: schema.Count = Field(
        default=100, description="Requests the candidate must have answered in each step."
    )
    window: Annotated[str, DurationBetween("30s", "1h")] | None = Field(
        default=None,
        description="Length of the window that is judged; never longer than the step so far.",
        json_schema_extra=built_in("the longer of 1m and 4 scrape intervals"),
    )
    breach_after: BreachAfter = Field(
        default=BreachAfter(), description="How many failing evaluations make a breach."
    )
    risk: Risk = Field(default=Risk(), description="How often it may be judged wrongly.")
    error_limit: schema.UpToHundred = Field(
        default=5, description="Errors of the metric source in a row, then the rollout pauses."
    )
    no_data_timeout: Annotated[str, DurationBetween("1m", "24h")] = Field(
        default="10m",
        description="Time without data, after which status names it as what the rollout waits for.",
    )
    on_inconclusive: OnInconclusive = Field(
        default=model.OnInconclusive.PAUSE,
        description="At the deadline of a step without proof, and after inconclusiveTimeout.",
    )
    inconclusive_timeout: Annotated[str, DurationBetween("1m", "720h")] | None = Field(
        default=None,
        description="Time without a look that proves something, after which a step is stalled and "
        "does what onInconclusive says, whatever its deadline is.",
    )
    baseline: Baseline = Field(
        default=Baseline(), description="What the candidate is held against."
    )
    metrics: Annotated[list[Metric], Field(min_length=1, max_length=32), Keyed("name")] = Field(
        default=[Metric.model_validate({"name": it, "preset": it}) for it in presets.USUAL],
        description="The judged numbers.",
        json_schema_extra=built_in(
            "error-ratio and latency-p95, as far as server or data plane export them, "
            "compared with stable"
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V72",
            cel=(
                "has(self.baseline) && has(self.baseline.reference) || !has(self.metrics) || "
                "!self.metrics.exists(m, has(m.compare) && "
                "m.compare.?to.orValue('Stable') == 'TrainingReference')"
            ),
            message="TrainingReference needs the ConfigMap with the profile: set baseline.reference",
            field="baseline.reference",
            holds=lambda it: (
                it.baseline.reference is not None
                or all(
                    one.compare is None or one.compare.to is not model.BaselineType.TRAINING
                    for one in it.metrics
                )
            ),
        ),
    )
