"""What labels say of a revision that serves: its quality against that of its own first cohorts, and limits.

Each cohort counts once, at the first look that finds it ripe. One that was ripe long before anybody
looked is left out: what is labelled late is labelled otherwise, so only cohorts of one age are compared.
The first ones that count since the revision serves become its baseline. Of what they tell the upper end
counts, beyond it what `compare` tolerates; the chance that this end lies too low is that of the false
alarms of one week, once. From then on each cohort that ripens is one test, with its share of the false
alarms of a week, so that the watch may go on for ever.

As with limits, drift has to last: so many of the last cohorts (`breachAfter`) are beyond it by themselves,
and all that are judged together by more than chance and clumps explain. Labels that are missing are no
wrong ones: they begin nothing and end nothing.
Source: evidence.md, 11.1; Clopper and Pearson 1934; von Neumann 1941; ADR 0046.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tidegate import model
from tidegate.evidence.counts import qualities
from tidegate.evidence.counts.dispersion import upper_limit
from tidegate.evidence.drift import cohorts
from tidegate.evidence.drift.cohorts import LabelCounts, Maturity, State
from tidegate.evidence.sequential.distribution import FIRST_LOOK
from tidegate.evidence.sequential.judgement import Compare
from tidegate.evidence.sequential.labels import LEAST_PREDICTIONS
from tidegate.evidence.terms import Measure, Problem, Reason
from tidegate.evidence.verdict import limits, serving
from tidegate.evidence.verdict.serving import LEAST_SLICES, Look
from tidegate.model import Outcome

WINDOW = model.SLICES  # cohorts that are judged together
BASELINE_COHORTS = 2 * WINDOW

ByCohort = Mapping[float, LabelCounts]  # by start, in unix seconds
Events = tuple[float, float]  # n, and x bad ones of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How labels are watched.

    `alpha` is the chance of a false alarm by one cohort, `doubt` that of a baseline that was too good.
    `compare` says how much worse than the baseline is tolerated, None that nothing is compared; `limit`
    is a rate of bad events, 0 to 1. `failures` of the last `out_of` cohorts have to be beyond it, and
    `min_samples` labels have to be counted. `slice_seconds` lie between two looks, and `queries` is
    `promql.digest` of what is asked.
    """

    alpha: float
    doubt: float
    slice_seconds: float
    delay_seconds: float
    cohort_seconds: float
    measure: Measure
    compare: Compare | None
    limit: float | None
    failures: int
    out_of: int
    min_samples: int
    queries: str

    @property
    def counted_as(self) -> str:
        """What must be equal for cohorts to be compared."""
        ages = f"labelDelay {self.delay_seconds:g}s, labelCohort {self.cohort_seconds:g}s"
        return f"{self.measure.value}, {ages}, queries {self.queries}"

    @property
    def in_time_seconds(self) -> float:
        """The age up to which a cohort counts that nobody has waited for."""
        return self.delay_seconds + self.leeway_seconds

    @property
    def leeway_seconds(self) -> float:
        """By so much older than others a cohort may be at the look that finds it ripe."""
        return max(self.cohort_seconds, self.slice_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is known of the labels of one metric.

    The last `events` are those that are judged, the newest at the end; `sound` of them in a row, at the
    most a window, left nothing beyond what is tolerated. `judged` are cohorts that have counted, and
    `waiting` those that had not when it was looked last, at `at` (unix seconds). `counted_as` names
    what they were counted by.
    """

    baseline: model.QualityBaseline | None = None
    events: tuple[Events, ...] = ()
    sound: int = 0
    judged: frozenset[float] = frozenset()
    waiting: frozenset[float] = frozenset()
    counted_as: str = ""
    at: float = -math.inf


def resumed(known: Served, *, recorded: model.QualityBaseline | None, way: Way) -> Served:
    """What is known with the baseline that another process has recorded; nothing that was counted otherwise."""
    if known.counted_as not in {"", way.counted_as}:
        known = Served()
    alike = recorded is not None and recorded.cohorts > 0 and recorded.counted_as == way.counted_as
    baseline = known.baseline or (recorded if alike else None)
    return replace(known, baseline=baseline, counted_as=way.counted_as)


def begun_anew(
    known: Served, *, recorded: model.QualityBaseline | None, at: float
) -> model.QualityBaseline | None:
    """A baseline of no cohort in place of one that was counted otherwise; None where none was.

    Units: unix seconds.
    """
    if not known.counted_as or recorded is None or recorded.counted_as == known.counted_as:
        return None
    until = datetime.fromtimestamp(at, tz=UTC)
    return model.QualityBaseline(
        cohorts=0, total=0.0, bad=0.0, until=until, counted_as=known.counted_as
    )


def looked(
    known: Served, *, observed: ByCohort | Problem, at: float, way: Way
) -> tuple[Served, Look]:
    """The state and the finding after what is known of each cohort by now; `at` in unix seconds."""
    if isinstance(observed, Problem):
        return known, serving.unseen(observed)
    found = {start: one for start, one in observed.items() if one.predictions or one.labelled}
    if not found:
        return known, serving.unseen(_nothing("no predictions are counted by cohort"))
    matures = _maturity(found, at=at, way=way)
    states = {
        start: cohorts.state(start, candidate=found[start], stable=None, now=at, maturity=matures)
        for start in sorted(found)
    }
    after = known
    for start in _ripened(known, states, at=at, way=way):
        after = _counted(after, start, found[start], way=way)
    after = replace(
        after,
        judged=_remembered(after.judged, states, at=at, way=way),
        waiting=frozenset(start for start, one in states.items() if one is not State.RIPE)
        - after.judged,
        at=at,
    )
    problem = _missing(states, found, at=at, maturity=matures)
    return after, _look(after, way=way) if problem is None else serving.unseen(problem)


# --- which cohorts count -------------------------------------------------------------------------


def _maturity(found: ByCohort, *, at: float, way: Way) -> Maturity:
    """When a cohort counts, by what labels the final ones have."""
    known = Maturity(label_delay_seconds=way.delay_seconds, cohort_seconds=way.cohort_seconds)
    final = [
        one
        for start, one in found.items()
        if cohorts.age(start, now=at, maturity=known) >= known.final_seconds
        and one.labelled <= one.predictions
    ]
    predictions = math.fsum(one.predictions for one in final)
    labels = math.fsum(one.labelled for one in final)
    if predictions < LEAST_PREDICTIONS or labels <= 0:
        return known
    return replace(known, usual_share=labels / predictions)


def _ripened(
    known: Served, states: Mapping[float, State], *, at: float, way: Way
) -> Sequence[float]:
    """The cohorts that count now, oldest first: none twice, and none that was ripe long before."""
    counted_until = known.baseline.until.timestamp() if known.baseline is not None else -math.inf
    looks_on = at - known.at <= way.leeway_seconds
    return [
        start
        for start, state in states.items()
        if state is State.RIPE
        and start not in known.judged
        and start >= counted_until
        and (_is_in_time(start, at=at, way=way) or (looks_on and start in known.waiting))
    ]


def _is_in_time(start: float, *, at: float, way: Way) -> bool:
    return at - (start + way.cohort_seconds) <= way.in_time_seconds


def _remembered(
    judged: frozenset[float], states: Mapping[float, State], *, at: float, way: Way
) -> frozenset[float]:
    """Those that would count again if they were forgotten, also where one answer lacks them."""
    return frozenset(
        start for start in judged if start in states or _is_in_time(start, at=at, way=way)
    )


def _counted(known: Served, start: float, counts: LabelCounts, *, way: Way) -> Served:
    """With one more cohort: a part of the baseline until that is complete, and judged in any case."""
    after = replace(known, judged=known.judged | {start})
    if counts.n <= 0:
        return after  # it says nothing of the measure
    newest = counts.n, counts.x
    if way.compare is not None and not _is_complete(known.baseline):
        end = start + way.cohort_seconds
        last = known.events[-1] if known.events else None
        baseline = _learned(known.baseline, newest, last=last, end=end, way=way)
        if _is_complete(baseline):
            return replace(after, baseline=baseline, events=(), sound=0)
        after = replace(after, baseline=baseline)
    after = replace(after, events=(*known.events, newest)[-WINDOW:])
    is_beyond = _seen(after, way=way).is_beyond
    return replace(after, sound=0 if is_beyond else min(known.sound + 1, WINDOW))


def _missing(
    states: Mapping[float, State], found: ByCohort, *, at: float, maturity: Maturity
) -> Problem | None:
    """Why the newest labels cannot be told; None where they can, or may still come."""
    ages = {start: cohorts.age(start, now=at, maturity=maturity) for start in states}
    newest = max(states)
    if ages[newest] > maturity.final_seconds + WINDOW * maturity.cohort_seconds:
        return _nothing(f"no predictions are counted since cohort {_at(newest)}")
    old = [start for start in states if ages[start] >= maturity.label_delay_seconds]
    if old and states[old[-1]] is State.UNKNOWN:
        words = (
            "labels of predictions that nobody counted; are they sent to the pods that predicted?"
        )
        message = f"{_of(old[-1], found[old[-1]])}: {words}"
        return Problem(reason=Reason.UNKNOWN_COHORT, message=message)
    final = [start for start in old if ages[start] >= maturity.final_seconds]
    if final and states[final[-1]] is not State.RIPE:
        usual = f"{maturity.min_share:.0%} of the usual {maturity.usual_share:.0%} of them"
        message = f"{_of(final[-1], found[final[-1]])}; {usual} are waited for"
        return Problem(reason=Reason.LABELS_IMMATURE, message=message)
    return None


def _nothing(message: str) -> Problem:
    return Problem(reason=Reason.NO_DATA, message=message)


def _of(start: float, counts: LabelCounts) -> str:
    return f"cohort {_at(start)} has {counts.labelled:.0f} labels of {counts.predictions:.0f} predictions"


def _at(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%MZ}"


# --- the baseline --------------------------------------------------------------------------------


def _is_complete(baseline: model.QualityBaseline | None) -> bool:
    return (
        baseline is not None
        and baseline.cohorts >= BASELINE_COHORTS
        and baseline.total >= FIRST_LOOK
    )


def _learned(
    known: model.QualityBaseline | None,
    newest: Events,
    *,
    last: Events | None,
    end: float,
    way: Way,
) -> model.QualityBaseline:
    """With one more cohort; how cohorts clump is the mean over all neighbours."""
    n, x = newest
    until = datetime.fromtimestamp(end, tz=UTC)
    if known is None:
        return model.QualityBaseline(
            cohorts=1, total=n, bad=x, until=until, counted_as=way.counted_as
        )
    total, bad = known.total + n, known.bad + x
    dispersion = known.dispersion
    variance = bad / total * (1 - bad / total)
    if last is not None and variance > 0:
        found = (x / n - last[1] / last[0]) ** 2 / (1 / n + 1 / last[0]) / variance
        # The first pair replaces what was assumed while there was none.
        dispersion += (found - dispersion) / known.cohorts
    return replace(
        known,
        cohorts=known.cohorts + 1,
        total=total,
        bad=bad,
        dispersion=dispersion,
        until=until,
    )


def _clumps(baseline: model.QualityBaseline) -> float:
    """How many wrong predictions come as one, at the most."""
    df = max(1.0, (baseline.cohorts - 1) * 2 / 3)
    return max(1.0, upper_limit(baseline.dispersion, df=df))


def _tolerated(baseline: model.QualityBaseline, *, compare: Compare, doubt: float) -> float:
    """The rate of bad events, 0 to 1, that is no drift beside a baseline."""
    from scipy import special  # noqa: PLC0415  (of which few need to wait)

    deff = _clumps(baseline)
    n, x = baseline.total / deff, baseline.bad / deff
    upper = float(special.betaincinv(x + 1, n - x, 1 - doubt)) if x < n else 1.0
    return min(1.0, max(compare.theta0 * upper, upper + compare.excess_promote))


# --- what a look says ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """All cohorts that are judged: their quality, and whether it is beyond what is tolerated."""

    n: float
    value: float | None
    is_beyond: bool
    is_proven: bool
    reason: Reason
    text: str


def _limit(known: Served, *, way: Way) -> tuple[float, Reason]:
    """The rate of bad events that decides, and what it is of; 1 where there is none yet."""
    found = [(1.0, Reason.DRIFT)]
    if way.limit is not None:
        found.append((way.limit, Reason.SLO_BREACH))
    if way.compare is not None and known.baseline is not None and _is_complete(known.baseline):
        most = _tolerated(known.baseline, compare=way.compare, doubt=way.doubt)
        found.append((most, Reason.DRIFT))
    return min(found)


def _seen(known: Served, *, way: Way) -> _Seen:
    limit, reason = _limit(known, way=way)
    n, x = math.fsum(some for some, _ in known.events), math.fsum(bad for _, bad in known.events)
    last = known.events[-way.out_of :]
    breaks = sum(bad / some > limit for some, bad in last)
    is_beyond = n > 0 and x / n > limit
    is_proven = (
        is_beyond
        and breaks >= way.failures
        and n >= way.min_samples
        and _by_chance(known, limit=limit) <= way.alpha
    )
    return _Seen(
        n=n,
        value=qualities.quality(x, n=n, measure=way.measure),
        is_beyond=is_beyond,
        is_proven=is_proven,
        reason=reason,
        text=_words(known, n=n, x=x, limit=limit, breaks=(breaks, len(last)), way=way),
    )


def _by_chance(known: Served, *, limit: float) -> float:
    """The chance of so many bad events; 1 where nobody knows how they clump."""
    deffs = []
    if known.baseline is not None and _is_complete(known.baseline):
        deffs.append(_clumps(known.baseline))
    if len(known.events) >= LEAST_SLICES:
        deffs.append(limits.clumps(known.events))
    if not deffs:
        return 1.0
    return limits.by_chance(known.events, limit=limit, deff=max(deffs), is_above=True)


def _words(
    known: Served, *, n: float, x: float, limit: float, breaks: tuple[int, int], way: Way
) -> str:
    """Such as `accuracy 75.0% of 9600 labels against 90.1% of 48000 in its first 24 cohorts; ...`."""
    if n <= 0:
        return "no label counts yet"
    value = _percent(x, n=n, measure=way.measure)
    text = f"{way.measure.value.lower()} {value} of {n:.0f} labels"
    first = known.baseline
    if first is not None and _is_complete(first):
        usual = _percent(first.bad, n=first.total, measure=way.measure)
        text += f" against {usual} of {first.total:.0f} in its first {first.cohorts} cohorts"
    if limit < 1:
        least = _percent(limit, n=1.0, measure=way.measure)
        text += f"; below {least} in {breaks[0]} of the last {breaks[1]} cohorts"
    return text


def _percent(x: float, *, n: float, measure: Measure) -> str:
    found = qualities.quality(x, n=n, measure=measure)
    assert found is not None, n
    return f"{found:.1%}"


def _look(known: Served, *, way: Way) -> Look:
    seen = _seen(known, way=way)
    look = (
        Look(outcome=Outcome.FAIL, reason=seen.reason, message=seen.text)
        if seen.is_proven
        else _no_drift(known, seen, way=way)
    )
    return replace(look, value=seen.value)


def _no_drift(known: Served, seen: _Seen, *, way: Way) -> Look:
    if way.compare is not None and not _is_complete(known.baseline):
        many = known.baseline.cohorts if known.baseline is not None else 0
        text = f"{many} of the first {BASELINE_COHORTS} cohorts have counted; {seen.text}"
        return serving.undecided(Reason.WARMUP, text)
    if len(known.events) < WINDOW:
        text = f"{len(known.events)} of {WINDOW} cohorts have counted; {seen.text}"
        return serving.undecided(Reason.WARMUP, text)
    if seen.n < way.min_samples:
        text = f"{way.min_samples} are needed (minSamples); {seen.text}"
        return serving.undecided(Reason.INSUFFICIENT, text)
    if known.sound < WINDOW:
        return serving.undecided(Reason.UNDECIDED, seen.text)
    return Look(outcome=Outcome.PASS, reason=Reason.NO_HARM_FOUND, message=seen.text)
