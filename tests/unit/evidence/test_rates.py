"""What a request rate finds in what time, held against the tests that run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evidence_rows import INDEPENDENT, config

from tidegate import model
from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.rows import Counts, PodCounts, Row
from tidegate.evidence.sequential import answers, ledger, throughput
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule, Pace
from tidegate.evidence.sequential.throughput import Speed
from tidegate.evidence.verdict import rates
from tidegate.evidence.verdict.rates import Arrivals, RateForecast
from tidegate.evidence.verdict.throughput import pace_of
from tidegate.evidence.verdict.times import Clock

LENGTH = 30.0
NAME = "request-rate"
CLOCK = Clock(interval_seconds=LENGTH, scrape_seconds=15.0)
STEP = model.Stage(
    name="p10",
    weight_percent=10,
    effective_weight_percent=10,
    hold_seconds=0,
    deadline_seconds=7200,
    min_requests=100,
)
COMPARED = pace_of(least=None, tolerance=None, margin=0.25, per_pod=False)


def settings(pace: Pace = COMPARED, *, guard: bool = True) -> EvidenceConfig:
    return config(MetricRule(name=NAME, pace=pace, guard=guard))


def planned(
    pace: Pace = COMPARED,
    *,
    per_second: float = 100.0,
    pods: int = 4,
    weight: float = 0.1,
    candidates: int = 1,
    single: float = 1.0,
) -> RateForecast:
    (found,) = rates.forecast(
        replace(STEP, effective_weight_percent=100 * weight),
        arrivals=Arrivals(requests_per_second=per_second, pods=pods, single=single),
        pods=candidates,
        config=settings(pace),
        clock=CLOCK,
    )
    return found


def seen(
    until: Callable[[Speed], bool],
    *,
    per_second: float,
    pods: int,
    weight: float,
    finishes: float,
    runs: int = 31,
) -> float:
    """Median seconds after which the real tests say so, on drawn rows."""

    def run(seed: int) -> float:
        rng, state = np.random.default_rng(seed), ledger.begin(settings())
        for number in range(2000):
            candidate = float(rng.poisson(per_second * weight * finishes * LENGTH))
            stable = rng.poisson(per_second * (1 - weight) * LENGTH / pods, size=pods)
            counts = Counts(
                n_c=candidate,
                n_s=float(stable.sum()),
                x_c=(0.0,),
                x_s=(0.0,),
                phi=(INDEPENDENT,),
                pods_c=(PodCounts(pod="c", n=candidate, x=(0.0,)),),
                pods_s=tuple(
                    PodCounts(pod=f"s{k}", n=float(n), x=(0.0,)) for k, n in enumerate(stable)
                ),
            )
            start = LENGTH * number
            row = Row(t0=start, t1=start + LENGTH, step=0, weight=weight, counts={NAME: counts})
            state = ledger.record(state, row=row, config=settings())
            if until(state.speeds[NAME]):
                return row.t1
        return math.inf

    return statistics.median(run(seed) for seed in range(runs)) + CLOCK.delay_seconds


CELLS = [(10.0, 4, 0.1), (10.0, 4, 0.5), (100.0, 4, 0.1), (100.0, 10, 0.5), (100.0, 1, 0.1)]


@pytest.mark.parametrize(("per_second", "pods", "weight"), CELLS)
def test_a_pass_is_planned_as_it_comes(per_second: float, pods: int, weight: float) -> None:
    real = seen(
        lambda known: throughput.proof_e(known) >= settings().log_promote,
        per_second=per_second,
        pods=pods,
        weight=weight,
        finishes=1.0,
    )
    plan = planned(per_second=per_second, pods=pods, weight=weight).passes_seconds
    assert real / 1.5 <= plan <= 1.5 * real


@pytest.mark.parametrize(("per_second", "pods", "weight"), CELLS)
def test_what_is_found_is_planned_as_it_comes(per_second: float, pods: int, weight: float) -> None:
    found = planned(per_second=per_second, pods=pods, weight=weight)
    real = seen(
        lambda known: known.slow,
        per_second=per_second,
        pods=pods,
        weight=weight,
        finishes=found.found / found.due,
    )
    assert found.found == pytest.approx(per_second * 0.8 * 2 / 3)
    assert real / 1.5 <= found.found_seconds <= 1.5 * real


def test_pods_that_differ_in_their_requests_take_longer() -> None:
    even, uneven = planned(), planned(single=5.0)
    assert uneven.passes_seconds > 2 * even.passes_seconds
    assert uneven.found_seconds > 2 * even.found_seconds


@pytest.mark.parametrize(
    ("least", "per_pod", "candidates", "warning"),
    [
        (50.0, False, 1, ""),
        (100.0, False, 1, "only 100 arrive, so that min 100 cannot be judged; lower min"),
        (9.0, True, 1, ""),
        (9.0, True, 2, "only 5 arrive, so that min 9 cannot be judged; give the step more weight"),
        (99.9, False, 1, "does not pass before the deadline: lower min"),
    ],
)
def test_a_limit_needs_so_many_requests(
    least: float, *, per_pod: bool, candidates: int, warning: str
) -> None:
    pace = pace_of(least=least, tolerance=None, margin=None, per_pod=per_pod)
    found = planned(pace, candidates=candidates)

    assert found.warning.startswith(warning)
    assert bool(found.warning) is bool(warning)
    assert (found.passes_seconds <= STEP.deadline_seconds) is not bool(warning)


def test_beside_stable_it_still_finds_what_a_limit_out_of_reach_cannot() -> None:
    found = planned(replace(COMPARED, least=500.0))
    assert math.isfinite(found.found_seconds)
    assert math.isinf(found.passes_seconds)


@pytest.mark.parametrize("change", ["no traffic known", "all of the traffic", "dry run"])
def test_nothing_is_planned_where_nothing_is_judged(change: str) -> None:
    step = replace(STEP, effective_weight_percent=100.0 if change == "all of the traffic" else 10.0)
    found = rates.forecast(
        step,
        arrivals=None
        if change == "no traffic known"
        else Arrivals(requests_per_second=100.0, pods=4),
        pods=1,
        config=settings(guard=change != "dry run"),
        clock=CLOCK,
    )
    assert found == ()


def test_the_history_of_stable_says_how_requests_spread() -> None:
    spread, rng = Spread(), np.random.default_rng(3)
    for _ in range(60):
        requests = rng.poisson((300, 600, 900))
        spread = dispersion.widen_shares(
            spread, requests={f"s{k}": float(n) for k, n in enumerate(requests)}
        )
    found = rates.arrivals_of(spread, requests_per_second=60.0)

    assert found.pods == 3
    assert found.single > 50
    assert found.longer > 50 * found.single / 60
    assert rates.arrivals_of(Spread(), requests_per_second=1.0) == Arrivals(
        requests_per_second=1.0, pods=1, single=0.0, longer=1.0
    )


def test_the_dispersion_is_known_better_from_row_to_row() -> None:
    found = [
        answers.expected_dispersion(1.0, longer=1.0, pods=4, intervals=rows) for rows in (1, 10, 60)
    ]
    assert found == sorted(found, reverse=True)
    assert answers.expected_dispersion(1.0, longer=1.0, pods=2, intervals=1) == math.inf
    assert answers.expected_dispersion(1.0, longer=1.0, pods=1, intervals=60) == 100.0
    assert answers.expected_dispersion(1.0, longer=9.0, pods=4, intervals=60) > 9.0
