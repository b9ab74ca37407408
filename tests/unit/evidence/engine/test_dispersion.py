import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import Phi, PhiSource, Spread


def bursts(
    *, size: int, pods: int, intervals: int, seed: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Events in clumps of a fixed size, each on one pod at random; pods of different size."""
    chance = random.Random(seed)
    weights = [1.0 + pod for pod in range(pods)]
    n = [[1000 * w for w in weights] for _ in range(intervals)]
    x: list[list[float]] = []
    for _ in range(intervals):
        hits = chance.choices(range(pods), weights, k=chance.randint(4, 12))
        x.append([size * hits.count(pod) for pod in range(pods)])
    return n, x


@pytest.mark.parametrize("size", [1, 5, 20])
@pytest.mark.parametrize("pods", [2, 3, 8])
def test_clumps_of_a_fixed_size_give_about_that_size(size: int, pods: int) -> None:
    n, x = bursts(size=size, pods=pods, intervals=4000, seed=pods)
    found = dispersion.dispersion(n, x=x)
    assert found.source is PhiSource.MEASURED
    assert found.df == 4000 * (pods - 1)
    # Longer blocks are fewer and so less certain; the largest of them is used.
    assert 0.88 * size <= found.value <= 1.6 * size


def test_the_value_follows_the_formula() -> None:
    n, x = [[100, 300], [50, 50]], [[3, 5], [1, 5]]
    first = (3 - 2) ** 2 / 2 + (5 - 6) ** 2 / 6
    second = (1 - 3) ** 2 / 3 + (5 - 3) ** 2 / 3
    estimate = (8 * first + 6 * second) / 14
    found = dispersion.dispersion(n, x=x, min_df=2)
    assert found.value == pytest.approx(estimate * (1 + 1.645 * (2 / 2) ** 0.5))


def test_too_few_pods_or_errors_leave_it_unmeasured() -> None:
    one_pod = dispersion.dispersion([[100]] * 50, x=[[3]] * 50)
    quiet = dispersion.dispersion([[100, 100]] * 50, x=[[0, 0]] * 50)
    short = dispersion.dispersion([[100, 100]] * 29, x=[[1, 2]] * 29)
    for found in (one_pod, quiet, short):
        assert found.source is PhiSource.UNMEASURED
        assert not found.trusted
    assert one_pod.value == quiet.value == dispersion.ASSUMED
    assert short.value > dispersion.ASSUMED  # one pod has had twice as many all the time


def test_a_given_value_is_trusted_but_never_below_one() -> None:
    assert dispersion.given(0.2).value == 1.0
    assert dispersion.given(7.0).trusted


counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 20)), min_size=2, max_size=6).map(
    lambda pods: [(n, min(n, x)) for n, x in pods]
)


@given(st.lists(counts, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_pods_does_not_matter_and_it_never_falls_below_one(
    intervals: list[list[tuple[int, int]]], chance: random.Random
) -> None:
    named = [[(f"{number}", n, x) for number, (n, x) in enumerate(pods)] for pods in intervals]
    shuffled = [chance.sample(pods, len(pods)) for pods in named]
    found, other = (_of_named(table) for table in (named, shuffled))
    assert found.value >= 1
    assert found.value == pytest.approx(other.value)
    assert found.df == other.df


def _of_named(table: list[list[tuple[str, int, int]]]) -> Phi:
    spread = Spread()
    for pods in table:
        spread = dispersion.widen(
            spread,
            n=[n for _, n, _ in pods],
            x=[x for _, _, x in pods],
            pods=[name for name, _, _ in pods],
        )
    return spread.phi(min_df=1)


# --- what single intervals do not show -----------------------------------------------------------


def _phi_of(
    factors: Sequence[float], *, each: float = 1.0, together: int = 1, seed: int = 3
) -> float:
    """Pods with lasting factors; `each` varies the rate of all of them, events come `together`."""
    rng = np.random.default_rng(seed)
    n, x = [], []
    for _ in range(128):
        rate = 0.01 * float(np.exp(rng.normal(0, math.log(each)))) if each > 1 else 0.01
        n.append([1000.0] * len(factors))
        calls = rng.poisson(1000 * rate * len(factors) / together)
        shared = rng.multinomial(calls * together, [1 / len(factors)] * len(factors))
        own = [rng.poisson(1000 * rate * factor) for factor in factors]
        x.append([float(one) for one in (shared if together > 1 else own)])
    return dispersion.dispersion(n, x=x).value


def test_pods_that_differ_lastingly_are_seen_in_all_intervals_together() -> None:
    """The variance of all 128 intervals is 1 + 128 * 10 * sd^2 of single ones' 1 + 10 * sd^2."""
    alike, unlike = _phi_of([1.0] * 6), _phi_of([0.7, 0.8, 1.0, 1.0, 1.2, 1.3])
    assert alike < 2
    assert unlike > 40


def test_events_that_come_together_over_all_pods_are_seen_between_neighbours() -> None:
    assert 2.5 < _phi_of([1.0] * 6, together=3) < 6
    assert 7 < _phi_of([1.0] * 6, together=10) < 20


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ([1.0, -9.0, 2.0], [0, 2]),
        ([1.0, -1.0, 5.0, 9.0, -1.0], [0, 1, 4]),  # within a stretch: two in one direction
        ([1.0, 4.0, 9.0, 5.0, -1.0], [0, 1, 4]),  # the larger one of its neighbours
        ([8.0, -9.0, 8.0], [0, 2]),  # up and down again is no step
        ([9.0, 5.0], [1]),
        ([9.0], []),
    ],
)
def test_a_step_is_left_out_of_what_neighbours_differ_by(
    changes: list[float], kept: list[int]
) -> None:
    assert dispersion.calm([[one] for one in changes]) == kept


def test_an_incident_of_everybody_is_no_clump() -> None:
    rng = np.random.default_rng(9)
    rates = [0.01] * 60 + [0.5] * 10 + [0.01] * 60
    n = [[1000.0] * 4 for _ in rates]
    x = [[float(rng.binomial(1000, rate)) for _ in range(4)] for rate in rates]
    assert dispersion.dispersion(n, x=x).value < 5


@pytest.mark.parametrize(("size", "least"), [(0, 1.0), (40, 20.0), (200, 150.0)])
def test_a_single_burst_on_one_pod_counts_as_one_event(size: int, least: float) -> None:
    rng = np.random.default_rng(4)
    n = [[300.0] * 10 for _ in range(120)]
    x = [[float(rng.binomial(300, 0.001)) for _ in range(10)] for _ in range(120)]
    x[70][3] += size
    found = dispersion.dispersion(n, x=x)
    assert least <= found.value <= max(3.0, 1.5 * size)
