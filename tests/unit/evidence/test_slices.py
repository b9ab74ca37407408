"""What is kept of a revision that serves: bounded, and exactly what was put in."""

from __future__ import annotations

import gc
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts.binned import MAX_ALL_BINS
from tidegate.evidence.drift import packed, slices
from tidegate.evidence.drift.packed import Packed
from tidegate.evidence.drift.slices import Slices

Observed = Mapping[str, Mapping[str, float]]
OBSERVED = st.dictionaries(
    st.sampled_from(("amount", "country")),
    st.dictionaries(st.sampled_from(("a", "b", "other")), st.integers(0, 1000), min_size=1),
    min_size=1,
)


def filled(*observed: Observed, keeps: float = 1e9) -> Slices:
    found = Slices()
    for index, one in enumerate(observed):
        found = found.added(one, at=float(index), after=index - keeps)
    return found


@given(st.lists(OBSERVED, min_size=1, max_size=6))
def test_all_slices_together_are_the_sum_of_what_was_put_in(observed: list[Observed]) -> None:
    found = filled(*observed).by_feature()
    for feature in {name for one in observed for name in one}:
        for label in {it for one in observed for it in one.get(feature, {})}:
            total = sum(one.get(feature, {}).get(label, 0.0) for one in observed)
            # A bin that counted nothing goes when it is not named any more.
            assert found.get(feature, {}).get(label, 0.0) == total


@given(st.lists(OBSERVED, min_size=1, max_size=6))
def test_each_slice_is_what_was_put_in(observed: list[Observed]) -> None:
    kept = filled(*observed)
    for feature in {name for one in observed for name in one}:
        for one, own in zip(observed, kept.each(feature), strict=True):
            given_ = {label: n for label, n in one.get(feature, {}).items() if n}
            assert {label: n for label, n in own.items() if n} == given_


def test_what_is_old_goes_and_so_the_rest_is_bounded() -> None:
    kept = filled(*[{"amount": {"a": float(n)}} for n in range(100)], keeps=12)
    assert kept.ends == tuple(float(n) for n in range(88, 100))
    assert kept.by_feature() == {"amount": {"a": float(sum(range(88, 100)))}}


def test_a_bin_that_nobody_names_goes_with_the_last_slice_that_counted_in_it() -> None:
    first, then = {"amount": {"1": 5.0, "+Inf": 0.0}}, {"amount": {"2": 5.0, "+Inf": 0.0}}
    assert filled(first, then).by_feature() == {"amount": {"1": 5.0, "2": 5.0, "+Inf": 0.0}}
    assert filled(first, then, keeps=1).by_feature() == {"amount": {"2": 5.0, "+Inf": 0.0}}


def test_a_part_of_it_is_what_ended_later() -> None:
    kept = filled(*[{"amount": {"a": 1.0}} for _ in range(5)])
    assert kept.since(2.0).ends == (3.0, 4.0)
    assert kept.since(9.0).by_feature() == {"amount": {"a": 0.0}}


def test_models_that_count_alike_share_the_names_of_their_bins() -> None:
    one, other = filled({"amount": {"a": 1.0}}), filled({"amount": {"a": 2.0}})
    assert one.columns is other.columns


@pytest.mark.parametrize("observed", [{}, {"amount": {}}])
def test_nothing_is_nothing(observed: Observed) -> None:
    assert filled(observed).by_feature() == {}


# --- memory --------------------------------------------------------------------------------------


def test_names_of_bins_go_with_the_last_model_that_counts_them() -> None:
    """Categories that change with each slice must not fill the process, which serves all tenants."""
    gc.collect()
    before = len(slices._KNOWN), len(packed._INDICES)
    kept, numbers = Slices(), Packed({})
    for n in range(200):
        kept = kept.added({"amount": {f"id-{n}": 1.0}}, at=float(n), after=n - 3.0)
        numbers = Packed({f"id-{n}": 1.0})
    gc.collect()
    assert dict(numbers) == {"id-199": 1.0}
    assert len(slices._KNOWN) - before[0] <= 1
    assert len(packed._INDICES) - before[1] <= 1


def test_numbers_with_the_same_labels_share_one_index() -> None:
    one, other = Packed({"a": 1.0, "b": 2.0}), Packed({"a": 3.0, "b": 4.0})
    assert one._index is other._index


def _with(*labels: int) -> Observed:
    return {"id": {str(n): 1.0 for n in labels}}


def test_labels_that_change_all_the_time_are_bounded_by_letting_old_slices_go() -> None:
    fourth = MAX_ALL_BINS // 4
    kept = filled(*[_with(*range(n * fourth, (n + 1) * fourth)) for n in range(7)])
    assert kept.ends == (3.0, 4.0, 5.0, 6.0)
    assert len(kept.columns.names) == MAX_ALL_BINS
    assert kept.by_feature()["id"].keys() == {str(n) for n in range(3 * fourth, 7 * fourth)}


def test_one_slice_that_is_full_of_others_is_kept_alone() -> None:
    kept = filled(_with(1), _with(*range(2, MAX_ALL_BINS + 2)))
    assert kept.ends == (1.0,)
    assert len(kept.columns.names) == MAX_ALL_BINS


def test_as_many_bins_as_are_allowed_last() -> None:
    full = _with(*range(MAX_ALL_BINS))
    assert filled(full, full, full).ends == (0.0, 1.0, 2.0)
