"""How often the drift test is wrong and right; the long form is bench/evidence/drift_bench.py."""

from __future__ import annotations

import math

import drift_simulation as simulation
import numpy as np
import pytest

RUNS = 8000


def three_errors(share: float, *, runs: int) -> float:
    return 3 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize("total", [500, 2000, 10_000])
@pytest.mark.parametrize("delta", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("reference_factor", [1, 10])
def test_at_what_is_tolerated_the_test_keeps_its_size(
    total: int, delta: float, reference_factor: int
) -> None:
    share = simulation.size_at(
        simulation.EQUAL,
        total=total,
        reference_total=reference_factor * total,
        delta=delta,
        alpha=0.05,
        runs=RUNS,
        seed=4,
    )

    slack = three_errors(0.05, runs=RUNS)
    assert 0.035 - slack <= share <= 0.065 + slack


@pytest.mark.parametrize("total", [200, 1000, 100_000])
@pytest.mark.parametrize(("alpha", "limit"), [(0.05, 0.06), (0.01, 0.015)])
def test_skewed_bins_raise_no_more_alarms(total: int, alpha: float, limit: float) -> None:
    share = simulation.size_at(
        simulation.SKEWED,
        total=total,
        reference_total=10 * total,
        delta=0.0,
        alpha=alpha,
        runs=RUNS,
        seed=5,
    )

    assert share <= limit + three_errors(limit, runs=RUNS)


@pytest.mark.no_cover
def test_two_hundred_features_over_a_week_of_hours_stay_quiet() -> None:
    rng, runs = np.random.default_rng(6), 60
    fleets = [
        simulation.worst_window(rng, features=200, count=168, total=1000, reference_total=50_000)
        for _ in range(runs)
    ]

    # At delta 0 the far tail of the chi-square is optimistic by a factor of two.
    for delta, limit in ((0.02, 0.0), (0.1, 0.0), (0.0, 0.02)):
        alarms = sum(
            simulation.alarm_in(worst, delta=delta, alpha=0.01 / (200 * 168)) for worst in fleets
        )
        assert alarms / runs <= limit + three_errors(limit, runs=runs), delta


def test_fixed_limits_alarm_on_small_unchanged_windows_and_the_test_does_not() -> None:
    week = {"total": 100, "reference_total": 100_000, "runs": 168 * 50, "seed": 7, "psi": 0.0}
    watch = simulation.fixed_limit_share(simulation.EQUAL, limit=0.1, **week)
    act = simulation.fixed_limit_share(simulation.EQUAL, limit=0.25, **week)
    ours = simulation.size_at(simulation.EQUAL, delta=0.1, alpha=0.01 / 168, **week)

    assert watch > 0.2
    # one window is enough to call a feature drifted: four of ten healthy ones cross 0.25 in a week
    assert 1 - (1 - act) ** 168 > 0.3
    assert ours == 0


def test_what_a_fixed_limit_misses_in_large_windows_is_found() -> None:
    moved = {"total": 5000, "reference_total": 50_000, "runs": 2000, "seed": 8, "psi": 0.18}
    act = simulation.fixed_limit_share(simulation.EQUAL, limit=0.25, **moved)
    ours = simulation.size_at(simulation.EQUAL, delta=0.1, alpha=0.01, **moved)

    assert act < 0.01
    assert ours > 0.99
