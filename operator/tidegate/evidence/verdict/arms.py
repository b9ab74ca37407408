"""What can be compared when stable and candidate run different model servers.

Servers count other things under other names: where a preset reads the two in different ways, their
numbers are not set against each other. The candidate is then held to absolute limits alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Template

NOT_COMPARABLE = "NotComparable"


def differ(metric: model.Metric, *, data_plane: str, stable: str, candidate: str) -> bool:
    """Whether this metric is read in different ways from the two servers, by their presets.

    What the data plane sees does not depend on the server.
    """
    if not metric.preset or (data_plane, metric.preset) in presets.TEMPLATES:
        return False
    read = presets.TEMPLATES.get((stable, metric.preset))
    return read != presets.TEMPLATES.get((candidate, metric.preset))


def judged_alone(analysis: model.Analysis, *, stable: str, candidate: str) -> model.Analysis:
    """The analysis without the comparisons that mean nothing."""
    metrics = tuple(
        replace(one, compare=None)
        if one.threshold != model.NO_THRESHOLD
        and differ(one, data_plane=analysis.data_plane, stable=stable, candidate=candidate)
        else one
        for one in analysis.metrics
    )
    return replace(analysis, metrics=metrics)


def limits_of(analysis: model.Analysis) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics that are judged where nobody serves beside the candidate, and those that are not."""
    acting = [one for one in analysis.metrics if one.acts]
    limited = tuple(one.name for one in acting if _is_limited(one))
    return limited, tuple(one.name for one in acting if one.name not in limited)


def by_limits(analysis: model.Analysis) -> model.Analysis:
    """The analysis of a candidate that nobody serves beside: limits, records, training data."""
    metrics = tuple(replace(one, compare=None) for one in analysis.metrics if _is_limited(one))
    return replace(analysis, metrics=metrics)


def _is_limited(metric: model.Metric) -> bool:
    """What holds without stable; what a rate must be is told by what stable finishes."""
    if metric.training is not None or metric.recorded is not None:
        return True
    return metric.threshold != model.NO_THRESHOLD and metric.preset not in presets.RATES


def read_from(
    server: str, *, analysis: model.Analysis, templates: Mapping[str, Template]
) -> dict[str, Template]:
    """The templates by which these metrics are read from one server, without what it does not have."""
    found: dict[str, Template] = {}
    for metric in analysis.metrics:
        known = templates.get(metric.name)
        if presets.is_of_server(metric.preset, data_plane=analysis.data_plane):
            own = presets.TEMPLATES.get((server, metric.preset))
            known = replace(own, source=known.source) if own is not None and known else None
        if known is not None:
            found[metric.name] = known
    return found


def violations(
    analysis: model.Analysis, *, stable: str, candidate: str
) -> tuple[model.Violation, ...]:
    """The metrics that nothing could be judged by: to be said before any traffic moves."""
    return tuple(
        model.Violation(
            path=f"spec.analysis.metrics[{index}]",
            message=(
                f"{metric.name} is read in another way from server {candidate} than from {stable}, "
                f"which serves, so the two cannot be compared: {_threshold_for(metric)}set "
                "spec.analysis.dataPlane, or leave it out for this rollout"
            ),
            reason=NOT_COMPARABLE,
        )
        for index, metric in enumerate(analysis.metrics)
        if not _is_limited(metric)
        and metric.acts
        and differ(metric, data_plane=analysis.data_plane, stable=stable, candidate=candidate)
    )


def _threshold_for(metric: model.Metric) -> str:
    never_limited = metric.preset in {presets.CLIENT_ERRORS, *presets.RATES}
    return "" if never_limited else "give it a threshold, or "
