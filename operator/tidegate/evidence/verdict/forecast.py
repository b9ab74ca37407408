"""What a rollout will find in what time, by the tests that will run on rows as they are expected.

Planned intervals go through the same power and the same proofs as real ones: nothing is fitted here.
Units: seconds, infinite where something never comes; rates and weights from 0 to 1.
Source: ADR 0028; evidence.md, 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.early import WINDOWS
from tidegate.evidence.counts.grid import LATE_SECONDS
from tidegate.evidence.counts.rows import Counts
from tidegate.evidence.sequential import eprocess, power, unusual
from tidegate.evidence.sequential.eprocess import Side
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.sequential.power import Stretch
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import harm

MEDIAN = 0.5
LONGEST = 365 * 86400.0
_PRECISION = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What stable showed of one metric before the rollout.

    Units: rate of bad requests (0 to 1) at the decisive stream; requests per second.
    """

    bad_rate: float
    requests_per_second: float
    phi: Phi


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How often is counted. Units: seconds of an interval, and between scrapes."""

    interval_seconds: float
    scrape_seconds: float

    @property
    def delay_seconds(self) -> float:
        """Until what has happened is judged."""
        return self.scrape_seconds + LATE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A candidate with this rate of bad requests is found half of the time within so many seconds."""

    rate: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricForecast:
    """One metric in one step: what it finds, and when a healthy candidate passes, and why."""

    name: str
    past: Past
    finds: tuple[Finding, ...]
    passes_seconds: float
    passes_by: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForecast:
    """One step: its metrics, when it passes, and when an outage of the candidate is found.

    `ahead` is what it was worked out from, to ask what would change it.
    """

    step: model.Stage
    metrics: tuple[MetricForecast, ...]
    passes_seconds: float
    outage_seconds: float
    ahead: tuple[Ahead, ...] = ()

    @property
    def passes_in_time(self) -> bool:
        """Whether a healthy candidate passes before the deadline."""
        return self.passes_seconds <= self.step.deadline_seconds


def forecast(
    plan: Sequence[model.Stage],
    *,
    pasts: Mapping[str, Past],
    config: EvidenceConfig,
    clock: Clock,
) -> tuple[StepForecast, ...]:
    """What the steps find, one after the other; each lasts until a healthy candidate passes it.

    Stages that time ends or limits judge, metrics without a past, and those that are not compared with stable, are
    left out.
    """
    rules = [
        rule
        for rule in config.metrics
        if rule.guard and rule.compare is not None and rule.name in pasts
    ]
    before: dict[str, tuple[Stretch, ...]] = {rule.name: () for rule in rules}
    found: list[StepForecast] = []
    for step in (it for it in plan if is_planned(it)):
        ahead = {
            rule.name: Ahead(
                rule=rule,
                past=pasts[rule.name],
                step=step,
                config=config,
                clock=clock,
                before=before[rule.name],
            )
            for rule in rules
        }
        one = _step(step, ahead=tuple(ahead.values()))
        found.append(one)
        lasts = min(one.passes_seconds, step.deadline_seconds)
        for name, metric in ahead.items():
            before[name] = (*before[name], metric.stretch(lasts))
    return tuple(found)


def is_planned(stage: model.Stage) -> bool:
    """The stage is to prove something beside stable, whose history says how long that takes."""
    return stage.needs_proof and stage.control is model.Control.CONCURRENT


