"""Rules of labels that come later."""

from __future__ import annotations

from api_case import Case
from api_examples import SMALLEST, Object

_PRESETS = ("label-quality", "label-precision", "label-recall", "label-f1")


def _metric(**more: object) -> list[Object]:
    return [{"name": "m", **more}]


LABEL_RULES = (
    Case(
        rule="V85",
        body=SMALLEST,
        at="spec.analysis",
        good=(
            *({"metrics": _metric(preset=it, labelDelay="6h")} for it in _PRESETS),
            {"metrics": _metric(preset="error-ratio")},
        ),
        bad=tuple({"metrics": _metric(preset=it)} for it in _PRESETS),
        blames="spec.analysis.metrics[0].labelDelay",
        says="labels come later: set labelDelay",
    ),
    Case(
        rule="V86",
        body=SMALLEST,
        at="spec.analysis",
        good=({"metrics": _metric(preset="label-quality", labelDelay="6h", labelCohort="10m")},),
        bad=({"metrics": _metric(preset="error-ratio", labelCohort="10m")},),
        blames="spec.analysis.metrics[0].labelCohort",
        says="labelCohort is of labels",
    ),
)
