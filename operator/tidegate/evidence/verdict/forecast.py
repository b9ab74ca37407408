"""What a rollout will find in what time, by the tests that will run on rows as they are expected.

Planned intervals go through the same power and the same proofs as real ones: nothing is fitted here.
Units: seconds, infinite where something never comes; rates and weights from 0 to 1.
Source: ADR 0028; evidence.md, 12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.evidence.counts import early
from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.grid import LATE_SECONDS
from tidegate.evidence.counts.rows import Counts, Stream
from tidegate.evidence.sequential import eprocess, grids, power, relative, unusual
from tidegate.evidence.sequential.eprocess import Side
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.sequential.power import Stretch
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import harm, rates
from tidegate.evidence.verdict.rates import Arrivals, RateForecast
from tidegate.evidence.verdict.times import Clock, earliest

MEDIAN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What stable showed of one metric before the rollout.

    Units: rate of bad requests (0 to 1) at the decisive stream; requests per second.
    """

    bad_rate: float
    requests_per_second: float
    phi: Phi


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
    """One step: its metrics and request rates, when it passes, and when an outage is found.

    `ahead` is what it was worked out from, to ask what would change it.
    """

    step: model.Stage
    metrics: tuple[MetricForecast, ...]
    passes_seconds: float
    outage_seconds: float
    ahead: tuple[Ahead, ...] = ()
    rates: tuple[RateForecast, ...] = ()

    @property
    def passes_in_time(self) -> bool:
        """Whether a healthy candidate passes before the deadline."""
        return self.passes_seconds <= self.step.deadline_seconds

    @property
    def compares(self) -> bool:
        """Something is held against stable, so that there is something to plan."""
        return bool(self.metrics or self.rates)


def forecast(
    plan: Sequence[model.Stage],
    *,
    pasts: Mapping[str, Past],
    config: EvidenceConfig,
    clock: Clock,
    arrivals: Arrivals | None = None,
    pods: Sequence[int] = (),
) -> tuple[StepForecast, ...]:
    """What the steps find, one after the other; each lasts until a healthy candidate passes it.

    Stages that time ends or limits judge, metrics without a past, and those that are not compared with stable, are
    left out. Request rates need `arrivals`; `pods` are the candidate's, one number per stage of the plan.
    """
    rules = [
        rule
        for rule in config.metrics
        if rule.guard and rule.compare is not None and rule.name in pasts
    ]
    before: dict[str, tuple[Stretch, ...]] = {rule.name: () for rule in rules}
    found: list[StepForecast] = []
    for index, step in ((index, it) for index, it in enumerate(plan) if is_planned(it)):
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
        due = rates.forecast(
            step,
            arrivals=arrivals,
            pods=pods[index] if pods else 1,
            config=config,
            clock=clock,
        )
        one = _step(step, ahead=tuple(ahead.values()), due=due)
        found.append(one)
        lasts = min(one.passes_seconds, step.deadline_seconds)
        for name, metric in ahead.items():
            before[name] = (*before[name], metric.stretch(lasts))
    return tuple(found)


def is_planned(stage: model.Stage) -> bool:
    """The stage is to prove something beside stable, whose history says how long that takes."""
    return stage.needs_proof and stage.control is model.Control.CONCURRENT


