"""The watch by limits: a metric of the analysis that lies below its `min` or above its `max`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tidegate import model
from tidegate.controller.analysis.fetch import Found
from tidegate.controller.analysis.pieces import Asked
from tidegate.controller.watch import family
from tidegate.controller.watch.family import Answered, Slice, State
from tidegate.controller.watch.served import Served
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.counts import binned
from tidegate.evidence.counts.binned import ALL, Binning
from tidegate.evidence.drift.mixes import ByBin
from tidegate.evidence.queries import promql, sums
from tidegate.evidence.queries.identity import POD
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import (
    EDGE,
    Latency,
    Problem,
    Ratio,
    Reason,
    Series,
    Template,
    Throughput,
)
from tidegate.evidence.verdict import limits, serving
from tidegate.evidence.verdict.serving import Look

Rows = Mapping[str, tuple[Series, ...]]  # by role

_BY_EDGE = Binning(bin=EDGE, dimension="", cumulative=True)


def asked(metric: model.Metric, *, served: Served, seconds: float) -> Asked | Problem:
    """What is counted in one slice, summed by the source, or the one number; why not, if so."""
    kind = "no number that a limit can be held against"
    fitting = family.asked_fitting(metric, served=served, kind=kind)
    if isinstance(fitting, Problem):
        return fitting
    found, template = fitting
    per_pod = isinstance(template.measure, Throughput) and template.measure.per_pod
    summed = sums.summed(found, window_seconds=round(seconds), by_pod=per_pod)
    if isinstance(summed, Unsafe):
        return Problem(reason=Reason.ERROR, message=summed.message)
    return summed


def looked(
    metric: model.Metric, known: State | None, *, answered: Answered | Problem, newest: Slice
) -> tuple[State, model.WatchedMetric]:
    """The state of one metric after one more slice, and its row; where that breaks, this slice is none."""
    state = known if isinstance(known, limits.Served) else limits.Served()
    after, look = attempt(
        partial(_looked, metric, state, answered=answered, newest=newest),
        otherwise=lambda error: (state, serving.unseen(failure(error))),
    )
    return after, family.row(metric, look, against=model.Against.THRESHOLD)


def _looked(
    metric: model.Metric, state: limits.Served, *, answered: Answered | Problem, newest: Slice
) -> tuple[limits.Served, Look]:
    problem = answered if isinstance(answered, Problem) else answered.problem
    template = newest.template(metric)
    if problem is not None or template is None:
        return state, serving.unseen(problem or family.GONE)
    assert isinstance(answered, Answered), answered
    analysis = newest.served.analysis
    way = limits.Way(
        threshold=metric.threshold,
        template=template,
        alpha=newest.alpha,
        slice_seconds=newest.seconds,
        # There are no more looks than slices of the window: all of them at most.
        failures=1 if metric.critical else min(analysis.breach_failures, model.SLICES),
        out_of=analysis.breach_out_of,
        min_samples=metric.min_samples,
    )
    observed = _observed(answered, template=template, newest=newest)
    return limits.looked(state, observed=observed, at=newest.at, way=way)


# --- what came back ------------------------------------------------------------------------------


def _observed(answered: Answered, *, template: Template, newest: Slice) -> ByBin | float | Problem:
    """What the slice has shown: counts by bin, or the number."""
    found = {role: sums.rows(_numbers(one), at=newest.at) for role, one in answered.found.items()}
    match template.measure:
        case Ratio():
            return _events(answered.asked, found=found, seconds=newest.seconds)
        case Latency():
            return _buckets(answered.asked, found=found, seconds=newest.seconds)
        case Throughput(per_pod=per_pod):
            return _requests(answered.asked, found=found, seconds=newest.seconds, per_pod=per_pod)
        case _:
            ((role, number),) = found.items()
            value = sums.total(number)
            return _nothing(answered.asked[role]) if value is None else value


def _events(asked: Asked, *, found: Rows, seconds: float) -> ByBin | Problem:
    """All events of a ratio and the bad ones, which are picked here where they are among all."""
    n = sums.total(found[promql.TOTAL])
    if not n:
        return _nothing(asked[promql.TOTAL])
    bad = _bad(asked, found=found)
    if isinstance(bad, Problem):
        return bad
    x = min(bad, n)  # two queries may be stretched to the ends of the slice a little otherwise
    return {limits.BAD: x * seconds, limits.OTHER: (n - x) * seconds}


def _bad(asked: Asked, *, found: Rows) -> float | Problem:
    """Bad events per second; a Problem where none could ever be seen."""
    picked, labels, total = asked[promql.BAD], asked.get(promql.LABELS), found[promql.TOTAL]
    if isinstance(picked, Narrowing):
        bad = picked.pick(total)
        return bad if isinstance(bad, Problem) else sums.total(bad) or 0.0
    number = sums.total(found[promql.BAD])
    if isinstance(labels, Narrowing):
        return labels.blindness(total) or number or 0.0
    return _nothing(picked) if number is None else number


def _buckets(asked: Asked, *, found: Rows, seconds: float) -> ByBin | Problem:
    rates = found[promql.BUCKETS]
    observed = binned.observed_in(rates, binning=_BY_EDGE, seconds=seconds).get(ALL, {})
    return observed if sum(observed.values()) > 0 else _nothing(asked[promql.BUCKETS])


def _requests(asked: Asked, *, found: Rows, seconds: float, per_pod: bool) -> ByBin | Problem:
    """Requests of all pods, none of them too; of how many pods where that matters."""
    rates = found[promql.TOTAL]
    number = sums.total(rates)
    if number is None:
        return _nothing(asked[promql.TOTAL])
    pods = {one.labels.get(POD, "") for one in rates} if per_pod else {""}
    return {limits.REQUESTS: number * seconds, limits.PODS: float(len(pods))}


def _nothing(asked: Wanted | Narrowing | Free) -> Problem:
    assert not isinstance(asked, Narrowing), asked
    return Problem(reason=Reason.NO_DATA, message=f"nothing was counted; asked {asked.words}")


def _numbers(found: Found) -> Mapping[str, float] | tuple[Series, ...]:
    assert not isinstance(found, Problem), found
    return found
