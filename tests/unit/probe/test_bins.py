"""Every value of every type falls into exactly one bin, and into the right one."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate_probe.bins import Bins, CategoryBins, NumericBins, count, edge_text
from tidegate_probe.fitting import counted

FINITE = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.lists(FINITE, unique=True, max_size=12).map(lambda edges: tuple(sorted(edges)))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.complex_numbers(),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.just(10**5000),
)
NUMERIC = NumericBins((-1.0, 0.0, 2.5))
COUNTRY = CategoryBins(("DE", "FR", "3", "true"))


def named(value: object) -> str:
    """Python refuses to write out the longest number."""
    return "huge" if isinstance(value, int) and value > 10**999 else repr(value)


def label(bins: Bins, value: object) -> str:
    return bins.labels[bins.slot(value)]


@given(edges=EDGES, value=FINITE)
def test_a_number_lies_between_the_edges_of_its_bin(edges: tuple[float, ...], value: float) -> None:
    slot = NumericBins(edges).slot(value)
    bounds = (-math.inf, *edges, math.inf)
    assert bounds[slot] < value <= bounds[slot + 1]


@given(edges=EDGES, values=st.lists(ANYTHING, max_size=30))
def test_counts_of_numbers_add_up_to_the_values(
    edges: tuple[float, ...], values: list[object]
) -> None:
    assert sum(count(NumericBins(edges), values)) == len(values)


@given(names=st.sets(st.text(min_size=1), max_size=5), values=st.lists(ANYTHING, max_size=30))
def test_counts_of_categories_add_up_to_the_values(names: set[str], values: list[object]) -> None:
    bins = CategoryBins(tuple(sorted(names - {"missing", "other"})))
    assert sum(count(bins, values)) == len(values)


@given(
    edges=EDGES,
    values=st.lists(st.floats(width=32) | st.floats(), max_size=50),
    kind=st.sampled_from([np.float64, np.float32]),
)
def test_an_array_is_counted_as_its_values_are(
    edges: tuple[float, ...], values: list[float], kind: type[np.floating]
) -> None:
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=kind)
    bins = NumericBins(edges)
    assert counted(bins, array) == tuple(count(bins, array))


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_whole_numbers_that_floating_point_rounds_are_counted_exactly(values: list[int]) -> None:
    bins = NumericBins((-1.0, 2.0**53, 2.0**62))
    assert counted(bins, np.array(values, dtype=np.int64)) == tuple(count(bins, values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-5, "-1"),
        (-1, "-1"),
        (-0.5, "0"),
        (True, "2.5"),
        (2.5, "2.5"),
        (np.float32(2.5), "2.5"),
        (np.int64(3), "+Inf"),
        (Decimal("2.4"), "2.5"),
        (Fraction(1, 2), "2.5"),
        (10**400, "+Inf"),
        (-(10**400), "-1"),
        (None, "missing"),
        (math.nan, "missing"),
        (math.inf, "missing"),
        (-math.inf, "missing"),
        (np.float32("nan"), "missing"),
        (Decimal("NaN"), "missing"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        ("2.5", "other"),
        ("", "other"),
        (b"1", "other"),
        ([1.0], "other"),
        ({}, "other"),
        (1j, "other"),
    ],
    ids=named,
)
def test_numbers_and_what_is_none(value: object, expected: str) -> None:
    assert label(NUMERIC, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DE", "DE"),
        (np.str_("DE"), "DE"),
        (b"FR", "FR"),
        (3, "3"),
        (3.0, "3"),
        (np.int32(3), "3"),
        (np.float64(3), "3"),
        (True, "true"),
        (np.True_, "true"),
        ("XX", "other"),
        (b"\xff", "other"),
        (3.5, "other"),
        (False, "other"),
        (["DE"], "other"),
        (10**5000, "other"),
        (None, "missing"),
        ("", "missing"),
        (math.nan, "missing"),
        (math.inf, "missing"),
        (np.float32("nan"), "missing"),
        (pd.NA, "missing"),
        ("missing", "missing"),
        ("other", "other"),
    ],
    ids=named,
)
def test_categories_and_what_is_none(value: object, expected: str) -> None:
    assert label(COUNTRY, value) == expected


@given(edge=FINITE)
def test_the_label_of_an_edge_reads_back_as_the_edge(edge: float) -> None:
    assert float(edge_text(edge)) == edge


def test_bins_are_labelled_as_buckets_of_prometheus_are() -> None:
    assert NUMERIC.labels == ("-1", "0", "2.5", "+Inf", "missing", "other")
    assert NumericBins(()).labels == ("+Inf", "missing", "other")
