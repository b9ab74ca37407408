"""What is found in one pass and bounded memory tells as much as the whole would."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate_probe.bins import CategoryBins, NumericBins
from tidegate_probe.fitting import FEWEST, numeric_bins
from tidegate_probe.survey import MOST_TEXTS, Sample, Survey

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def fed(sample: Sample, values: list[float], *, chunk: int) -> Sample:
    for at in range(0, len(values), chunk):
        sample.add(values[at : at + chunk])
    return sample


@given(st.lists(FINITE, max_size=200), st.integers(1, 70))
def test_what_fits_is_kept_whole(values: list[float], chunk: int) -> None:
    assert fed(Sample(size=200), values, chunk=chunk).bins(10) == numeric_bins(values, size=10)


@pytest.mark.parametrize("order", ["ascending", "descending", "mixed"])
@pytest.mark.parametrize("chunk", [97, 5000, 200_000])
def test_deciles_of_a_sample_are_near_those_of_all(order: str, chunk: int) -> None:
    values = [float(at) for at in range(100_000)]
    if order == "mixed":
        random.Random(1).shuffle(values)
    found = fed(Sample(size=5000), values[:: -1 if order == "descending" else 1], chunk=chunk)
    bins = found.bins(10)
    assert isinstance(bins, NumericBins)
    assert len(bins.edges) == 11
    for decile, edge in enumerate(bins.edges[1:-1], start=1):
        assert edge == pytest.approx(10_000 * decile, abs=3500)  # five errors of 0.7 %


def test_every_number_has_the_same_chance() -> None:
    """Of 4,000 numbers 200 are kept; so each of four quarters gives about 50 of them."""
    values = [float(at) for at in range(4000)]
    kept = sorted(fed(Sample(size=200), values, chunk=300)._kept)
    ends = [bisect_left(kept, end) for end in (0, 1000, 2000, 3000, 4000)]
    quarters = [upper - lower for lower, upper in itertools.pairwise(ends)]
    assert sum(quarters) == len(set(kept)) == 200
    assert all(25 < rows < 75 for rows in quarters)  # four standard errors


def test_the_outermost_values_are_exact() -> None:
    """Edges stand beyond the ten outermost values, of which a sample would lack most."""
    values = [float(at) for at in range(100_000)]
    low, *_, high = fed(Sample(size=100), values, chunk=999).bins(10).edges  # type: ignore[union-attr]
    inner = values[FEWEST - 1 : -FEWEST + 1]
    assert low < inner[0]
    assert high > inner[-1]


def test_frequent_texts_survive_many_rare_ones() -> None:
    survey = Survey()
    for at in range(0, 4 * MOST_TEXTS, 100):
        survey.add([*(f"rare {number}" for number in range(at, at + 100)), *["DE"] * 20])
    assert survey.too_many
    assert len(survey.seen) <= MOST_TEXTS
    assert survey.categories(str) == CategoryBins(("DE",))


def test_what_a_column_holds() -> None:
    survey = Survey()
    survey.add([1.0, float("nan"), None])
    survey.add([2.0, "x", float("inf"), "y"])
    assert (survey.rows, survey.numbers, survey.texts) == (7, 2, 2)
    assert survey.first_text == (5, "x")
