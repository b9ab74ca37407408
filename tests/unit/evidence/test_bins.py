from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.drift import bins
from tidegate.evidence.drift.bins import Binned, Pair
from tidegate.evidence.terms import Problem, Reason


def pair(found: Pair | Problem) -> Pair:
    assert isinstance(found, Pair), found
    return found


@pytest.mark.parametrize(
    ("case", "reference", "current", "expected"),
    [
        (
            "enough in every bin leaves all as they are",
            Binned(ordered=(30, 40, 30)),
            Binned(ordered=(5, 5, 5)),
            Pair(reference=(30, 40, 30), current=(5, 5, 5)),
        ),
        (
            "a bin empty in both is dropped",
            Binned(ordered=(30, 0, 30)),
            Binned(ordered=(50, 0, 50)),
            Pair(reference=(30, 30), current=(50, 50)),
        ),
        (
            "a new value is a bin of its own",
            Binned(ordered=(30, 30)),
            Binned(ordered=(50, 50), other=9),
            Pair(reference=(30, 30, 0), current=(50, 50, 9)),
        ),
        (
            "missing and other stay apart however few they are",
            Binned(ordered=(50, 49), missing=1),
            Binned(ordered=(3, 4), missing=1, other=1),
            Pair(reference=(99, 1, 0), current=(7, 1, 1)),
        ),
        (
            "few observations merge equal bins from the outside in",
            Binned(ordered=(10, 10, 10, 10, 10, 10)),
            Binned(ordered=(1, 2, 3, 4, 5, 3)),
            Pair(reference=(20, 20, 20), current=(3, 7, 8)),
        ),
        (
            "a thin tail joins its neighbour and the middle stays fine",
            Binned(ordered=(1, 2, 40, 40, 10, 8)),
            Binned(ordered=(0, 0, 12, 10, 4, 3)),
            Pair(reference=(43, 40, 18), current=(12, 10, 7)),
        ),
        (
            "a constant feature is judged by what is missing",
            Binned(ordered=(100,), missing=10),
            Binned(ordered=(90,), missing=20),
            Pair(reference=(100, 10), current=(90, 20)),
        ),
        (
            "a constant on both sides is held against what it never was",
            Binned(ordered=(0, 100, 0)),
            Binned(ordered=(0, 10, 0)),
            Pair(reference=(100, 0), current=(10, 0)),
        ),
        (
            "a constant that nobody expected is one, too",
            Binned(ordered=(0, 0), other=100),
            Binned(ordered=(0, 0), other=90),
            Pair(reference=(100, 0), current=(90, 0)),
        ),
    ],
)
def test_comparable_bins(case: str, reference: Binned, current: Binned, expected: Pair) -> None:
    assert bins.comparable(reference, current=current) == expected, case


@pytest.mark.parametrize(
    ("case", "reference", "current", "expected"),
    [
        (
            "categories stand by name",
            {"b": 60.0, "a": 40.0},
            {"a": 50.0, "b": 70.0},
            Pair(reference=(40, 60), current=(50, 70)),
        ),
        (
            "what the reference does not know is other",
            {"a": 40.0, "b": 60.0},
            {"a": 50.0, "b": 70.0, "z": 3.0, "c": 2.0},
            Pair(reference=(40, 60, 0), current=(50, 70, 5)),
        ),
        (
            "a category called other is that one",
            {"a": 40.0, "b": 60.0, "other": 7.0},
            {"a": 50.0, "b": 70.0, "z": 3.0, "other": 2.0},
            Pair(reference=(40, 60, 7), current=(50, 70, 5)),
        ),
        (
            "the rare ones of a small window become other",
            {"a": 50.0, "b": 40.0, "c": 6.0, "d": 4.0},
            {"a": 8.0, "b": 7.0, "d": 3.0},
            Pair(reference=(50, 40, 10), current=(8, 7, 3)),
        ),
        (
            "a category that vanished stays a bin",
            {"a": 50.0, "b": 50.0},
            {"a": 100.0},
            Pair(reference=(50, 50), current=(100, 0)),
        ),
        (
            "the only category of both is held against what it never was",
            {"a": 50.0},
            {"a": 100.0},
            Pair(reference=(50, 0), current=(100, 0)),
        ),
    ],
)
def test_comparable_categories(
    case: str, reference: dict[str, float], current: dict[str, float], expected: Pair
) -> None:
    assert bins.comparable_categories(reference, current=current) == expected, case


