"""Accuracy, precision, recall and F1 as bad events out of n."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tidegate.evidence.counts import qualities
from tidegate.evidence.counts.qualities import Confusion, Events
from tidegate.evidence.terms import Measure

CONFUSION = Confusion(tp=60, fp=20, fn=30)
RIGHT, LABELLED = 150.0, 200.0
BINARY = [one for one in Measure if one is not Measure.ACCURACY]
SKLEARN = {
    Measure.ACCURACY: metrics.accuracy_score,
    Measure.PRECISION: metrics.precision_score,
    Measure.RECALL: metrics.recall_score,
    Measure.F1: metrics.f1_score,
}
cells = st.integers(0, 500)


def events(measure: Measure) -> Events:
    if measure is Measure.ACCURACY:
        return qualities.of_labels(LABELLED, correct=RIGHT)
    return qualities.of_cells(CONFUSION, measure=measure)


@pytest.mark.parametrize(
    ("measure", "n", "x"),
    [
        (Measure.ACCURACY, 200, 50),
        (Measure.PRECISION, 80, 20),
        (Measure.RECALL, 90, 30),
        (Measure.F1, 110, 50),
    ],
)
def test_qualities_as_events(measure: Measure, n: float, x: float) -> None:
    assert events(measure) == Events(n=n, x=x)


@pytest.mark.parametrize("measure", list(Measure))
def test_qualities_agree_with_scikit_learn(measure: Measure) -> None:
    table = [(1, 1, 60), (0, 1, 20), (1, 0, 30), (0, 0, 90)]
    truth = np.repeat([one[0] for one in table], [one[2] for one in table])
    said = np.repeat([one[1] for one in table], [one[2] for one in table])
    found = events(measure)

    value = qualities.quality(found.x, n=found.n, measure=measure)

    assert value == pytest.approx(SKLEARN[measure](truth, said), rel=1e-12)


@given(cells, cells, cells, cells, cells, cells)
def test_f1_and_its_events_are_ordered_alike(  # noqa: PLR0917
    tp: int, fp: int, fn: int, tp2: int, fp2: int, fn2: int
) -> None:
    def both(tp: int, fp: int, fn: int) -> tuple[float, float] | None:
        found = qualities.of_cells(Confusion(tp=tp, fp=fp, fn=fn), measure=Measure.F1)
        f1 = qualities.quality(found.x, n=found.n, measure=Measure.F1)
        return None if f1 is None else (f1, 1 - found.x / found.n)

    one, two = both(tp, fp, fn), both(tp2, fp2, fn2)
    if one and two and abs(one[1] - two[1]) > 1e-12:
        assert (one[0] < two[0]) == (one[1] < two[1])


def test_without_events_there_is_no_quality() -> None:
    assert qualities.quality(0, n=0, measure=Measure.F1) is None


@pytest.mark.parametrize("measure", list(Measure))
@given(value=st.floats(0.01, 0.99))
def test_a_limit_is_the_rate_at_which_the_quality_has_its_value(
    measure: Measure, value: float
) -> None:
    rate = qualities.bad_rate(value, measure=measure)

    assert qualities.quality(rate, n=1.0, measure=measure) == pytest.approx(value)


def test_more_right_ones_than_labels_are_no_wrong_ones() -> None:
    assert qualities.of_labels(10, correct=11) == Events(n=10, x=0)


@pytest.mark.parametrize("measure", BINARY)
def test_a_cell_that_no_measure_needs_changes_nothing(measure: Measure) -> None:
    spare = {"tp", "fp", "fn"} - set(qualities.cells_of(measure))
    more = Confusion(**({"tp": 60, "fp": 20, "fn": 30} | dict.fromkeys(spare, 999)))

    assert qualities.of_cells(more, measure=measure) == events(measure)
