"""The watch by labels that come later: the quality of what serves, cohort by cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from tidegate import model
from tidegate.controller.analysis.pieces import Asked
from tidegate.controller.watch import family
from tidegate.controller.watch.family import Answered, Slice, State
from tidegate.controller.watch.served import Served
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.counts import labelled, qualities
from tidegate.evidence.drift import cohorts
from tidegate.evidence.queries import promql
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Labels, Problem, Series
from tidegate.evidence.verdict import concept, rules, serving
from tidegate.evidence.verdict.serving import Look


def asked(metric: model.Metric, *, served: Served, seconds: float) -> Asked | Problem:
    """What is counted of each cohort by now, whatever the slice is."""
    del seconds
    fitting = family.asked_fitting(metric, served=served, kind="of another type than Labels")
    if isinstance(fitting, Problem):
        return fitting
    found, template = fitting
    label = _measure(template.measure).cohort_label
    return {
        role: promql.totals_by(one, labels=(label,)) if isinstance(one, Wanted) else one
        for role, one in found.items()
    }


def looked(
    metric: model.Metric, known: State | None, *, answered: Answered | Problem, newest: Slice
) -> tuple[State, model.WatchedMetric]:
    """The state of one metric after one more look, and its row; where that breaks, it saw nothing."""
    state = known if isinstance(known, concept.Served) else concept.Served()
    after, look = attempt(
        partial(_looked, metric, state, answered=answered, newest=newest),
        otherwise=lambda error: (state, serving.unseen(failure(error))),
    )
    row = family.row(metric, look, against=model.Against.LABELS)
    recorded = newest.served.baselines.get(metric.name)
    baseline = after.baseline or concept.begun_anew(after, recorded=recorded, at=newest.at)
    return after, replace(row, baseline=baseline)


def _looked(
    metric: model.Metric,
    known: concept.Served,
    *,
    answered: Answered | Problem,
    newest: Slice,
) -> tuple[concept.Served, Look]:
    problem = answered if isinstance(answered, Problem) else answered.problem
    template = newest.template(metric)
    if problem is not None or template is None:
        return known, serving.unseen(problem or family.GONE)
    assert isinstance(answered, Answered), answered
    measure = _measure(template.measure)
    way = _way(metric, measure=measure, newest=newest, asked=answered.asked)
    known = concept.resumed(known, recorded=newest.served.baselines.get(metric.name), way=way)
    roles = {role: _series(one) for role, one in answered.found.items()}
    observed = _observed(roles, measure=measure, way=way)
    return concept.looked(known, observed=observed, at=newest.at, way=way)


def _way(metric: model.Metric, *, measure: Labels, newest: Slice, asked: Asked) -> concept.Way:
    assert metric.labels is not None, metric
    served, least = newest.served, metric.threshold.min
    cohort_seconds, many = metric.labels.cohort_seconds, len(served.metrics)
    return concept.Way(
        alpha=serving.alpha_of(served.monitoring, slice_seconds=cohort_seconds, metrics=many),
        doubt=served.monitoring.false_alarms / many,
        slice_seconds=newest.seconds,
        delay_seconds=metric.labels.delay_seconds,
        cohort_seconds=cohort_seconds,
        measure=measure.measure,
        compare=rules.compared(metric.compare, tolerance=rules.TOLERANCE)
        if metric.compare is not None
        else None,
        limit=None if least is None else qualities.bad_rate(least, measure=measure.measure),
        # There are no more of them than are judged: all of these at most.
        failures=min(served.analysis.breach_failures, concept.WINDOW),
        out_of=served.analysis.breach_out_of,
        min_samples=metric.min_samples,
        queries=promql.digest(
            {role: one for role, one in asked.items() if isinstance(one, Wanted)}
        ),
    )


def _observed(
    roles: Mapping[str, tuple[Series, ...]], *, measure: Labels, way: concept.Way
) -> concept.ByCohort | Problem:
    cohorting = labelled.cohorting_of(measure, width_seconds=way.cohort_seconds)
    name = measure.labelled.metric
    problem = labelled.unreadable(roles, cohorting=cohorting, metric=name)
    if problem is not None:
        return problem
    found = labelled.summed(roles, cohorting=cohorting)
    return {start: cohorts.summed([one]) for start, one in found.items()}


def _measure(measure: object) -> Labels:
    assert isinstance(measure, Labels), measure
    return measure


def _series(found: object) -> tuple[Series, ...]:
    assert isinstance(found, tuple), found
    return found
