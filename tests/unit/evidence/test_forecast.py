"""The planned time to find harm against what the tests need on drawn counts (finding 8)."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from evidence_walk import SCRAPE, Service, World, setup, spec_of

from tidegate.evidence.sequential import ledger
from tidegate.evidence.verdict import forecast
from tidegate.evidence.verdict.forecast import Ahead, Clock, Past

CLOCK = Clock(interval_seconds=2 * SCRAPE, scrape_seconds=SCRAPE)
RUNS = 9


def planned_and_real(service: Service, *, step: int) -> tuple[float, float]:
    """Seconds until the candidate of a service is found at the weight of a step, one metric alone."""
    given = setup(spec_of(pods=service.pods))
    weight = given.plan[step].effective_weight_percent / 100
    real, planned = [], []
    for run in range(RUNS):
        world = World(service=service, rng=np.random.default_rng([8, run]))
        config = world.known_to(given.config)
        rule, past = config.metrics[0], [row.counts["error-ratio"] for row in world.past]
        seen = Past(
            bad_rate=sum(one.x_s[0] for one in past) / sum(one.n_s for one in past),
            requests_per_second=service.per_second,
            phi=world.spreads["error-ratio"][0].phi(),
        )
        ahead = Ahead(rule=rule, past=seen, step=given.plan[step], config=config, clock=CLOCK)
        assert service.candidate_bad is not None
        planned.append(ahead.found_seconds(service.candidate_bad))
        state, t = ledger.begin(config), 0.0
        while not state.accounts["error-ratio"].regressed and t < 20 * planned[-1]:
            row = world.row(weight, t0=t, t1=t + CLOCK.interval_seconds, step=step)
            state, t = ledger.record(state, row=row, config=config), t + CLOCK.interval_seconds
        real.append(t + CLOCK.delay_seconds)
    return statistics.median(planned), statistics.median(real)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("service", "step"),
    [
        (Service(per_second=1000, bad=0.01, candidate_bad=0.02, pods=1), 0),
        (Service(per_second=1000, bad=0.01, candidate_bad=0.05, pods=1), 2),
        (Service(per_second=1000, bad=0.001, candidate_bad=0.01, pods=1), 2),
        (Service(per_second=100, bad=0.01, candidate_bad=1.0, pods=1), 2),
        (Service(per_second=100, bad=0.01, candidate_bad=0.02, pods=1), 0),
        (Service(per_second=1, candidate_bad=0.05), 0),
        (Service(per_second=10, bad=0.001, candidate_bad=0.01), 0),
        (Service(per_second=30, bad=0.01, candidate_bad=0.04), 1),
    ],
)
def test_the_plan_is_right_whether_the_dispersion_is_measured_or_not(
    service: Service, step: int
) -> None:
    planned, real = planned_and_real(service, step=step)
    # Here a row is looked at when it has closed, by the operator after each of its scrapes.
    soonest = real - CLOCK.interval_seconds
    assert min(real / 1.5, soonest) <= planned <= 1.5 * real


def test_more_traffic_and_more_harm_are_found_sooner() -> None:
    given = setup(spec_of())
    phi = (
        World(service=Service(per_second=1), rng=np.random.default_rng(1))
        .spreads["error-ratio"][0]
        .phi()
    )

    def seconds(per_second: float, rate: float) -> float:
        past = Past(bad_rate=0.0, requests_per_second=per_second, phi=phi)
        (one, *_) = given.config.metrics
        return Ahead(
            rule=one, past=past, step=given.plan[0], config=given.config, clock=CLOCK
        ).found_seconds(rate)

    assert seconds(10, 0.05) < seconds(1, 0.05) < seconds(1, 0.02)


def test_a_plan_without_metrics_never_passes() -> None:
    given = setup(spec_of())
    (first, *_) = forecast.forecast(given.plan, pasts={}, config=given.config, clock=CLOCK)
    assert not first.passes_in_time
