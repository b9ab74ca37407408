from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.traffic import splits

ten_thousandths = st.integers(min_value=0, max_value=1_000_000)


@pytest.mark.parametrize(
    ("weight_percent", "stable", "candidate"),
    [
        (0.0, 100, 0),
        (100.0, 0, 100),
        (25.0, 75, 25),
        (0.1, 999, 1),
        (12.5, 875, 125),
        (33.3333, 666667, 333333),
        (0.0001, 999999, 1),
        (99.99, 1, 9999),
        (0.00004, 100, 0),  # beyond four decimals: rounded
        (0.3, 997, 3),  # 0.3 has no exact binary form
    ],
)
def test_weights_become_the_smallest_integers_of_the_plane(
    weight_percent: float, stable: int, candidate: int
) -> None:
    weights = splits.plane_weights(model.Exposure(live_percent=weight_percent))
    assert weights == splits.PlaneWeights(stable=stable, candidate=candidate)


@given(ten_thousandths)
def test_plane_weights_keep_the_ratio_exactly_and_sum_to_a_power_of_ten(units: int) -> None:
    split = model.Exposure(live_percent=units / 10_000)
    weights = splits.plane_weights(split)
    total = weights.stable + weights.candidate
    assert total in {100, 1000, 10_000, 100_000, 1_000_000}
    assert Fraction(weights.candidate, total) == Fraction(units, 1_000_000)


@given(ten_thousandths)
def test_reading_back_gives_the_written_percent(units: int) -> None:
    percent = units / 10_000
    weights = splits.plane_weights(model.Exposure(live_percent=percent))
    back = splits.percents({"stable": weights.stable, "candidate": weights.candidate})
    assert back["candidate"] == percent


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1_000_000), min_size=1))
def test_shares_always_sum_to_exactly_100(weights: dict[str, int]) -> None:
    back = splits.percents(weights)
    if sum(weights.values()) == 0:
        assert back == {}
    else:
        assert sum(round(share * 10_000) for share in back.values()) == 1_000_000
        assert back.keys() == weights.keys()


def test_thirds_are_shared_out_by_the_largest_remainder() -> None:
    assert splits.percents({"a": 1, "b": 2}) == {"a": 33.3333, "b": 66.6667}
    assert splits.percents({"a": 1, "b": 1, "c": 1}) == {"a": 33.3334, "b": 33.3333, "c": 33.3333}


def test_negative_weights_count_as_nothing() -> None:
    assert splits.percents({"a": -5, "b": 10}) == {"a": 0.0, "b": 100.0}


def test_a_weight_outside_0_to_100_is_a_programming_error() -> None:
    with pytest.raises(AssertionError):
        splits.plane_weights(model.Exposure(live_percent=101.0))
