"""From the analysis of a spec to the rules of the engine, and what cannot become one.

Source: evidence.md, 1 and 13; api.md, 5.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidegate import model
from tidegate.evidence.counts import qualities
from tidegate.evidence.counts.readings import NO_SHAPE, Shape, counts_complement
from tidegate.evidence.counts.rows import Usual
from tidegate.evidence.queries import presets
from tidegate.evidence.sequential.judgement import (
    Compare,
    Drift,
    EvidenceConfig,
    Late,
    MetricRule,
    Pace,
)
from tidegate.evidence.terms import (
    Distribution,
    Labels,
    Latency,
    Measure,
    Problem,
    Query,
    Ratio,
    Reason,
    Template,
    Throughput,
    TrainingData,
    Value,
)
from tidegate.evidence.verdict import distribution, throughput

TOLERANCE = 0.1
TOLERANCE_OF_ONE_POD = 0.25  # one pod may sit on a slower node than the others
NOT_READ = TrainingData(
    problem=Problem(reason=Reason.NO_BASELINE, message="no profile of training data was read")
)
REQUESTS = "@requests"  # no metric of a spec can have this name


def config_of(
    analysis: model.Analysis,
    *,
    templates: Mapping[str, Template],
    shapes: Mapping[str, Shape],
    traffic: model.Traffic,
    one_pod: bool,
    usual: Mapping[str, Usual] | None = None,
    unlike: tuple[int, ...] = (),
    references: Mapping[str, TrainingData] | None = None,
    holds_seconds: Sequence[float] = (),
) -> EvidenceConfig:
    """The engine's settings for a rollout, by the same rules before and after a restart.

    Metrics whose template cannot be read are left out. A latency without a shape yet takes its
    part of the error budget and proves nothing, so that nothing advances without it.
    `one_pod` says that the candidate has a single pod in its first step; `usual` is what stable
    showed of each metric before the rollout; `references` are training data, by metric. In the steps
    `unlike` the arms may have other users: there drift holds, unless the user has said what it does.
    `holds_seconds` are how long the steps hold at the least: labels that come later are not waited for.
    """
    tolerance = TOLERANCE_OF_ONE_POD if one_pod else TOLERANCE
    rules = tuple(
        _rule(
            metric,
            template=templates[metric.name],
            shape=shapes.get(metric.name, NO_SHAPE),
            tolerance=tolerance,
            usual=(usual or {}).get(metric.name),
            unlike=unlike,
            reference=(references or {}).get(metric.name, NOT_READ),
            holds_seconds=holds_seconds,
        )
        for metric in analysis.metrics
        if metric.name in templates
    )
    counted = requests_from(analysis, templates=templates)
    return EvidenceConfig(
        metrics=rules,
        requests_from=counted if counted in templates else "",
        alpha_rollback=analysis.false_rollback,
        alpha_promote=analysis.false_promotion,
        split_tolerance=traffic.share_tolerance,
        split_holds=traffic.share_check is model.ShareCheck.HOLD,
        breach_failures=analysis.breach_failures,
        breach_out_of=analysis.breach_out_of,
    )


def requests_from(analysis: model.Analysis, *, templates: Mapping[str, Template]) -> str:
    """The metric whose events are all requests: a ratio, else a latency or a throughput, else `REQUESTS`.

    Presets come first, then names in their order, so that the order in the spec does not matter.
    Tokens and pairs of answers are no requests, and client errors are told beside the errors of the same requests.
    """
    others = {presets.ITL, presets.CLIENT_ERRORS}
    requests = (one for one in analysis.metrics if one.preset not in others and not one.pairs)
    ordered = sorted(requests, key=lambda one: (not one.preset, one.name))
    for kind in (Ratio, Latency, Throughput):
        for metric in ordered:
            template = templates.get(metric.name)
            if template is not None and isinstance(template.measure, kind):
                return metric.name
    return REQUESTS


def is_counted(template: Template) -> bool:
    """True for what is read as counters; anything else is a number that is checked."""
    return isinstance(template.measure, Ratio | Latency | Throughput | Distribution | Labels)


def has_history(template: Template) -> bool:
    """True for what stable's past tells something of: usual rates, and how bad events clump.

    The counters of labels tell their own past.
    """
    return is_counted(template) and not isinstance(template.measure, Distribution | Labels)


def violations(metric: model.Metric, *, template: Template, path: str) -> Iterator[model.Violation]:
    """What a metric asks for that cannot be judged, with the field and the way out."""
    threshold = metric.threshold
    yield from _misplaced(metric, template=template, path=path)
    match template.measure:
        case Ratio():
            yield from _ratio_violations(threshold, path=path)
        case Latency():
            if threshold.min is not None:
                message = "a latency has an upper limit only: set threshold.max, remove min"
                yield model.Violation(path=f"{path}.threshold.min", message=message)
        case Throughput():
            yield from _throughput_violations(metric, path=path)
        case Distribution():
            yield from _distribution_violations(metric, path=path)
        case Labels():
            yield from _label_violations(metric, path=path)
        case Value() | Query():
            if metric.compare is not None:
                message = "a plain value is not compared with stable: remove compare"
                yield model.Violation(path=f"{path}.compare", message=message)
            if threshold == model.NO_THRESHOLD:
                message = "a plain value needs threshold.min or threshold.max: set one of them"
                yield model.Violation(path=f"{path}.threshold", message=message)


def _misplaced(metric: model.Metric, *, template: Template, path: str) -> Iterator[model.Violation]:
    """Fields that say nothing of such a measure."""
    if metric.drift is not None and not isinstance(template.measure, Distribution):
        message = "only a distribution drifts: remove drift, or use a template of type Distribution"
        yield model.Violation(path=f"{path}.drift", message=message)
    if metric.labels is not None and not isinstance(template.measure, Labels):
        message = "only labels come later: remove labelDelay and labelCohort, or use a template of type Labels"
        yield model.Violation(path=f"{path}.labelDelay", message=message)


def _label_violations(metric: model.Metric, *, path: str) -> Iterator[model.Violation]:
    threshold = metric.threshold
    if metric.labels is None:
        message = "labels come later: set labelDelay to the age at which most of them are in"
        yield model.Violation(path=f"{path}.labelDelay", message=message)
    if threshold.max is not None:
        message = "a quality has a lower limit only: set threshold.min, remove max"
        yield model.Violation(path=f"{path}.threshold.max", message=message)
    if threshold.min is not None and not 0 < threshold.min < 1:
        message = f"a quality lies between 0 and 1, and its limit {threshold.min:g} must, too"
        yield model.Violation(path=f"{path}.threshold.min", message=message)
    if threshold.min is None and metric.compare is None:
        message = "labels need threshold.min or compare: set one of them"
        yield model.Violation(path=f"{path}.threshold", message=message)
    if metric.critical:
        message = "labels come later, so that nothing of them is urgent: remove critical"
        yield model.Violation(path=f"{path}.critical", message=message)


def _distribution_violations(metric: model.Metric, *, path: str) -> Iterator[model.Violation]:
    for name, is_set in (
        ("compare", metric.compare is not None),
        ("threshold", metric.threshold != model.NO_THRESHOLD),
        ("critical", metric.critical),
    ):
        if is_set:
            message = f"a distribution is judged by drift alone: remove {name}"
            yield model.Violation(path=f"{path}.{name}", message=message)


def _throughput_violations(metric: model.Metric, *, path: str) -> Iterator[model.Violation]:
    least = metric.threshold.min
    if least is None and metric.compare is None:
        message = "a throughput needs threshold.min or compare: set one of them"
        yield model.Violation(path=f"{path}.threshold", message=message)
    if metric.threshold.max is not None:
        message = "a throughput has a lower limit only: set threshold.min, remove max"
        yield model.Violation(path=f"{path}.threshold.max", message=message)
    if least is not None and least <= 0:
        message = "a throughput must be above 0 requests/s: raise min, or remove it"
        yield model.Violation(path=f"{path}.threshold.min", message=message)


def _ratio_violations(threshold: model.Threshold, *, path: str) -> Iterator[model.Violation]:
    if threshold.min is not None and threshold.max is not None:
        message = "a ratio has one limit: set threshold.max or threshold.min, not both"
        yield model.Violation(path=f"{path}.threshold", message=message)
    for name, limit in (("min", threshold.min), ("max", threshold.max)):
        if limit is not None and not 0 < limit < 1:
            message = (
                f"a ratio lies between 0 and 1, and its limit {limit:g} must, too: no number of "
                "requests proves an exact 0 or 1; use for example 0.001 or 0.999"
            )
            yield model.Violation(path=f"{path}.threshold.{name}", message=message)


def _rule(
    metric: model.Metric,
    *,
    template: Template,
    shape: Shape,
    tolerance: float,
    usual: Usual | None,
    unlike: tuple[int, ...],
    reference: TrainingData,
    holds_seconds: Sequence[float],
) -> MetricRule:
    limit = _limit(metric, template=template, shape=shape)
    return MetricRule(
        name=metric.name,
        edges=shape.edges,
        decisive=shape.decisive,
        compare=compared(
            metric.compare,
            tolerance=tolerance,
            slow=isinstance(template.measure, Latency),
        )
        if metric.compare is not None and isinstance(template.measure, Ratio | Latency | Labels)
        else None,
        limit=limit,
        recorded=limit != _asked(metric.threshold, template=template),
        guard=metric.acts,
        common=shape.common,
        scalar=not is_counted(template),
        critical=metric.critical,
        min_samples=metric.min_samples,
        usual=usual,
        errors=metric.preset == presets.ERROR_RATIO,
        pace=_pace(metric, measure=template.measure)
        if isinstance(template.measure, Throughput)
        else None,
        pairs=metric.pairs,
        complement=isinstance(template.measure, Ratio) and counts_complement(metric.threshold),
        drift=drift_of(metric.drift or model.Drift(), reference=reference)
        if isinstance(template.measure, Distribution)
        else None,
        holds=metric.on_breach is model.OnBreach.HOLD,
        holds_in=unlike if _may_hold(metric, template=template) else (),
        late=_late(metric.labels, measure=template.measure.measure, holds_seconds=holds_seconds)
        if isinstance(template.measure, Labels) and metric.labels is not None
        else None,
    )


def _late(asked: model.Labels, *, measure: Measure, holds_seconds: Sequence[float]) -> Late:
    return Late(
        delay_seconds=asked.delay_seconds,
        cohort_seconds=asked.cohort_seconds,
        measure=measure,
        unasked=tuple(
            step for step, held in enumerate(holds_seconds) if held < asked.delay_seconds
        ),
    )


def _may_hold(metric: model.Metric, *, template: Template) -> bool:
    """What users send depends on who they are, and nobody has said what it does."""
    drifts = isinstance(template.measure, Distribution) and not metric.on_breach_is_written
    return drifts and metric.on_breach is model.OnBreach.ROLLBACK


def drift_of(drift: model.Drift, *, reference: TrainingData) -> Drift:
    """How far a distribution may move, and from what."""
    return distribution.rule_of(
        delta=drift.delta,
        margin=drift.margin,
        at_most=drift.at_most,
        ignore=drift.ignore,
        reference=reference if drift.training is not None else None,
    )


def _pace(metric: model.Metric, *, measure: Throughput) -> Pace:
    compare = metric.compare
    return throughput.pace_of(
        least=metric.threshold.min,
        tolerance=compare.tolerance if compare is not None else None,
        margin=compare.margin if compare is not None else None,
        per_pod=measure.per_pod,
    )


def compared(compare: model.Compare, *, tolerance: float, slow: bool = False) -> Compare:
    """A comparison as the engine tests it; `tolerance` is the ratio of a spec that names none.

    `slow` says that bad requests are slow ones.
    """
    chosen = tolerance if compare.tolerance is None else compare.tolerance
    return Compare(
        theta0=1 + chosen,
        theta0_promote=1 + compare.margin,
        excess_promote=compare.tolerance_absolute,
        detect_ratio=compare.detect_ratio,
        detect_absolute=compare.detect_slow if slow else compare.detect_absolute,
    )


def _limit(metric: model.Metric, *, template: Template, shape: Shape) -> float | None:
    """The tolerated rate of bad events: the lower of what is asked for and what stable's record allows.

    What is recorded above a shorter time than the one that decides is no less than above that.
    """
    asked, known = _asked(metric.threshold, template=template), metric.recorded
    if known is None or asked is None:
        return asked if known is None else known.limit
    beyond = (
        known.edge is not None and bool(shape.edges) and known.edge > shape.edges[shape.decisive]
    )
    return asked if beyond else min(asked, known.limit)


def _asked(threshold: model.Threshold, *, template: Template) -> float | None:
    """A quantile below a limit is a rate above it."""
    match template.measure:
        case Latency(quantile=quantile):
            return None if threshold.max is None else 1 - quantile
        case Ratio():
            if counts_complement(threshold):
                assert threshold.min is not None
                return 1 - threshold.min
            return threshold.max
        case Labels(measure=measure):
            least = threshold.min
            return None if least is None else qualities.bad_rate(least, measure=measure)
        case Throughput() | Distribution() | Value() | Query():
            return None
