"""Whole rollouts with the defaults of the smallest spec; at length in bench/evidence/worlds_bench.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from default_rollouts import SPEC, Cell, walk

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover


def how(cell: Cell, *, runs: int = 2) -> Counter[str]:
    return Counter(walk(cell, np.random.default_rng((5, seed))).how for seed in range(runs))


@pytest.mark.parametrize(
    "cell",
    [
        Cell(name="no errors", qps=1000.0, base=0.0),
        Cell(name="0.1 %", qps=300.0, base=0.001),
        Cell(name="1 %, one stable pod that stays", qps=3000.0, pods=2),
    ],
    ids=lambda cell: cell.name,
)
def test_a_healthy_release_with_traffic_enough_is_promoted_unattended(cell: Cell) -> None:
    assert how(cell) == {"promoted": 2}


def test_a_promotion_takes_the_holds_of_its_steps_at_least() -> None:
    end = walk(Cell(name="no errors", qps=1000.0, base=0.0), np.random.default_rng(1))
    assert end.seconds >= sum(step.hold_seconds for step in SPEC.steps)
    assert end.step == len(SPEC.steps)


@pytest.mark.parametrize("qps", [10.0, 100.0])
def test_an_outage_of_everybody_is_neither_promoted_nor_rolled_back(qps: float) -> None:
    assert how(Cell(name="outage", qps=qps, outage_at=300.0)) == {"paused": 2}


@pytest.mark.parametrize(
    "cell",
    [
        Cell(name="lasting", lasting=0.5, pods=10, qps=1000.0, base=0.005, confirmed=True),
        Cell(name="clients", clients=50, pods=10, base=0.0, gateway=False, confirmed=True),
        Cell(name="retries", retries=3, pods=10, qps=30.0, confirmed=True),
        Cell(name="cold", pods=10, cold_seconds=60.0, warmup=600.0, confirmed=True),
    ],
    ids=lambda cell: cell.name,
)
def test_equal_versions_on_unlike_pods_are_not_rolled_back(cell: Cell) -> None:
    assert "rolled back" not in how(cell, runs=1)


def test_new_pods_that_stay_slow_beyond_their_warm_up_are_rolled_back() -> None:
    cold = Cell(name="cold", pods=10, cold_seconds=3000.0, warmup=60.0, qps=300.0, confirmed=True)
    assert how(cold, runs=2) == {"rolled back": 2}


UNLIKE = Cell(name="unlike", base=0.005, lasting=0.1, wander=0.2, speeds=0.03, rare=0.5)


@pytest.mark.parametrize(
    "bad",
    [
        replace(UNLIKE, candidate_base=0.05),
        replace(UNLIKE, candidate_base=0.055, qps=10.0),
        replace(UNLIKE, slower=1.5),
    ],
    ids=["ten times the errors", "five points more", "half slower"],
)
def test_on_pods_that_are_not_quite_alike_a_bad_version_is_still_found(bad: Cell) -> None:
    assert how(bad, runs=2) == {"rolled back": 2}


def test_a_careful_profile_takes_longer_there_than_a_quick_one() -> None:
    careful, quick = (
        walk(
            replace(UNLIKE, pods=10, analysis=(("profile", one),)),
            np.random.default_rng((20_261_130, 0)),
        )
        for one in ("Careful", "Quick")
    )
    assert (careful.how, quick.how) == ("promoted", "promoted")
    assert careful.seconds > quick.seconds
