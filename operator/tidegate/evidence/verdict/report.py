"""A judgement as status shows it: per metric the value, its interval and what it proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from tidegate import model
from tidegate.evidence.attempt import as_it_is, attempt
from tidegate.evidence.counts import histograms, qualities
from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.histograms import Histogram
from tidegate.evidence.counts.readings import counts_complement
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.sequential import confidence
from tidegate.evidence.sequential.confidence import Interval
from tidegate.evidence.sequential.judgement import (
    Check,
    EvidenceConfig,
    Finding,
    Judgement,
    MetricRule,
)
from tidegate.evidence.sequential.ledger import Account, Ledger, Totals
from tidegate.evidence.terms import Labels, Latency, Measure, Template
from tidegate.evidence.verdict import harm


def results(
    judgement: Judgement,
    *,
    ledger: Ledger,
    analysis: model.Analysis,
    templates: Mapping[str, Template],
    quantiles: Mapping[str, model.Bounds],
    checks: Mapping[str, Sequence[Check]],
    config: EvidenceConfig,
    at: datetime,
) -> tuple[model.MetricResult, ...]:
    """One result per metric of the judgement, in the order of the spec.

    `quantiles` are those of `quantile_bounds`, by metric.
    """
    findings = {one.metric: one for one in judgement.findings}
    rules = {rule.name: rule for rule in config.metrics}
    found: list[model.MetricResult] = []
    for metric in analysis.metrics:
        finding = findings.get(metric.name)
        if finding is None:
            continue
        result = _result(metric, finding=finding, config=config, at=at)
        rule = rules[metric.name]
        if rule.scalar:
            result = _with_checks(result, checks=checks.get(metric.name, ()), config=config)
        elif rule.pace is not None:
            result = _with_speed(result, finding=finding)
        elif rule.drift is not None:
            result = _with_shifts(result, finding=finding, limit=rule.drift.delta)
        else:
            work = partial(
                _with_totals,
                result,
                finding=finding,
                rule=rule,
                account=ledger.accounts[metric.name],
                measure=templates[metric.name].measure,
                bounds=quantiles.get(metric.name, model.OPEN_BOUNDS),
            )
            result = attempt(work, otherwise=partial(as_it_is, result))
        found.append(result)
    return tuple(found)


def _with_totals(
    result: model.MetricResult,
    *,
    finding: Finding,
    rule: MetricRule,
    account: Account,
    measure: object,
    bounds: model.Bounds,
) -> model.MetricResult:
    """With what was counted of all rows; a latency with its quantile."""
    result = replace(
        result,
        intervals=account.rows,
        detect_ratio=harm.times_usual(finding.detect, totals=account.totals[rule.decisive]),
    )
    if isinstance(measure, Labels):
        return _with_quality(result, finding=finding, measure=measure.measure)
    if isinstance(measure, Latency):
        return replace(
            result,
            value=_quantile(_candidate(rule, totals=account.totals), q=measure.quantile),
            value_bounds=bounds,
            baseline_value=_quantile(_stable(rule, totals=account.totals), q=measure.quantile),
        )
    return result


def quantile_bounds(
    ledger: Ledger,
    *,
    rows: Sequence[Row],
    templates: Mapping[str, Template],
    config: EvidenceConfig,
) -> Mapping[str, model.Bounds]:
    """By metric between which bucket edges the candidate's quantile lies, over all rows."""
    found: dict[str, model.Bounds] = {}
    for rule in config.metrics:
        measure = templates[rule.name].measure
        counted = [row.counts[rule.name] for row in rows if rule.name in row.counts]
        candidate = _candidate(rule, totals=ledger.accounts[rule.name].totals)
        if isinstance(measure, Latency) and counted and candidate.total > 0:
            found[rule.name] = attempt(
                partial(_quantile_bounds, candidate, q=measure.quantile, phi=counted[-1].phi),
                otherwise=lambda _: model.OPEN_BOUNDS,
            )
    return found


def _quantile_bounds(candidate: Histogram, *, q: float, phi: Sequence[Phi]) -> model.Bounds:
    interval = confidence.quantile_interval(
        candidate.at_most,
        edges=candidate.edges,
        n=candidate.total,
        q=q,
        phi=[one.value for one in phi],
        n_opt=candidate.total,
    )
    return _bounds(interval)


