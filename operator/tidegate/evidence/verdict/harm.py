"""The harm that a metric looks for, and whether it would have been found by now.

Two sizes: what one would like to find as long as there is time (`detect_ratio` times stable's bad
requests, but no less than what is tolerated in any case), and what must have been found before a
step may pass (`detect_absolute` more, but no less than twice as many). Source: ADR 0027.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.sequential import eprocess, grids, latency, ledger, power
from tidegate.evidence.sequential.judgement import Compare, EvidenceConfig, MetricRule
from tidegate.evidence.sequential.ledger import Account, Totals
from tidegate.evidence.sequential.power import Stretch, Test

LEAST_POWER = 0.9
LEAST_FACTOR = 2.0
LEAST_BEYOND = 1.6  # times what is tolerated, or no test could find it
LATE_SHARE = 1 / 3  # of the time to the deadline; chosen by simulation (ADR 0027)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Rates of bad requests of the candidate, 0 to 1: to look for, and that must not be missed."""

    wanted: float
    needed: float


def sizes(bad_rate: float, *, compare: Compare) -> Sizes:
    """The harm to look for beside a stable revision with this rate of bad requests (0 to 1)."""
    factor = max(LEAST_FACTOR, LEAST_BEYOND * compare.theta0)
    needed = max(bad_rate + compare.detect_absolute, factor * bad_rate)
    wanted = max(compare.detect_ratio * bad_rate, bad_rate + compare.excess_promote)
    return Sizes(wanted=min(wanted, needed), needed=needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Harm of a size (rate of bad requests, 0 to 1) and the chance to have found it, 0 to 1."""

    rate: float
    power: float

    @property
    def enough(self) -> bool:
        """True when harm of the size would very likely have been found."""
        return self.power >= LEAST_POWER


def is_late(now: float, *, confirmed_at: float, deadline_seconds: float) -> bool:
    """Whether the larger harm is enough. Units: unix seconds, seconds."""
    return now - confirmed_at >= LATE_SHARE * deadline_seconds


def searched(
    account: Account, *, rule: MetricRule, config: EvidenceConfig, late: bool
) -> Search | None:
    """What the rows would have shown; None where nothing is compared.

    The smaller harm is looked for in the whole rollout, the larger one in the current step alone, as
    it may begin late. `late` says that the time of the step runs out: then the larger one must do. Labels must be
    a proof: where a third is wrong, nobody looks for twice as many.
    """
    if rule.compare is None or rule.common or rule.late is not None:
        return None
    totals = account.totals[rule.decisive]
    phi = account.phi
    if totals.n_s <= 0 or phi is None:
        return None
    found = sizes(totals.x_s / totals.n_s, compare=rule.compare)
    test = relative_test(rule, config=config)

    def search(stretches: Sequence[Stretch], *, rate: float) -> Search:
        return Search(rate=rate, power=power.power(stretches, rate=rate, phi=phi, test=test))

    in_step = search(account.stretches[-1:], rate=found.needed)
    if late or not in_step.enough:
        return in_step
    return search(account.stretches, rate=found.wanted)


def times_usual(rate: float | None, *, totals: Totals) -> float | None:
    """A rate of bad requests (0 to 1) over that of stable; None where stable has none."""
    return None if rate is None or totals.x_s <= 0 else rate * totals.n_s / totals.x_s


def suspect(account: Account, *, rule: MetricRule) -> bool:
    """True while something speaks against the candidate, though not enough to act."""
    found = ledger.relative_e(account, rule=rule, min_candidate_events=0.0)
    return found.log_e >= ledger.LOG_SUSPECT


def relative_test(rule: MetricRule, *, config: EvidenceConfig) -> Test:
    """The relative test of a metric as `power` asks for it: the decisive edge alone must carry it."""
    assert rule.compare is not None, rule
    weight = latency.weights(rule.streams, decisive=rule.decisive)[rule.decisive]
    return Test(
        grid=grids.rollback_grid(rule.compare.theta0),
        log_limit=config.log_rollback - math.log(weight * eprocess.restart_weight(1)),
        min_events=config.min_candidate_events,
    )
