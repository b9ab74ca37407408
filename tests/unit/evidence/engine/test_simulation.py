"""Short form of the simulations B1, B2, B3, B7 to B11 (evidence.md, 16); seeded, so repeatable."""

import math

import evidence_simulation as sim
import numpy as np
import pytest
from evidence_simulation import Run, Scenario, cell, steady

from tidegate.evidence.counts import dispersion
from tidegate.evidence.sequential import eprocess, split
from tidegate.evidence.sequential.judgement import Compare, EvidenceConfig, MetricRule
from tidegate.evidence.verdict import planner
from tidegate.model import Verdict

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

SEED = 20_261_121
LOOKS = sim.LOOKS

OUTAGE = tuple(10 * sim.BASE_RATE if 20 <= k < 30 else sim.BASE_RATE for k in range(LOOKS))
DRIFTING = tuple(sim.BASE_RATE * (1 + 0.8 * math.sin(k / 7)) for k in range(LOOKS))
RAMP = (0.05,) * 20 + (0.2,) * 20 + (0.5,) * 20


@pytest.mark.parametrize(
    "scenario",
    [
        steady(10, 0.05),
        steady(10, 0.2),
        steady(100, 0.05),
        steady(100, 0.2),
        steady(1000, 0.05),
        steady(1, 0.5),
        steady(100, 0.1, base=OUTAGE),
        Scenario(name="ramp", qps=100, weights=RAMP, base=DRIFTING),
        steady(100, 0.2, loss=0.2),
        steady(100, 0.1, burst=5.0),
        steady(100, 0.1, burst=20.0),
        steady(100, 0.1, burst=5.0, pods=1),
        steady(100, 0.2, burst=20.0, pods=1),
        steady(100, 0.1, burst=5.0, pods=8, history=0),
    ],
    ids=lambda one: f"{one.name} burst {one.burst:g} pods {one.pods}",
)
def test_a_healthy_release_is_hardly_ever_rolled_back(scenario: Scenario) -> None:
    runs = 120
    found = cell(scenario, runs=runs, seed=SEED, rule=sim.rollback_look)
    assert found.share <= sim.allowed(0.01, runs=runs)


def test_the_rules_of_other_tools_roll_healthy_releases_back() -> None:
    repeated = cell(steady(100, 0.2), runs=300, seed=SEED, rule=sim.z_test_look)
    assert 0.15 <= repeated.share <= 0.45
    small_sample = cell(steady(10, 0.2), runs=50, seed=SEED, rule=sim.threshold_look)
    assert small_sample.share > 0.9


@pytest.mark.parametrize(
    ("theta", "qps", "weight", "looks"),
    [(3.0, 100, 0.05, 8), (2.0, 100, 0.2, 9), (11.0, 10, 0.05, 8), (11.0, 100, 0.05, 2)],
)
def test_a_regression_is_found_in_time_and_as_planned(
    theta: float, qps: float, weight: float, looks: int
) -> None:
    broken = steady(qps, weight, theta=(theta,) * LOOKS)
    found = cell(broken, runs=60, seed=SEED, rule=sim.rollback_look)
    planned = planner.rollback_seconds(
        sim.BASE_RATE,
        theta=theta,
        theta0=sim.THETA0,
        weight=weight,
        qps=qps,
        alpha=sim.ALPHA,
        phi=1.5,  # four equal pods are not measured to be equal exactly
        interval=sim.SECONDS,
        scrape=15.0,
    )
    assert found.median_look <= looks
    assert found.median_look * sim.SECONDS <= 1.5 * planned


def test_restarts_find_a_late_regression_sooner() -> None:
    late = steady(100, 0.05, theta=(1.0,) * 30 + (3.0,) * 30)

    def plain(run: Run) -> int | None:
        return sim.rollback_look(run, restart=eprocess.NO_RESTARTS)

    with_restarts = cell(late, runs=60, seed=SEED, rule=sim.rollback_look)
    without = cell(late, runs=60, seed=SEED, rule=plain)
    assert with_restarts.median_look <= 30 + 12
    assert with_restarts.median_look < without.median_look


@pytest.mark.parametrize("burst", [1, 5])
def test_equal_latencies_are_hardly_ever_rolled_back(burst: int) -> None:
    rng, runs = np.random.default_rng(SEED), 25
    looks = [
        sim.latency_look(sim.Slowness(), qps=20, weight=0.1, burst=burst, rng=rng)
        for _ in range(runs)
    ]
    assert sim.summarize(looks).share <= sim.allowed(0.01, runs=runs)


