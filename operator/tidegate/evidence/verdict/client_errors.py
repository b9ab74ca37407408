"""Client errors (4xx) beside the errors of a preset: compared with stable, never limited.

How many requests a server refuses depends on who calls it, so no number of them is too many by
itself. But a version with a wrong route, model name or signature answers 404 or 422 to everybody,
none of which is an error of the server: only stable shows that it is not the callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Ratio, Template

# Callers are less alike than servers: twice stable's share, and five points always pass.
COMPARE = model.Compare(tolerance=1.0, margin=1.0, tolerance_absolute=0.05)

_BESIDE: Mapping[Ratio, Template] = {
    errors.measure: presets.TEMPLATES[name, presets.CLIENT_ERRORS]
    for (name, metric), errors in presets.TEMPLATES.items()
    if metric == presets.ERROR_RATIO
    and (name, presets.CLIENT_ERRORS) in presets.TEMPLATES
    and isinstance(errors.measure, Ratio)
}


def beside(
    analysis: model.Analysis, templates: Mapping[str, Template]
) -> tuple[model.Analysis, Mapping[str, Template]]:
    """The analysis and its templates with a comparison of client errors, where there can be one.

    It is read from where the errors are read, with the same query. A metric of the spec that is
    called `client-error-ratio`, or reads that preset, goes before.
    """
    metrics = analysis.metrics
    if any(presets.CLIENT_ERRORS in {one.name, one.preset} for one in metrics):
        return analysis, templates
    guards = (one for one in metrics if _compares_errors(one) and one.name in templates)
    for guard in guards:
        known = templates[guard.name]
        found = _BESIDE.get(known.measure) if isinstance(known.measure, Ratio) else None
        if found is not None:
            metric = replace(
                guard,
                name=presets.CLIENT_ERRORS,
                preset=presets.CLIENT_ERRORS,
                threshold=model.NO_THRESHOLD,
                compare=_compare(guard.compare or COMPARE),
                critical=False,
            )
            template = replace(found, source=known.source, mode=known.mode)
            more = {**templates, metric.name: template}
            return replace(analysis, metrics=(*metrics, metric)), more
    return analysis, templates


def _compare(errors: model.Compare) -> model.Compare:
    """What is asked of the errors, where that is less: no step waits for more than it was told."""
    return model.Compare(
        tolerance=max(COMPARE.tolerance or 0.0, errors.tolerance or 0.0),
        margin=max(COMPARE.margin, errors.margin),
        tolerance_absolute=max(COMPARE.tolerance_absolute, errors.tolerance_absolute),
        detect_ratio=max(COMPARE.detect_ratio, errors.detect_ratio),
        detect_absolute=max(COMPARE.detect_absolute, errors.detect_absolute),
    )


def _compares_errors(metric: model.Metric) -> bool:
    compared = metric.compare is not None and not metric.dry_run
    return metric.preset == presets.ERROR_RATIO and compared
