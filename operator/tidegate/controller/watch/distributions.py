"""The watch by distributions: the mix of what a revision sees, held against its training data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tidegate import model
from tidegate.controller.analysis.pieces import Asked
from tidegate.controller.watch import family
from tidegate.controller.watch.family import Answered, Slice, State
from tidegate.controller.watch.served import Served
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.counts import binned
from tidegate.evidence.counts.binned import ByFeature
from tidegate.evidence.queries import promql
from tidegate.evidence.terms import Distribution, Problem, Reason, Template, TrainingData
from tidegate.evidence.verdict import rules, serving

_WHOLE = Problem(reason=Reason.NO_BASELINE, message="no profile of training data")


def asked(metric: model.Metric, *, served: Served, seconds: float) -> Asked | Problem:
    """The rates of all bins in one slice; why they cannot be asked for, if so."""
    found = family.asked(metric, served=served, kind="no distribution")
    if isinstance(found, Problem):
        return found
    bins = found[promql.BINS]
    assert isinstance(bins, promql.Wanted), metric
    labels = binned.labels_of(binned.binning_of(_measure(served.templates[metric.name])))
    return {promql.BINS: promql.rates_by(bins, labels=labels, window_seconds=round(seconds))}


def looked(
    metric: model.Metric, known: State | None, *, answered: Answered | Problem, newest: Slice
) -> tuple[State, model.WatchedMetric]:
    """The state of one metric after one more slice, and its row; where that breaks, this slice is none."""
    reference = newest.served.references.get(metric.name, TrainingData(problem=_WHOLE))
    rule = rules.drift_of(metric.drift or model.Drift(), reference=reference)
    way = serving.Way(rule=rule, alpha=newest.alpha, slice_seconds=newest.seconds)
    state = known if isinstance(known, serving.Served) else serving.Served()
    observed = attempt(
        partial(_observed, answered, template=newest.template(metric), seconds=newest.seconds),
        otherwise=failure,
    )
    look = partial(serving.looked, state, at=newest.at, way=way)
    after, found = attempt(
        partial(look, observed=observed),
        otherwise=lambda error: look(observed=failure(error)),
    )
    return after, family.row(metric, found, against=model.Against.TRAINING)


def _observed(
    answered: Answered | Problem, *, template: Template | None, seconds: float
) -> ByFeature | Problem:
    problem = answered if isinstance(answered, Problem) else answered.problem
    if problem is not None:
        return problem
    assert isinstance(answered, Answered), answered
    found = answered.found[promql.BINS]
    assert isinstance(found, Sequence), found
    assert template is not None, found
    measure = _measure(template)
    binning = binned.binning_of(measure)
    unreadable = binned.unreadable(found, binning=binning, metric=measure.series.metric)
    if unreadable is not None:
        return unreadable
    return binned.observed_in(found, binning=binning, seconds=seconds)


def _measure(template: Template) -> Distribution:
    assert isinstance(template.measure, Distribution), template
    return template.measure
