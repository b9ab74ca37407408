"""The observations of one feature by candidate and stable, added up over intervals.

What is kept tells how the arms differ, and how that changes from one stretch of time to the next.
Source: evidence.md, 10.1; ADR 0062.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts.binned import in_groups
from tidegate.evidence.counts.rows import Bins
from tidegate.evidence.drift.packed import Packed

MAX_SEGMENTS = 32
MAX_PODS = 16  # of an arm, one by one; those that come later are put together
MOST_OF_REFERENCE = 10.0

ByBin = Mapping[str, float]
ByPod = Mapping[str, ByBin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Some intervals together: how the arms differ in each bin, and what chance alone would do.

    `w` is n_c n_s / (n_c + n_s), summed over intervals; `gaps` by bin are differences of shares times
    it, and `variances` those of the gaps if every observation were independent and the arms alike.
    """

    w: float
    gaps: ByBin
    variances: ByBin

    def plus(self, other: Segment) -> Segment:
        """Both together."""
        return Segment(
            w=self.w + other.w,
            gaps=plus(self.gaps, other.gaps),
            variances=plus(self.variances, other.variances),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Observations of one feature by bin and by pod, in the intervals in which both arms had some.

    `due` is what the candidate would have observed with stable's mix of the same interval, `nn` the
    sum of n_c² / n_s. `segments` are of `length` intervals each, but for the last one, which has `open`.
    """

    candidate: ByPod = field(default_factory=dict)
    stable: ByPod = field(default_factory=dict)
    due: ByBin = field(default_factory=dict)
    nn: float = 0.0
    rows: int = 0
    segments: tuple[Segment, ...] = ()
    length: int = 1
    open: int = 0

    @property
    def both(self) -> tuple[ByBin, ByBin]:
        """Observations of stable, in the proportions that are due, and of the candidate.

        As many of stable as tell the same: all of them while the arms' shares of traffic last.
        """
        current = _summed(self.candidate)
        n_c = math.fsum(current.values())
        scale = n_c / self.nn if self.nn > 0 else 0.0
        return {label: count * scale for label, count in self.due.items()}, current


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Names of the pods of both arms, in the order in which bins count them."""

    candidate: Sequence[str]
    stable: Sequence[str]


def added(mix: Mix, *, candidate: Bins | None, stable: Bins | None, pods: Pods) -> Mix:
    """The mix after one more interval."""
    mine, theirs = _by_pod(candidate, pods=pods.candidate), _by_pod(stable, pods=pods.stable)
    c, s = _summed(mine), _summed(theirs)
    n_c, n_s = math.fsum(c.values()), math.fsum(s.values())
    if n_c <= 0 or n_s <= 0:
        return mix
    due = {label: n_c * count / n_s for label, count in s.items()}
    after = replace(
        mix,
        candidate=_together(mix.candidate, mine),
        stable=_together(mix.stable, theirs),
        due=plus(mix.due, due),
        nn=mix.nn + n_c * n_c / n_s,
        rows=mix.rows + 1,
    )
    return _with_segment(after, _segment(c, s, n_c=n_c, n_s=n_s))


def observed(mix: Mix, *, candidate: Bins | None, pods: Sequence[str]) -> Mix:
    """The mix after one more interval of the candidate alone, to be held `beside` a fixed reference.

    How it changes from one stretch to the next is what it differs by from its own whole; what chance
    would do is not known before that.
    """
    mine = _by_pod(candidate, pods=pods)
    c = _summed(mine)
    n = math.fsum(c.values())
    if n <= 0:
        return mix
    after = replace(mix, candidate=_together(mix.candidate, mine), rows=mix.rows + 1)
    return _with_segment(after, Segment(w=n, gaps=Packed(c), variances={}))


def beside(mix: Mix, *, reference: ByBin) -> Mix:
    """The mix of the candidate alone with what it is held against.

    Training data clump, too, and nobody measured how: a reference counts as `MOST_OF_REFERENCE` times
    the candidate's observations at most, so that no profile passes for exact.
    """
    current = _summed(mix.candidate)
    n_c, n = math.fsum(current.values()), math.fsum(reference.values())
    due = {label: n_c * count / n for label, count in reference.items()}
    chances = {label: count / n_c * (1 - count / n_c) for label, count in current.items()}
    segments = tuple(_by_chance(one, chances=chances, n=n_c) for one in mix.segments)
    return replace(mix, due=due, nn=n_c * n_c / _counted(n, n_c=n_c), segments=segments)


def _by_chance(one: Segment, *, chances: ByBin, n: float) -> Segment:
    """The stretch with what chance alone would do in it.

    By the whole mix, not by its own: a stretch that is full of one client shows no variance itself.
    """
    return replace(
        one, variances={it: one.w * chance * unbiased(n) for it, chance in chances.items()}
    )


def of_reference(reference: ByBin, *, n_c: float) -> ByBin:
    """A fixed reference as it is compared with so many observations: what `both` gives of it."""
    n = math.fsum(reference.values())
    counted = _counted(n, n_c=n_c)
    return {label: count * counted / n for label, count in reference.items()}


def _counted(n: float, *, n_c: float) -> float:
    return min(n, MOST_OF_REFERENCE * n_c)


def _segment(c: ByBin, s: ByBin, *, n_c: float, n_s: float) -> Segment:
    w, n = n_c * n_s / (n_c + n_s), n_c + n_s
    pooled = {label: count / n for label, count in plus(c, s).items()}
    return Segment(
        w=w,
        gaps=Packed({it: w * (c.get(it, 0.0) / n_c - s.get(it, 0.0) / n_s) for it in pooled}),
        variances=Packed(
            {it: w * share * (1 - share) * unbiased(n) for it, share in pooled.items()}
        ),
    )


def _with_segment(mix: Mix, one: Segment) -> Mix:
    """One more interval; where there are too many segments, each two neighbours become one."""
    if 0 < mix.open < mix.length:
        segments = (*mix.segments[:-1], mix.segments[-1].plus(one))
        return replace(mix, segments=segments, open=mix.open + 1)
    segments = (*mix.segments, one)
    if len(segments) <= MAX_SEGMENTS:
        return replace(mix, segments=segments, open=1)
    fewer = joined(segments[:-1], 2)
    return replace(mix, segments=(*fewer, one), length=2 * mix.length, open=1)


def joined(segments: Sequence[Segment], many: int) -> tuple[Segment, ...]:
    """So many neighbours as one each; what is left at the end is a smaller one."""
    groups = (segments[at : at + many] for at in range(0, len(segments), many))
    return tuple(functools.reduce(Segment.plus, group) for group in groups)


def unbiased(n: float) -> float:
    """Factor from the variance of a sample of n to that of its population."""
    return n / (n - 1) if n > 1 else 1.0


def _by_pod(table: Bins | None, *, pods: Sequence[str]) -> ByPod:
    if table is None:
        return {}
    rows = zip(pods, table.counts, strict=True)
    return {pod: dict(zip(table.labels, counts, strict=True)) for pod, counts in rows}


def _together(known: ByPod, more: ByPod) -> ByPod:
    """The sums by pod. Pods come and go for as long as a step lasts, and some of them tell enough."""
    found = dict(known)
    for pod, counts in more.items():
        name = pod if pod in found or len(found) < MAX_PODS else in_groups(pod)
        found[name] = plus(found.get(name, {}), counts)
    return found


def plus(one: ByBin, other: ByBin) -> ByBin:
    """The sums, with every bin that one of them has."""
    labels = dict.fromkeys((*one, *other))
    return Packed({label: one.get(label, 0.0) + other.get(label, 0.0) for label in labels})


def _summed(arm: ByPod) -> ByBin:
    """All pods of an arm, with every label that one of them has."""
    found: dict[str, float] = {}
    for counts in arm.values():
        for label, count in counts.items():
            found[label] = found.get(label, 0.0) + count
    return found
