"""What one look at a revision that serves says of one metric with limits, below or above a value.

A breach has to last: so many of the last looks break the limit by themselves (`breachAfter`, as in a
rollout), and all that was counted in the window is beyond it by more than chance and clumps explain. The
chance of a false alarm is that of `serving`: each look of each metric has its share of a week's. A plain
value has no counts, so that the looks alone decide.

It ends when every look of a whole window was within the limit. Missing data begin no breach and end none.
Source: evidence.md, 5 and 10; von Neumann 1941; ADR 0037.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate import model
from tidegate.evidence.counts import dispersion, histograms
from tidegate.evidence.counts.binned import ALL
from tidegate.evidence.counts.dispersion import upper_limit
from tidegate.evidence.drift.mixes import ByBin
from tidegate.evidence.drift.slices import Slices
from tidegate.evidence.terms import Latency, Problem, Ratio, Reason, Template, Throughput
from tidegate.evidence.verdict import serving
from tidegate.evidence.verdict.serving import LEAST_SLICES, Look
from tidegate.model import Outcome

BAD, OTHER = "bad", "other"  # the bins of a ratio
REQUESTS, PODS = "requests", "pods"  # those of a throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(serving.Slicing):
    """How a limit is watched: `failures` of the last `out_of` looks have to break it.

    What is counted has to be `min_samples` at the least.
    """

    threshold: model.Threshold
    template: Template
    failures: int
    out_of: int
    min_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is known of one metric. Nothing was beyond its limit since `sound_from`, if that is one.

    What is counted stands in `slices`; plain `values` with the unix seconds of their look.
    """

    slices: Slices = field(default_factory=Slices)
    values: tuple[tuple[float, float], ...] = ()
    sound_from: float | None = None

    @property
    def ends(self) -> tuple[float, ...]:
        """When each look was, the oldest first."""
        return self.slices.ends or tuple(at for at, _ in self.values)

    def added(self, observed: ByBin | float, *, at: float, after: float) -> Served:
        """With one more slice or value, and without those that are no younger than `after`."""
        if isinstance(observed, float):
            kept = tuple(one for one in self.values if one[0] > after)
            return replace(self, slices=Slices(), values=(*kept, (at, observed)))
        return replace(
            self, slices=self.slices.added({ALL: observed}, at=at, after=after), values=()
        )


def looked(
    known: Served, *, observed: ByBin | float | Problem, at: float, way: Way
) -> tuple[Served, Look]:
    """The state and the finding after what the last slice has shown; `at` in unix seconds.

    A slice without data changes nothing that is known.
    """
    if isinstance(observed, Problem):
        return known, serving.unseen(observed)
    added = known.added(observed, at=at, after=at - way.window_seconds)
    seen = _seen(added, way=way)
    if isinstance(seen, Problem):
        return replace(added, sound_from=None), serving.unseen(seen)
    sound_from = serving.sound_from(known.sound_from, ends=added.ends, at=at - way.slice_seconds)
    after = replace(added, sound_from=None if seen.is_beyond else sound_from)
    look = _breach(seen) if seen.is_proven else _no_breach(seen, known=after, way=way)
    return after, replace(look, value=seen.value)


def _breach(seen: _Seen) -> Look:
    return Look(outcome=Outcome.FAIL, reason=seen.reason, message=seen.text)


