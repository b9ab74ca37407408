"""Predictions of one time and their labels: when they may be compared.

    >>> found = cohort_rows(counters, candidate=new, stable=old, now=now, maturity=maturity,
    ...                     phi=dispersion.given(1.0))
    >>> relative.compare([row.stream for row in found.rows], theta0=1.1, restart=(1.0,))

Labels come late and not at random: what is hard to tell is told later. So predictions of the same hour
are compared at the same age, once most of their labels have come.
Source: evidence.md, 11.1; ADR 0077.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import PodLabels, Stream

MIN_SHARE = 0.8  # of the usual volume of labels
_BARELY = 1e-9  # shares are quotients of whole numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """One revision in one cohort: predictions, labels that have come, and x bad events out of n.

    Units: counts; 0 <= x <= n <= labelled.
    """

    predictions: float
    labelled: float
    n: float
    x: float

    def __post_init__(self) -> None:
        assert 0 <= self.x <= self.n <= self.labelled < math.inf, self


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """When a cohort counts: its youngest prediction is old enough and most labels are in.

    `usual_share` of the predictions get a label in the end; 1 where nothing is known of it, as then
    nobody can say that enough have come before nearly all have.

    Units: seconds; shares from 0 to 1.
    """

    label_delay_seconds: float
    cohort_seconds: float = 3600.0
    usual_share: float = 1.0
    min_share: float = MIN_SHARE

    @property
    def final_seconds(self) -> float:
        """The age at which no more labels are waited for."""
        delay = self.label_delay_seconds
        return max(2 * delay, delay + self.cohort_seconds)


class State(enum.StrEnum):
    """Whether a cohort may be compared, and what it lacks."""

    RIPE = "Ripe"
    YOUNG = "Young"
    FEW = "Few"  # labels of either revision
    FEW_OF_CANDIDATE = "FewOfCandidate"
    FEW_OF_STABLE = "FewOfStable"
    UNKNOWN = "Unknown"  # more labels than predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRow:
    """Both revisions over the predictions of one cohort, at one age.

    Units: start in unix seconds; age since the last prediction of the cohort.
    """

    start: float
    age_seconds: float
    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """Rows to test, oldest first, and by their starts the cohorts that are not ripe yet."""

    rows: tuple[CohortRow, ...]
    immature: Mapping[float, State]


def summed(pods: Iterable[PodLabels]) -> LabelCounts:
    """All pods of one revision together."""
    found = tuple(pods)
    return LabelCounts(
        predictions=math.fsum(one.predictions for one in found),
        labelled=math.fsum(one.labelled for one in found),
        n=math.fsum(one.n for one in found),
        x=math.fsum(one.x for one in found),
    )


def age(start: float, *, now: float, maturity: Maturity) -> float:
    """Seconds since the last prediction of a cohort; negative while it goes on."""
    return now - (start + maturity.cohort_seconds)


def state(
    start: float,
    *,
    candidate: LabelCounts,
    stable: LabelCounts | None,
    now: float,
    maturity: Maturity,
) -> State:
    """Whether a cohort may be compared at an instant; without `stable` the candidate stands alone.

    Each revision must have its labels: who has fewer of them has other ones.
    Source: evidence.md, 11.1.
    """
    if age(start, now=now, maturity=maturity) < maturity.label_delay_seconds:
        return State.YOUNG
    arms = [candidate] if stable is None else [candidate, stable]
    if any(one.labelled > one.predictions for one in arms):
        return State.UNKNOWN
    few = [not _has_most(one, maturity=maturity) for one in arms]
    if not any(few):
        return State.RIPE
    if all(few):
        return State.FEW
    return State.FEW_OF_CANDIDATE if few[0] else State.FEW_OF_STABLE


def cohort_rows(
    counters: Mapping[str, Mapping[float, LabelCounts]],
    *,
    candidate: str,
    stable: str,
    now: float,
    maturity: Maturity,
    phi: Phi,
) -> Cohorts:
    """Candidate against stable over predictions of the same time at the same age.

    Cohorts that only one revision served are left out. The caller keeps the first row of a cohort:
    labels that come after it change nothing.

    Shapes: counters by revision, then by start of the cohort, all read at `now`.
    Units:  unix seconds; phi divides the log evidence of every row.
    Source: evidence.md, 11.1.
    """
    mine, theirs = counters.get(candidate, {}), counters.get(stable, {})
    rows, immature = [], {}
    for start in sorted(mine.keys() & theirs.keys()):
        ours, other = mine[start], theirs[start]
        found = state(start, candidate=ours, stable=other, now=now, maturity=maturity)
        if found is State.RIPE:
            stream = Stream(n_c=ours.n, x_c=ours.x, n_s=other.n, x_s=other.x, phi=phi)
            old = age(start, now=now, maturity=maturity)
            rows.append(CohortRow(start=start, age_seconds=old, stream=stream))
        else:
            immature[start] = found
    return Cohorts(rows=tuple(rows), immature=immature)


def _has_most(counts: LabelCounts, *, maturity: Maturity) -> bool:
    due = maturity.min_share * maturity.usual_share * counts.predictions
    return counts.labelled > 0 and counts.labelled >= due - _BARELY
