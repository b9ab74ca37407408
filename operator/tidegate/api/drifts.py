"""Distributions of a spec: how far they may move, and from what."""

from __future__ import annotations

from tidegate import model
from tidegate.api import analysis_types, drift_types
from tidegate.evidence.queries import presets


def read(given: analysis_types.Metric, *, baseline: drift_types.Baseline) -> model.Drift | None:
    """The drift of a metric that is a distribution, as far as the spec tells; else None.

    A template may turn out to be none: then it has a drift that cannot be judged, and that is said.
    """
    to = given.compare.to if given.compare is not None else None
    asked = to is model.BaselineType.TRAINING
    if given.drift is None and given.preset not in presets.PROBE and not asked:
        return None
    drift = given.drift or drift_types.Drift()
    reference = baseline.reference
    trained = (to or baseline.type) is model.BaselineType.TRAINING and reference is not None
    return model.Drift(
        delta=drift.delta,
        margin=drift.margin,
        at_most=drift.k or 0,
        ignore=tuple(drift.ignore),
        training=model.ProfileRef(name=reference.name, key=reference.key)
        if trained and reference is not None
        else None,
    )


def only_says_to_what(given: analysis_types.Metric) -> bool:
    """Whether the comparison of a distribution is no more than what it is held against."""
    compare = given.compare
    if compare is None or compare.to is None:
        return False
    is_distribution = (
        given.drift is not None
        or given.preset in presets.PROBE
        or compare.to is model.BaselineType.TRAINING
    )
    return is_distribution and compare == analysis_types.Compare(to=compare.to)


def on_breach(preset: str | None, *, drift: model.Drift | None) -> model.OnBreach:
    """What a breach does where the spec does not say it.

    A version that is trained anew is often meant to predict something else; and where the world is
    not what a version was trained on, the one before it sees the same world.
    """
    trained = drift is not None and drift.training is not None
    holds = trained or preset == presets.PREDICTION_DRIFT
    return model.OnBreach.HOLD if holds else model.OnBreach.ROLLBACK
