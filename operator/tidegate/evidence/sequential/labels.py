"""Labels by cohort, and when each of them is tested: once, at the same age of both revisions.

Each cohort that has ripened is one row for the tests of rates. What labels usually come, and how wrong
predictions clump, is learned from cohorts of stable to which nothing comes any more, also from those
before the rollout; of a candidate that stands alone from its own.
Source: evidence.md, 11.1; ADR 0077.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import intervals
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.rows import Cohorts, Counts, Flag, PodCounts, PodLabels, Row
from tidegate.evidence.drift import cohorts
from tidegate.evidence.drift.cohorts import Maturity, State
from tidegate.evidence.sequential.judgement import EvidenceConfig, Late, MetricRule

LEAST_PREDICTIONS = 100.0  # of stable in final cohorts: below nobody knows what labels are usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The labels of one metric after a row.

    `candidate` and `stable` are the cohorts that may still change. `changes` are when the weight
    changed: between the end of one row and the begin of another. `final` are cohorts to which nothing
    comes any more; `predictions` and `labels` are those of stable in them, and `spread` is how wrong
    ones clump over its pods. `tested` are those that were tested.

    Units: unix seconds.
    """

    candidate: Cohorts = field(default_factory=dict)
    stable: Cohorts = field(default_factory=dict)
    controlled: bool = False
    changes: tuple[tuple[float, float], ...] = ()
    step: int | None = None
    at: float = float("-inf")
    final: frozenset[float] = frozenset()
    tested: frozenset[float] = frozenset()
    predictions: float = 0.0
    labels: float = 0.0
    spread: Spread = field(default_factory=Spread)

    @property
    def usual_share(self) -> float | None:
        """How many predictions of stable get a label in the end, 0 to 1; None while nobody knows."""
        enough = self.predictions >= LEAST_PREDICTIONS and self.labels > 0
        return min(1.0, self.labels / self.predictions) if enough else None


def recorded_all(
    known: Mapping[str, Labelled], *, row: Row, config: EvidenceConfig
) -> tuple[Mapping[str, Labelled], Sequence[tuple[MetricRule, Counts]]]:
    """The labels of all metrics after one more row, and the cohorts that are to be tested now."""
    after = dict(known)
    ripe: list[tuple[MetricRule, Counts]] = []
    for rule in config.metrics:
        counts = row.counts.get(rule.name)
        if rule.late is None or counts is None or Flag.RUNNING in row.flags:
            continue
        found = recorded(known.get(rule.name, Labelled()), row=row, counts=counts)
        found = settled(found, rule=rule.late)
        after[rule.name], tested = ripened(found, rule=rule.late)
        ripe += [(rule, cohort) for cohort in tested]
    return after, ripe


def recorded(known: Labelled, *, row: Row, counts: Counts) -> Labelled:
    """The labels of one metric after one more row."""
    changes = known.changes
    if row.step != known.step:
        changes = (*changes, (known.at, row.t0))
    return replace(
        known,
        candidate=_newer(known.candidate, counts.cohorts_c, without=known.final),
        stable=_newer(known.stable, counts.cohorts_s, without=known.final),
        controlled=known.controlled or bool(counts.cohorts_s),
        changes=changes,
        step=row.step,
        at=row.t1,
    )


def _newer(known: Cohorts, news: Cohorts, *, without: frozenset[float]) -> Cohorts:
    fresh = {start: pods for start, pods in news.items() if start not in without}
    return {**known, **fresh} if fresh else known


def maturity(known: Labelled, *, rule: Late) -> Maturity:
    """When a cohort counts, by what is known of labels by now."""
    share = known.usual_share
    return Maturity(
        label_delay_seconds=rule.delay_seconds,
        cohort_seconds=rule.cohort_seconds,
        usual_share=1.0 if share is None else share,
        min_share=rule.min_share,
    )


def states(known: Labelled, *, rule: Late) -> Mapping[float, State]:
    """Of each cohort of the candidate that may be compared whether it is ripe, oldest first.

    That is one in which the weight stayed the same, which is not tested yet.
    """
    matures = maturity(known, rule=rule)
    return {
        start: cohorts.state(
            start,
            candidate=cohorts.summed(known.candidate[start]),
            stable=cohorts.summed(known.stable.get(start, ())) if known.controlled else None,
            now=known.at,
            maturity=matures,
        )
        for start in sorted(known.candidate)
        if start not in known.tested and is_whole(known, start, rule=rule)
    }


def is_whole(known: Labelled, start: float, *, rule: Late) -> bool:
    """Whether one weight was in force all the time of a cohort.

    A change in its midst gives the revisions other parts of it, and the world may have changed between.
    """
    end = start + rule.cohort_seconds
    return all(end <= before or start >= after for before, after in known.changes)


def ripened(known: Labelled, *, rule: Late) -> tuple[Labelled, Sequence[Counts]]:
    """The cohorts that are to be tested now, oldest first, and the labels after them.

    The dispersion of each is what was known before it.
    """
    found: list[Counts] = []
    for start, state in states(known, rule=rule).items():
        if state is State.RIPE:
            counts = _counts(known, start)
            found.append(counts)
            known = _measured(
                replace(known, tested=known.tested | {start}), pods=counts.pods_s or counts.pods_c
            )
    return known, found


def _counts(known: Labelled, start: float) -> Counts:
    """One cohort as an interval of events."""
    candidate, stable = known.candidate[start], known.stable.get(start, ())
    ours, others = cohorts.summed(candidate), cohorts.summed(stable)
    return Counts(
        n_c=ours.n,
        n_s=others.n,
        x_c=(ours.x,),
        x_s=(others.x,),
        phi=(known.spread.phi(),),
        pods_c=_pods(candidate),
        pods_s=_pods(stable),
    )


def _pods(pods: tuple[PodLabels, ...]) -> tuple[PodCounts, ...]:
    return tuple(PodCounts(pod=one.pod, n=one.n, x=(one.x,)) for one in pods)


def _measured(known: Labelled, *, pods: tuple[PodCounts, ...]) -> Labelled:
    (spread,) = intervals.widened((known.spread,), pods=pods)
    return replace(known, spread=spread)


def settled(known: Labelled, *, rule: Late) -> Labelled:
    """Learn from cohorts to which nothing comes any more, and forget them."""
    final_seconds = maturity(known, rule=rule).final_seconds
    starts = sorted(
        start
        for start in {*known.candidate, *known.stable}
        if known.at - (start + rule.cohort_seconds) >= final_seconds
    )
    for start in starts:
        pods = (known.stable if known.controlled else known.candidate).get(start, ())
        counts = cohorts.summed(pods)
        if start not in known.tested and counts.n > 0:
            known = _measured(known, pods=_pods(pods))
        known = replace(
            known,
            predictions=known.predictions + counts.predictions,
            labels=known.labels + counts.labelled,
        )
    if not starts:
        return known
    gone = frozenset(starts)
    return replace(
        known,
        final=known.final | gone,
        candidate={start: pods for start, pods in known.candidate.items() if start not in gone},
        stable={start: pods for start, pods in known.stable.items() if start not in gone},
    )
