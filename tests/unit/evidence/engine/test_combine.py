import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from tidegate.evidence import combine

p_lists = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def test_the_average_is_the_log_of_the_weighted_mean() -> None:
    found = combine.average((math.log(8), math.log(2), -math.inf), weights=(0.25, 0.5, 0.25))
    assert found == pytest.approx(math.log(3))
    assert combine.average((-math.inf,), weights=(1.0,)) == -math.inf
    assert combine.average((), weights=()) == -math.inf


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=8))
def test_the_average_lies_between_the_largest_share_and_the_largest(log_es: list[float]) -> None:
    w = 1 / len(log_es)
    found = combine.average(log_es, weights=[w] * len(log_es))
    assert max(log_es) + math.log(w) - 1e-9 <= found <= max(log_es) + 1e-9


@given(p_lists)
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    if len(p_values) > 6:
        p_values = p_values[:6]
    found = combine.holm(p_values, alpha=0.05).adjusted
    for index, adjusted in enumerate(found):
        others = [i for i in range(len(p_values)) if i != index]
        worst = max(
            min(1.0, (k + 1) * min(p_values[i] for i in (index, *some)))
            for k in range(len(others) + 1)
            for some in itertools.combinations(others, k)
        )
        assert adjusted == pytest.approx(worst, abs=1e-12)


def test_an_important_test_gets_the_larger_share() -> None:
    p_values = (0.03, 0.03)
    assert combine.holm(p_values, alpha=0.05).rejected == (False, False)
    assert combine.holm(p_values, alpha=0.05, importances=(4, 1)).rejected == (True, True)
    assert combine.holm((0.03, 0.9), alpha=0.05, importances=(4, 1)).rejected == (True, False)


@given(p_lists)
def test_benjamini_hochberg_agrees_with_scipy_and_rejects_what_holm_does(
    p_values: list[float],
) -> None:
    found = combine.benjamini_hochberg(p_values, q=0.05)
    assert found.adjusted == pytest.approx(tuple(false_discovery_control(p_values)), abs=1e-12)
    holm = combine.holm(p_values, alpha=0.05).rejected
    assert all(bh or not h for h, bh in zip(holm, found.rejected, strict=True))


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=10), st.sampled_from([0.01, 0.05, 0.2]))
def test_e_bh_rejects_the_k_largest_for_the_largest_k_that_qualifies(
    log_es: list[float], q: float
) -> None:
    ordered = sorted(log_es, reverse=True)
    largest = max(
        (k for k, one in enumerate(ordered, 1) if math.exp(one) * k * q >= len(ordered) * 1.000001),
        default=0,
    )
    found = combine.e_bh(log_es, q=q).rejected
    assert sum(found) >= largest
    assert all(
        math.exp(one) * sum(found) * q >= len(log_es) * 0.999999
        for one, fell in zip(log_es, found, strict=True)
        if fell
    )