@pytest.mark.parametrize(
    "slowness", [sim.Slowness(factor=1.2), sim.Slowness(tail=0.01), sim.Slowness(tail=0.003)]
)
def test_slower_requests_are_found_within_fifteen_looks(slowness: sim.Slowness) -> None:
    rng = np.random.default_rng(SEED)
    looks = [sim.latency_look(slowness, qps=100, weight=0.05, burst=1, rng=rng) for _ in range(9)]
    assert sim.summarize(looks).median_look <= 15


# --- promotion, limits, split --------------------------------------------------------------------


def promoted(theta: float, *, margin: float, runs: int) -> list[int | None]:
    """Look at which the whole engine advances, from independent errors at 100/s and 20 %."""
    rule = MetricRule(
        name="error-ratio",
        compare=Compare(theta0_promote=margin, excess_promote=1e-4, detect_ratio=1.01),
    )
    config = EvidenceConfig(metrics=(rule,), requests_from="error-ratio")
    scenario = steady(100, 0.2, theta=(theta,) * LOOKS)
    rng = np.random.default_rng(SEED)
    found: list[int | None] = []
    for _ in range(runs):
        run = sim.draw(scenario, rng)
        rows = sim.rows_of(run, weights=scenario.weights, phi=dispersion.given(1.0))
        stopped = sim.verdict_look(rows, config=config, stop=lambda v: v is not Verdict.HOLD)
        advanced = stopped is not None and stopped[1] is Verdict.ADVANCE
        found.append(stopped[0] if stopped is not None and advanced else None)
    return found


def test_a_candidate_at_the_margin_is_rarely_advanced_and_an_equal_one_soon() -> None:
    runs = 60
    wrong = sim.summarize(promoted(1.5, margin=1.5, runs=runs))
    assert wrong.share <= sim.allowed(0.05, runs=runs)
    equal = sim.summarize(promoted(1.0, margin=1.5, runs=runs))
    assert equal.median_look <= 12


def slo_look(rate: float, *, qps: float, burst: float, rng: np.random.Generator) -> int | None:
    """Look at which a limit of 1 % falls, with the dispersion measured on stable pods."""
    scenario = steady(qps, 0.05, theta=(rate / sim.BASE_RATE,) * LOOKS, burst=burst)
    rule = MetricRule(name="error-ratio", limit=0.01)
    config = EvidenceConfig(metrics=(rule,), requests_from="error-ratio")
    rows = sim.rows_of(sim.draw(scenario, rng), weights=scenario.weights)
    stopped = sim.verdict_look(rows, config=config, stop=lambda v: v is Verdict.ROLL_BACK)
    return None if stopped is None else stopped[0]


@pytest.mark.parametrize("burst", [1.0, 5.0])
def test_a_rate_at_the_limit_is_hardly_ever_a_breach(burst: float) -> None:
    rng, runs = np.random.default_rng(SEED), 60
    looks = [slo_look(0.01, qps=100, burst=burst, rng=rng) for _ in range(runs)]
    assert sim.summarize(looks).share <= sim.allowed(0.01, runs=runs)


def test_failing_half_of_the_requests_is_found_within_three_intervals() -> None:
    rng = np.random.default_rng(SEED)
    looks = [slo_look(0.5, qps=10, burst=1.0, rng=rng) for _ in range(30)]
    assert sim.summarize(looks).median_look <= 3


def split_look(share: float, *, qps: float, rng: np.random.Generator) -> int | None:
    state, weight = split.begin(), 0.2
    for look in range(1, 31):
        requests = rng.poisson(qps * sim.SECONDS)
        n_c = rng.binomial(requests, share)
        state = split.advance(state, n_c=n_c, n_s=requests - n_c, w=weight, tau=0.2)
        if split.log_value(state) >= math.log(1000):
            return look
    return None


def test_a_share_inside_the_band_is_left_alone_and_one_outside_found() -> None:
    rng, runs = np.random.default_rng(SEED), 150
    for share in (0.16, 0.2, 0.24):
        looks = [split_look(share, qps=10, rng=rng) for _ in range(runs)]
        assert sim.summarize(looks).share <= sim.allowed(0.001, runs=runs)
    for share in (0.3, 0.1):
        looks = [split_look(share, qps=10, rng=rng) for _ in range(30)]
        assert sim.summarize(looks).median_look <= 3


def test_simulated_bursts_have_the_dispersion_that_is_measured() -> None:
    run = sim.draw(steady(1000, 0.1, burst=5.0, history=2000), np.random.default_rng(SEED))
    found = dispersion.dispersion(run.past_n.tolist(), x=run.past_x.tolist())
    assert found.value == pytest.approx(9.0, rel=0.3)
