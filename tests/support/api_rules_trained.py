"""Rules of what a candidate is held against."""

from __future__ import annotations

from api_case import Case
from api_examples import SMALLEST, Object, place

_REFERENCE: Object = {"name": "training"}
_TRAINED: Object = {"to": "TrainingReference"}
_OWN: Object = {"kind": "MetricTemplate", "name": "own"}
_INPUTS: Object = {"name": "m", "preset": "feature-drift", "compare": _TRAINED}

TRAINED_RULES = (
    Case(
        rule="V70",
        body=SMALLEST,
        at="spec.analysis",
        good=(
            {"baseline": {}},
            {"baseline": {"type": "Stable"}},
            {"baseline": {"reference": _REFERENCE}},
            {"baseline": {"type": "TrainingReference", "reference": _REFERENCE}},
        ),
        bad=({"baseline": {"type": "TrainingReference"}},),
        blames="spec.analysis.baseline.reference",
        says="TrainingReference needs the ConfigMap with the profile",
    ),
    Case(
        rule="V71",
        body=place(SMALLEST, "spec.analysis", {"baseline": {"reference": _REFERENCE}}),
        at="spec.analysis.metrics",
        good=(
            [_INPUTS],
            [{**_INPUTS, "preset": "prediction-drift"}],
            [{"name": "m", "templateRef": _OWN, "compare": _TRAINED}],
            [{"name": "m", "preset": "error-ratio", "compare": {"to": "Stable"}}],
        ),
        bad=(
            [{"name": "m", "preset": "error-ratio", "compare": _TRAINED}],
            [{"name": "m", "query": "up", "threshold": {"min": 1}, "compare": _TRAINED}],
        ),
        blames="spec.analysis.metrics[0].compare.to",
        says="hold only distributions against TrainingReference",
    ),
    Case(
        rule="V72",
        body=SMALLEST,
        at="spec.analysis",
        good=(
            {"baseline": {"reference": _REFERENCE}, "metrics": [_INPUTS]},
            {"metrics": [{**_INPUTS, "compare": {"to": "Stable"}}]},
        ),
        bad=({"metrics": [_INPUTS]}, {"baseline": {}, "metrics": [_INPUTS]}),
        blames="spec.analysis.baseline.reference",
        says="set baseline.reference",
    ),
)