@pytest.mark.parametrize(
    ("reference", "current", "reason"),
    [
        (Binned(ordered=(0, 0)), Binned(ordered=(5, 5)), Reason.NO_DATA),
        (Binned(ordered=(5, 5)), Binned(ordered=(0, 0)), Reason.NO_DATA),
        (Binned(ordered=(0, 5)), Binned(ordered=(0, 9)), Reason.INSUFFICIENT),
        (Binned(ordered=(5, 5)), Binned(ordered=(2, 3)), Reason.INSUFFICIENT),
        (Binned(ordered=(0, 0), missing=99), Binned(ordered=(0, 0), missing=99), Reason.NO_DATA),
    ],
)
def test_what_cannot_be_compared_is_named(
    reference: Binned, current: Binned, reason: Reason
) -> None:
    found = bins.comparable(reference, current=current)

    assert isinstance(found, Problem)
    assert found.reason is reason


def test_what_is_missing_is_never_folded_into_the_others() -> None:
    reference = {"a": 50.0, "b": 40.0, "c": 6.0, "missing": 4.0}
    current = {"a": 8.0, "b": 7.0, "missing": 3.0}

    found = bins.comparable_categories(reference, current=current)
    assert found == Pair(reference=(50, 40, 4, 6), current=(8, 7, 3, 0))


@pytest.mark.parametrize(
    ("case", "reference", "current", "expected"),
    [
        (
            "edges stand in the order of their numbers, missing and other apart",
            {"10": 30.0, "2": 20.0, "+Inf": 40.0, "missing": 6.0, "other": 4.0},
            {"10": 31.0, "2": 21.0, "+Inf": 41.0, "missing": 7.0, "other": 5.0},
            Pair(reference=(20, 30, 40, 6, 4), current=(21, 31, 41, 7, 5)),
        ),
        (
            "an edge may be negative, or written in another way",
            {"-1e3": 30.0, "0.50": 30.0, "Inf": 40.0},
            {"-1e3": 31.0, "0.50": 31.0, "Inf": 41.0},
            Pair(reference=(30, 30, 40), current=(31, 31, 41)),
        ),
        (
            "numbers without a last edge are categories",
            {"1": 30.0, "10": 30.0, "2": 40.0},
            {"1": 31.0, "10": 31.0, "2": 41.0},
            Pair(reference=(30, 30, 40), current=(31, 31, 41)),
        ),
        (
            "categories without a list may be new",
            {"a": 50.0, "b": 50.0},
            {"a": 60.0, "z": 40.0},
            Pair(reference=(50, 50, 0), current=(60, 0, 40)),
        ),
        (
            "a list of categories",
            {"DE": 60.0, "+1": 30.0, "missing": 0.0, "other": 10.0},
            {"DE": 61.0, "+1": 31.0, "missing": 0.0, "other": 11.0},
            Pair(reference=(30, 60, 10), current=(31, 61, 11)),
        ),
    ],
)
def test_bins_by_label(
    case: str, reference: dict[str, float], current: dict[str, float], expected: Pair
) -> None:
    assert bins.by_label(reference, current=current) == expected, case


