import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import PhiSource


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
    assert found.value == pytest.approx(size, rel=0.12)


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
        assert found.value == dispersion.ASSUMED
        assert not found.trusted


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
    shuffled = [chance.sample(pods, len(pods)) for pods in intervals]
    found, other = (
        dispersion.dispersion(
            [[n for n, _ in pods] for pods in table],
            x=[[x for _, x in pods] for pods in table],
            min_df=1,
        )
        for table in (intervals, shuffled)
    )
    assert found.value >= 1
    assert found.value == pytest.approx(other.value)
    assert found.df == other.df
