"""How long a step takes in closed form, for a dispersion that is known.

`forecast` plans by the tests themselves, also where it is not; this is for sizes at a glance.
Source: evidence.md, 12. The additive nats are a fit to simulations of the tests of section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from tidegate.evidence.counts.grid import LATE_SECONDS

_ROLLBACK_NATS = 1.5
_PROMOTION_NATS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Expected times and sizes of one step for one metric.

    Units: seconds, infinite where the step cannot show it at all; requests of the candidate.
    `fixed_requests` is what a single planned look would need at 5 % error and 80 % power.
    """

    rollback_seconds: float
    proof_seconds: float
    fixed_requests: float


def plan(
    p_s: float,
    *,
    theta: float,
    theta0: float,
    theta0_promote: float,
    weight: float,
    qps: float,
    alpha: float,
    alpha_promote: float,
    phi: float,
    interval: float,
    scrape: float,
    min_intervals: int = 3,
) -> Plan:
    """Median time to roll back a candidate that is theta times as bad, and to prove an equal one.

    Units:  p_s and weight from 0 to 1; qps requests per second of both arms together; alpha is the
            level of this test after the error budget was shared; interval, scrape in seconds.
    Errors: infinite times when there is no event, no traffic, no split, or theta <= theta0.
    """
    least = min_intervals * interval + scrape + LATE_SECONDS
    proof = proof_seconds(
        p_s, theta0=theta0_promote, weight=weight, qps=qps, alpha=alpha_promote, phi=phi
    )
    return Plan(
        rollback_seconds=rollback_seconds(
            p_s,
            theta=theta,
            theta0=theta0,
            weight=weight,
            qps=qps,
            alpha=alpha,
            phi=phi,
            interval=interval,
            scrape=scrape,
        ),
        proof_seconds=max(least, proof),
        fixed_requests=fixed_requests(p_s, p1=min(1.0, p_s * theta), weight=weight),
    )


def rollback_seconds(
    p_s: float,
    *,
    theta: float,
    theta0: float,
    weight: float,
    qps: float,
    alpha: float,
    phi: float,
    interval: float,
    scrape: float,
) -> float:
    """Median seconds from the onset of a regression to its rollback; see `plan` for units."""
    if theta <= theta0 or not _can_compare(p_s, weight=weight, qps=qps):
        return math.inf
    # Growth per event is that of the share of a theta-fold candidate against a tolerated one.
    information = _divergence(_share(weight, theta=theta), _share(weight, theta=theta0))
    events_per_second = qps * p_s * (weight * theta + 1 - weight)
    nats = phi * (math.log(1 / alpha) + _ROLLBACK_NATS)
    return nats / (events_per_second * information) + interval + scrape + LATE_SECONDS


def proof_seconds(
    p_s: float, *, theta0: float, weight: float, qps: float, alpha: float, phi: float
) -> float:
    """Median seconds to prove that an equal candidate is within the margin; units as in `plan`."""
    if theta0 <= 1 or not _can_compare(p_s, weight=weight, qps=qps):
        return math.inf
    information = _divergence(weight, _share(weight, theta=theta0))
    return phi * (math.log(1 / alpha) + _PROMOTION_NATS) / (qps * p_s * information)


def fixed_requests(
    p_s: float, *, p1: float, weight: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Candidate requests that one planned two-sample look needs to tell p1 from p_s, one-sided.

    Units: rates and weight from 0 to 1; infinite when the rates are equal or there is no split.
    """
    if p1 == p_s or not 0 < weight < 1:
        return math.inf
    k = (1 - weight) / weight
    pooled = (p1 + k * p_s) / (1 + k)
    at_null = NormalDist().inv_cdf(1 - alpha) * math.sqrt(pooled * (1 - pooled) * (1 + 1 / k))
    at_p1 = NormalDist().inv_cdf(power) * math.sqrt(p1 * (1 - p1) + p_s * (1 - p_s) / k)
    return float(((at_null + at_p1) / (p1 - p_s)) ** 2)


def _can_compare(p_s: float, *, weight: float, qps: float) -> bool:
    return p_s > 0 and qps > 0 and 0 < weight < 1


def _share(weight: float, *, theta: float) -> float:
    """Share of the bad events that fall on a candidate which is theta times as bad."""
    return weight * theta / (weight * theta + 1 - weight)


def _divergence(a: float, b: float) -> float:
    """Kullback-Leibler divergence of two biased coins, in nats."""
    return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