def _result(
    metric: model.Metric, *, finding: Finding, config: EvidenceConfig, at: datetime
) -> model.MetricResult:
    """The finding with rates as values; a latency's are replaced by its quantile."""
    mirrored = counts_complement(metric.threshold)
    bounds = finding.rate_interval
    return model.MetricResult(
        name=metric.name,
        outcome=finding.outcome,
        reason=finding.reason.value,
        message=finding.message,
        value=_rate(finding.x_c, n=finding.n_c, mirrored=mirrored),
        value_bounds=_mirrored(bounds) if mirrored else _bounds(bounds),
        baseline_value=_rate(finding.x_s, n=finding.n_s, mirrored=mirrored),
        threshold=metric.threshold,
        edge=finding.edge,
        ratio=finding.ratio,
        ratio_bounds=_bounds(finding.ratio_interval),
        evidence=finding.log_e,
        evidence_limit=finding.log_limit,
        proof=finding.log_proof,
        proof_limit=config.log_promote,
        detect=finding.detect,
        power=None if finding.detect is None else finding.power,
        dispersion=finding.phi.value if finding.phi else None,
        dispersion_source=finding.phi.source.value if finding.phi else "",
        candidate=model.ArmCounts(total=finding.n_c, bad=finding.x_c),
        baseline=model.ArmCounts(total=finding.n_s, bad=finding.x_s),
        dry_run=metric.dry_run,
        on_breach=model.OnBreach.HOLD if finding.holds else metric.on_breach,
        critical=metric.critical,
        evaluated_at=at,
    )


def _rate(x: float, *, n: float, mirrored: bool) -> float | None:
    if n <= 0:
        return None
    return 1 - x / n if mirrored else x / n


def _bounds(interval: Interval) -> model.Bounds:
    return model.Bounds(lower=interval.lower, upper=interval.upper)


def _mirrored(interval: Interval) -> model.Bounds:
    return model.Bounds(
        lower=None if interval.upper is None else 1 - interval.upper,
        upper=None if interval.lower is None else 1 - interval.lower,
    )


def _with_checks(
    result: model.MetricResult, *, checks: Sequence[Check], config: EvidenceConfig
) -> model.MetricResult:
    """A plain value: the newest one, and how many of the last ones failed; no evidence."""
    recent = checks[-config.breach_out_of :]
    return replace(
        result,
        value=recent[-1].value if recent else None,
        failures=sum(not check.kept for check in recent),
        value_bounds=model.OPEN_BOUNDS,
        ratio_bounds=model.OPEN_BOUNDS,
        evidence=None,
        evidence_limit=None,
        proof=None,
        proof_limit=None,
    )


def _with_speed(result: model.MetricResult, *, finding: Finding) -> model.MetricResult:
    """A throughput: requests per second of both arms, and what the candidate has of what is due."""
    ratio = finding.n_c / finding.n_s if finding.n_s > 0 else None
    return replace(result, value=finding.speed_c, baseline_value=finding.speed_s, ratio=ratio)


def _with_quality(
    result: model.MetricResult, *, finding: Finding, measure: Measure
) -> model.MetricResult:
    """A quality of labelled predictions, of both arms."""
    return replace(
        result,
        value=qualities.quality(finding.x_c, n=finding.n_c, measure=measure),
        baseline_value=qualities.quality(finding.x_s, n=finding.n_s, measure=measure),
    )


def _with_shifts(
    result: model.MetricResult, *, finding: Finding, limit: float
) -> model.MetricResult:
    """A distribution: the largest PSI, its limit, and the features that moved most."""
    shifts = finding.shifts
    return replace(
        result,
        value=shifts[0].psi if shifts else None,
        baseline_value=None,
        threshold=model.Threshold(max=limit),
        shifts=shifts,
    )


def _candidate(rule: MetricRule, *, totals: Sequence[Totals]) -> Histogram:
    return _histogram(rule, n=totals[0].n_c, above=[one.x_c for one in totals])


def _stable(rule: MetricRule, *, totals: Sequence[Totals]) -> Histogram:
    return _histogram(rule, n=totals[0].n_s, above=[one.x_s for one in totals])


def _histogram(rule: MetricRule, *, n: float, above: Sequence[float]) -> Histogram:
    return Histogram(edges=rule.edges, at_most=tuple(n - one for one in above), total=n)


def _quantile(histogram: Histogram, *, q: float) -> float | None:
    return histograms.quantile(histogram, q=q).seconds if histogram.total > 0 else None
