"""Checks and words that the statistics beside the e-processes share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tidegate.evidence.terms import Problem, Reason

Vector = npt.NDArray[np.float64]
Numbers = Sequence[float] | Vector  # what a notebook has at hand; read more than once


def finite(values: Iterable[float]) -> Vector:
    """The values as a float array of one dimension; a NaN or an infinity is a programmer error."""
    found = np.asarray(tuple(values), dtype=np.float64)
    assert found.ndim == 1, found.shape
    assert np.isfinite(found).all(), "a value is not finite"
    return found


def counts(values: Iterable[float]) -> Vector:
    """Counts as a float array of one dimension; none is negative."""
    found = finite(values)
    assert (found >= 0).all(), "a count is negative"
    return found


def assert_events(x: float, *, n: float) -> None:
    """Events out of requests must be 0 <= x <= n, both finite."""
    assert 0 <= x <= n < float("inf"), (x, n)


def no_data(message: str) -> Problem:
    """There is nothing to judge."""
    return Problem(reason=Reason.NO_DATA, message=message)


def insufficient(message: str) -> Problem:
    """There is something, but too little to say anything."""
    return Problem(reason=Reason.INSUFFICIENT, message=message)
