"""How strongly bad events clump, measured on the pods of the stable revision.

Errors come in bursts: retries, one client, one bad node. A test that counts them as independent
rolls healthy releases back, so every log factor is divided by the dispersion phi. What lasts longer
than an interval, or befalls all pods of a version together, is in no single interval: phi is
measured over growing blocks of them, over all of them, and between neighbours, too.
Source: evidence.md, 3.3; ADR 0025.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

MIN_DF = 30
ASSUMED = 10.0
LEVELS = 6  # blocks of 2, 4, ... 64 intervals
_UPPER_95 = 1.645
_MIN_BLOCK_DF = 6  # below it a block says little, and all intervals together say the same
_MIN_WHOLE = 16  # intervals
_MIN_CHANGES = 30
_LARGEST = 9.0  # times the mean: so much a single change between neighbours may count
_BEYOND_CHANCE = 6.0  # standard deviations

Block = Mapping[str, tuple[float, float]]  # by pod: bad events, and its fair part of all of them


class PhiSource(enum.StrEnum):
    """Where a dispersion comes from. Only `UNMEASURED` may not roll back by itself."""

    MEASURED = "Measured"
    GIVEN = "Given"
    UNMEASURED = "Unmeasured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phi:
    """Dispersion to divide log factors by. `value` >= 1; df counts pods beyond the first."""

    value: float
    df: int
    source: PhiSource

    @property
    def trusted(self) -> bool:
        """True when evidence divided by it may roll back."""
        return self.source is not PhiSource.UNMEASURED


def given(value: float) -> Phi:
    """A dispersion that a policy or a replay supplies; never below 1."""
    return Phi(value=max(1.0, value), df=0, source=PhiSource.GIVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Blocks of one length: what the complete ones have shown, and the first half of the next."""

    weighted: float = 0.0  # sum of M * X2 / (K - 1)
    events: float = 0.0  # sum of M
    df: int = 0  # sum of K - 1
    half: Block | None = None

    def plus(self, block: Block) -> Level:
        """The level after one more block; its first half is used up."""
        events, chi_squared, df = _spread_of(block)
        if df <= 0:
            return replace(self, half=None)
        return Level(
            weighted=self.weighted + events * chi_squared / df,
            events=self.events + events,
            df=self.df + df,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How much stable's rate changes from one interval to the next, in units of chance."""

    mean: float = 1.0
    count: int = 0
    n: float = 0.0  # of the last interval
    x: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What intervals have shown so far; enough to go on without the intervals themselves.

    `burst` is the most bad events of one pod in one interval beyond what chance explains; `total`
    are all requests and bad events.
    """

    weighted: float = 0.0  # sum of M * X2 / (K - 1) over single intervals
    events: float = 0.0  # sum of M
    df: int = 0  # sum of K - 1
    levels: tuple[Level, ...] = (Level(),) * LEVELS
    whole: Block = field(default_factory=dict)
    intervals: int = 0
    changes: Changes = field(default_factory=Changes)
    burst: float = 0.0
    total: tuple[float, float] = (0.0, 0.0)

    def phi(self, *, min_df: int = MIN_DF, assumed: float = ASSUMED) -> Phi:
        """The largest of all that was measured, or the assumed one while pods say too little.

        Of single intervals it is the upper 95 % limit; of all else, too, where that shows more than
        they do and chance, else the estimate.
        """
        unmeasured = self.df < min_df or self.events <= 0
        single = max(1.0, self.estimate)
        limits = [max(1.0, self.burst)]
        for estimate, df in self._longer():
            upper = upper_limit(estimate, df=df)
            limits.append(upper if estimate > upper_limit(single, df=df) else estimate)
        if unmeasured:
            value = max(assumed, *limits)
            return Phi(value=value, df=self.df, source=PhiSource.UNMEASURED)
        value = max(upper_limit(self.estimate, df=self.df), *limits)
        return Phi(value=value, df=self.df, source=PhiSource.MEASURED)

    @property
    def estimate(self) -> float:
        """Dispersion over pods within single intervals, weighted by events; 0 without any."""
        return self.weighted / self.events if self.events > 0 else 0.0

    @property
    def longest(self) -> float:
        """The largest estimate of what lasts beyond an interval; 1 where none is known."""
        return max((estimate for estimate, _ in self._longer()), default=1.0)

    def _longer(self) -> Iterator[tuple[float, float]]:
        """Estimates that see what lasts or befalls all pods at once, with degrees of freedom."""
        for one in self.levels:
            if one.df >= _MIN_BLOCK_DF and one.events > 0:
                yield one.weighted / one.events, one.df
        _, chi_squared, df = _spread_of(self.whole)
        if self.intervals >= _MIN_WHOLE and df > 0:
            yield chi_squared / df, df
        if self.changes.count >= _MIN_CHANGES:
            # Neighbouring changes share an interval, so that they tell as much as two thirds.
            yield self.changes.mean, 2 * self.changes.count / 3


def upper_limit(estimate: float, *, df: float) -> float:
    """The upper 95 % limit of a dispersion that was estimated with so many degrees of freedom."""
    return estimate * (1 + _UPPER_95 * math.sqrt(2 / df))


def calm(changes: Sequence[Sequence[float]]) -> list[int]:
    """Which of the changes from one stretch of time to the next are no step; the first is 0.

    What lasts is no clump: a step makes one change larger than all others, or two in one direction
    where it falls within a stretch. At least one is left of two or more.
    Shapes: changes (neighbours, values), in units of chance.
    """
    sizes = [math.fsum(it * it for it in one) for one in changes]
    step = {most := max(range(len(sizes)), key=sizes.__getitem__)}
    onward = [
        at
        for at in (most - 1, most + 1)
        if 0 <= at < len(sizes) and _alike(changes[at], changes[most])
    ]
    if onward and len(sizes) > 2:
        step.add(max(onward, key=sizes.__getitem__))
    return [at for at in range(len(sizes)) if at not in step]


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two changes go in one direction."""
    return math.fsum(it * its for it, its in zip(one, other, strict=True)) > 0


def _spread_of(block: Block) -> tuple[float, float, int]:
    """All bad events of a block, Pearson's statistic over its pods, and its degrees of freedom."""
    pods = [(bad, fair) for bad, fair in block.values() if fair > 0]
    chi_squared = math.fsum((bad - fair) ** 2 / fair for bad, fair in pods)
    return math.fsum(bad for bad, _ in pods), chi_squared, len(pods) - 1


def widen(
    spread: Spread, *, n: Sequence[float], x: Sequence[float], pods: Sequence[str] = ()
) -> Spread:
    """The spread after one more interval with n requests and x bad events per stable pod.

    An interval without bad events or with fewer than two pods that had requests says nothing of
    the spread over pods.
    Shapes: n, x and pods (pods,); without names the order says which pod is which.
    """
    names = pods or [f"{number}" for number in range(len(n))]
    counted = [(name, one, bad) for name, one, bad in zip(names, n, x, strict=True) if one > 0]
    requests = math.fsum(one for _, one, _ in counted)
    events = math.fsum(bad for _, _, bad in counted)
    if requests <= 0:
        return spread
    total = (spread.total[0] + requests, spread.total[1] + events)
    spread = replace(
        spread,
        total=total,
        changes=_changed(spread.changes, n=requests, x=events, rate=total[1] / total[0]),
    )
    if events <= 0:
        return spread
    burst = max(
        _beyond_chance(one, bad, n=requests, x=events, spread=spread) for _, one, bad in counted
    )
    spread = replace(spread, burst=max(spread.burst, burst))
    if len(counted) < 2:
        return spread
    return _over_pods(spread, {name: (bad, events * one / requests) for name, one, bad in counted})


def widen_shares(spread: Spread, *, requests: Mapping[str, float]) -> Spread:
    """The spread of requests themselves over pods that should get equal parts of them."""
    total = math.fsum(requests.values())
    if len(requests) < 2 or total <= 0:
        return spread
    return _over_pods(spread, {pod: (n, total / len(requests)) for pod, n in requests.items()})


def _over_pods(spread: Spread, block: Block) -> Spread:
    events, chi_squared, df = _spread_of(block)
    levels = list(spread.levels)
    carried = block
    for index, level in enumerate(levels):
        if level.half is None:
            levels[index] = replace(level, half=carried)
            break
        carried = _together(level.half, carried)
        levels[index] = level.plus(carried)
    return replace(
        spread,
        weighted=spread.weighted + events * chi_squared / df,
        events=spread.events + events,
        df=spread.df + df,
        levels=tuple(levels),
        whole=_together(spread.whole, block),
        intervals=spread.intervals + 1,
    )


def _together(first: Block, second: Block) -> Block:
    found = dict(first)
    for name, (bad, fair) in second.items():
        known = found.get(name, (0.0, 0.0))
        found[name] = (known[0] + bad, known[1] + fair)
    return found


def _changed(known: Changes, *, n: float, x: float, rate: float) -> Changes:
    """One more squared change of the rate, over what chance alone would give it.

    A jump, as by an incident of everybody, counts little: it is no clump of single events.
    """
    if known.n <= 0 or rate <= 0:
        return replace(known, n=n, x=x)
    by_chance = rate * (1 / n + 1 / known.n)
    change = (x / n - known.x / known.n) ** 2 / by_chance
    counted = min(change, _LARGEST * max(1.0, known.mean))
    mean = known.mean + (counted - known.mean) / (known.count + 1)
    return Changes(mean=mean, count=known.count + 1, n=n, x=x)


def _beyond_chance(one: float, bad: float, *, n: float, x: float, spread: Spread) -> float:
    """Bad events of a pod beyond those that the others and the past let expect, and chance."""
    others = (x - bad) * one / (n - one) if n > one else 0.0
    fair = max(others, spread.total[1] / spread.total[0] * one)
    clumps = max(1.0, spread.estimate, spread.changes.mean)
    return bad - fair - _BEYOND_CHANCE * math.sqrt(fair * clumps)


def dispersion(
    n: Sequence[Sequence[float]],
    *,
    x: Sequence[Sequence[float]],
    min_df: int = MIN_DF,
    assumed: float = ASSUMED,
) -> Phi:
    """Dispersion of bad events over stable pods, weighted by events, never below 1.

    Shapes: n and x (intervals, pods), ragged: each interval has its own pods.
    Units:  requests and bad events; `assumed` is used while df < min_df.
    Source: evidence.md, 3.3; ADR 0025.
    """
    spread = Spread()
    for requests, bad in zip(n, x, strict=True):
        spread = widen(spread, n=requests, x=bad)
    return spread.phi(min_df=min_df, assumed=assumed)
