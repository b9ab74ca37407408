"""Bins found in training data: useful to compare by, and silent about single rows."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_examples import training_data

from tidegate_probe import Profile, ProfileError
from tidegate_probe.bins import MISSING, OTHER, CategoryBins, NumericBins
from tidegate_probe.fitting import FEWEST, category_bins, counted, numeric_bins

ROWS = 20_000


def amounts(rows: int = ROWS) -> list[float]:
    return [float(str(amount)) for amount in training_data(rows)["amount"]]


def shares(values: Sequence[float], *, size: int = 10) -> dict[str, float]:
    bins = numeric_bins(values, size=size)
    counts = counted(bins, values)
    return {label: n / len(values) for label, n in zip(bins.labels, counts, strict=True)}


def test_inner_bins_hold_about_equal_shares() -> None:
    first, *inner, last = list(shares(amounts()).values())[:-2]
    assert first <= 0.001
    assert last <= 0.001
    assert len(inner) == 10
    assert all(0.06 < share < 0.14 for share in inner)


def test_no_edge_is_an_extreme_or_tells_how_far_it_lies() -> None:
    ordinary = [float(n) for n in range(1000)]
    with_outliers = [-1e9, *ordinary, 1e9]
    edges = numeric_bins(with_outliers, size=10).edges
    assert edges[0] > -100
    assert edges[-1] < 1100


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=20, max_size=60))
def test_any_numbers_give_bins_that_ascend(values: list[float]) -> None:
    edges = numeric_bins(values, size=10).edges
    assert list(edges) == sorted(set(edges))
    assert all(np.isfinite(edges))


@pytest.mark.parametrize("low", [0.0, 1.78e308, -1.78e308])
def test_numbers_at_the_end_of_floating_point(low: float) -> None:
    edges = numeric_bins([low] * 50 + [1.78e308] * 50, size=10).edges
    assert all(np.isfinite(edges))
    assert edges[0] <= low


@pytest.mark.parametrize("constant", [0.0, 3.14159, -7.0, 1e12])
def test_a_constant_has_room_on_both_sides(constant: float) -> None:
    bins = numeric_bins([constant] * 500, size=10)
    below, at, above = (bins.slot(constant + step) for step in (-1e12, 0, 2e12))
    assert below < at < above


def test_many_zeros_are_told_from_what_lies_below() -> None:
    chance = random.Random(1)
    values = [0.0] * 500 + [chance.uniform(1, 2) for _ in range(500)]
    bins = numeric_bins(values, size=10)
    assert bins.slot(-1.0) < bins.slot(0.0) < bins.slot(1.0)


def test_too_few_numbers_make_one_bin() -> None:
    assert numeric_bins([1.0, 2.0], size=10) == NumericBins(())
    assert numeric_bins([], size=10) == NumericBins(())


def test_whole_numbers_beyond_floating_point_lie_outside() -> None:
    assert numeric_bins([10**400, *range(100)], size=10).edges[-1] < 110


def test_scalars_of_numpy_in_a_list_are_numbers() -> None:
    data = {"a": [np.int64(n) for n in range(100)]}
    assert Profile.fit(data, model="m", model_version="1").features["a"].bins.kind == "numeric"


def test_numpy_and_python_find_the_same_bins() -> None:
    values = amounts()
    assert numeric_bins(np.array(values), size=10) == numeric_bins(values, size=10)


def test_rare_categories_are_folded() -> None:
    names = ["DE"] * FEWEST + ["XK"] * (FEWEST - 1) + [""] * 100
    assert category_bins(names) == CategoryBins(("DE",))


def test_of_many_categories_the_most_frequent_stay() -> None:
    names = [f"c{at:05}" for at in range(10_000) for _ in range(FEWEST + (at < 50))]
    assert category_bins(names) == CategoryBins(tuple(f"c{at:05}" for at in range(50)))


@pytest.mark.parametrize("name", ["x" * 65, "ü" * 33, "two\nlines", "missing", "other"])
def test_long_texts_and_reserved_names_are_no_categories(name: str) -> None:
    assert category_bins([name] * 100) == CategoryBins(())


def test_a_data_frame_a_mapping_and_rows_give_one_profile() -> None:
    columns = training_data(500)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    profiles = [
        Profile.fit(data, model="fraud", model_version="v7")
        for data in (columns, pd.DataFrame(columns), rows)
    ]
    assert profiles[0] == profiles[1] == profiles[2]


def test_an_array_needs_names() -> None:
    array = np.random.default_rng(1).normal(size=(200, 2))
    profile = Profile.fit(array, names=["a", "b"], model="m", model_version="1")
    assert list(profile.features) == ["a", "b"]
    with pytest.raises(ProfileError, match="2 columns needs as many distinct names"):
        Profile.fit(array, model="m", model_version="1")


def test_kinds_of_a_data_frame() -> None:
    frame = pd.DataFrame(
        {
            "whole": range(200),
            "truth": [True, False] * 100,
            "text": ["a", None] * 100,
            "nullable": pd.array([1, None] * 100, dtype="Int64"),
            "empty": [None] * 200,
            "mixed": [1, "x"] * 100,
        }
    )
    profile = Profile.fit(frame, model="m", model_version="1")
    kinds = {name: field.bins.kind for name, field in profile.features.items()}
    assert kinds == {
        "whole": "numeric",
        "truth": "categorical",
        "text": "categorical",
        "nullable": "numeric",
        "empty": "categorical",
        "mixed": "categorical",
    }
    assert profile.features["nullable"].counts[-2] == 100


def test_a_kind_can_be_told() -> None:
    data = {"code": [1, 2] * 100}
    profile = Profile.fit(data, model="m", model_version="1", kinds={"code": "categorical"})
    assert profile.features["code"].bins == CategoryBins(("1", "2"))


def test_a_later_version_keeps_the_bins_of_an_earlier_one() -> None:
    earlier = Profile.fit(training_data(1000), model="fraud", model_version="v7")
    newer = training_data(1000, seed=2) | {"hour": list(range(1000))}
    later = Profile.fit(newer, model="fraud", model_version="v8", like=earlier)
    assert later.features["amount"].bins == earlier.features["amount"].bins
    assert later.features["amount"].counts != earlier.features["amount"].counts
    assert "hour" in later.features


def test_two_hundred_features_stay_below_a_mebibyte() -> None:
    chance = random.Random(1)
    names = [f"{'ü' * 25}{at}" for at in range(50)]
    columns: dict[str, list[object]] = {
        f"{'feature' * 10}{at}": chance.choices(names, k=1000) for at in range(200)
    }
    document = Profile.fit(columns, model="m", model_version="1").to_json()
    assert 500_000 < len(document.encode()) < 1 << 20


def test_no_row_of_the_data_is_in_the_document() -> None:
    rows = 1000
    data: dict[str, list[object]] = {
        "email": [f"person{at}@example.org" for at in range(rows)],
        "salary": [30_011.07 + 17.31 * at for at in range(rows)],
    }
    profile = Profile.fit(data, model="m", model_version="1")
    assert profile.features["email"].bins.labels == (MISSING, OTHER)
    assert "person" not in profile.to_json()
    edges = profile.features["salary"].bins.labels[:-3]
    assert not {float(edge) for edge in edges} & set(data["salary"])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, "no columns"),
        ([], "no table"),
        ("text", "no table"),
        ({"a": "text"}, "no column"),
        ({"a": [1, 2]}, "2 rows; a profile needs 100"),
        ({"a": [1] * 100, "b": [1] * 99}, "differ in length: \\[99, 100\\]"),
        ({"": [1] * 100}, "no printable text"),
        (pd.DataFrame([[1, 2]] * 100, columns=["a", "a"]), "column 'a' stands 2 times"),
        (pd.DataFrame([[1, 2]] * 100, columns=["1", 1]), "column '1' stands 2 times"),
    ],
)
def test_unusable_data_are_refused(data: object, told: str) -> None:
    with pytest.raises(ProfileError, match=told):
        Profile.fit(data, model="m", model_version="1")


def test_outputs_have_as_many_rows() -> None:
    with pytest.raises(ProfileError, match="features and outputs differ in rows"):
        Profile.fit({"a": [1] * 100}, outputs={"s": [1] * 99}, model="m", model_version="1")


@pytest.mark.parametrize(
    ("kinds", "told"),
    [({"b": "numeric"}, "kinds: 'b' is no column"), ({"a": "date"}, "kinds.a: 'date' is neither")],
)
def test_unusable_kinds_are_refused(kinds: dict[str, str], told: str) -> None:
    with pytest.raises(ProfileError, match=told):
        Profile.fit({"a": [1] * 100}, model="m", model_version="1", kinds=kinds)