def _step(step: model.Stage, *, ahead: Sequence[Ahead]) -> StepForecast:
    metrics = tuple(one.forecast() for one in ahead)
    passes = max((one.passes_seconds for one in metrics), default=math.inf)
    return StepForecast(
        step=step,
        metrics=metrics,
        passes_seconds=max(step.hold_seconds, passes),
        outage_seconds=min((one.outage_seconds() for one in ahead), default=math.inf),
        ahead=tuple(ahead),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """One metric in one step that is to come; `before` are the rows of the steps before it."""

    rule: MetricRule
    past: Past
    step: model.Stage
    config: EvidenceConfig
    clock: Clock
    before: tuple[Stretch, ...] = ()

    def stretch(self, seconds: float) -> Stretch:
        """The rows of so many seconds as they are expected of a stable that goes on as before."""
        past, exposure = self.past, self.step.exposure
        n_c, n_s = self._requests(seconds)
        rows, bad = seconds / self.clock.interval_seconds, n_s * past.bad_rate
        clump = past.phi.value if past.phi.trusted else 1.0
        return Stretch(
            rows=rows if 0 < exposure.counted_share < 1 else 0.0,
            quiet=rows * math.exp(-bad / rows / clump),
            n_c=n_c,
            n_s=n_s,
            x_s=bad,
        )

    def _requests(self, seconds: float) -> tuple[float, float]:
        """Those that the candidate counts, copies too, and those of stable."""
        exposure, requests = self.step.exposure, self.past.requests_per_second * seconds
        copied = requests * exposure.mirror_percent / 100
        live = requests * exposure.live_percent / 100
        return live + copied, requests - live

    def forecast(self) -> MetricForecast:
        """What this metric finds, and when a healthy candidate passes it."""
        assert self.rule.compare is not None, self
        sizes = harm.sizes(self.past.bad_rate, compare=self.rule.compare)
        rates = dict.fromkeys((2 * self.past.bad_rate, sizes.wanted, sizes.needed))
        finds = [
            Finding(rate=rate, seconds=self.found_seconds(rate)) for rate in rates if 0 < rate < 1
        ]
        proof, search = self.proof_seconds(), self.searched_seconds(sizes)
        return MetricForecast(
            name=self.rule.name,
            past=self.past,
            finds=tuple(finds),
            passes_seconds=self._passes(min(proof, search)),
            passes_by=Reason.NON_INFERIOR if proof <= search else Reason.NO_HARM_FOUND,
        )

    def _passes(self, seconds: float) -> float:
        """Not before there are enough requests, either."""
        per_second, _ = self._requests(1.0)
        least = self.step.min_requests / per_second if per_second > 0 else math.inf
        return max(seconds, least) + self.clock.delay_seconds

    def found_seconds(self, rate: float, *, chance: float = MEDIAN) -> float:
        """Until a candidate with this rate of bad requests is rolled back with such a chance."""
        # The typical version fails requests one by one; only what must not be missed is clumped.
        seconds = self._power_seconds(rate, chance=chance, before=(), clump=1.0)
        return self.clock.delay_seconds + seconds

    def searched_seconds(self, sizes: harm.Sizes) -> float:
        """Until harm of both sizes would have been found, or of the larger one once it is late."""
        late = harm.LATE_SHARE * self.step.deadline_seconds
        needed = self._power_seconds(sizes.needed, chance=harm.LEAST_POWER, before=())
        wanted = self._power_seconds(sizes.wanted, chance=harm.LEAST_POWER, before=self.before)
        return max(needed, min(wanted, late))

    def _power_seconds(
        self,
        rate: float,
        *,
        chance: float,
        before: tuple[Stretch, ...],
        clump: float | None = None,
    ) -> float:
        def would_find(seconds: float) -> bool:
            return self._power(rate, seconds=seconds, before=before, clump=clump) >= chance

        return _earliest(would_find)

    def _power(
        self,
        rate: float,
        *,
        seconds: float,
        before: tuple[Stretch, ...] = (),
        clump: float | None = None,
    ) -> float:
        if self.rule.common:
            return 0.0
        test = harm.relative_test(self.rule, config=self.config)
        stretches = (*before, self.stretch(seconds))
        return power.power(stretches, rate=rate, phi=self.past.phi, test=test, clump=clump)

    def proof_seconds(self) -> float:
        """Until an equal candidate is proven to be within the margin, or the excess."""
        return _earliest(self._proves)

    def _proves(self, seconds: float) -> bool:
        compare, phi = self.rule.compare, self.past.phi.value
        assert compare is not None, self
        margin = eprocess.ratio_grid(
            eprocess.promotion_grid(compare.theta0_promote), theta0=compare.theta0_promote
        )
        excess = eprocess.rate_grid(compare.excess_promote, side=Side.PROOF)
        ratio, rate = eprocess.invest(margin.points), eprocess.invest(excess.points)
        for one in (*self.before, self.stretch(seconds)):
            bad = one.n_c * self.past.bad_rate
            factors = margin.log_factors(n_c=one.n_c, x_c=bad, n_s=one.n_s, x_s=one.x_s)
            ratio = eprocess.advance(ratio, log_factors=factors, phi=phi)
            factors = excess.log_factors(n=one.n_c, x=bad)
            rate = eprocess.advance(rate, log_factors=factors, phi=phi)
        best = max(eprocess.log_value(ratio), eprocess.log_value(rate))
        return best >= self.config.log_promote

    def passes_in_time(self) -> bool:
        """Whether a healthy candidate passes before the deadline; `forecast` says when."""
        assert self.rule.compare is not None, self
        seconds = self.step.deadline_seconds - self.clock.delay_seconds
        if seconds <= 0 or self._passes(0.0) > self.step.deadline_seconds:
            return False
        needed = harm.sizes(self.past.bad_rate, compare=self.rule.compare).needed
        found = self._power(needed, seconds=seconds) >= harm.LEAST_POWER
        return found or self._proves(seconds)

    def outage_seconds(self) -> float:
        """Until a candidate that fails every request has lost its traffic."""
        past = self.past
        alone = replace(self.rule, edges=(), decisive=0)
        for scrapes in sorted(WINDOWS):
            n_c, n_s = self._requests(self.clock.scrape_seconds * scrapes)
            counts = Counts(
                n_c=n_c, x_c=(n_c,), n_s=n_s, x_s=(n_s * past.bad_rate,), phi=(past.phi,)
            )
            log_e = unusual.outage_log_e(counts, rule=alone, sustained=scrapes == max(WINDOWS))
            if log_e >= self.config.log_rollback and n_c >= self.config.min_candidate_events:
                return scrapes * self.clock.scrape_seconds + LATE_SECONDS
        return self.found_seconds(1.0)


def _earliest(holds: Callable[[float], bool]) -> float:
    """The first instant (seconds) from which on something holds, within some percent."""
    low, high = 1.0, LONGEST
    if not holds(high):
        return math.inf
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