@pytest.mark.parametrize(
    ("reference", "current", "says"),
    [
        (
            {"1": 5.0, "+Inf": 5.0},
            {"2": 5.0, "+Inf": 5.0},
            "bins differ: 2 only of the candidate; 1 only of the reference",
        ),
        ({"1": 5.0, "+Inf": 5.0}, {"+Inf": 5.0}, "bins differ: 1 only of the reference"),
        (
            {"a": 5.0, "other": 5.0},
            {"a": 5.0, "other": 5.0, "b": 0.0, "c": 0.0, "d": 0.0, "e": 0.0},
            "bins differ: b, c, d and 1 more only of the candidate",
        ),
        ({"1": 5.0, "+Inf": 5.0, "missing": 0.0}, {"1": 5.0, "+Inf": 5.0}, "missing only of the"),
    ],
)
def test_other_edges_and_lists_are_named(
    reference: dict[str, float], current: dict[str, float], says: str
) -> None:
    found = bins.by_label(reference, current=current)

    assert isinstance(found, Problem)
    assert found.reason is Reason.INCOMPATIBLE_BINS
    assert says in found.message


def test_no_categories_at_all_are_no_data() -> None:
    found = bins.comparable_categories({}, current={})

    assert isinstance(found, Problem)
    assert found.reason is Reason.NO_DATA


counts = st.integers(0, 60)
histograms = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        *[
            st.builds(
                Binned,
                ordered=st.tuples(*[counts] * size),
                missing=st.integers(0, 5),
                other=st.integers(0, 5),
            )
        ]
        * 2
    )
)


@given(histograms)
def test_merging_keeps_every_observation_and_fills_the_bins(both: tuple[Binned, Binned]) -> None:
    reference, current = both
    found = bins.comparable(reference, current=current)
    if isinstance(found, Problem):
        return

    totals = [sum(side.ordered) + side.missing + side.other for side in both]
    assert [sum(found.reference), sum(found.current)] == totals
    filled = [one + two > 0 for one, two in zip(found.reference, found.current, strict=True)]
    assert all(filled) or filled == [True, False]
    apart = sum((reference.missing + current.missing > 0, reference.other + current.other > 0))
    ordered = found.reference[: len(found.reference) - apart]
    thin = totals[1] < 5 * len(found.reference)
    if thin and len(ordered) > 1:
        assert min(ordered) * totals[1] / totals[0] >= bins.MIN_EXPECTED


@given(histograms)
def test_what_is_merged_depends_on_the_current_window_by_its_total_alone(
    both: tuple[Binned, Binned],
) -> None:
    reference = Binned(ordered=tuple(one + 1 for one in both[0].ordered))
    turned = Binned(ordered=both[1].ordered[::-1])

    one = bins.comparable(reference, current=Binned(ordered=both[1].ordered))
    two = bins.comparable(reference, current=turned)

    if isinstance(one, Pair) and isinstance(two, Pair):
        assert one.reference == two.reference


@pytest.mark.parametrize(
    ("counts", "edges", "expected"),
    [
        ((1, 2, 3), (0.0, 1.0), ((1, 2, 3), (0.0, 1.0))),
        ((1, 0, 2, 3), (0.0, 0.0, 1.0), ((1, 2, 3), (0.0, 1.0))),
        ((9, 0, 0, 4), (5.0, 5.0, 5.0), ((9, 4), (5.0,))),
        ((7,), (), ((7,), ())),
    ],
)
def test_bins_without_width_collapse(
    counts: tuple[float, ...],
    edges: tuple[float, ...],
    expected: tuple[tuple[float, ...], tuple[float, ...]],
) -> None:
    assert bins.collapse_equal_edges(counts, edges=edges) == expected


@pytest.mark.parametrize(
    ("predictions", "inputs", "agrees"),
    [(1000, 1000, True), (1000, 1010, True), (1000, 1011, False), (0, 0, True), (0, 1, False)],
)
def test_an_exporter_that_loses_inputs_is_noticed(
    predictions: float, inputs: float, *, agrees: bool
) -> None:
    assert bins.exporter_agrees(predictions, inputs=inputs) is agrees
    assert bins.exporter_agrees(inputs, inputs=predictions) is agrees


def test_negative_or_missing_counts_are_refused() -> None:
    for bad in (-1.0, math.nan):
        with pytest.raises(AssertionError):
            bins.comparable(Binned(ordered=(5, 5)), current=Binned(ordered=(9, bad)))
        with pytest.raises(AssertionError):
            bins.comparable_categories({"a": 5.0}, current={"b": 9.0, "c": bad})
