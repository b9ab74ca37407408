"""What a request rate will find in what time, by the tests that will run on rows as they are expected.

Source: ADR 0035 and 0050.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tidegate import model
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.sequential import answers, eprocess, throughput
from tidegate.evidence.sequential.eprocess import Process
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule, Pace
from tidegate.evidence.verdict.throughput import too_few
from tidegate.evidence.verdict.times import LONGEST, Clock

FOUND = (
    2 / 3
)  # of the least that is tolerated: how slow a candidate is of which is said when it is found
_CHUNKS = 20  # rows that are planned together are a twentieth of those before them

Factors = Callable[[float, float], tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The requests that stable finished before the rollout, and how they spread over its pods.

    Units: requests/s of all traffic; dispersions as in `answers.expected_dispersion`.
    """

    requests_per_second: float
    pods: int
    single: float = 1.0
    longer: float = 1.0


def arrivals_of(spread: Spread, *, requests_per_second: float) -> Arrivals:
    """What the history of stable says of the requests to come."""
    return Arrivals(
        requests_per_second=requests_per_second,
        pods=max(1, len(spread.whole)),
        single=spread.estimate,
        longer=spread.longest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RateForecast:
    """One request rate in one step. `due` and `found` are in requests/s, of all traffic or of each pod.

    A candidate that finishes `found` only is rolled back half of the time within `found_seconds`,
    one as fast as stable passes after `passes_seconds`; both are infinite where that never comes, and
    the second then, or after the deadline, for the reason in `warning`.
    """

    name: str
    due: float
    unit: str
    found: float
    found_seconds: float
    passes_seconds: float
    warning: str = ""


def forecast(
    step: model.Stage,
    *,
    arrivals: Arrivals | None,
    pods: int,
    config: EvidenceConfig,
    clock: Clock,
) -> tuple[RateForecast, ...]:
    """Each request rate that guards in a step in which the candidate has so many pods.

    Nothing where no traffic is known, or where one version answers everything.
    """
    if arrivals is None or not 0 < step.effective_weight_percent < 100:
        return ()
    return tuple(
        _Ahead(
            rule=rule,
            pace=rule.pace,
            step=step,
            arrivals=arrivals,
            pods=max(1, pods),
            config=config,
            clock=clock,
        ).forecast()
        for rule in config.metrics
        if rule.pace is not None and rule.guard
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """One request rate in one step that is to come."""

    rule: MetricRule
    pace: Pace
    step: model.Stage
    arrivals: Arrivals
    pods: int
    config: EvidenceConfig
    clock: Clock

    @property
    def weight(self) -> float:
        return self.step.effective_weight_percent / 100

    @property
    def due(self) -> float:
        """Requests/s that stable would finish in the candidate's place, in the unit of the limit."""
        per_second = self.arrivals.requests_per_second
        return per_second * self.weight / self.pods if self.pace.per_pod else per_second

    def forecast(self) -> RateForecast:
        harm, proven = throughput.least_parts(self.pace, due=self.due)
        passes = max(self.step.hold_seconds, self._passes_seconds(proven))
        slow = 0.0 if harm is None else FOUND * harm
        return RateForecast(
            name=self.rule.name,
            due=self.due,
            unit="requests/s per pod" if self.pace.per_pod else "requests/s at all traffic",
            found=slow * self.due,
            found_seconds=math.inf if harm is None else self._found_seconds(slow, least=harm),
            passes_seconds=passes,
            warning=self._warning(passes, known=proven is not None),
        )

    def _passes_seconds(self, least: float | None) -> float:
        """Until a candidate as fast as stable is proven to be so, with requests enough."""
        if least is None:
            return math.inf
        seconds = self._seconds(
            eprocess.invest(answers.POINTS),
            factors=lambda n_c, n_s: throughput.log_factors_above(
                n_c, n_s=n_s, part=least, odds=self._odds
            ),
            finishes=1.0,
            limit=self.config.log_promote,
        )
        enough = max(self.rule.min_samples, self.step.min_requests) / self._per_second(1.0)[0]
        return max(seconds, enough) + self.clock.delay_seconds

    def _found_seconds(self, part: float, *, least: float) -> float:
        """Until one that finishes this part of what is due is rolled back."""
        seconds = self._seconds(
            eprocess.begin(answers.POINTS),
            factors=lambda n_c, n_s: throughput.log_factors_below(
                n_c, n_s=n_s, part=least, odds=self._odds
            ),
            finishes=part,
            limit=self.config.log_rollback,
        )
        enough = self.config.min_candidate_requests / self._per_second(1.0)[0]
        return max(seconds, enough) + self.clock.delay_seconds

    @property
    def _odds(self) -> float:
        return self.weight / (1 - self.weight)

    def _per_second(self, finishes: float) -> tuple[float, float]:
        """Finished requests/s of candidate and stable."""
        arrive = self.arrivals.requests_per_second
        return arrive * self.weight * finishes, arrive * (1 - self.weight)

    def _seconds(
        self, process: Process, *, factors: Factors, finishes: float, limit: float
    ) -> float:
        """Until this evidence has grown to a limit, row by row; the first says what is due.

        Rows are taken together as they become many, with the dispersion that is known before them.
        """
        length = self.clock.interval_seconds
        n_c, n_s = (it * length for it in self._per_second(finishes))
        stake, row = eprocess.restart_weight(1) if process.cash > 0 else 0.0, 1
        while row * length < LONGEST:
            count = max(1, row // _CHUNKS)
            phi = self._dispersion(row)
            grown = factors(n_c * count, n_s * count)
            process = eprocess.advance(process, log_factors=grown, phi=phi, stake=stake)
            stake, row = 0.0, row + count
            if eprocess.log_value(process) >= limit:
                return row * length
        return math.inf

    def _dispersion(self, intervals: int) -> float:
        seen = self.arrivals
        return answers.expected_dispersion(
            seen.single, longer=seen.longer, pods=seen.pods, intervals=intervals
        )

    def _warning(self, seconds: float, *, known: bool) -> str:
        """Why a candidate as fast as stable does not pass in time; empty where it does."""
        if self.pace.least is not None and not known:
            return too_few(self.due, pace=self.pace)
        if seconds > self.step.deadline_seconds:
            return "does not pass before the deadline: lower min, raise margin, or give the step more weight"
        return ""