def _step(
    step: model.Stage, *, ahead: Sequence[Ahead], due: tuple[RateForecast, ...]
) -> StepForecast:
    metrics = tuple(one.forecast() for one in ahead)
    passing = [one.passes_seconds for one in metrics] + [one.passes_seconds for one in due]
    passes = max(passing, default=math.inf)
    # Requests that fail may be fast: of a latency alone all that can be told is that all are slow.
    telling = [one for one in ahead if one.rule.errors] or ahead
    return StepForecast(
        step=step,
        metrics=metrics,
        passes_seconds=max(step.hold_seconds, passes),
        outage_seconds=min((one.outage_seconds() for one in telling), default=math.inf),
        ahead=tuple(ahead),
        rates=due,
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

    @property
    def breaks_limit(self) -> bool:
        """Stable is above the limit itself, so that no version like it is ever proven to keep it."""
        return self.rule.limit is not None and self.past.bad_rate >= self.rule.limit

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
        kept = earliest(self._keeps) if self.rule.limit is not None else 0.0
        return MetricForecast(
            name=self.rule.name,
            past=self.past,
            finds=tuple(finds),
            passes_seconds=self._passes(max(kept, min(proof, search))),
            passes_by=Reason.NON_INFERIOR if proof <= search else Reason.NO_HARM_FOUND,
        )

    def _passes(self, seconds: float) -> float:
        """Not before there are enough requests, either."""
        per_second, _ = self._requests(1.0)
        least = self.step.min_requests / per_second if per_second > 0 else math.inf
        return max(seconds, least) + self.clock.delay_seconds

    def found_seconds(self, rate: float, *, chance: float = MEDIAN) -> float:
        """Until a candidate with this rate of bad requests is rolled back with such a chance."""
        if self.rule.common:
            seconds = earliest(lambda it: self._finds_fewer_good(rate, seconds=it))
        else:
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
            return self._finds(rate, chance=chance, seconds=seconds, before=before, clump=clump)

        return earliest(would_find)

    def _finds(
        self,
        rate: float,
        *,
        chance: float,
        seconds: float,
        before: tuple[Stretch, ...] = (),
        clump: float | None = None,
    ) -> bool:
        if self.rule.common:
            return False
        return power.finds(
            (*before, self.stretch(seconds)),
            rate=rate,
            chance=chance,
            phi=self.past.phi,
            test=harm.relative_test(self.rule, config=self.config),
            clump=clump,
        )

    def _finds_fewer_good(self, rate: float, *, seconds: float) -> bool:
        """Where most requests are bad as it is: what the test makes of the good ones to expect."""
        one, phi = self.stretch(seconds), self.past.phi
        stream = Stream(n_c=one.n_c, x_c=one.n_c * rate, n_s=one.n_s, x_s=one.x_s, phi=phi)
        test = harm.relative_test(self.rule, config=self.config)
        good = stream.complement
        factors = test.grid.log_factors(n_c=good.n_c, x_c=good.x_c, n_s=good.n_s, x_s=good.x_s)
        if factors is None or stream.x_c < test.min_events:
            return False
        grid = eprocess.advance(
            eprocess.invest(test.grid.points), log_factors=factors, phi=relative.divisor(phi)
        )
        return eprocess.log_value(grid) >= test.log_limit

    def proof_seconds(self) -> float:
        """Until an equal candidate is proven to be within the margin, or the excess."""
        return earliest(self._proves)

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
            seen = Stream(n_c=one.n_c, x_c=bad, n_s=one.n_s, x_s=one.x_s, phi=self.past.phi)
            seen = seen.complement if self.rule.common else seen
            factors = margin.log_factors(n_c=seen.n_c, x_c=seen.x_c, n_s=seen.n_s, x_s=seen.x_s)
            ratio = eprocess.advance(ratio, log_factors=factors, phi=phi)
            factors = excess.log_factors(n=one.n_c, x=bad)
            rate = eprocess.advance(rate, log_factors=factors, phi=phi)
        best = max(eprocess.log_value(ratio), eprocess.log_value(rate))
        return best >= self.config.log_promote

    def _keeps(self, seconds: float) -> bool:
        """Whether a candidate like stable is proven to keep the limit, which nothing else excuses."""
        limit = self.rule.limit
        if limit is None or self.breaks_limit:
            return limit is None
        proof = grids.limit_grid(limit, side=Side.PROOF)
        kept = eprocess.invest(proof.points)
        for one in (*self.before, self.stretch(seconds)):
            bad = one.n_c * self.past.bad_rate
            factors = grids.rate_factors(proof, limit=limit, n=one.n_c, x=bad)
            kept = eprocess.advance(kept, log_factors=factors, phi=self.past.phi.value)
        return eprocess.log_value(kept) >= self.config.log_promote

    def passes_in_time(self) -> bool:
        """Whether a healthy candidate passes before the deadline; `forecast` says when."""
        assert self.rule.compare is not None, self
        seconds = self.step.deadline_seconds - self.clock.delay_seconds
        if seconds <= 0 or self._passes(0.0) > self.step.deadline_seconds:
            return False
        if not self._keeps(seconds):
            return False
        needed = harm.sizes(self.past.bad_rate, compare=self.rule.compare).needed
        found = self._finds(needed, chance=harm.LEAST_POWER, seconds=seconds)
        return found or self._proves(seconds)

    def outage_seconds(self) -> float:
        """Until a candidate that fails every request has lost its traffic."""
        past = self.past
        alone = replace(self.rule, edges=(), decisive=0)
        for scrapes in early.window_scrapes(self.clock.scrape_seconds):
            n_c, n_s = self._requests(self.clock.scrape_seconds * scrapes)
            counts = Counts(
                n_c=n_c, x_c=(n_c,), n_s=n_s, x_s=(n_s * past.bad_rate,), phi=(past.phi,)
            )
            log_e = unusual.outage_log_e(counts, rule=alone, sustained=early.is_sustained(scrapes))
            if log_e >= self.config.log_rollback and n_c >= self.config.min_candidate_events:
                return scrapes * self.clock.scrape_seconds + LATE_SECONDS
        return self.found_seconds(1.0)