def _no_breach(seen: _Seen, *, known: Served, way: Way) -> Look:
    first, now = known.ends[0], known.ends[-1]
    watched_seconds = now - first + way.slice_seconds
    is_whole = known.sound_from is not None and now - known.sound_from >= way.window_seconds
    if not is_whole and watched_seconds < way.window_seconds and not seen.is_beyond:
        return serving.early(watched_seconds, window_seconds=way.window_seconds, text=seen.text)
    if seen.n < way.min_samples:
        text = f"{way.min_samples} are needed (minSamples); {seen.text}"
        return serving.undecided(Reason.INSUFFICIENT, text)
    if not is_whole:
        return serving.undecided(Reason.UNDECIDED, seen.text)
    return Look(outcome=Outcome.PASS, reason=Reason.NO_HARM_FOUND, message=seen.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A window: its value in the unit of the limit, from `n` events, and how it is to be told.

    It may be beyond the limit without being proven to be.
    """

    value: float
    n: float
    is_beyond: bool
    is_proven: bool
    reason: Reason
    text: str


def _seen(known: Served, *, way: Way) -> _Seen | Problem:
    window = known.slices.each(ALL)
    match way.template.measure:
        case Ratio():
            return _ratio(window, way=way)
        case Latency() as measure:
            return _latency(window, measure=measure, way=way)
        case Throughput():
            return _throughput(window, way=way)
        case _:
            return _plain([value for _, value in known.values], way=way)


def _lasts(breaks: Sequence[bool], *, way: Way) -> tuple[bool, str]:
    """Whether enough of the last looks break the limit by themselves, and how many did."""
    last = breaks[-way.out_of :]
    return sum(last) >= way.failures, f"{sum(last)} of the last {len(last)} looks"


# --- what is counted out of n --------------------------------------------------------------------


def _ratio(window: Sequence[ByBin], *, way: Way) -> _Seen:
    events = [(one.get(BAD, 0.0) + one.get(OTHER, 0.0), one.get(BAD, 0.0)) for one in window]
    n, x = _sums(events)
    share = x / n
    threshold = way.threshold
    is_above = threshold.max is not None
    limit = threshold.max if threshold.max is not None else threshold.min
    assert limit is not None, way
    side = "above" if is_above else "below"
    is_beyond = threshold.broken_by(share)
    text = f"{share:.3g} is {side} {limit:g}" if is_beyond else f"{share:.3g}, limit {limit:g}"
    return _counted(
        events, limit=limit, is_above=is_above, is_beyond=is_beyond, value=share, text=text, way=way
    )


def _latency(window: Sequence[ByBin], *, measure: Latency, way: Way) -> _Seen | Problem:
    """A quantile above the limit is a share above it that is larger than what is left of 1."""
    limit = way.threshold.max
    assert limit is not None, way
    labels = {label for one in window for label in one}
    edges = {
        label: edge * measure.unit_seconds
        for label in labels
        if (edge := histograms.edge_from(label)) is not None
    }
    if math.inf not in edges.values():
        return Problem(reason=Reason.NO_DATA, message="no bucket le=+Inf, so no request is counted")
    finite = sorted(edge for edge in edges.values() if 0 < edge < math.inf)
    decisive = histograms.edge_at_or_above(finite, limit=limit)
    if decisive is None:
        most = f"{finite[-1]:g} s" if finite else "none"
        message = f"the limit {limit:g} s lies above the largest bucket edge: {most}"
        return Problem(reason=Reason.SATURATED, message=message)
    events = [
        (
            math.fsum(one.values()),
            math.fsum(count for label, count in one.items() if edges.get(label, 0.0) > decisive),
        )
        for one in window
    ]
    n, slow = _sums(events)
    allowed = 1 - measure.quantile
    quantile = _quantile(window, edges=edges, q=measure.quantile)
    text = f"{slow / n:.3g} of requests took longer than {decisive:g} s, {allowed:.3g} may"
    return _counted(
        events,
        limit=allowed,
        is_above=True,
        is_beyond=slow / n > allowed,
        value=quantile,
        text=text,
        way=way,
    )


def _quantile(window: Sequence[ByBin], *, edges: Mapping[str, float], q: float) -> float:
    """As people know it; in seconds."""
    finite = sorted((edge, label) for label, edge in edges.items() if math.isfinite(edge))
    each = [math.fsum(one.get(label, 0.0) for one in window) for _, label in finite]
    histogram = histograms.Histogram(
        edges=tuple(edge for edge, _ in finite),
        at_most=tuple(itertools.accumulate(each)),
        total=math.fsum(count for one in window for count in one.values()),
    )
    return histograms.quantile(histogram, q=q).seconds


def _sums(events: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return math.fsum(n for n, _ in events), math.fsum(x for _, x in events)


def _counted(
    events: Sequence[tuple[float, float]],
    *,
    limit: float,
    is_above: bool,
    is_beyond: bool,
    value: float,
    text: str,
    way: Way,
) -> _Seen:
    """X out of n in each slice, held against a limit of the share."""
    n, _ = _sums(events)
    breaks = [x / m > limit if is_above else x / m < limit for m, x in events if m > 0]
    lasts, looks = _lasts(breaks, way=way)
    enough = lasts and n >= way.min_samples and len(events) >= LEAST_SLICES
    return _Seen(
        value=value,
        n=n,
        is_beyond=is_beyond,
        is_proven=is_beyond
        and enough
        and by_chance(events, limit=limit, deff=clumps(events), is_above=is_above) <= way.alpha,
        reason=Reason.SLO_BREACH,
        text=f"{text}; beyond it in {looks} (n={n:.0f})",
    )


def clumps(events: Sequence[tuple[float, float]]) -> float:
    """By how much more slices of n and x bad events differ than chance lets them; at least three."""
    from tidegate.evidence.drift import moves  # noqa: PLC0415  (SciPy, of which few need to wait)

    bins = [{BAD: x, OTHER: max(0.0, m - x)} for m, x in events]
    return moves.effect_of_neighbours(serving.mix_of(bins))


def by_chance(
    events: Sequence[tuple[float, float]], *, limit: float, deff: float, is_above: bool
) -> float:
    """The chance of a share so far beyond a limit that is just kept; `deff` events come as one.

    Units: a probability, by the binomial distribution.
    """
    from scipy import special  # noqa: PLC0415  (of which few need to wait)

    n, x = (total / deff for total in _sums(events))
    if is_above:
        return float(special.betainc(x, n - x + 1, limit))
    return float(special.betaincc(x + 1, n - x, limit))


# --- what is counted in time ---------------------------------------------------------------------


def _throughput(window: Sequence[ByBin], *, way: Way) -> _Seen:
    """Requests per second, of each pod where they are counted by pod. None at all are too few, too."""
    least = way.threshold.min
    assert least is not None, way
    counts = [one.get(REQUESTS, 0.0) for one in window]
    due = [least * way.slice_seconds * one.get(PODS, 1.0) for one in window]
    n, wanted = math.fsum(counts), math.fsum(due)
    speed = least * n / wanted
    breaks = [count < one for count, one in zip(counts, due, strict=True)]
    lasts, looks = _lasts(breaks, way=way)
    is_beyond = n < wanted
    chance = 1.0
    if is_beyond and lasts and len(window) >= LEAST_SLICES:
        chance = _so_few(counts, due=wanted)
    limit = f"is below {least:g}" if is_beyond else f"limit {least:g}"
    return _Seen(
        value=speed,
        n=math.inf,  # that there are few is what is looked for
        is_beyond=is_beyond,
        is_proven=chance <= way.alpha,
        reason=Reason.SLO_BREACH,
        text=f"{speed:.3g} requests/s, {limit}; below it in {looks}",
    )


def _so_few(counts: Sequence[float], *, due: float) -> float:
    """The chance of so few requests where just enough are due, by the Poisson distribution."""
    from scipy import special  # noqa: PLC0415  (of which few need to wait)

    deff = _clumps(counts)
    return float(special.gammaincc(math.fsum(counts) / deff + 1, due / deff))


def _clumps(counts: Sequence[float]) -> float:
    """By how much more neighbours in time differ than chance lets them, but for a step."""
    changes = [after - before for before, after in itertools.pairwise(counts)]
    squares = [changes[at] ** 2 / 2 for at in dispersion.calm([[one] for one in changes])]
    mean = math.fsum(counts) / len(counts)
    if mean <= 0:
        return 1.0
    estimate = math.fsum(squares) / len(squares) / mean
    return max(1.0, upper_limit(estimate, df=len(squares) * 2 / 3))


# --- what is one number --------------------------------------------------------------------------


def _plain(values: Sequence[float], *, way: Way) -> _Seen:
    """Without counts there is no chance to speak of: k of the last n looks."""
    breaks = [way.threshold.broken_by(value) for value in values]
    lasts, looks = _lasts(breaks, way=way)
    limits = " and ".join(
        f"{word} {limit:g}"
        for word, limit in (("at least", way.threshold.min), ("at most", way.threshold.max))
        if limit is not None
    )
    return _Seen(
        value=values[-1],
        n=math.inf,
        is_beyond=lasts,
        is_proven=lasts,
        reason=Reason.LIMIT,
        text=f"{values[-1]:g}, {limits} is asked for; beyond it in {looks}",
    )
