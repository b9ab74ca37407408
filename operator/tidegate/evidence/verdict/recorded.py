"""The recorded baseline: what stable showed last, as a limit for when nobody serves beside a candidate.

Then and now are not the same world: hours and users differ, and no control says so. So nothing is
tested against stable's rate as beside a control. Its upper limit, widened by the dispersion that was
found with it, stands for what stable might have shown, and only harm of the size that `detect` looks
for counts beyond that. What is left is one rate per metric, which is held like any absolute limit.
Source: ADR 0073; evidence.md, 3.3 and 7; api.md, 5.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tidegate import model
from tidegate.evidence.sequential import confidence
from tidegate.evidence.verdict import harm, rules

COMMON = 0.5  # what befalls most requests is the rule, and no harm is told by it
_DECIMALS = 9


def baselines(
    analysis: model.Analysis, *, evidence: Iterable[model.MetricResult]
) -> tuple[model.Baseline, ...]:
    """One per metric of which stable's bad requests were counted; `evidence` is that beside stable."""
    shown = {one.name: one for one in evidence}
    found = (_baseline(one, shown=shown[one.name]) for one in analysis.metrics if one.name in shown)
    return tuple(one for one in found if one is not None)


def _baseline(metric: model.Metric, *, shown: model.MetricResult) -> model.Baseline | None:
    counts = shown.baseline
    if metric.compare is None or not metric.acts or counts.total <= 0:
        return None
    phi = shown.dispersion if shown.dispersion is not None else 1.0
    usual = confidence.rate_interval(
        counts.total, x=counts.bad, phi=max(1.0, phi), n_opt=counts.total
    ).upper
    assert usual is not None, shown
    slow = shown.edge is not None
    compare = rules.compared(metric.compare, tolerance=rules.TOLERANCE_OF_ONE_POD, slow=slow)
    limit = harm.sizes(usual, compare=compare).wanted
    if limit >= COMMON:
        return None
    return model.Baseline(
        name=metric.name,
        edge=shown.edge,
        total=counts.total,
        bad=counts.bad,
        limit=round(limit, _DECIMALS),
    )


def beside(analysis: model.Analysis, baseline: Iterable[model.Baseline]) -> model.Analysis:
    """The analysis with what each of its metrics is held against."""
    known = {one.name: one for one in baseline}
    metrics = tuple(replace(one, recorded=known.get(one.name)) for one in analysis.metrics)
    return replace(analysis, metrics=metrics)


def words(baseline: model.Baseline) -> str:
    """Such as `errors (harm from 2.5 %, stable had 12 of 2400)`."""
    what = baseline.name if baseline.edge is None else f"{baseline.name} above {baseline.edge:g} s"
    shown = f"stable had {baseline.bad:.0f} of {baseline.total:.0f}"
    return f"{what} (harm from {baseline.limit:.2%}, {shown})"
