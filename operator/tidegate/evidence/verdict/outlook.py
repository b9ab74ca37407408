"""What the steps of a rollout can find out at the traffic that stable has, said beforehand.

Source: evidence.md, 12. Numbers come from stable's history; nothing here decides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tidegate import model
from tidegate.evidence.counts.dispersion import Phi, Spread
from tidegate.evidence.counts.intervals import Table
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.verdict import planner

DOUBLING = 2.0
MAX_WEIGHT = 50.0  # above it a lighter stable, not the candidate, limits what can be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What stable showed of one metric before the rollout.

    Units: rate of bad requests (0 to 1) at the decisive stream; requests per second.
    """

    bad_rate: float
    requests_per_second: float
    phi: Phi


def past_of(table: Table, *, rule: MetricRule) -> Past | None:
    """Stable's history of a metric; None without requests in it."""
    counted = [(row, row.counts[rule.name]) for row in table.rows if rule.name in row.counts]
    # Before its first request stable says nothing about the traffic that is to come.
    rows = list(itertools.dropwhile(lambda one: one[1].n_s <= 0, counted))
    seconds = math.fsum(row.t1 - row.t0 for row, _ in rows)
    requests = math.fsum(counts.n_s for _, counts in rows)
    if requests <= 0:
        return None
    bad = math.fsum(counts.x_s[rule.decisive] for _, counts in rows)
    spreads = table.spreads.get(rule.name, (Spread(),) * rule.streams)
    return Past(
        bad_rate=bad / requests,
        requests_per_second=requests / seconds,
        phi=spreads[rule.decisive].phi(),
    )


def estimates(
    plan: Sequence[model.Stage],
    *,
    pasts: Mapping[str, Past],
    config: EvidenceConfig,
    interval_seconds: float,
    scrape_seconds: float,
    gaps: Mapping[str, str] = MappingProxyType({}),
) -> tuple[model.Estimate, ...]:
    """One estimate per step of the plan: a sentence per metric that is compared with stable.

    `gaps` say by metric what of stable's history could not be read.
    """
    compared = [rule for rule in config.metrics if rule.guard and rule.compare is not None]
    found: list[model.Estimate] = []
    for step in plan:
        if not step.needs_proof:
            found.append(model.Estimate(text=""))
            continue
        outlooks = [
            _Outlook(
                rule=rule,
                past=pasts[rule.name],
                step=step,
                config=config,
                interval_seconds=interval_seconds,
                scrape_seconds=scrape_seconds,
            )
            for rule in compared
            if rule.name in pasts
        ]
        unknown = [rule.name for rule in compared if rule.name not in pasts]
        texts = [
            *(one.text() for one in outlooks),
            *(_without_history(name, unread=name in gaps) for name in unknown),
            *(f"{name}: {gap}" for name, gap in sorted(gaps.items())),
        ]
        warnings = [warning for one in outlooks for warning in one.warnings()]
        found.append(
            model.Estimate(
                text="; ".join(texts) or "nothing is compared with stable",
                warning="; ".join(warnings),
            )
        )
    return tuple(found)


def _without_history(name: str, *, unread: bool) -> str:
    why = "there is no history of stable" if unread else "stable had no requests"
    return f"{name}: {why} to plan with"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """One metric in one step. Units: seconds, weights 0 to 100."""

    rule: MetricRule
    past: Past
    step: model.Stage
    config: EvidenceConfig
    interval_seconds: float
    scrape_seconds: float

    @property
    def weight(self) -> float:
        return self.step.exposure.live_percent / 100

    def text(self) -> str:
        traffic = f"at {self.past.requests_per_second:.3g} requests/s"
        if self.past.bad_rate <= 0:
            seconds = self._excess_seconds()
            assert self.rule.compare is not None
            return (
                f"{self.rule.name}: stable has no bad requests {traffic}; an excess of "
                f"{self.rule.compare.excess_promote:.2%} is ruled out in about {about(seconds)}"
            )
        doubling = self._rollback_seconds(self.weight)
        least = self._least_ratio()
        within = f"within {about(self.step.hold_seconds)}"
        smallest = f"x{least:.2g} {within}" if math.isfinite(least) else f"nothing {within}"
        return (
            f"{self.rule.name}: finds a doubling of {self.past.bad_rate:.2%} in about "
            f"{about(doubling)} {traffic}; {smallest}"
        )

    def warnings(self) -> Iterator[str]:
        """Too short to find a doubling: the hold, or the weight, that would do."""
        needed = self._rollback_seconds(self.weight)
        if self.past.bad_rate <= 0 or needed <= self.step.hold_seconds:
            return
        ways = [f"hold it for {about(needed)}"] if math.isfinite(needed) else []
        weight = self._least_weight()
        if weight is not None:
            ways.append(f"give it weight {weight:.2g}")
        instead = " or ".join(ways) or "no hold or weight would do at this traffic"
        yield (
            f"a hold of {about(self.step.hold_seconds)} is too short to find a doubling of "
            f"{self.rule.name}: {instead}"
        )

    def _rollback_seconds(self, weight: float, *, theta: float = DOUBLING) -> float:
        assert self.rule.compare is not None
        return planner.rollback_seconds(
            self.past.bad_rate,
            theta=theta,
            theta0=self.rule.compare.theta0,
            weight=weight,
            qps=self.past.requests_per_second,
            alpha=self._alpha,
            phi=self.past.phi.value,
            interval=self.interval_seconds,
            scrape=self.scrape_seconds,
        )

    def _least_ratio(self) -> float:
        assert self.rule.compare is not None
        return planner.detectable_ratio(
            self.step.hold_seconds,
            p_s=self.past.bad_rate,
            theta0=self.rule.compare.theta0,
            weight=self.weight,
            qps=self.past.requests_per_second,
            alpha=self._alpha,
            phi=self.past.phi.value,
            interval=self.interval_seconds,
            scrape=self.scrape_seconds,
        )

    def _least_weight(self) -> float | None:
        """The smallest whole weight above the step's that finds a doubling within its hold."""
        first = math.floor(self.step.exposure.live_percent) + 1
        for weight in range(first, round(MAX_WEIGHT) + 1):
            if self._rollback_seconds(weight / 100) <= self.step.hold_seconds:
                return float(weight)
        return None

    def _excess_seconds(self) -> float:
        """Time until no bad request at all rules out the absolute excess."""
        assert self.rule.compare is not None
        candidate_per_second = self.past.requests_per_second * self.weight
        if candidate_per_second <= 0:
            return math.inf
        per_request = -math.log1p(-self.rule.compare.excess_promote) / self.past.phi.value
        return self.config.log_promote / per_request / candidate_per_second

    @property
    def _alpha(self) -> float:
        """The level of one test after the error budget was shared."""
        return math.exp(-self.config.log_rollback)


def about(seconds: float) -> str:
    """A duration as people say it: `40s`, `5m`, `2h 10m`, `3d`, or `a very long time`."""
    if not math.isfinite(seconds) or seconds > 365 * 86400:
        return "a very long time"
    if seconds < 90:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {rest}m" if rest else f"{hours}h"
    return f"{hours / 24:.0f}d"
